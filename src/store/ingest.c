/* SPDX-License-Identifier: Apache-2.0 */
#include "store/ingest.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/io.h"
#include "base/path.h"
#include "store/ingest-internal.h"
#include "store/sha256.h"

/* Theory of operation
 *
 * A staged file is named like the object it will be, so O_EXCL finds content that comes
 * twice, from any thread, without a table in memory. By its first digit it is in one of 16
 * directories: threads that make files in the same one wait for each other. A stream, whose
 * digest is known only at its end, has the name "s<number>" beside them until then.
 *
 * Commit: the bytes of all staged files reach the disk, then each file is renamed into
 * objects/ unless the name is there already (another writer was faster), then the
 * directory itself is synced. It is synced even when nothing was staged: an object that
 * was found present may have been renamed a moment ago by a writer that has not synced
 * the directory yet, and the caller's ref must not reach the disk before that name does.
 *
 * "Present" means a regular file of the right size. One of another size (power loss on a
 * file system that orders nothing) is not believed: the content is staged again and
 * replaces it. Damage that keeps the size is for store_verify().
 *
 * Staging needs no lock of its own: a writer lives within its lease, so whoever gets the
 * store's lock exclusively knows that every staging directory is a dead writer's. */

/* Up to this many staged files are synced one by one; beyond it one syncfs() is cheaper,
 * though it also writes what others have dirtied on that file system. */
#define SYNC_EACH_MAX 16

/* -- begin and end --------------------------------------------------------------- */

/* ext4 makes a file in the block group of its directory, and a directory near its parent;
 * and an inode number that was freed in the last minutes is not used again, so that after
 * a large removal each new file is found by stepping over all of those. Marked as the top
 * of unrelated trees, staging/ has every writer's directory in a group of its own. Other
 * file systems refuse the mark, and need none. */
static void spread_writers(int dir)
{
	int flags;

	if (ioctl(dir, FS_IOC_GETFLAGS, &flags) < 0 || (flags & FS_TOPDIR_FL) != 0)
		return;
	flags |= FS_TOPDIR_FL;
	(void)ioctl(dir, FS_IOC_SETFLAGS, &flags);
}

static int make_staging(struct ingest *g)
{
	int r = random_hex(g->name, (STAGING_NAME_SIZE - 1) / 2);

	if (r < 0)
		return r;
	spread_writers(g->store->staging);
	if (mkdirat(g->store->staging, g->name, 0700) < 0) {
		r = -errno;
		g->name[0] = '\0';
		return r;
	}
	g->dir = open_beneath(g->store->staging, g->name,
			      O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	return g->dir < 0 ? g->dir : 0;
}

int ingest_begin(struct store *s, struct ingest **ret, struct volt_error *e)
{
	_cleanup_(ingest_endp) struct ingest *g = calloc(1, sizeof(*g));
	int r;

	if (!g)
		return fail_oom(e);
	g->store = s;
	g->dir = -1;
	g->lease = lease_take(s, e);
	if (g->lease < 0)
		return g->lease;
	staging_sweep(s, g->lease);
	r = make_staging(g);
	if (r < 0)
		return fail_code(e, r, "make a staging directory in the store");
	g->view = *s;
	g->view.staged = g->dir;
	*ret = TAKE_PTR(g);
	return 0;
}

struct store *ingest_view(struct ingest *g)
{
	return &g->view;
}

void ingest_end(struct ingest *g)
{
	if (!g)
		return;
	closep(&g->dir);
	if (g->name[0] != '\0')
		(void)remove_tree_at(g->store->staging, g->name);
	closep(&g->lease);
	free(g);
}

int ingest_failed(struct ingest *g, int r)
{
	atomic_store(&g->failed, true);
	return r;
}

/* -- writing --------------------------------------------------------------------- */

/* Only a regular file of the right size counts as the object. */
static bool present(const struct ingest *g, const struct digest *d, enum object_kind kind,
		    uint64_t size)
{
	struct stat st;

	return object_stat(g->store, d, kind, &st) == 0 && (uint64_t)st.st_size == size;
}

static bool is_zero(const char *p, size_t n)
{
	return p[0] == 0 && memcmp(p, p + 1, n - 1) == 0;
}

static size_t zero_run(const char *p, size_t size)
{
	size_t n = 0;

	while (size - n >= INGEST_BLOCK && is_zero(p + n, INGEST_BLOCK))
		n += INGEST_BLOCK;
	return n;
}

static size_t data_run(const char *p, size_t size)
{
	size_t n = 0;

	while (size - n >= INGEST_BLOCK && !is_zero(p + n, INGEST_BLOCK))
		n += INGEST_BLOCK;
	return size - n < INGEST_BLOCK ? size : n;
}

int write_sparse(int fd, const char *p, size_t size, off_t offset)
{
	size_t n, at = 0;
	int r;

	while (at < size) {
		at += zero_run(p + at, size - at);
		n = data_run(p + at, size - at);
		r = n > 0 ? pwrite_all(fd, p + at, n, offset + (off_t)at) : 0;
		if (r < 0)
			return r;
		at += n;
	}
	return 0;
}

int ingest_seal(int fd, uint64_t size, enum object_kind kind)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if ((uint64_t)st.st_size != size && ftruncate(fd, (off_t)size) < 0)
		return -errno;
	if ((st.st_mode & ALLPERMS) == object_mode(kind))
		return 0; /* it was made so, and no umask was in the way */
	return fchmod(fd, object_mode(kind)) < 0 ? -errno : 0;
}

