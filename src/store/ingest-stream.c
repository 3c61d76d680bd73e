/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "store/ingest-internal.h"
#include "store/sha256.h"

#define STREAM_BUF       (64u << 10)
#define STREAM_NAME_SIZE 16
#define COPY_SIZE        (256u << 10)

struct ingest_stream {
	struct ingest *ingest; /* borrowed */
	struct sha256 *hash;
	enum object_kind kind;
	int fd;
	char name[STREAM_NAME_SIZE];
	uint64_t size;  /* taken so far */
	uint64_t out;   /* written so far, a multiple of INGEST_BLOCK until the end */
	size_t pending; /* bytes in buf */
	char buf[STREAM_BUF];
};

static int stream_open(struct ingest_stream *w)
{
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	int r = sha256_new(&w->hash);

	if (r < 0)
		return r;
	(void)snprintf(w->name, sizeof(w->name), "s%u",
		       atomic_fetch_add(&w->ingest->streams, 1));
	w->fd = openat(w->ingest->dir, w->name, flags, object_mode(w->kind));
	return w->fd < 0 ? -errno : 0;
}

int ingest_stream_new(struct ingest *g, enum object_kind kind, struct ingest_stream **ret,
		      struct volt_error *e)
{
	_cleanup_(ingest_stream_abortp) struct ingest_stream *w = malloc(sizeof(*w));
	int r;

	if (!w) {
		(void)ingest_failed(g, -ENOMEM);
		return fail_oom(e);
	}
	memset(w, 0, offsetof(struct ingest_stream, buf));
	w->ingest = g;
	w->kind = kind;
	w->fd = -1;
	r = stream_open(w);
	if (r < 0) {
		(void)ingest_failed(g, r);
		return fail_code(e, r, "stage an object in the store");
	}
	*ret = TAKE_PTR(w);
	return 0;
}

static int stream_out(struct ingest_stream *w, const char *data, size_t size)
{
	int r = write_sparse(w->fd, data, size, (off_t)w->out);

	if (r >= 0)
		w->out += size;
	return r;
}

/* Gathers into the buffer; whole blocks of a large piece go straight from the caller. */
static int stream_take(struct ingest_stream *w, const char *data, size_t size)
{
	size_t n;
	int r = 0;

	while (size > 0 && r >= 0) {
		if (w->pending == 0 && size >= STREAM_BUF) {
			n = size - size % INGEST_BLOCK;
			r = stream_out(w, data, n);
		} else {
			n = size < STREAM_BUF - w->pending ? size
							   : STREAM_BUF - w->pending;
			memcpy(w->buf + w->pending, data, n);
			w->pending += n;
		}
		data += n;
		size -= n;
		if (r >= 0 && w->pending == STREAM_BUF) {
			r = stream_out(w, w->buf, w->pending);
			w->pending = 0;
		}
	}
	return r;
}

int ingest_stream_write(struct ingest_stream *w, const void *data, size_t size,
			struct volt_error *e)
{
	int r = sha256_update(w->hash, data, size);

	w->size += size;
	if (r >= 0)
		r = stream_take(w, data, size);
	if (r < 0)
		return ingest_failed(w->ingest,
				     fail_code(e, r,
					       "write an object of %llu bytes or more",
					       (unsigned long long)w->size));
	return 0;
}

static int stream_end(struct ingest_stream *w, struct digest *ret)
{
	int r;

	r = stream_out(w, w->buf, w->pending);
	if (r >= 0)
		r = ingest_seal(w->fd, w->size, w->kind);
	if (r >= 0)
		r = sha256_final(w->hash, ret);
	if (r >= 0)
		r = ingest_stage_as(w->ingest, w->ingest->dir, w->name, ret, w->kind,
				    w->size);
	if (r >= 0)
		(void)close(TAKE_FD(w->fd)); /* abort must not unlink it */
	return r;
}

int ingest_stream_finish(struct ingest_stream *w, struct digest *ret,
			 struct volt_error *e)
{
	struct ingest *g = w->ingest;
	struct digest d;
	int r;

	r = stream_end(w, &d);
	if (r < 0)
		(void)ingest_failed(g, fail_code(e, r, "store an object of %llu bytes",
						 (unsigned long long)w->size));
	else
		*ret = d;
	ingest_stream_abort(w);
	return r;
}

void ingest_stream_abort(struct ingest_stream *w)
{
	if (!w)
		return;
	if (w->fd >= 0) {
		(void)unlinkat(w->ingest->dir, w->name, 0);
		(void)close(w->fd);
	}
	sha256_free(w->hash);
	free(w);
}

static int copy_in(struct ingest_stream *w, int fd, uint64_t *ret_size,
		   struct volt_error *e)
{
	_cleanup_free_ char *buf = malloc(COPY_SIZE);
	uint64_t size = 0;
	ssize_t n;
	int r;

	if (!buf)
		return fail_oom(e);
	do {
		n = pread_full(fd, buf, COPY_SIZE, (off_t)size);
		if (n < 0)
			return fail_code(e, (int)n, "read it");
		r = ingest_stream_write(w, buf, (size_t)n, e);
		if (r < 0)
			return r;
		size += (uint64_t)n;
	} while (n == COPY_SIZE);
	*ret_size = size;
	return 0;
}

int ingest_file(struct ingest *g, int fd, enum object_kind kind, struct digest *ret,
		uint64_t *ret_size, struct volt_error *e)
{
	_cleanup_(ingest_stream_abortp) struct ingest_stream *w = NULL;
	uint64_t size = 0;
	int r;

	if ((r = ingest_stream_new(g, kind, &w, e)) < 0 ||
	    (r = copy_in(w, fd, &size, e)) < 0 ||
	    (r = ingest_stream_finish(TAKE_PTR(w), ret, e)) < 0)
		return r;
	if (ret_size)
		*ret_size = size;
	return 0;
}
