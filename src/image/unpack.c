/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation
 *
 * One list of jobs under one mutex; a thread takes the next one, reads the layer without
 * the mutex, stores its tree, and says so through an eventfd, so that the caller can wait
 * for this and for the transport in one poll(). The first failure cancels the others: a
 * layer being read looks at the flag with every chunk. Signals are blocked in the threads:
 * they belong to the caller's.
 *
 * One more thread has the disk begin with what was unpacked. It sits in syncfs(), which
 * nothing cancels: an end by failure or by the user waits until that has returned.
 */
#include "image/unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/thread.h"
#include "image/tree-builder.h"

#define THREADS_MAX 16

struct job {
	struct unpacked result;
	struct volt_error e;
	int code;
	bool ended;
};

struct unpack {
	struct ingest *ingest;
	int blobs, event;
	const struct layer_limits *limits;
	pthread_mutex_t mutex;
	pthread_cond_t wake;
	pthread_t threads[THREADS_MAX], writeback;
	unsigned n_threads, threads_max, n_idle;
	struct job **jobs;
	size_t n_jobs, n_taken, n_ended;
	bool quit, failed, has_writeback;
	atomic_bool cancel;
	atomic_size_t memory;
};

/* --- the threads --- */

static int check_name(const struct unpacked *u, struct volt_error *e)
{
	char hex[DIGEST_HEX_SIZE];

	if (digest_equal(&u->blob, &u->sums.blob))
		return 0;
	return fail(e, EBADMSG, "its content has another digest: sha256:%s",
		    digest_hex(&u->sums.blob, hex));
}

