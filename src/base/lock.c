/* SPDX-License-Identifier: Apache-2.0 */

#include "base/lock.h"

#include <errno.h>
#include <fcntl.h>

#include "base/macro.h"

int lock_open(int dirfd, const char *name, enum lock_mode mode, bool wait)
{
	struct flock lock = { .l_type = mode == LOCK_SHARED ? F_RDLCK : F_WRLCK };
	_cleanup_close_ int fd =
		openat(dirfd, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	int r;

	if (fd < 0)
		return -errno;
	do
		r = fcntl(fd, wait ? F_OFD_SETLKW : F_OFD_SETLK, &lock);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return errno == EACCES ? -EAGAIN : -errno;
	return TAKE_FD(fd);
}

int lock_test(int dirfd, const char *name)
{
	struct flock lock = { .l_type = F_RDLCK };
	_cleanup_close_ int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (fcntl(fd, F_OFD_GETLK, &lock) < 0)
		return -errno;
	return lock.l_type != F_UNLCK;
}
