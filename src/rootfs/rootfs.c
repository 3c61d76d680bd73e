/* SPDX-License-Identifier: Apache-2.0 */
#include "rootfs/rootfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/path.h"
#include "rootfs/erofs.h"
#include "rootfs/rootfs-private.h"
#include "rootfs/tinyvol.h"

#define EROFS_SUFFIX   ".erofs"
#define TINYVOL_SUFFIX ".tree"
#define HOST_SUFFIX    ".host"
#define SCRATCH_PREFIX "scratch-"
#define SCRATCH_SUFFIX ".ext4"
#define NAME_SIZE      (DIGEST_HEX_SIZE + sizeof(EROFS_SUFFIX))

static void cache_name(const struct digest *tree, const char *suffix,
		       char name[static NAME_SIZE])
{
	char hex[DIGEST_HEX_SIZE];

	(void)snprintf(name, NAME_SIZE, "%s%s", digest_hex(tree, hex), suffix);
}

/* What one kind of root file system is made of. */
struct kind {
	const char *suffix, *what;
	int (*open)(int dir, const char *name);
	int (*make)(const struct rootfs_making *k, const struct tree *t,
		    const struct store *s, const struct digest *id, struct volt_error *e);
};

static int open_image(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	return fd < 0 ? -errno : fd;
}

static int make_image(const struct rootfs_making *k, const struct tree *t,
		      const struct store *s, const struct digest *id,
		      struct volt_error *e)
{
	_cleanup_close_ int fd =
		openat(k->dir, k->tmp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int r;

	if (fd < 0)
		return fail_errno(e, "make '%s'", k->tmp);
	r = erofs_write(t, s, id, fd, NULL, e);
	if (r < 0)
		return r;
	if (fchmod(fd, 0444) < 0 || fsync(fd) < 0)
		return fail_errno(e, "sync '%s'", k->tmp);
	return 0;
}

/* Whether @name still is what @fd was opened as. */
static bool is_still(int dir, const char *name, int fd)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 && fstatat(dir, name, &b, AT_SYMLINK_NOFOLLOW) == 0 &&
	       a.st_ino == b.st_ino && a.st_dev == b.st_dev;
}

/* The shared lock is what tells rootfs_evict() that the directory is in use. */
static int open_tinyvol(int dir, const char *name)
{
	_cleanup_close_ int fd =
		openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_SH | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -ENOENT : -errno;
	return is_still(dir, name, fd) ? TAKE_FD(fd) : -ENOENT;
}

static int make_directory(const struct rootfs_making *k,
			  int (*fill)(const struct tree *, const struct store *, int,
				      struct volt_error *),
			  const struct tree *t, const struct store *s,
			  struct volt_error *e)
{
	_cleanup_close_ int fd = -1;
	int r;

