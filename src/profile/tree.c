/* SPDX-License-Identifier: Apache-2.0 */
#include "profile/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/path.h"
#include "store/sha256.h"

#define TREES      "qemu"
#define TREES_LOCK ".lock"
#define TMP        ".tmp-"
#define DIR_MODE   0755 /* QEMU runs as a user of its own */

int trees_open(const struct profiles *ps, struct volt_error *e)
{
	int fd = mkdir_beneath(ps->rootfd, TREES, DIR_MODE);

	return fd < 0 ? fail_code(e, fd, "open the directory '" TREES "' of volt's root")
		      : fd;
}

/* -- locks ------------------------------------------------------------------------- */

static bool is_linked(int fd, int trees, const char *name)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 && fstatat(trees, name, &b, AT_SYMLINK_NOFOLLOW) == 0 &&
	       a.st_ino == b.st_ino;
}

/* The one who held it may have removed the file while this one waited for it. */
static int lock_named(int trees, const char *name, enum lock_mode mode, bool wait)
{
	int fd = lock_open(trees, name, mode, wait);

	while (fd >= 0 && !is_linked(fd, trees, name)) {
		(void)close(fd);
		fd = lock_open(trees, name, mode, wait);
	}
	return fd;
}

int tree_lock(int trees, const char *which, const char *tree, enum lock_mode mode,
	      bool wait)
{
	char name[NAME_MAX + 1];

	(void)snprintf(name, sizeof(name), "%s%s", which, tree);
	return lock_named(trees, name, mode, wait);
}

void tree_lock_remove(int trees, const char *which, const char *tree)
{
	char name[NAME_MAX + 1];

	(void)snprintf(name, sizeof(name), "%s%s", which, tree);
	(void)unlinkat(trees, name, 0);
}

int trees_lock(int trees, bool wait)
{
	return lock_open(trees, TREES_LOCK, LOCK_EXCLUSIVE, wait);
}

/* -- the dead ---------------------------------------------------------------------- */

static void sweep_unmade(int trees, const char *name)
{
	const char *tree = name + strlen(TMP);
	_cleanup_close_ int lock =
		tree_lock(trees, TREE_LOCK_MAKE, tree, LOCK_EXCLUSIVE, false);

	if (lock < 0)
		return; /* it is being made */
	(void)remove_tree_at(trees, name);
	tree_lock_remove(trees, TREE_LOCK_MAKE, tree);
}

/* A lock file that nobody holds. */
static void sweep_lock(int trees, const char *which, const char *tree)
{
	_cleanup_close_ int lock = tree_lock(trees, which, tree, LOCK_EXCLUSIVE, false);

	if (lock >= 0)
		tree_lock_remove(trees, which, tree);
}

static void sweep_name(int trees, const char *name)
{
	struct stat st;

	/* That of a tree which is there is taken each time somebody uses it. */
	if (strncmp(name, TREE_LOCK_USE, strlen(TREE_LOCK_USE)) == 0 &&
	    faccessat(trees, name + strlen(TREE_LOCK_USE), F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		sweep_lock(trees, TREE_LOCK_USE, name + strlen(TREE_LOCK_USE));
	if (strncmp(name, TREE_LOCK_MAKE, strlen(TREE_LOCK_MAKE)) == 0)
		sweep_lock(trees, TREE_LOCK_MAKE, name + strlen(TREE_LOCK_MAKE));
	if (strncmp(name, TMP, strlen(TMP)) != 0 ||
	    fstatat(trees, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	if (S_ISDIR(st.st_mode))
		sweep_unmade(trees, name);
	else
		(void)unlinkat(trees, name, 0);
}

void trees_sweep(int trees)
{
	_cleanup_close_ int lock = trees_lock(trees, false);
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *de;

	if (lock < 0 || dir_stream(trees, &dir) < 0)
		return;
	while ((de = dir_next(dir)))
		sweep_name(trees, de->d_name);
}

/* -- files of a tree --------------------------------------------------------------- */

static int open_or_make(int root, const char *dir)
{
	int fd = open_beneath(root, dir, O_RDONLY | O_DIRECTORY, 0), r;

	if (fd != -ENOENT)
		return fd;
	fd = mkdir_beneath(root, dir, DIR_MODE);
	if (fd < 0 || fchmod(fd, DIR_MODE) == 0) /* whatever the umask is */
		return fd;
	r = -errno;
	(void)close(fd);
	return r;
}

int tree_parent(int root, const char *path)
{
	char dir[PATH_MAX];
	int fd = -EINVAL;

	for (const char *c = strchr(path, '/'); c; c = strchr(c + 1, '/')) {
		(void)snprintf(dir, sizeof(dir), "%.*s", (int)(c - path), path);
		closep(&fd);
		fd = open_or_make(root, dir);
		if (fd < 0)
			break;
	}
	return fd;
}

static mode_t mode_of(const struct profile_entry *entry)
{
	return profile_kind(entry->path) == OBJECT_EXEC ? 0555 : 0444;
}

int tree_link(const struct store *s, const struct profile_entry *entry, int dir,
	      const char *name, struct volt_error *e)
{
	enum object_kind kind = profile_kind(entry->path);
	struct stat st;
	int r;

	r = store_link(s, &entry->digest, kind, dir, name, e);
	if (r != 0)
		return r;
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return fail_errno(e, "look at '%s'", entry->path);
	if ((st.st_mode & 07777) == mode_of(entry))
		return 0;
	/* Of a store written by others. A mode belongs to all names of a file. */
	if (unlinkat(dir, name, 0) < 0)
		return fail_errno(e, "remove the link '%s'", entry->path);
	return store_copy(s, &entry->digest, kind, dir, name, e);
}

int tree_check(const struct profile_entry *entry, int fd)
{
	struct digest is;
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || (st.st_mode & 07777) != mode_of(entry))
		return -EBADMSG;
	r = sha256_fd(fd, &is);
	if (r >= 0 && !digest_equal(&is, &entry->digest))
		r = -EBADMSG;
	return r;
}
