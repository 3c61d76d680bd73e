/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "image/tree.h"

/* Paths in a tree as a system that has it as its root would follow them: never out of it. */

/* The entry that has the clean path @path ("": the root), no link followed; TREE_NONE. */
uint32_t tree_find_path(const struct tree *t, const char *path);

/* Where what is below entry @i ends: the first entry behind its subtree. */
uint32_t tree_subtree_end(const struct tree *t, uint32_t i);

struct tree_walk {
	/* Called for each symbolic link on the way; NULL: nobody wants to know. */
	void (*link)(void *data, uint32_t entry);
	void *data;
};

/* The entry that @path leads to, absolute or from the root, through symbolic links, at most 40;
 * ".." stops at the root. -ENOENT, -ENOTDIR, -ELOOP, -ENAMETOOLONG. @w may be NULL. */
int tree_resolve(const struct tree *t, const char *path, const struct tree_walk *w,
		 uint32_t *ret);
