/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "image/tree.h"

/* Where an entry stands in its tree. */
struct shape_place {
	uint32_t dir;    /* the entry of the directory it is in */
	uint32_t before; /* the entry before it there, or TREE_NONE */
	uint16_t name;   /* where its last component begins in tree_entry.path */
};

/* Calls @visit for each entry but the root, in order, after it has checked what a tree
 * promises (image/tree.h) and a file may break: a root, parents before their children, names
 * that are none of "", "." and "..", of at most 255 bytes and in order, hard links to files
 * before them. -EBADMSG where that is not so. */
int shape_walk(const struct tree *t,
	       void (*visit)(void *data, uint32_t i, const struct shape_place *at),
	       void *data, struct volt_error *e);
