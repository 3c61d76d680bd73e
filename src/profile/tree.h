/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/lock.h"
#include "profile/manifest.h"

/* The directory qemu/ of volt's root, for the files of this layer that write to it. */

/* O_RDONLY; made if it is missing. */
int trees_open(const struct profiles *ps, struct volt_error *e);

/* A lock file in it, of a tree: ".lock-<tree>" is held shared by whoever uses the tree and
 * exclusively to remove it, ".make-<tree>" to make it. Holders may remove the file. */
#define TREE_LOCK_USE  ".lock-"
#define TREE_LOCK_MAKE ".make-"
int tree_lock(int trees, const char *which, const char *tree, enum lock_mode mode,
	      bool wait);
void tree_lock_remove(int trees, const char *which, const char *tree);

/* The lock of qemu/ itself, for what takes a moment: temporary names that are files. */
int trees_lock(int trees, bool wait);

/* Removes what the dead have left, as far as nobody else is at work. */
void trees_sweep(int trees);

/* Opens (making it, 0755) the directory that @path is in, below @root. */
int tree_parent(int root, const char *path);

/* Links the object of @entry as @name in @dir, where nothing has that name. 0: linked, 1:
 * copied. */
int tree_link(const struct store *s, const struct profile_entry *entry, int dir,
	      const char *name, struct volt_error *e);

/* -EBADMSG unless the file has the content and the mode of the entry. */
int tree_check(const struct profile_entry *entry, int fd);

/* Makes all that @m has in the empty directory @root, verified and synced; counts in @a. */
struct assembled;
int tree_fill(const struct profiles *ps, const struct profile_manifest *m, int root,
	      struct assembled *a, struct volt_error *e);
