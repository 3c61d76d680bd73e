/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

#include "image/tree-builder.h"

/* Binary search by path, so it relies on the tree's order; NULL if absent. */
static inline const struct tree_entry *tree_find(const struct tree *t, const char *path)
{
	uint32_t low = 0, high = t->n;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		int c = tree_path_compare(path, t->v[mid].path);

		if (c == 0)
			return &t->v[mid];
		if (c < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return NULL;
}
