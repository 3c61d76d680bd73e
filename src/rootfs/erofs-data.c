/* SPDX-License-Identifier: Apache-2.0 */
/* Moves file contents from the store into the image. An object costs little more than
 * opening it: small ones are read straight to where they belong, in a buffer that is
 * written when it is full or in the tails of the metadata; large ones are moved by the
 * kernel (a reflink where the file system can), around their holes.
 *
 * Every entry's place is known before, so several movers share the work: each takes the
 * next run of entries until there are none or one of them has failed. They write to the
 * same file and the same metadata, never to the same bytes of them. */
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
#include "rootfs/erofs-private.h"

#ifndef BCACHEFS_SUPER_MAGIC /* younger than Debian 12's headers */
#define BCACHEFS_SUPER_MAGIC 0xca451a4e
#endif

#define BUFFER_SIZE ((size_t)1 << 20)

#define RUN        256u /* entries that a mover takes at once */
#define MOVERS_MAX 4u

struct work {
	const struct erofs_image *m;
	int fd;
	pthread_mutex_t
		writing;  /* the kernel lets one write at a time, others would spin */
	atomic_uint next; /* entry that nobody has taken */
	atomic_bool failed;
};

struct mover {
	struct work *work;
	const struct erofs_image *m;
	uint8_t *buffer;
	size_t used;
	uint64_t at; /* where the buffer's first byte goes */
	pthread_t thread;
	int fd, code;
	struct volt_error e;
};

/* So that the sync at the end has little left to wait for. */
static void begin_writeback(const struct mover *v, off_t at, uint64_t size)
{
	(void)sync_file_range(v->fd, at, (off_t)size, SYNC_FILE_RANGE_WRITE);
}

static int flush(struct mover *v, struct volt_error *e)
{
	int r;

	if (v->used == 0)
		return 0;
	(void)pthread_mutex_lock(&v->work->writing);
	r = pwrite_all(v->fd, v->buffer, v->used, (off_t)v->at);
	(void)pthread_mutex_unlock(&v->work->writing);
	if (r < 0)
		return fail_code(e, r, "write EROFS image");
	begin_writeback(v, (off_t)v->at, v->used);
	v->used = 0;
	return 0;
}

