/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/path.h"
#include "store/internal.h"

int store_lock(const struct store *s, enum lock_mode mode, bool wait,
	       struct volt_error *e)
{
	int fd = lock_open(s->cas, STORE_LOCK, mode, wait);

	if (fd == -EAGAIN)
		return fail(e, EAGAIN, "the store is in use by another volt command");
	return fd < 0 ? fail_code(e, fd, "lock the store") : fd;
}

int lease_take(const struct store *s, struct volt_error *e)
{
	return store_lock(s, LOCK_SHARED, true, e);
}

int staging_clear(const struct store *s)
{
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *de;
	int r;

	r = dir_stream(s->staging, &dir);
	while (r >= 0) {
		de = dir_next(dir);
		if (!de)
			return -errno;
		r = remove_tree_at(s->staging, de->d_name);
	}
	return r;
}

static bool staging_is_empty(const struct store *s)
{
	_cleanup_closedir_ DIR *dir = NULL;

	return dir_stream(s->staging, &dir) < 0 || !dir_next(dir);
}

static int convert(int fd, short type)
{
	struct flock lock = { .l_type = type };

	return fcntl(fd, F_OFD_SETLK, &lock) < 0 ? -errno : 0;
}

void staging_sweep(const struct store *s, int lease)
{
	if (staging_is_empty(s))
		return;
	/* A refused conversion leaves the shared lock as it was. */
	if (convert(lease, F_WRLCK) < 0)
		return;
	(void)staging_clear(s); /* gc says why it cannot */
	(void)convert(lease, F_RDLCK);
}
