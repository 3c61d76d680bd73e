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
 * copy of that descriptor is open anywhere, the directory is not evicted. The image's
 * extended attributes are not in it: the model has no place for them beside the objects'
 * shared inodes. */
int rootfs_tinyvol(int rootfd, struct store *s, const struct digest *tree,
		   struct volt_error *e);

/* The same, rootfs/<tree digest>.host/, for servers that show what the host's file system
 * holds: virtiofs, 9p with security_model=passthrough. Owners and modes are right if root
 * makes it; doc/images.md tells what each shows. */
int rootfs_tinyvol_host(int rootfd, struct store *s, const struct digest *tree,
			struct volt_error *e);

/* Removes all of them, and what nanos-base.h makes of the tree; -EBUSY if a directory is in use. An image that is open stays usable. */
int rootfs_evict(int rootfd, const struct digest *tree, struct volt_error *e);

/* Removes what nobody will ask for again, such as a crash between removing an image and
 * evicting what was made of it leaves: all of every tree that @s does not have; and
 * the empty disks that writable layers are copied from (scratch.h), as they are made again
 * in no time. A directory that is in use stays. */
int rootfs_sweep(int rootfd, const struct store *s, struct volt_error *e);
