/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "volt.h"

/* Values as TFS 5 writes them, one after the other into a buffer: a tuple says how many
 * attributes it has, and those that many pairs of a name and a value follow. One that is all
 * zeros is new. */
struct tfs_encoder {
	uint8_t *v;
	size_t n, room;
	uint32_t
		last; /* index that was given last: tuples, vectors and new names have one */
	struct tfs_name *names; /* those that have one, found by hash */
	size_t n_names, names_mask;
	bool failed; /* out of memory: nothing more is put */
};

void tfs_encoder_done(struct tfs_encoder *c);

void tfs_put_bytes(struct tfs_encoder *c, const void *data, size_t size);
void tfs_put_byte(struct tfs_encoder *c, uint8_t byte);
void tfs_put_varint(struct tfs_encoder *c, uint64_t n);
size_t tfs_varint_size(uint64_t n);

/* A name that has an index already, as what is appended to a log must know; its text is
 * borrowed. */
void tfs_know_name(struct tfs_encoder *c, const char *name, size_t size, uint32_t index);

/* The name of the attribute whose value comes next. */
void tfs_put_name(struct tfs_encoder *c, const char *name, size_t size);

/* A value. The first two return the index by which it can be referred to. */
uint32_t tfs_put_tuple(struct tfs_encoder *c, uint64_t attributes);
uint32_t tfs_put_vector(struct tfs_encoder *c, uint64_t elements);
void tfs_put_tuple_again(struct tfs_encoder *c, uint32_t index, uint64_t attributes);
void tfs_put_text(struct tfs_encoder *c, const char *text, size_t size);
void tfs_put_integer(struct tfs_encoder *c, uint64_t n);

/* Name and value of a number. */
void tfs_put_number(struct tfs_encoder *c, const char *name, uint64_t n);

/* What is in the log besides: the frame before a record that is in one piece, the end of the
 * log, the link to its next extension. */
enum tfs_frame {
	TFS_FRAME_END = 1,
	TFS_FRAME_TUPLE = 2,
	TFS_FRAME_LINK = 5
};

void tfs_put_frame(struct tfs_encoder *c, uint64_t record);
uint64_t tfs_frame_size(uint64_t record);

/* The members of a JSON object (NULL: none) as attributes, and how many that makes; tfs.h
 * says how. null is the mark of what is to be deleted where that is allowed. -EINVAL names
 * the member. */
uint64_t tfs_count_json(const json_t *j);
int tfs_put_json(struct tfs_encoder *c, const json_t *j, bool may_delete,
		 struct volt_error *e);
