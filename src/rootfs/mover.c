/* SPDX-License-Identifier: Apache-2.0 */
/* A content costs little more than opening it: small ones are read straight to where they
 * belong, in a buffer that is written when it is full or in memory of the image's writer;
 * large ones are moved by the kernel (a reflink where the file system can), around their
 * holes.
 *
 * Every content's place is known before, so several movers share the work: each takes the
 * next run of entries until there are none or one of them has failed. They write to the
 * same file and the same memory, never to the same bytes of them. */
#include "rootfs/mover.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/error.h"
#include "base/io.h"
#include "base/thread.h"

#ifndef BCACHEFS_SUPER_MAGIC /* younger than Debian 12's headers */
#define BCACHEFS_SUPER_MAGIC 0xca451a4e
#endif

#define BUFFER_SIZE ((size_t)1 << 20)

#define RUN        256u /* entries that a mover takes at once */
#define MOVERS_MAX 4u

struct work {
	const struct mover_job *j;
	pthread_mutex_t
		writing;  /* the kernel lets one write at a time, others would spin */
	atomic_uint next; /* entry that nobody has taken */
	atomic_bool failed;
};

struct mover {
	struct work *work;
	const struct mover_job *j;
	uint8_t *buffer;
	size_t used;
	uint64_t at; /* where the buffer's first byte goes */
	pthread_t thread;
	int code;
	struct volt_error e;
};

/* So that the sync at the end has little left to wait for. */
static void begin_writeback(const struct mover *v, off_t at, uint64_t size)
{
	if (v->j->sync_soon)
		(void)sync_file_range(v->j->fd, at, (off_t)size, SYNC_FILE_RANGE_WRITE);
}

static int flush(struct mover *v, struct volt_error *e)
{
	int r;

	if (v->used == 0)
		return 0;
	(void)pthread_mutex_lock(&v->work->writing);
	r = pwrite_all(v->j->fd, v->buffer, v->used, (off_t)v->at);
	(void)pthread_mutex_unlock(&v->work->writing);
	if (r < 0)
		return fail_code(e, r, "write %s", v->j->what);
	begin_writeback(v, (off_t)v->at, v->used);
	v->used = 0;
	return 0;
}

static int fail_size(const struct mover *v, uint32_t i, struct volt_error *e)
{
	const struct tree_entry *f = &v->j->tree->v[i];
	char hex[DIGEST_HEX_SIZE];

	if (!v->j->from_store)
		return fail(e, EBADMSG,
			    "the content of '%s' does not have the %llu bytes it should",
			    f->path, (unsigned long long)f->size);
	return fail(e, EBADMSG,
		    "object %s of '%s' does not have the %llu bytes it should; "
		    "'volt pull' gets it again",
		    digest_hex(&f->object, hex), f->path, (unsigned long long)f->size);
}

/* Room for @size bytes that go to @at, behind what is there if that is where they go. */
static int reserve(struct mover *v, uint64_t at, size_t size, struct volt_error *e)
{
	int r = 0;

	if (v->used + size > BUFFER_SIZE || v->at + v->used != at)
		r = flush(v, e);
	if (v->used == 0)
		v->at = at;
	return r;
}

/* One byte more than there should be is asked for, so that reading also proves the size. */
static int read_small(struct mover *v, uint32_t i, const struct mover_place *p, int in,
		      struct volt_error *e)
{
	const struct tree_entry *f = &v->j->tree->v[i];
	size_t whole = p->one.size, room = whole + p->padding;
	uint8_t more;
	struct iovec iov[3];
	ssize_t got;
	int r;

	r = room > 0 ? reserve(v, p->one.to, room, e) : 0;
	if (r < 0)
		return r;
	iov[0] = (struct iovec){ v->buffer + v->used, whole };
	iov[1] = (struct iovec){ p->tail, p->tail_size };
	iov[2] = (struct iovec){ &more, 1 };
	do {
		got = preadv(in, iov, ARRAY_SIZE(iov), 0);
	} while (got < 0 && errno == EINTR);
	if (got < 0)
		return fail_errno(e, "read the content of '%s'", f->path);
	if ((uint64_t)got != f->size)
		return fail_size(v, i, e);
	memset(v->buffer + v->used + whole, 0, room - whole);
	v->used += room;
	return 0;
}

static int copy(struct mover *v, uint32_t i, int in, const struct mover_piece *p,
		struct volt_error *e)
{
	int r;

	(void)pthread_mutex_lock(&v->work->writing);
	r = copy_bytes(in, (off_t)p->from, v->j->fd, (off_t)p->to, p->size);
	(void)pthread_mutex_unlock(&v->work->writing);
	if (r == -ENODATA)
		return fail_size(v, i, e);
	if (r < 0)
		return fail_code(e, r, "copy the content of '%s' to %s",
				 v->j->tree->v[i].path, v->j->what);
	begin_writeback(v, (off_t)p->to, p->size);
	return 0;
}

/* Copies what is data of a piece; the rest becomes a hole. */
static int copy_sparse(struct mover *v, uint32_t i, int in, const struct mover_piece *p,
		       struct volt_error *e)
{
	uint64_t at = p->from, end = p->from + p->size;

