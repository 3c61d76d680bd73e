/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/lock.h"
#include "base/path.h"
#include "image/images-internal.h"

#define LOCK_NAME "staging.lock"

static char *absolute_path(int fd)
{
	char link[64], path[PATH_MAX];
	ssize_t n;

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path));
	if (n <= 0 || (size_t)n == sizeof(path))
		return NULL;
	return strndup(path, (size_t)n);
}

int staging_open(struct images *is, struct staging *ret, struct volt_error *e)
{
	_cleanup_staging_ struct staging s = { .images = is, .lock = -1, .dir = -1 };
	_cleanup_close_ int parent = mkdir_beneath(is->dir, "staging", 0700);
	int r;

	if (parent < 0)
		return fail_code(e, parent, "make images/staging");
	s.lock = lock_open(is->dir, LOCK_NAME, LOCK_SHARED, true);
	if (s.lock < 0)
		return fail_code(e, s.lock, "lock images/staging");
	r = random_hex(s.name, (sizeof(s.name) - 1) / 2);
	if (r < 0)
		return fail_code(e, r, "make a name for a temporary directory");
	if (mkdirat(parent, s.name, 0700) < 0)
		return fail_errno(e, "make images/staging/%s", s.name);
	s.dir = openat(parent, s.name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (s.dir < 0)
		return fail_errno(e, "open images/staging/%s", s.name);
	s.path = absolute_path(s.dir);
	if (!s.path)
		return fail(e, EIO, "find the path of images/staging/%s", s.name);
	*ret = s;
	s = (struct staging){ .lock = -1, .dir = -1 };
	return 0;
}

void staging_close(struct staging *s)
{
	_cleanup_close_ int parent = -1;

	if (s->dir >= 0 && s->name[0] != '\0') {
		parent = open_beneath(s->images->dir, "staging",
				      O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
		if (parent >= 0)
			(void)remove_tree_at(parent, s->name);
	}
	closep(&s->dir);
	closep(&s->lock);
	free(s->path);
	*s = (struct staging){ .lock = -1, .dir = -1 };
}

void staging_clean(struct images *is)
{
	_cleanup_close_ int lock = -1;
	_cleanup_closedir_ DIR *d = NULL;
	struct dirent *entry;
	_cleanup_close_ int fd =
		open_beneath(is->dir, "staging", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);

	if (fd < 0 || dir_stream(fd, &d) < 0)
		return;
	while ((entry = dir_next(d)) != NULL) {
		if (lock < 0)
			lock = lock_open(is->dir, LOCK_NAME, LOCK_EXCLUSIVE, false);
		if (lock < 0)
			return; /* somebody is at work */
		(void)remove_tree_at(fd, entry->d_name);
	}
}
