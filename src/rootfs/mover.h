/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "image/tree.h"

/* Moves file contents to their places in an image of a file system. */

/* Files up to this size are gathered in a buffer; larger ones are moved by the kernel. */
#define MOVER_SMALL (64u << 10)

/* Bytes of a content that stay together. */
struct mover_piece {
	uint64_t from, size; /* in the content */
	uint64_t to;         /* in the image */
};

/* Where one content goes: pieces, and what is left of it, its last bytes, to memory. What
 * is in none of them is not moved. A small file has one piece, from 0. */
struct mover_place {
	struct mover_piece one; /* where there is just one; its size may be 0 */
	const struct mover_piece *pieces;
	size_t n_pieces;  /* 0: one */
	uint32_t padding; /* of a small file: zeros behind the piece */
	uint32_t tail_size;
	uint8_t *tail;
};

struct mover_job {
	const struct tree *tree;
	int fd;           /* of the image, sized already */
	const char *what; /* "an EROFS image" */
	/* Tells where the content of @entry, a file with bytes, goes; false: nowhere. */
	bool (*place)(const void *data, uint32_t entry, struct mover_place *ret);
	/* Both are called by several threads at once. */
	int (*open)(const void *data, uint32_t entry, struct volt_error *e);
	const void *data;
	bool from_store; /* contents are objects of the store */
	bool sync_soon;  /* the caller waits for the disk: let it begin meanwhile */
};

/* A content that is shorter or longer than the tree says is -EBADMSG. Every error names
 * the file. */
int mover_run(const struct mover_job *j, struct volt_error *e);

/* Parts of an image in order: small files, those that move one by one, and huge ones, which
 * may be mostly holes. */
#define MOVER_HUGE (1u << 30)
struct mover_room {
	uint64_t start, large, huge; /* where each begins, and the small ones */
	uint64_t end;                /* of the image */
};

/* Sets room aside for all but the huge ones, so that a full disk is found before the work
 * is done, and the file is in one piece; where files are reflinked, their blocks are there
 * already. */
int mover_make_room(const struct mover_job *j, const struct mover_room *room,
		    struct volt_error *e);
