/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

#include "base/error.h"

/* The writable layer of a machine that is kept: a raw disk with an empty ext4 on it. */
#define SCRATCH_SIZE_DEFAULT (10ull << 30)
#define SCRATCH_SIZE_MIN     (64ull << 20)
#define SCRATCH_SIZE_MAX     (16ull << 40)

/* Makes the file @name (no slash) below @dirfd: @size bytes, of which an empty disk takes
 * about a megabyte. The first disk of a size is made by mke2fs and kept under rootfs/;
 * the others are sparse copies of it, in milliseconds. @name is absent or complete;
 * "@name.tmp" is used meanwhile.
 * -EEXIST: it is there already; -EINVAL: @size is no multiple of 1 MiB or out of range;
 * -ENOENT: no mke2fs. */
int scratch_make(int rootfd, uint64_t size, int dirfd, const char *name,
		 struct volt_error *e);