	if (mkdirat(k->dir, k->tmp, 0700) < 0)
		return fail_errno(e, "make '%s'", k->tmp);
	fd = openat(k->dir, k->tmp, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return fail_errno(e, "open '%s'", k->tmp);
	r = fill(t, s, fd, e);
	if (r < 0)
		return r;
	return syncfs(fd) < 0 ? fail_errno(e, "sync '%s'", k->tmp) : 0;
}

static int make_tinyvol(const struct rootfs_making *k, const struct tree *t,
			const struct store *s, const struct digest *id,
			struct volt_error *e)
{
	return make_directory(k, tinyvol_fill_9p, t, s, e);
}

static int make_host(const struct rootfs_making *k, const struct tree *t,
		     const struct store *s, const struct digest *id, struct volt_error *e)
{
	return make_directory(k, tinyvol_fill_host, t, s, e);
}

static const struct kind erofs = { EROFS_SUFFIX, "EROFS image", open_image, make_image };
static const struct kind tinyvol = { TINYVOL_SUFFIX, "hard-link tree", open_tinyvol,
				     make_tinyvol };
static const struct kind host = { HOST_SUFFIX, "hard-link tree", open_tinyvol,
				  make_host };

/* Makes what is not there, unless another maker was faster, with the lock held. */
static int make(int dir, const char *name, const struct kind *kind, struct store *s,
		const struct digest *tree, struct volt_error *e)
{
	_cleanup_(rootfs_making_done) struct rootfs_making k = { .lock = -1 };
	_cleanup_(tree_freep) struct tree *t = NULL;
	_cleanup_close_ int lease = -1;
	int fd, r;

	r = rootfs_making_begin(&k, dir, name, e);
	if (r < 0)
		return r;
	fd = kind->open(dir, name);
	if (fd != -ENOENT)
		return fd < 0 ? fail_code(e, fd, "open '%s'", name) : fd;
	lease = lease_take(s, e);
	if (lease < 0)
		return lease;
	r = tree_load(s, tree, &t, e);
	if (r >= 0)
		r = kind->make(&k, t, s, tree, e);
	if (r >= 0)
		r = rootfs_making_commit(&k, e);
	if (r < 0)
		return r;
	fd = kind->open(dir, name);
	return fd < 0 ? fail_code(e, fd, "open '%s'", name) : fd;
}

static int get(int rootfd, const struct kind *kind, struct store *s,
	       const struct digest *tree, struct volt_error *e)
{
	_cleanup_close_ int dir = rootfs_open(rootfd, e);
	char name[NAME_SIZE];
	int fd;

	if (dir < 0)
		return dir;
	cache_name(tree, kind->suffix, name);
	fd = kind->open(dir, name);
	if (fd == -ENOENT) {
		fd = make(dir, name, kind, s, tree, e);
		return fd < 0 ? fail_in(e, fd, "make the %s", kind->what) : fd;
	}
	return fd < 0 ? fail_code(e, fd, "open '%s'", name) : fd;
}

int rootfs_erofs(int rootfd, struct store *s, const struct digest *tree,
		 struct volt_error *e)
{
	return get(rootfd, &erofs, s, tree, e);
}

int rootfs_tinyvol(int rootfd, struct store *s, const struct digest *tree,
		   struct volt_error *e)
{
	return get(rootfd, &tinyvol, s, tree, e);
}

int rootfs_tinyvol_host(int rootfd, struct store *s, const struct digest *tree,
			struct volt_error *e)
{
	return get(rootfd, &host, s, tree, e);
}

/* Takes a directory nobody uses out of the way; it is removed with the temporary name. */
static int evict_tinyvol(struct rootfs_making *k, struct volt_error *e)
{
	_cleanup_close_ int fd =
		openat(k->dir, k->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return fail_errno(e, "open '%s'", k->name);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return fail(e, EBUSY, "'%s' is in use by a machine", k->name);
	if (renameat(k->dir, k->name, k->dir, k->tmp) < 0)
		return fail_errno(e, "rename '%s'", k->name);
	return 0;
}

static int evict(int dir, const struct digest *tree, const struct kind *kind,
		 struct volt_error *e)
{
	_cleanup_(rootfs_making_done) struct rootfs_making k = { .lock = -1 };
	char name[NAME_SIZE];
	int r;

	cache_name(tree, kind->suffix, name);
	if (faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT)
		return 0;
	r = rootfs_making_begin(&k, dir, name, e);
	if (r < 0)
		return r;
	if (kind != &erofs)
		return evict_tinyvol(&k, e);
	if (unlinkat(dir, name, 0) < 0 && errno != ENOENT)
		return fail_errno(e, "remove '%s'", name);
	return 0;
}

int rootfs_evict(int rootfd, const struct digest *tree, struct volt_error *e)
{
	_cleanup_close_ int dir = rootfs_open(rootfd, e);
	int r;

	if (dir < 0)
		return dir;
	r = evict(dir, tree, &erofs, e);
	if (r >= 0)
		r = evict(dir, tree, &tinyvol, e);
	return r < 0 ? r : evict(dir, tree, &host, e);
}

/* What a name under rootfs/ is; false for the lock and what is in the making. */
static bool parse_name(const char *name, struct rootfs_info *ret)
{
	char hex[DIGEST_HEX_SIZE] = "";
	const char *suffix;

	memset(&ret->tree, 0, sizeof(ret->tree));
	suffix = strrchr(name, '.');
	if (strncmp(name, SCRATCH_PREFIX, strlen(SCRATCH_PREFIX)) == 0) {
		ret->kind = ROOTFS_SCRATCH;
		return suffix && strcmp(suffix, SCRATCH_SUFFIX) == 0;
	}
	if (strlen(name) < DIGEST_HEX_SIZE)
		return false;
	memcpy(hex, name, DIGEST_HEX_SIZE - 1);
	if (digest_parse(hex, &ret->tree) < 0)
		return false;
	suffix = name + DIGEST_HEX_SIZE - 1;
	ret->kind = strcmp(suffix, EROFS_SUFFIX) == 0 ? ROOTFS_EROFS : ROOTFS_TINYVOL;
	return ret->kind == ROOTFS_EROFS || strcmp(suffix, TINYVOL_SUFFIX) == 0 ||
	       strcmp(suffix, HOST_SUFFIX) == 0;
}

/* Sums what is below a directory. Shared files (more than one link) take nothing. */
static int measure_dir(int fd, struct rootfs_info *info)
{
	_cleanup_closedir_ DIR *d = fdopendir(fd);
	int r = 0;

	if (!d) {
		r = -errno;
		(void)close(fd);
		return r;
	}
	for (const struct dirent *de; r >= 0 && (de = readdir(d));) {
		struct stat st;

		if (strcmp(de->d_name, ".") == 0 || strcmp(de->d_name, "..") == 0)
			continue;
		if (fstatat(fd, de->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return -errno;
		info->bytes += S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
		if (S_ISDIR(st.st_mode) || st.st_nlink == 1)
			info->allocated += (uint64_t)st.st_blocks * 512;
		if (!S_ISDIR(st.st_mode))
			continue;
		r = openat(fd, de->d_name,
			   O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		r = r < 0 ? -errno : measure_dir(r, info);
	}
	return r;
}

static int measure(int dir, const char *name, struct rootfs_info *info)
{
	struct stat st;
	int fd;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	info->made_at = st.st_mtim.tv_sec;
	info->allocated = (uint64_t)st.st_blocks * 512;
	info->bytes = S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
	if (!S_ISDIR(st.st_mode))
		return 0;
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	return fd < 0 ? -errno : measure_dir(fd, info);
}

static int compare_infos(const void *a, const void *b)
{
	const struct rootfs_info *x = a, *y = b;

	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	if (x->kind == ROOTFS_SCRATCH)
		return (x->bytes > y->bytes) - (x->bytes < y->bytes);
	return digest_compare(&x->tree, &y->tree);
}

static int list_names(int dir, struct rootfs_info **v, size_t *n, struct volt_error *e)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_closedir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (!d)
		return fail_errno(e, "read directory 'rootfs'");
	for (const struct dirent *de; (de = readdir(d));) {
		struct rootfs_info info = { 0 };
		struct rootfs_info *more;
		int r;

		if (!parse_name(de->d_name, &info))
			continue;
		r = measure(dir, de->d_name, &info);
		if (r == -ENOENT) /* evicted meanwhile */
			continue;
		if (r < 0)
			return fail_code(e, r, "measure '%s'", de->d_name);
		more = reallocarray(*v, *n + 1, sizeof(**v));
		if (!more)
			return fail_oom(e);
		*v = more;
		more[(*n)++] = info;
	}
	return 0;
}

int rootfs_list(int rootfd, struct rootfs_info **ret, size_t *ret_n, struct volt_error *e)
{
	_cleanup_close_ int dir = rootfs_open(rootfd, e);
	_cleanup_free_ struct rootfs_info *v = NULL;
	size_t n = 0;
	int r;

	if (dir < 0)
		return dir;
	r = list_names(dir, &v, &n, e);
	if (r < 0)
		return r;
	if (n > 0)
		qsort(v, n, sizeof(*v), compare_infos);
	*ret = TAKE_PTR(v);
	*ret_n = n;
	return 0;
}
