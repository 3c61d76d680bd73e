/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation
 *
 * A ring of chunks under one mutex. The thread fills chunk @filled, without the mutex, while
 * there is one that the caller does not hold or has yet to get; the caller holds chunk @given
 * until it asks for the next. The last chunk says how it ended (0, or an error), and stays.
 * Who frees the reader earlier makes the thread stop at its next chunk. Where there is no
 * second processor, or no thread to be had, the caller decodes by itself.
 */
#include "image/blob-reader.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/thread.h"
#include "image/blob-decode.h"

#define CHUNKS 4u

struct blob_reader {
	struct blob_decoder *decoder;
	pthread_mutex_t mutex;
	pthread_cond_t wake;
	pthread_t thread;
	bool has_thread, quit;
	bool held;              /* the caller has chunk @given */
	unsigned filled, given; /* so many from the beginning */
	struct volt_error e;    /* of the last chunk */
	struct {
		ssize_t n;
		uint8_t data[BLOB_CHUNK];
	} chunks[CHUNKS];
};

static void *run(void *data)
{
	struct blob_reader *b = data;
	ssize_t n = 1;

	(void)pthread_mutex_lock(&b->mutex);
	while (n > 0 && !b->quit) {
		unsigned int i = b->filled % CHUNKS;

		if (b->filled - b->given == CHUNKS) {
			(void)pthread_cond_wait(&b->wake, &b->mutex);
			continue;
		}
		(void)pthread_mutex_unlock(&b->mutex);
		n = blob_decoder_next(b->decoder, b->chunks[i].data, &b->e);
		(void)pthread_mutex_lock(&b->mutex);
		b->chunks[i].n = n;
		b->filled++;
		(void)pthread_cond_signal(&b->wake);
	}
	(void)pthread_mutex_unlock(&b->mutex);
	return NULL;
}

int blob_reader_new(int fd, const struct blob_limits *limits, struct blob_reader **ret,
		    struct volt_error *e)
{
	struct blob_reader *b = malloc(sizeof(*b));
	int r;

	if (!b)
		return fail_oom(e);
	memset(b, 0, offsetof(struct blob_reader, chunks));
	r = blob_decoder_new(fd, limits, &b->decoder, e);
	if (r < 0) {
		free(b);
		return r;
	}
	(void)pthread_mutex_init(&b->mutex, NULL);
	(void)pthread_cond_init(&b->wake, NULL);
	b->has_thread = thread_processors() > 1 && thread_start(&b->thread, run, b) == 0;
	*ret = b;
	return 0;
}

void blob_reader_free(struct blob_reader *b)
{
	if (!b)
		return;
	(void)pthread_mutex_lock(&b->mutex);
	b->quit = true;
	(void)pthread_cond_signal(&b->wake);
	(void)pthread_mutex_unlock(&b->mutex);
	if (b->has_thread)
		(void)pthread_join(b->thread, NULL);
	blob_decoder_free(b->decoder);
	(void)pthread_mutex_destroy(&b->mutex);
	(void)pthread_cond_destroy(&b->wake);
	free(b);
}

/* Gives the chunk before back, and waits for the next. */
static ssize_t take(struct blob_reader *b)
{
	ssize_t n;

	(void)pthread_mutex_lock(&b->mutex);
	if (b->held) {
		b->given++;
		(void)pthread_cond_signal(&b->wake);
	}
	while (b->filled == b->given)
		(void)pthread_cond_wait(&b->wake, &b->mutex);
	n = b->chunks[b->given % CHUNKS].n;
	b->held = n > 0;
	(void)pthread_mutex_unlock(&b->mutex);
	return n;
}

ssize_t blob_reader_next(struct blob_reader *b, const void **ret, struct volt_error *e)
{
	ssize_t n = b->has_thread
			    ? take(b)
			    : blob_decoder_next(b->decoder, b->chunks[0].data, &b->e);

	*ret = b->chunks[b->given % CHUNKS].data;
	if (n < 0 && e)
		*e = b->e;
	return n;
}

int blob_reader_sums(struct blob_reader *b, struct blob_sums *ret, struct volt_error *e)
{
	return blob_decoder_sums(b->decoder, ret, e);
}
