/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdatomic.h>
#include <stddef.h>

#include "image/tree.h"

/* What a tree owns: memory that is handed out in pieces and freed at once. */
struct tree_arena;

int tree_arena_new(struct tree_arena **ret);
void tree_arena_free(struct tree_arena *a);
DEFINE_CLEANUP(struct tree_arena *, tree_arena_free)

/* Aligned for any type, not cleared; NULL: out of memory. A @size of 0 is fine. */
void *tree_arena_alloc(struct tree_arena *a, size_t size);
void *tree_arena_copy(struct tree_arena *a, const void *data, size_t size);

/* Makes the @size bytes at @p, which malloc() returned, the arena's. -ENOMEM: they stay the
 * caller's. */
int tree_arena_adopt(struct tree_arena *a, void *p, size_t size);

/* All bytes the arena holds, to keep an eye on what hostile input makes it hold. */
size_t tree_arena_size(const struct tree_arena *a);

/* What trees may take in memory; several share a limit where they share @used. */
struct tree_budget {
	atomic_size_t *used;
	size_t max;
};

/* Counts @size bytes more; -E2BIG when they are too many. */
int tree_budget_take(const struct tree_budget *m, size_t size, struct volt_error *e);

/* The order of paths in a tree: component by component, '/' below every other byte. */
int tree_path_compare(const char *a, const char *b);

/* Makes a tree of entries that come in any order, as an archive holds them.
 *
 * Adding a path again replaces what had it, as unpacking would: a directory over a
 * directory changes its attributes only, anything else over a directory takes away what
 * was in it, and other names of a replaced file keep the file. Everything is copied. */
struct tree_builder;

int tree_builder_new(struct tree_builder **ret, struct volt_error *e);
void tree_builder_free(struct tree_builder *b);
DEFINE_CLEANUP(struct tree_builder *, tree_builder_free)

/* @entry->path is "" (the root) or clean, else -EINVAL; @entry->hardlink is not looked
 * at. -EINVAL also for a type that is none. */
int tree_builder_add(struct tree_builder *b, const struct tree_entry *entry,
		     struct volt_error *e);

/* @path becomes another name of what @target names now. -ENOENT: nothing has that name;
 * -EPERM: a directory has it. */
int tree_builder_link(struct tree_builder *b, const char *path, const char *target,
		      struct volt_error *e);

/* What @path is so far (not following links), valid until the next call; or NULL. */
const struct tree_entry *tree_builder_find(const struct tree_builder *b,
					   const char *path);

/* What stands in the way to @path: the uppermost of the names above it that is no directory
 * but a file or a link, and where it ends in @path; NULL: nothing. */
const struct tree_entry *tree_builder_obstacle(const struct tree_builder *b,
					       const char *path, size_t *ret_end);

/* About how much memory all that was ever added takes. */
size_t tree_builder_memory(const struct tree_builder *b);

/* Sorts, adds the parents that are missing (0755, owned by 0:0, time 0, TREE_IMPLIED), and
 * resolves the hard links: the first name in order is the file, the others refer to it.
 * What the missing parents take is taken from @budget (NULL: no limit): one path may have
 * two thousand. -E2BIG; -ENOTDIR: an entry's parent is no directory. The builder is empty
 * afterwards, also on failure. */
int tree_builder_finish(struct tree_builder *b, const struct tree_budget *budget,
			struct tree **ret, struct volt_error *e);
