/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "image/tree.h"

/* A merged tree made mountable, cached under rootfs/ by the tree's digest: a name there is
 * absent or complete, two makers at once are fine, and any of it may be evicted and made
 * again. */

/* rootfs/<tree digest>.erofs; returns a read-only descriptor. */
int rootfs_erofs(int rootfd, struct store *s, const struct digest *tree,
		 struct volt_error *e);

/* rootfs/<tree digest>.tree/, the hard-link directory ("TinyVol") for 9p and virtiofs;
 * returns a directory descriptor. */
int rootfs_tinyvol(int rootfd, struct store *s, const struct digest *tree,
		   struct volt_error *e);

/* Removes both; what a running machine has open stays usable to it. */
int rootfs_evict(int rootfd, const struct digest *tree, struct volt_error *e);
