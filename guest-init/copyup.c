/* SPDX-License-Identifier: Apache-2.0 */
#include "copyup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include "init.h"

#define DEPTH_MAX 64

int copyup_wanted(const struct mount_wish *m, char **ret)
{
	static const char wish[] = "tmpcopyup";
	size_t n = sizeof(wish) - 1;
	const char *at = m->options;

	if (strcmp(m->type, "tmpfs") != 0)
		return 0;
	while (at && (strncmp(at, wish, n) != 0 || (at[n] != ',' && at[n] != 0))) {
		at = strchr(at, ',');
		at = at ? at + 1 : NULL;
	}
	if (!at)
		return 0;
	*ret = strdup(m->options);
	if (!*ret)
		return -ENOMEM;
	at = *ret + (at - m->options);
	memmove((char *)at, at + n, strlen(at + n) + 1);
	return 1;
}

static int copy_attributes(int fd, const struct stat *st)
{
	const struct timespec times[2] = { st->st_atim, st->st_mtim };

	if (fchown(fd, st->st_uid, st->st_gid) < 0 ||
	    fchmod(fd, st->st_mode & 07777) < 0 || futimens(fd, times) < 0)
		return -errno;
	return 0;
}

static int copy_file(int from, int to, const char *name, const struct stat *st)
{
	_cleanup_close_ int in = openat(from, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	_cleanup_close_ int out =
		openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	ssize_t n = 1;

	if (in < 0 || out < 0)
		return -errno;
	while (n > 0)
		n = sendfile(out, in, NULL, 1 << 20);
	return n < 0 ? -errno : copy_attributes(out, st);
}

static int copy_link(int from, int to, const char *name, const struct stat *st)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(from, name, target, sizeof(target) - 1);

	if (n < 0)
		return -errno;
	target[n] = 0;
	if (symlinkat(target, to, name) < 0 ||
	    fchownat(to, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return 0;
}

static int copy_directory(int from, int to, int depth);

static int copy_below(int from, int to, const char *name, int depth)
{
	_cleanup_close_ int in = -1, out = -1;

	in = openat(from, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (in < 0 || mkdirat(to, name, 0700) < 0)
		return -errno;
	out = openat(to, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	return out < 0 ? -errno : copy_directory(in, out, depth + 1);
}

static int copy_entry(int from, int to, const char *name, int depth)
{
	struct stat st;

	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	switch (st.st_mode & S_IFMT) {
	case S_IFREG:
		return copy_file(from, to, name, &st);
	case S_IFLNK:
		return copy_link(from, to, name, &st);
	case S_IFDIR:
		return copy_below(from, to, name, depth);
	default:
		return 0;
	}
}

static int copy_directory(int from, int to, int depth)
{
	struct dirent *de;
	struct stat st;
	int copy, r = 0;
	DIR *d;

	if (depth > DEPTH_MAX)
		return -ELOOP;
	copy = fcntl(from, F_DUPFD_CLOEXEC, 0);
	d = copy < 0 ? NULL : fdopendir(copy);
	if (!d)
		return -errno;
	while (r == 0 && (de = readdir(d)))
		if (strcmp(de->d_name, ".") != 0 && strcmp(de->d_name, "..") != 0)
			r = copy_entry(from, to, de->d_name, depth);
	(void)closedir(d);
	if (r < 0)
		return r;
	return fstat(from, &st) < 0 ? -errno : copy_attributes(to, &st);
}

int copyup(int from, const char *target)
{
	_cleanup_close_ int to = open(target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return to < 0 ? -errno : copy_directory(from, to, 0);
}
