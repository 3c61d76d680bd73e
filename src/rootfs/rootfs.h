/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "image/tree.h"

/* A merged tree made mountable, cached under rootfs/ by the tree's digest: a name there is
 * absent or complete, two makers at once are fine, and any of it may be evicted and made
 * again. */

/* rootfs/<tree digest>.erofs; returns a read-only descriptor. */
int rootfs_erofs(int rootfd, struct store *s, const struct digest *tree,
		 struct volt_error *e);

/* rootfs/<tree digest>.tree/, the hard-link directory ("TinyVol"), for QEMU's 9p server
 * with security_model=mapped-file, readonly=on; returns a directory descriptor. While a
 * copy of that descriptor is open anywhere, the directory is not evicted. */
int rootfs_tinyvol(int rootfd, struct store *s, const struct digest *tree,
		   struct volt_error *e);

/* The same, rootfs/<tree digest>.host/, for servers that show what the host's file system
 * holds: virtiofs, 9p with security_model=passthrough. Owners and modes are right if root
 * makes it; doc/architecture.md tells what each shows. */
int rootfs_tinyvol_host(int rootfd, struct store *s, const struct digest *tree,
			struct volt_error *e);

/* Removes all three; -EBUSY if a directory is in use. An image that is open stays usable. */
int rootfs_evict(int rootfd, const struct digest *tree, struct volt_error *e);

enum rootfs_kind {
	ROOTFS_EROFS,
	ROOTFS_TINYVOL,
	ROOTFS_SCRATCH /* the empty disks that writable layers are copied from */
};

struct rootfs_info {
	enum rootfs_kind kind;
	struct digest tree; /* zeroes for ROOTFS_SCRATCH */
	uint64_t bytes;     /* as long as it is */
	uint64_t allocated; /* as it takes on disk; shared files are not counted again */
	int64_t made_at;    /* seconds since 1970 */
};

/* What is under rootfs/, sorted by kind and digest. The caller frees *@ret. */
int rootfs_list(int rootfd, struct rootfs_info **ret, size_t *ret_n,
		struct volt_error *e);
