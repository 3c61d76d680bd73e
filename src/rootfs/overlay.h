/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/error.h"
#include "rootfs/byte-source.h"
#include "rootfs/tfs.h"

/* What one machine has changed on a disk that many share: a qcow2 file that names no backing
 * file. QEMU is told by -blockdev that the base is behind it ("backing": a node's name). */
#define OVERLAY_SIZE_MAX (16ull << 40)

struct overlay_wish {
	int base;      /* what is behind it, raw; open for reading */
	uint64_t size; /* of the disk; the base may be shorter, then zeros follow */
	const struct tfs_patch *patches;
	size_t n_patches;
};

/* Makes the file @name (no slash) below @dirfd, which holds the patches, each with what the
 * base has around it in the same 64 KiB. @name is absent or complete; "@name.tmp", which is
 * the caller's alone, is used meanwhile.
 * -EEXIST: it is there already; -EINVAL: a patch or @size is out of range. */
int overlay_make(int dirfd, const char *name, const struct overlay_wish *w,
		 struct volt_error *e);

/* One that is open for reading. QEMU, that is to say a guest, may have written it. */
struct overlay {
	int fd, base;  /* borrowed */
	uint64_t size; /* of the disk */
	uint64_t l1;   /* where its first table is */
	uint32_t l1_entries;
	unsigned int cluster_bits;
};

/* -ENOTSUP: not qcow2 version 3, or one with encryption, snapshots, data in another file,
 * or what this does not know; -EBADMSG: broken. */
int overlay_open(int fd, int base, struct overlay *ret, struct volt_error *e);

/* As struct byte_source says; the base's bytes where the overlay has none. -EBADMSG: broken;
 * -ENOTSUP: compressed. */
ssize_t overlay_read(const struct overlay *o, void *buf, size_t size, uint64_t at);

/* @o lives as long as what is returned. */
struct byte_source overlay_source(const struct overlay *o);