	(void)fallocate(v->j->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			(off_t)p->to, (off_t)p->size);
	while (at < end) {
		off_t data = lseek(in, (off_t)at, SEEK_DATA);
		off_t hole = data < 0 ? -1 : lseek(in, data, SEEK_HOLE);
		struct mover_piece part;
		int r;

		if (data < 0 && errno == ENXIO)
			return 0;
		if (hole < 0)
			return fail_errno(e, "find holes in the content of '%s'",
					  v->j->tree->v[i].path);
		if ((uint64_t)data >= end)
			return 0;
		if ((uint64_t)hole > end)
			hole = (off_t)end;
		part = (struct mover_piece){ .from = (uint64_t)data,
					     .size = (uint64_t)(hole - data),
					     .to = p->to + (uint64_t)data - p->from };
		r = copy(v, i, in, &part, e);
		if (r < 0)
			return r;
		at = (uint64_t)hole;
	}
	return 0;
}

static int move_large(struct mover *v, uint32_t i, const struct mover_place *p, int in,
		      struct volt_error *e)
{
	const struct tree_entry *f = &v->j->tree->v[i];
	const struct mover_piece *pieces = p->n_pieces > 0 ? p->pieces : &p->one;
	size_t n = p->n_pieces > 0 ? p->n_pieces : 1;
	struct stat st;
	int r = 0;

	if (fstat(in, &st) < 0)
		return fail_errno(e, "stat the content of '%s'", f->path);
	if ((uint64_t)st.st_size != f->size)
		return fail_size(v, i, e);
	if (p->tail_size > 0 &&
	    pread_full(in, p->tail, p->tail_size, (off_t)(f->size - p->tail_size)) !=
		    p->tail_size)
		return fail_size(v, i, e);
	for (size_t k = 0; r >= 0 && k < n; k++)
		r = (uint64_t)st.st_blocks * 512 < f->size
			    ? copy_sparse(v, i, in, &pieces[k], e)
			    : copy(v, i, in, &pieces[k], e);
	return r;
}

static int move(struct mover *v, uint32_t i, struct volt_error *e)
{
	const struct tree_entry *f = &v->j->tree->v[i];
	struct mover_place p = { 0 };
	_cleanup_close_ int in = -1;

	if (!S_ISREG(f->mode) || f->size == 0 || f->hardlink != TREE_NONE ||
	    !v->j->place(v->j->data, i, &p))
		return 0;
	in = v->j->open(v->j->data, i, e);
	if (in < 0)
		return fail_in(e, in, "'%s'", f->path);
	return f->size <= MOVER_SMALL ? read_small(v, i, &p, in, e)
				      : move_large(v, i, &p, in, e);
}

static int move_runs(struct mover *v, struct volt_error *e)
{
	unsigned int n = v->j->tree->n, i, end;
	int r = 0;

	while (r >= 0 && !atomic_load(&v->work->failed)) {
		i = atomic_fetch_add(&v->work->next, RUN);
		if (i >= n)
			return flush(v, e);
		end = n - i < RUN ? n : i + RUN;
		for (; r >= 0 && i < end; i++)
			r = move(v, i, e);
	}
	return r;
}

static void *mover_thread(void *data)
{
	struct mover *v = data;

	v->buffer = malloc(BUFFER_SIZE);
	v->code = v->buffer ? move_runs(v, &v->e) : fail_oom(&v->e);
	if (v->code < 0)
		atomic_store(&v->work->failed, true);
	free(v->buffer);
	return NULL;
}

/* The caller's thread is the first mover, and does it alone where it gets no others. */
int mover_run(const struct mover_job *j, struct volt_error *e)
{
	struct work w = { .j = j, .writing = PTHREAD_MUTEX_INITIALIZER };
	struct mover v[MOVERS_MAX] = { 0 };
	unsigned int wanted = j->tree->n / RUN, n = 1, i;
	int r = 0;

	if (wanted > thread_processors())
		wanted = thread_processors();
	for (i = 0; i < MOVERS_MAX; i++)
		v[i] = (struct mover){ .work = &w, .j = j };
	while (n < wanted && n < MOVERS_MAX &&
	       thread_start(&v[n].thread, mover_thread, &v[n]) == 0)
		n++;
	(void)mover_thread(&v[0]);
	for (i = 1; i < n; i++)
		(void)pthread_join(v[i].thread, NULL);
	for (i = 0; i < n && r >= 0; i++) {
		r = v[i].code;
		if (r < 0)
			*e = v[i].e;
	}
	return r;
}

static bool can_reflink(int fd)
{
	struct statfs st;

	return fstatfs(fd, &st) == 0 &&
	       (st.f_type == BTRFS_SUPER_MAGIC || st.f_type == XFS_SUPER_MAGIC ||
		st.f_type == BCACHEFS_SUPER_MAGIC);
}

int mover_make_room(const struct mover_job *j, const struct mover_room *room,
		    struct volt_error *e)
{
	uint64_t end = can_reflink(j->fd) ? room->large : room->huge;
	int r;

	if (end <= room->start)
		return 0;
	do {
		r = fallocate(j->fd, 0, (off_t)room->start, (off_t)(end - room->start));
	} while (r < 0 && errno == EINTR);
	if (r < 0 && errno != EOPNOTSUPP && errno != ENOSYS)
		return fail_errno(e, "make room for %s of %llu bytes", j->what,
				  (unsigned long long)room->end);
	return 0;
}
