/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "rootfs/mover.h"
#include "rootfs/tfs-encode.h"
#include "rootfs/tfs-read.h"

#define TFS_MAGIC "NVMTFS"

/* A file that has holes. */
struct tfs_sparse {
	struct mover_piece
		*v; /* what is between them, in order; "to" counts from the fs */
	size_t n;
};

struct tfs_spot {
	uint64_t at;    /* S_IFREG: of its content, in bytes from the fs; whole sectors */
	uint32_t count; /* S_IFDIR: entries in it that are written; else names it has */
	uint32_t index; /* of its tuple, once that was put; for further names */
	uint32_t sparse; /* in tfs_image.sparse, or TREE_NONE */
};

/* A file system in the making. Offsets are in bytes from its beginning. */
struct tfs_image {
	const struct tfs_input *in;
	uint64_t start; /* where it begins in the file */
	bool bare;
	struct tfs_spot *nodes;
	struct tfs_sparse *sparse;
	size_t n_sparse;
	struct mover_room room; /* of the contents; its end is theirs */
	uint64_t log, log_size; /* the extension with the record */
	uint64_t size;
	struct tfs_encoder record;
	struct tfs_written stats;
};

static inline uint64_t tfs_sectors(uint64_t bytes)
{
	return bytes / TFS_SECTOR + (bytes % TFS_SECTOR != 0);
}

static inline uint64_t tfs_align(uint64_t n, uint64_t unit)
{
	return (n + unit - 1) / unit * unit;
}

/* What has a place in the file system. */
bool tfs_is_kept(const struct tree_entry *f);

int tfs_open_content(const struct tfs_input *in, uint32_t i, struct volt_error *e);

/* Decides where contents go (tfs-layout.c). */
int tfs_layout_plan(struct tfs_image *m, struct volt_error *e);

/* Puts the record that holds everything (tfs-record.c). */
int tfs_record_put(struct tfs_image *m, struct volt_error *e);

/* As tfs_write(), for boot code: it reads each extension of the log whole, in little memory,
 * so there is no room for another record; and files have no holes. */
int tfs_write_bare(const struct tfs_input *in, int fd, uint64_t at,
		   struct tfs_written *ret, struct volt_error *e);