/* Makes the directory of a staged name. */
static int make_parent(const struct ingest *g, const char *name)
{
	const char parent[] = { name[0], '\0' };

	return mkdirat(g->dir, parent, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

static int make_file(const struct ingest *g, const char *name, mode_t mode)
{
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	int fd = openat(g->dir, name, flags, mode);
	int r;

	if (fd >= 0 || errno != ENOENT)
		return fd < 0 ? -errno : fd;
	r = make_parent(g, name);
	if (r < 0)
		return r;
	fd = openat(g->dir, name, flags, mode);
	return fd < 0 ? -errno : fd;
}

static int stage(struct ingest *g, const char *name, const void *data, size_t size,
		 enum object_kind kind)
{
	_cleanup_close_ int fd = make_file(g, name, object_mode(kind));
	int r;

	if (fd < 0)
		return fd == -EEXIST ? 0 : fd;
	r = write_sparse(fd, data, size, 0);
	if (r >= 0)
		r = ingest_seal(fd, size, kind);
	if (r < 0)
		(void)unlinkat(g->dir, name, 0);
	else
		atomic_fetch_add(&g->staged, 1);
	return r;
}

int ingest_add(struct ingest *g, const void *data, size_t size, enum object_kind kind,
	       struct digest *ret, struct volt_error *e)
{
	char name[STAGED_NAME_SIZE];
	struct digest d;
	int r;

	r = sha256_bytes(data, size, &d);
	if (r < 0)
		return ingest_failed(g, fail_code(e, r, "hash an object"));
	if (!present(g, &d, kind, size)) {
		r = stage(g, staged_name(&d, kind, name), data, size, kind);
		if (r < 0)
			return ingest_failed(g, fail_code(e, r,
							  "store object '%s' (%zu bytes)",
							  name + 2, size));
	}
	*ret = d;
	return 0;
}

int ingest_stage_as(struct ingest *g, int dirfd, const char *from, const struct digest *d,
		    enum object_kind kind, uint64_t size)
{
	char name[STAGED_NAME_SIZE];
	int r = -EEXIST;

	if (!present(g, d, kind, size)) {
		r = make_parent(g, staged_name(d, kind, name));
		if (r == 0)
			r = rename_noreplace(dirfd, from, g->dir, name);
	}
	if (r == 0)
		atomic_fetch_add(&g->staged, 1);
	if (r == -EEXIST)
		r = unlinkat(dirfd, from, 0) < 0 ? -errno : 0;
	return r;
}

/* -- adopting -------------------------------------------------------------------- */

/* @fd is what the caller wrote. Its inode becomes the object's, so it must be a regular
 * file that has no other name. */
static int adopt_fd(struct ingest *g, int fd, int dirfd, const char *name,
		    const struct digest *d)
{
	char object[STAGED_NAME_SIZE];
	struct stat st;
	bool shared;
	int r;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (st.st_nlink > 1)
		return -EMLINK;
	if (fchmod(fd, object_mode(OBJECT_PLAIN)) < 0)
		return -errno;
	r = ingest_stage_as(g, dirfd, name, d, OBJECT_PLAIN, (uint64_t)st.st_size);
	if (r != -EXDEV)
		return r;
	staged_name(d, OBJECT_PLAIN, object);
	r = copy_out(fd, object_mode(OBJECT_PLAIN), g->dir, object, &shared);
	if (r < 0 && r != -EEXIST)
		return r;
	atomic_fetch_add(&g->staged, 1);
	return unlinkat(dirfd, name, 0) < 0 ? -errno : 0;
}

int ingest_adopt(struct ingest *g, int dirfd, const char *name, const struct digest *d,
		 struct volt_error *e)
{
	const int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
	_cleanup_close_ int fd = -1;
	char hex[DIGEST_HEX_SIZE];
	int r = -EINVAL;

	if (path_is_name(name)) {
		fd = openat(dirfd, name, flags);
		r = fd < 0 ? -errno : adopt_fd(g, fd, dirfd, name, d);
	}
	if (r < 0)
		return ingest_failed(g, fail_code(e, r, "take '%s' over as object '%s'",
						  name, digest_hex(d, hex)));
	return 0;
}

/* -- commit ---------------------------------------------------------------------- */

/* @name is staged_name()'s. */
typedef int (*each_fn)(struct ingest *g, const char *name, enum object_kind kind,
		       const struct digest *d);

static int for_each_of(struct ingest *g, int subdir, each_fn fn)
{
	_cleanup_closedir_ DIR *dir = NULL;
	char name[STAGED_NAME_SIZE];
	enum object_kind kind;
	struct dirent *de;
	struct digest d;
	int r = dir_stream(subdir, &dir);

	while (r >= 0) {
		de = dir_next(dir);
		if (!de)
			return -errno;
		if (object_name_parse(de->d_name, &d, &kind) == 0)
			r = fn(g, staged_name(&d, kind, name), kind, &d);
	}
	return r;
}

static int for_each_staged(struct ingest *g, each_fn fn)
{
	int r = 0;

	for (const char *digit = "0123456789abcdef"; *digit && r >= 0; digit++) {
		const char name[] = { *digit, '\0' };
		_cleanup_close_ int fd = openat(
			g->dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

		if (fd >= 0)
			r = for_each_of(g, fd, fn);
		else if (errno != ENOENT)
			r = -errno;
	}
	return r;
}

static int sync_one(struct ingest *g, const char *name, enum object_kind kind,
		    const struct digest *d)
{
	_cleanup_close_ int fd = openat(g->dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	(void)kind;
	(void)d;
	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

static int sync_staged(struct ingest *g)
{
	if (atomic_load(&g->staged) > SYNC_EACH_MAX)
		return syncfs(g->dir) < 0 ? -errno : 0;
	return for_each_staged(g, sync_one);
}

void ingest_writeback(struct ingest *g)
{
	if (atomic_load(&g->staged) > SYNC_EACH_MAX)
		(void)syncfs(g->dir);
}

static int publish_one(struct ingest *g, const char *name, enum object_kind kind,
		       const struct digest *d)
{
	struct stat st;
	int r;

	r = rename_noreplace(g->dir, name, g->store->objects, name + 2);
	if (r != -EEXIST)
		return r;
	if (fstatat(g->dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (present(g, d, kind, (uint64_t)st.st_size))
		return unlinkat(g->dir, name, 0) < 0 ? -errno : 0;
	return renameat(g->dir, name, g->store->objects, name + 2) < 0 ? -errno : 0;
}

int ingest_commit(struct ingest *g, struct volt_error *e)
{
	int r;

	if (atomic_load(&g->failed))
		return fail(e, ECANCELED, "an object could not be stored before");
	r = sync_staged(g);
	if (r < 0)
		return ingest_failed(g, fail_code(e, r, "write the new objects to disk"));
	r = for_each_staged(g, publish_one);
	if (r >= 0)
		r = sync_dir(g->store->objects);
	if (r < 0)
		return ingest_failed(g, fail_code(e, r, "name the new objects"));
	atomic_store(&g->staged, 0);
	return 0;
}
