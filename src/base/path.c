/* SPDX-License-Identifier: Apache-2.0 */

#include "base/path.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/io.h"

static int open_resolved(int dirfd, const char *path, int flags, mode_t mode,
			 uint64_t resolve)
{
	struct open_how how = {
		.flags = (uint64_t)(unsigned int)flags | O_CLOEXEC,
		.mode = flags & (O_CREAT | __O_TMPFILE) ? mode : 0,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | resolve,
	};
	long fd;

	do /* EAGAIN: a rename somewhere raced with the look-up */
		fd = syscall(SYS_openat2, dirfd, path, &how, sizeof(how));
	while (fd < 0 && (errno == EAGAIN || errno == EINTR));
	return fd < 0 ? -errno : (int)fd;
}

int open_beneath(int dirfd, const char *path, int flags, mode_t mode)
{
	return open_resolved(dirfd, path, flags, mode, RESOLVE_NO_SYMLINKS);
}

int open_within(int dirfd, const char *path, int flags)
{
	return open_resolved(dirfd, path, flags & ~(O_CREAT | __O_TMPFILE), 0, 0);
}

/* Opens the directory @name in @dirfd, making it if it is missing. */
static int open_or_make(int dirfd, const char *name, mode_t mode)
{
	int fd = open_beneath(dirfd, name, O_RDONLY | O_DIRECTORY, 0);

	if (fd != -ENOENT)
		return fd;
	if (mkdirat(dirfd, name, mode) < 0 && errno != EEXIST)
		return -errno;
	return open_beneath(dirfd, name, O_RDONLY | O_DIRECTORY, 0);
}

int mkdir_beneath(int dirfd, const char *path, mode_t mode)
{
	char name[NAME_MAX + 1];
	int fd = fcntl(dirfd, F_DUPFD_CLOEXEC, 3);

	if (fd < 0)
		return -errno;
	if (!path_is_clean(path)) {
		(void)close(fd);
		return -EINVAL;
	}
	while (*path && fd >= 0) {
		size_t n = strcspn(path, "/");
		int next;

		memcpy(name, path, n);
		name[n] = 0;
		next = open_or_make(fd, name, mode);
		(void)close(fd);
		fd = next;
		path += n + (path[n] == '/');
	}
	return fd;
}

int mkdir_open(const char *path, mode_t mode)
{
	char part[PATH_MAX];
	size_t size = strlen(path);
	int code, fd;

	if (size == 0 || size >= sizeof(part))
		return size ? -ENAMETOOLONG : -EINVAL;
	memcpy(part, path, size + 1);
	for (size_t i = 1; i <= size; i++) {
		if (part[i] != '/' && part[i] != 0)
			continue;
		part[i] = 0;
		code = mkdir(part, mode) < 0 ? errno : 0;
		if (code != 0 && code != EEXIST && access(part, F_OK) < 0)
			return -code;
		if (i < size)
			part[i] = '/';
	}
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int dir_stream(int dirfd, DIR **ret)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	int r;

	if (!d) {
		r = -errno;
		closep(&fd);
		return r;
	}
	*ret = d;
	return 0;
}

struct dirent *dir_next(DIR *d)
{
	struct dirent *entry;

	do {
		errno = 0;
		entry = readdir(d);
	} while (entry &&
		 (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0));
	return entry;
}

/* Each level takes a descriptor and some stack, and a tree made from an image may have two
 * thousand. So what lies deeper than this is moved up into the top directory, where the
 * walk comes upon it again. */
#define REMOVE_DEPTH_MAX 32
#define REMOVE_TRIES     100

struct removal {
	dev_t dev;
	int top;    /* the directory that is being removed, once it is open */
	bool moved; /* something was, since its entries were read last */
};

static int remove_entry(struct removal *rm, int dirfd, const char *name, int depth);

static int remove_entries(struct removal *rm, DIR *d, int depth)
{
	struct dirent *entry;
	int r;

	while ((entry = dir_next(d))) {
		r = remove_entry(rm, dirfd(d), entry->d_name, depth + 1);
		if (r < 0)
			return r;
	}
	return -errno;
}

/* Removes everything in @fd, which it takes over. */
static int empty_directory(struct removal *rm, int fd, int depth)
{
	_cleanup_closedir_ DIR *d = fdopendir(fd);
	int r;

	if (!d) {
		r = -errno;
		(void)close(fd);
		return r;
	}
	if (depth > 0)
		return remove_entries(rm, d, depth);
	rm->top = fd;
	do {
		rm->moved = false;
		rewinddir(d);
		r = remove_entries(rm, d, depth);
	} while (r == 0 && rm->moved);
	return r;
}

static int move_up(struct removal *rm, int dirfd, const char *name)
{
	char tmp[TMP_NAME_SIZE];
	int r = tmp_name(tmp);

	if (r < 0)
		return r;
	rm->moved = true;
	return renameat(dirfd, name, rm->top, tmp) < 0 ? -errno : 0;
}

static int open_to_empty(const struct removal *rm, int dirfd, const char *name)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	_cleanup_close_ int fd = openat(dirfd, name, flags);
	struct stat st;

	if (fd < 0 && errno == EACCES && fchmodat(dirfd, name, 0700, 0) == 0)
		fd = openat(dirfd, name, flags);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0 || st.st_dev != rm->dev)
		return -EXDEV;
	(void)fchmod(fd, st.st_mode | 0700);
	return TAKE_FD(fd);
}

static int remove_entry(struct removal *rm, int dirfd, const char *name, int depth)
{
	int fd, r;

	if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return -errno;
	fd = open_to_empty(rm, dirfd, name);
	if (fd < 0)
		return fd;
	if (depth > REMOVE_DEPTH_MAX) {
		(void)close(fd);
		return move_up(rm, dirfd, name);
	}
	r = empty_directory(rm, fd, depth);
	if (r < 0)
		return r;
	return unlinkat(dirfd, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
}

int remove_tree_at(int dirfd, const char *name)
{
	struct removal rm = { .top = -1 };
	int r, tries = REMOVE_TRIES;
	struct stat st;

	if (!path_is_name(name))
		return -EINVAL;
	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	rm.dev = st.st_dev;
	/* Who had it open may put a file where none was any more. */
	do
		r = remove_entry(&rm, dirfd, name, 0);
	while ((r == -ENOTEMPTY || r == -EEXIST) && --tries > 0);
	return r;
}

int reopen_regular(int fd)
{
	char path[64];
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -ENOTSUP;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	r = open(path, O_RDONLY | O_CLOEXEC);
	return r < 0 ? -errno : r;
}

const char *path_base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static bool component_is_clean(const char *s, size_t n)
{
	return n > 0 && n <= NAME_MAX && !(n == 1 && s[0] == '.') &&
	       !(n == 2 && s[0] == '.' && s[1] == '.');
}

bool path_is_name(const char *s)
{
	return component_is_clean(s, strlen(s)) && !strchr(s, '/');
}

bool path_is_clean(const char *s)
{
	if (strlen(s) >= PATH_MAX)
		return false;
	for (;;) {
		size_t n = strcspn(s, "/");

		if (!component_is_clean(s, n))
			return false;
		if (s[n] == 0)
			return true;
		s += n + 1;
	}
}

#define ALNUM "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

bool name_is_valid(const char *s)
{
	size_t n = strlen(s);

	return n > 0 && n <= 128 && strspn(s, ALNUM) > 0 && strspn(s, ALNUM "_.-") == n;
}
