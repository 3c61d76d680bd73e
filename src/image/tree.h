/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"
#include "store/ingest.h"
#include "store/store.h"

/* A tree: every file of one layer, or of a whole image after merging, in memory.
 *
 * Entries are sorted by path, component by component (as if '/' were the lowest byte), so
 * a directory stands before what is in it, its children's subtrees are contiguous, and a
 * reader needs one pass. Entry 0 is the root, path "". Every parent is present and is a
 * directory. Paths are clean (path_is_clean()), bytes otherwise free. Strings live as long
 * as the tree. */
#define TREE_NONE UINT32_MAX

enum tree_flags {
	TREE_IMPLIED = 1 << 0, /* a parent that the archive did not hold itself */
};

struct tree_xattr {
	const char *name; /* "user.x", "security.capability" */
	const void *value;
	uint32_t size;
};

struct tree_entry {
	const char *path;
	uint32_t mode; /* st_mode: type and 07777 */
	uint32_t uid, gid;
	uint32_t rdev_major, rdev_minor; /* S_IFCHR, S_IFBLK */
	uint64_t size;                   /* S_IFREG: bytes; S_IFLNK: length of target */
	int64_t mtime;                   /* seconds since 1970 */
	uint32_t mtime_nsec;
	uint32_t hardlink;    /* another name of this earlier entry, or TREE_NONE; all
			       * other fields are copies of that entry's */
	const char *target;   /* S_IFLNK */
	struct digest object; /* S_IFREG with size > 0; OBJECT_EXEC where mode & 0111 */
	const struct tree_xattr *xattrs;
	uint32_t n_xattrs;
	uint32_t flags; /* enum tree_flags */
};

struct tree {
	struct tree_entry *v;
	uint32_t n;
	struct tree_arena *arena; /* owns all strings and xattrs */
};

void tree_free(struct tree *t);
DEFINE_CLEANUP(struct tree *, tree_free)

/* A merged tree as an object of the store: hashed and checked when read (-EBADMSG). The
 * format is in doc/formats.md. tree_store() also adds the list object (store/ref.h) that
 * keeps the tree's contents alive. */
int tree_load(const struct store *s, const struct digest *d, struct tree **ret,
	      struct volt_error *e);
int tree_store(struct ingest *g, const struct tree *t, struct digest *ret_tree,
	       struct digest *ret_list, struct volt_error *e);
