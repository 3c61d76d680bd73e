/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdatomic.h>

#include "store/ingest.h"
#include "store/internal.h"

/* What ingest.c and ingest-stream.c share. */

#define INGEST_BLOCK 4096u

#define STAGING_NAME_SIZE 17

struct ingest {
	struct store *store; /* borrowed */
	struct store view;   /* its descriptors, and @dir */
	int lease, dir;
	char name[STAGING_NAME_SIZE]; /* of @dir below cas/staging */
	atomic_uint streams, staged;
	atomic_bool failed;
};

/* Marks the ingest so that it cannot be committed; returns @r. */
int ingest_failed(struct ingest *g, int r);

/* Writes at @offset (a multiple of INGEST_BLOCK), leaving whole blocks of zeroes out. */
int write_sparse(int fd, const char *p, size_t size, off_t offset);

/* Size and mode come last: a hole at the end is not written. */
int ingest_seal(int fd, uint64_t size, enum object_kind kind);

/* Gives the file @from its object's name in staging; where the content is there already
 * the file is removed. */
int ingest_stage_as(struct ingest *g, int dirfd, const char *from, const struct digest *d,
		    enum object_kind kind, uint64_t size);
