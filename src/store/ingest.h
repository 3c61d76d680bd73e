/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "store/store.h"

/* Adding objects, many at a time.
 *
 * An ingest stages files under cas/staging/<random>/, and ingest_commit() makes them
 * durable together (one syncfs() where there are many) before any gets its name: a name
 * is absent or complete, whatever crashes. It holds a lease from begin to end, so that gc
 * cannot take what no ref names yet: write the ref after ingest_commit() and before
 * ingest_end(). ingest_begin() also clears what dead writers left, if nobody else uses
 * the store just then. All functions but begin/commit/end may be called from several
 * threads at once. */
struct ingest;

int ingest_begin(struct store *s, struct ingest **ret, struct volt_error *e);

/* Stages @data, unless the store (or this ingest) has it. */
int ingest_add(struct ingest *g, const void *data, size_t size, enum object_kind kind,
	       struct digest *ret, struct volt_error *e);

/* A large object in pieces. Runs of zeroes of whole 4 KiB blocks become holes. finish or
 * abort frees it (finish also when it fails). One stream is for one thread. */
struct ingest_stream;
int ingest_stream_new(struct ingest *g, enum object_kind kind, struct ingest_stream **ret,
		      struct volt_error *e);
int ingest_stream_write(struct ingest_stream *w, const void *data, size_t size,
			struct volt_error *e);
int ingest_stream_finish(struct ingest_stream *w, struct digest *ret,
			 struct volt_error *e);
void ingest_stream_abort(struct ingest_stream *w);
DEFINE_CLEANUP(struct ingest_stream *, ingest_stream_abort)

/* All of the open file @fd by a stream. @ret_size, its size, may be NULL. */
int ingest_file(struct ingest *g, int fd, enum object_kind kind, struct digest *ret,
		uint64_t *ret_size, struct volt_error *e);

/* Takes over a file that volt alone wrote on the same file system (a downloaded layer),
 * by rename where possible, else by copy. The caller has hashed it while reading it and
 * vouches for @d; its mode is set to the object's. On success @name is gone. */
int ingest_adopt(struct ingest *g, int dirfd, const char *name, const struct digest *d,
		 struct volt_error *e);

/* Has what was staged so far written to the disk, without any promise: work that the commit
 * need not wait for. */
void ingest_writeback(struct ingest *g);

/* The store as it will be after the commit, for whoever reads objects before it or beside
 * it; not to be closed, and gone with the ingest. */
struct store *ingest_view(struct ingest *g);

/* May be called more than once. Refuses (-ECANCELED) after any add, stream or adopt has
 * failed for another reason than a caller's abort. */
int ingest_commit(struct ingest *g, struct volt_error *e);
void ingest_end(struct ingest *g); /* drops what was not committed, and the lease */
DEFINE_CLEANUP(struct ingest *, ingest_end)