static int do_job(struct unpack *u, struct job *j)
{
	char hex[DIGEST_HEX_SIZE];
	_cleanup_close_ int fd = openat(u->blobs, digest_hex(&j->result.blob, hex),
					O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	const struct layer_input in = {
		.fd = fd,
		.ingest = u->ingest,
		.disk = u->blobs,
		.cancel = &u->cancel,
		.limits = u->limits,
		.memory = &u->memory,
	};
	struct unpacked *result = &j->result;
	int r;

	if (fd < 0)
		return fail_errno(&j->e, "layer 'sha256:%s'", hex);
	r = layer_read(&in, &result->layer, &result->sums, &j->e);
	if (r == 0)
		r = check_name(result, &j->e);
	if (r == 0)
		r = layer_store(u->ingest, result->layer, &result->tree, &result->list,
				&j->e);
	return r < 0 ? fail_in(&j->e, r, "layer 'sha256:%s'", hex) : 0;
}

static void job_ended(struct unpack *u, struct job *j, int code)
{
	const uint64_t one = 1;

	j->code = code;
	j->ended = true;
	u->n_ended++;
	if (code < 0) {
		u->failed = true;
		atomic_store(&u->cancel, true);
	}
	(void)!write(u->event, &one, sizeof(one));
	(void)pthread_cond_broadcast(&u->wake);
}

static void *thread_run(void *data)
{
	struct unpack *u = data;

	(void)pthread_mutex_lock(&u->mutex);
	while (!u->quit) {
		struct job *j;
		int code;

		if (u->n_taken == u->n_jobs) {
			u->n_idle++;
			(void)pthread_cond_wait(&u->wake, &u->mutex);
			u->n_idle--;
			continue;
		}
		j = u->jobs[u->n_taken++];
		(void)pthread_mutex_unlock(&u->mutex);
		code = do_job(u, j);
		(void)pthread_mutex_lock(&u->mutex);
		job_ended(u, j, code);
	}
	(void)pthread_mutex_unlock(&u->mutex);
	return NULL;
}

static void *writeback_run(void *data)
{
	struct unpack *u = data;
	size_t written = 0;

	(void)pthread_mutex_lock(&u->mutex);
	while (!u->quit) {
		/* After the last, the commit does it. */
		if (u->n_ended == written || u->n_ended == u->n_jobs) {
			(void)pthread_cond_wait(&u->wake, &u->mutex);
			continue;
		}
		written = u->n_ended;
		(void)pthread_mutex_unlock(&u->mutex);
		ingest_writeback(u->ingest);
		(void)pthread_mutex_lock(&u->mutex);
	}
	(void)pthread_mutex_unlock(&u->mutex);
	return NULL;
}

/* --- the caller's side --- */

int unpack_new(struct ingest *g, int blobs, const struct layer_limits *limits,
	       struct unpack **ret, struct volt_error *e)
{
	struct unpack *u = calloc(1, sizeof(*u));
	unsigned int n;

	if (!u)
		return fail_oom(e);
	u->ingest = g;
	u->blobs = blobs;
	u->limits = limits;
	u->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (u->event < 0) {
		free(u);
		return fail_errno(e, "make an eventfd");
	}
	n = 2 * thread_processors();
	u->threads_max = n < THREADS_MAX ? n : THREADS_MAX;
	(void)pthread_mutex_init(&u->mutex, NULL);
	(void)pthread_cond_init(&u->wake, NULL);
	*ret = u;
	return 0;
}

void unpack_free(struct unpack *u)
{
	if (!u)
		return;
	(void)pthread_mutex_lock(&u->mutex);
	u->quit = true;
	atomic_store(&u->cancel, true);
	(void)pthread_cond_broadcast(&u->wake);
	(void)pthread_mutex_unlock(&u->mutex);
	for (unsigned i = 0; i < u->n_threads; i++)
		(void)pthread_join(u->threads[i], NULL);
	if (u->has_writeback)
		(void)pthread_join(u->writeback, NULL);
	for (size_t i = 0; i < u->n_jobs; i++) {
		layer_free(u->jobs[i]->result.layer);
		free(u->jobs[i]);
	}
	free(u->jobs);
	(void)close(u->event);
	(void)pthread_mutex_destroy(&u->mutex);
	(void)pthread_cond_destroy(&u->wake);
	free(u);
}

static int start_reader(struct unpack *u)
{
	int r = thread_start(&u->threads[u->n_threads], thread_run, u);

	if (r == 0)
		u->n_threads++;
	if (!u->has_writeback && u->n_threads > 1) /* it only saves time */
		u->has_writeback = thread_start(&u->writeback, writeback_run, u) == 0;
	return r;
}

static struct job *find_job(const struct unpack *u, const struct digest *blob)
{
	for (size_t i = 0; i < u->n_jobs; i++)
		if (digest_equal(&u->jobs[i]->result.blob, blob))
			return u->jobs[i];
	return NULL;
}

/* With the mutex. */
static int add_job(struct unpack *u, const struct digest *blob, struct volt_error *e)
{
	struct job **v = reallocarray(u->jobs, u->n_jobs + 1, sizeof(struct job *)), *j;
	int r = 0;

	if (!v)
		return fail_oom(e);
	u->jobs = v;
	j = calloc(1, sizeof(*j));
	if (!j)
		return fail_oom(e);
	j->result.blob = *blob;
	u->jobs[u->n_jobs++] = j;
	if (u->n_jobs - u->n_taken > u->n_idle && u->n_threads < u->threads_max)
		r = start_reader(u);
	(void)pthread_cond_broadcast(&u->wake);
	return r < 0 && u->n_threads == 0 ? fail_code(e, r, "start a thread") : 0;
}

int unpack_add(struct unpack *u, const struct digest *blob, struct volt_error *e)
{
	int r = 0;

	(void)pthread_mutex_lock(&u->mutex);
	if (!find_job(u, blob))
		r = add_job(u, blob, e);
	(void)pthread_mutex_unlock(&u->mutex);
	return r;
}

int unpack_count_held(struct unpack *u, const struct layer *l, struct volt_error *e)
{
	const struct tree_budget budget = { &u->memory, u->limits->max_memory };

	return tree_budget_take(
		&budget,
		tree_arena_size(l->tree->arena) + l->tree->n * sizeof(*l->tree->v), e);
}

int unpack_fd(const struct unpack *u)
{
	return u->event;
}

int unpack_ended(struct unpack *u)
{
	uint64_t n;
	int ret;

	(void)!read(u->event, &n, sizeof(n));
	(void)pthread_mutex_lock(&u->mutex);
	ret = u->failed ? -1 : (int)u->n_ended;
	(void)pthread_mutex_unlock(&u->mutex);
	return ret;
}

/* Only the caller's thread adds jobs. */
size_t unpack_count(const struct unpack *u)
{
	return u->n_jobs;
}

/* The first that failed by itself, not because another one had. */
static const struct job *find_failed(const struct unpack *u)
{
	const struct job *found = NULL;

	for (size_t i = 0; i < u->n_jobs; i++)
		if (u->jobs[i]->code < 0 && (!found || found->code == -ECANCELED))
			found = u->jobs[i];
	return found;
}

int unpack_wait(struct unpack *u, struct volt_error *e)
{
	const struct job *failed;

	(void)pthread_mutex_lock(&u->mutex);
	while (u->n_ended < u->n_jobs)
		(void)pthread_cond_wait(&u->wake, &u->mutex);
	failed = find_failed(u);
	(void)pthread_mutex_unlock(&u->mutex);
	if (!failed)
		return 0;
	if (e)
		*e = failed->e;
	return failed->code;
}

const struct unpacked *unpack_find(const struct unpack *u, const struct digest *blob)
{
	const struct job *j = find_job(u, blob);

	return j && j->ended && j->code == 0 ? &j->result : NULL;
}
