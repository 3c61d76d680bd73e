/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "image/blob-reader.h"

/* What blob_reader does, one chunk after the other. */
struct blob_decoder;

#define BLOB_CHUNK ((size_t)256 << 10)

/* @fd is borrowed and read from offset 0. */
int blob_decoder_new(int fd, const struct blob_limits *limits, struct blob_decoder **ret,
		     struct volt_error *e);
void blob_decoder_free(struct blob_decoder *b);
DEFINE_CLEANUP(struct blob_decoder *, blob_decoder_free)

/* The next inflated bytes, at most BLOB_CHUNK, into @out; else as blob_reader_next(). */
ssize_t blob_decoder_next(struct blob_decoder *b, uint8_t *out, struct volt_error *e);

/* As blob_reader_sums(). */
int blob_decoder_sums(struct blob_decoder *b, struct blob_sums *ret,
		      struct volt_error *e);