static int fail_size(const struct tree_entry *f, struct volt_error *e)
{
	char hex[DIGEST_HEX_SIZE];

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
static int read_small(struct mover *v, uint32_t i, int in, struct volt_error *e)
{
	const struct tree_entry *f = &v->m->t->v[i];
	const struct erofs_node *n = &v->m->nodes[i];
	size_t room = erofs_whole_blocks(n) * EROFS_BLOCK;
	size_t whole = f->size - n->tail;
	uint8_t more;
	struct iovec iov[3];
	ssize_t got;
	int r;

	r = room > 0 ? reserve(v, n->block * EROFS_BLOCK, room, e) : 0;
	if (r < 0)
		return r;
	iov[0] = (struct iovec){ v->buffer + v->used, whole };
	iov[1] = (struct iovec){ erofs_tail(v->m, n), n->tail };
	iov[2] = (struct iovec){ &more, 1 };
	do {
		got = preadv(in, iov, ARRAY_SIZE(iov), 0);
	} while (got < 0 && errno == EINTR);
	if (got < 0)
		return fail_errno(e, "read the object of '%s'", f->path);
	if ((uint64_t)got != f->size)
		return fail_size(f, e);
	memset(v->buffer + v->used + whole, 0, room - whole);
	v->used += room;
	return 0;
}

static int copy(struct mover *v, uint32_t i, int in, uint64_t at, uint64_t size,
		struct volt_error *e)
{
	const struct tree_entry *f = &v->m->t->v[i];
	off_t to = (off_t)(v->m->nodes[i].block * EROFS_BLOCK + at);
	int r;

	(void)pthread_mutex_lock(&v->work->writing);
	r = copy_bytes(in, (off_t)at, v->fd, to, size);
	(void)pthread_mutex_unlock(&v->work->writing);
	if (r == -ENODATA)
		return fail_size(f, e);
	if (r < 0)
		return fail_code(e, r, "copy the object of '%s' to the EROFS image",
				 f->path);
	begin_writeback(v, to, size);
	return 0;
}

/* Copies what is data between 0 and @size; the rest becomes a hole. */
static int copy_sparse(struct mover *v, uint32_t i, int in, uint64_t size,
		       struct volt_error *e)
{
	uint64_t at = 0;

	(void)fallocate(v->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			(off_t)(v->m->nodes[i].block * EROFS_BLOCK), (off_t)size);
	while (at < size) {
		off_t data = lseek(in, (off_t)at, SEEK_DATA);
		off_t hole = data < 0 ? -1 : lseek(in, data, SEEK_HOLE);
		int r;

		if (data < 0 && errno == ENXIO)
			return 0;
		if (hole < 0)
			return fail_errno(e, "find holes in the object of '%s'",
					  v->m->t->v[i].path);
		if ((uint64_t)data >= size)
			return 0;
		if ((uint64_t)hole > size)
			hole = (off_t)size;
		r = copy(v, i, in, (uint64_t)data, (uint64_t)(hole - data), e);
		if (r < 0)
			return r;
		at = (uint64_t)hole;
	}
	return 0;
}

static int move_large(struct mover *v, uint32_t i, int in, struct volt_error *e)
{
	const struct tree_entry *f = &v->m->t->v[i];
	const struct erofs_node *n = &v->m->nodes[i];
	uint64_t whole = f->size - n->tail;
	struct stat st;

	if (fstat(in, &st) < 0)
		return fail_errno(e, "stat the object of '%s'", f->path);
	if ((uint64_t)st.st_size != f->size)
		return fail_size(f, e);
	if (n->tail > 0 &&
	    pread_full(in, erofs_tail(v->m, n), n->tail, (off_t)whole) != n->tail)
		return fail_size(f, e);
	if ((uint64_t)st.st_blocks * 512 < f->size)
		return copy_sparse(v, i, in, whole, e);
	return copy(v, i, in, 0, whole, e);
}

static bool has_data(const struct tree_entry *f)
{
	return S_ISREG(f->mode) && f->size > 0 && erofs_is_node(f);
}

static int move(struct mover *v, uint32_t i, struct volt_error *e)
{
	const struct tree_entry *f = &v->m->t->v[i];
	_cleanup_close_ int in = -1;

	if (!has_data(f) || v->m->nodes[i].twin != i)
		return 0;
	in = store_open_object(v->m->s, &f->object, e);
	if (in < 0)
		return fail_in(e, in, "'%s'", f->path);
	return f->size <= EROFS_SMALL_FILE ? read_small(v, i, in, e)
					   : move_large(v, i, in, e);
}

static int move_runs(struct mover *v, struct volt_error *e)
{
	unsigned int n = v->m->t->n, i, end;
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

static void *mover_run(void *data)
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
static int move_all(struct work *w, struct volt_error *e)
{
	struct mover v[MOVERS_MAX] = { 0 };
	unsigned int wanted = w->m->t->n / RUN, n = 1, i;
	int r = 0;

	if (wanted > thread_processors())
		wanted = thread_processors();
	for (i = 0; i < MOVERS_MAX; i++)
		v[i] = (struct mover){ .work = w, .m = w->m, .fd = w->fd };
	while (n < wanted && n < MOVERS_MAX &&
	       thread_start(&v[n].thread, mover_run, &v[n]) == 0)
		n++;
	(void)mover_run(&v[0]);
	for (i = 1; i < n; i++)
		(void)pthread_join(v[i].thread, NULL);
	for (i = 0; i < n && r >= 0; i++) {
		r = v[i].code;
		if (r < 0)
			*e = v[i].e;
	}
	return r;
}

/* What files of the same content have behind their inodes. */
static void copy_twins(const struct erofs_image *m)
{
	for (uint32_t i = 0; i < m->t->n; i++) {
		const struct erofs_node *n = &m->nodes[i];

		if (has_data(&m->t->v[i]) && n->twin != i)
			memcpy(erofs_tail(m, n), erofs_tail(m, &m->nodes[n->twin]),
			       n->tail);
	}
}

/* Where files are reflinked, their blocks are there already. */
static bool can_reflink(int fd)
{
	struct statfs st;

	return fstatfs(fd, &st) == 0 &&
	       (st.f_type == BTRFS_SUPER_MAGIC || st.f_type == XFS_SUPER_MAGIC ||
		st.f_type == BCACHEFS_SUPER_MAGIC);
}

/* A full disk is found before the work is done, and the file is in one piece. */
static int preallocate(const struct erofs_image *m, int fd, struct volt_error *e)
{
	uint64_t size = can_reflink(fd) ? m->large_start : m->huge_start;
	int r;

	do {
		r = fallocate(fd, 0, 0, (off_t)size);
	} while (r < 0 && errno == EINTR);
	if (r < 0 && errno != EOPNOTSUPP && errno != ENOSYS)
		return fail_errno(e, "make room for an EROFS image of %llu bytes",
				  (unsigned long long)m->end);
	return 0;
}

int erofs_data_write(const struct erofs_image *m, int fd, struct volt_error *e)
{
	struct work w = { .m = m, .fd = fd, .writing = PTHREAD_MUTEX_INITIALIZER };
	int r;

	r = preallocate(m, fd, e);
	if (r >= 0)
		r = move_all(&w, e);
	if (r >= 0)
		copy_twins(m);
	return r;
}
