/* SPDX-License-Identifier: Apache-2.0 */
#include "base/workdir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/io.h"
#include "base/lock.h"
#include "base/path.h"

#define PREFIX ".work-"

/* Under the lock that makers hold too until theirs is locked. */
static void clear_dead(int parent)
{
	_cleanup_closedir_ DIR *d = NULL;
	int copy = openat(parent, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent *de;

	d = copy < 0 ? NULL : fdopendir(copy);
	while (d && (de = readdir(d))) {
		char lock[NAME_MAX + 8];

		(void)snprintf(lock, sizeof(lock), "%s/lock", de->d_name);
		if (strncmp(de->d_name, PREFIX, strlen(PREFIX)) == 0 &&
		    lock_test(parent, lock) == 0)
			(void)remove_tree_at(parent, de->d_name);
	}
}

static int path_of(int fd, char **ret)
{
	char link[64], path[PATH_MAX];
	ssize_t n;

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	if (n < 0)
		return -errno;
	path[n] = 0;
	*ret = strdup(path);
	return *ret ? 0 : -ENOMEM;
}

static int make(struct workdir *w)
{
	char random[TMP_NAME_SIZE];
	int r = tmp_name(random);

	if (r < 0)
		return r;
	(void)snprintf(w->name, sizeof(w->name), PREFIX "%s", random + 5);
	w->fd = mkdir_beneath(w->parent, w->name, 0700);
	if (w->fd < 0)
		return w->fd;
	w->lock = lock_open(w->fd, "lock", LOCK_EXCLUSIVE, false);
	return w->lock < 0 ? w->lock : path_of(w->fd, &w->path);
}

int workdir_open(int parent, const char *lock, struct workdir *w, struct volt_error *e)
{
	_cleanup_close_ int held = lock_open(parent, lock, LOCK_EXCLUSIVE, true);
	int r;

	w->parent = parent;
	if (held < 0)
		return fail_code(e, held, "lock the directory to work in");
	clear_dead(parent);
	r = make(w);
	return r < 0 ? fail_code(e, r, "make a directory to work in") : 0;
}

void workdir_done(struct workdir *w)
{
	if (w->fd >= 0)
		(void)remove_tree_at(w->parent, w->name);
	closep(&w->lock);
	closep(&w->fd);
	closep(&w->parent);
	free(w->path);
	*w = (struct workdir)WORKDIR_INIT;
}

static bool ends_in(const char *name, const char *end)
{
	size_t n = strlen(name), m = strlen(end);

	return n > m && strcmp(name + n - m, end) == 0;
}

int workdir_find(const struct workdir *w, const char *below, const char *end, char **ret)
{
	_cleanup_close_ int fd = openat(w->fd, below, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_closedir_ DIR *d = NULL;
	struct dirent *de;
	int r = fd < 0 ? -errno : dir_stream(fd, &d);

	while (r == 0 && (de = dir_next(d)))
		if (ends_in(de->d_name, end))
			return asprintf(ret, "%s/%s/%s", w->path, below, de->d_name) < 0
				       ? -ENOMEM
				       : 0;
	return r < 0 ? r : -ENOENT;
}
