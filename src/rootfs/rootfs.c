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
#include "rootfs/nanos-base.h"
#include "rootfs/rootfs-private.h"
#include "rootfs/tinyvol.h"

#define EROFS_SUFFIX   ".erofs"
#define TINYVOL_SUFFIX ".tree"
#define HOST_SUFFIX    ".host"
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
	int (*remove)(struct rootfs_making *k, struct volt_error *e);
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

static int remove_file(struct rootfs_making *k, struct volt_error *e)
{
	if (unlinkat(k->dir, k->name, 0) < 0 && errno != ENOENT)
		return fail_errno(e, "remove '%s'", k->name);
	return 0;
}

/* Takes a directory nobody uses out of the way; it is removed with the temporary name. */
static int remove_tinyvol(struct rootfs_making *k, struct volt_error *e)
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

static const struct kind erofs = { EROFS_SUFFIX, "EROFS image", open_image, make_image,
				   remove_file };
static const struct kind tinyvol = { TINYVOL_SUFFIX, "hard-link tree", open_tinyvol,
				     make_tinyvol, remove_tinyvol };
static const struct kind host = { HOST_SUFFIX, "hard-link tree", open_tinyvol, make_host,
				  remove_tinyvol };
static const struct kind *const kinds[] = { &erofs, &tinyvol, &host };

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

static int evict(int dir, const char *name,
		 int (*remove)(struct rootfs_making *k, struct volt_error *e),
		 struct volt_error *e)
{
	_cleanup_(rootfs_making_done) struct rootfs_making k = { .lock = -1 };
	int r;

	if (faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT)
		return 0;
	r = rootfs_making_begin(&k, dir, name, e);
	return r < 0 ? r : remove(&k, e);
}

bool rootfs_is_nanos(const char *name, struct digest *ret_tree)
{
	const size_t digits = DIGEST_HEX_SIZE - 1;
	char hex[DIGEST_HEX_SIZE] = "";

	if (strlen(name) != NANOS_BASE_SIZE - 2 || name[digits] != '-')
		return false;
	memcpy(hex, name, digits);
	name += digits + 1;
	return digest_parse(hex, ret_tree) == 0 &&
	       strspn(name, "0123456789abcdef") == NANOS_KEY_DIGITS &&
	       strcmp(name + NANOS_KEY_DIGITS, NANOS_BASE_SUFFIX) == 0;
}

/* Calls @fn for each name below rootfs/ until it fails. */
static int each_name(int dir,
		     int (*fn)(int dir, const char *name, const void *data,
			       struct volt_error *e),
		     const void *data, struct volt_error *e)
{
	int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	_cleanup_closedir_ DIR *d = copy < 0 ? NULL : fdopendir(copy);

	if (!d) {
		r = fail_errno(e, "read directory 'rootfs'");
		closep(&copy);
		return r;
	}
	for (const struct dirent *de; r >= 0 && (de = readdir(d));)
		r = fn(dir, de->d_name, data, e);
	return r < 0 ? r : 0;
}

static int evict_nanos(int dir, const char *name, const void *data, struct volt_error *e)
{
	struct digest tree;

	if (!rootfs_is_nanos(name, &tree) || !digest_equal(&tree, data))
		return 0;
	return evict(dir, name, remove_file, e);
}

int rootfs_evict(int rootfd, const struct digest *tree, struct volt_error *e)
{
	_cleanup_close_ int dir = rootfs_open(rootfd, e);
	char name[NAME_SIZE];
	int r = dir;

	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(kinds); i++) {
		cache_name(tree, kinds[i]->suffix, name);
		r = evict(dir, name, kinds[i]->remove, e);
	}
	return r < 0 ? r : each_name(dir, evict_nanos, tree, e);
}

/* What is made of a tree and by that tree's name; else NULL. */
static const struct kind *parse_name(const char *name, struct digest *ret)
{
	const char *suffix = name + DIGEST_HEX_SIZE - 1;
	char hex[DIGEST_HEX_SIZE] = "";

	if (strlen(name) < DIGEST_HEX_SIZE)
		return NULL;
	memcpy(hex, name, sizeof(hex) - 1);
	if (digest_parse(hex, ret) < 0)
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (strcmp(suffix, kinds[i]->suffix) == 0)
			return kinds[i];
	return NULL;
}

static bool is_scratch(const char *name)
{
	const char *suffix = strrchr(name, '.');

	return strncmp(name, SCRATCH_PREFIX, strlen(SCRATCH_PREFIX)) == 0 && suffix &&
	       strcmp(suffix, SCRATCH_SUFFIX) == 0;
}

static int sweep_one(int dir, const char *name, const void *data, struct volt_error *e)
{
	const struct store *s = data;
	const struct kind *kind;
	struct digest tree;
	int r;

	if (is_scratch(name))
		return evict(dir, name, remove_file, e);
	if (rootfs_is_nanos(name, &tree))
		return store_has(s, &tree, OBJECT_PLAIN)
			       ? 0
			       : evict(dir, name, remove_file, e);
	kind = parse_name(name, &tree);
	if (!kind || store_has(s, &tree, OBJECT_PLAIN))
		return 0;
	r = evict(dir, name, kind->remove, e);
	return r == -EBUSY ? 0 : r;
}

int rootfs_sweep(int rootfd, const struct store *s, struct volt_error *e)
{
	_cleanup_close_ int dir = rootfs_open(rootfd, e);

	return dir < 0 ? dir : each_name(dir, sweep_one, s, e);
}
