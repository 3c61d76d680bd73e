/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "base/digest.h"
#include "base/error.h"

/* One pass over a layer as it was sent: its bytes are hashed, inflated (gzip, zstd, or
 * plain, told apart by the first bytes), and what comes out is hashed again. A thread of the
 * reader's own does that ahead of the caller, so that one large layer keeps two processors
 * busy. */
struct blob_reader;

struct blob_limits {
	uint64_t max_bytes; /* inflated */
	uint32_t max_ratio; /* inflated to sent, looked at from ratio_from bytes on */
	uint64_t ratio_from;
};

/* @fd is borrowed and read from offset 0. */
int blob_reader_new(int fd, const struct blob_limits *limits, struct blob_reader **ret,
		    struct volt_error *e);
void blob_reader_free(struct blob_reader *b);
DEFINE_CLEANUP(struct blob_reader *, blob_reader_free)

/* The next inflated bytes, valid until the next call; returns how many, 0 at the end.
 * -EBADMSG for damaged or truncated data, and for garbage after it; -EFBIG for limits. */
ssize_t blob_reader_next(struct blob_reader *b, const void **ret, struct volt_error *e);

struct blob_sums {
	struct digest blob; /* as sent */
	struct digest diff; /* inflated: OCI's diff_id */
	uint64_t blob_size, diff_size;
};

/* To be called after blob_reader_next() has returned 0. */
int blob_reader_sums(struct blob_reader *b, struct blob_sums *ret, struct volt_error *e);
