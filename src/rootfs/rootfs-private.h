/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <dirent.h>
#include <stdbool.h>

#include "rootfs/rootfs.h"

/* rootfs/scratch-<bytes>.ext4 */
#define SCRATCH_PREFIX "scratch-"
#define SCRATCH_SUFFIX ".ext4"

/* rootfs/<tree digest>-<key>.nanos */
#define NANOS_BASE_SUFFIX ".nanos"

/* Is @name such a name, and of which tree? */
bool rootfs_is_nanos(const char *name, struct digest *ret_tree);

/* Opens rootfs/ below volt's root. */
int rootfs_open(int rootfd, struct volt_error *e);

/* Something under rootfs/ that is made under a temporary name, which belongs to whoever
 * holds the lock of its key: what is found there while holding it was left by a crash. */
struct rootfs_making {
	int dir;       /* rootfs/, borrowed */
	int lock;      /* closes with rootfs_making_done() */
	char name[96]; /* the final one */
	char tmp[104]; /* while it is made; "" once it has its name */
};

int rootfs_making_begin(struct rootfs_making *k, int dir, const char *name,
			struct volt_error *e);

/* Renames it and makes the name durable; the content was synced by the caller. */
int rootfs_making_commit(struct rootfs_making *k, struct volt_error *e);

/* Removes what was not committed, and ends the lock. */
void rootfs_making_done(struct rootfs_making *k);
