/* SPDX-License-Identifier: Apache-2.0 */

#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

int write_all(int fd, const void *data, size_t size)
{
	const char *p = data;

	while (size > 0) {
		ssize_t n = write(fd, p, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		size -= n;
	}
	return 0;
}

int pwrite_all(int fd, const void *data, size_t size, off_t offset)
{
	const char *p = data;

	while (size > 0) {
		ssize_t n = pwrite(fd, p, size, offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		offset += n;
		size -= n;
	}
	return 0;
}

ssize_t read_full(int fd, void *buf, size_t size)
{
	size_t have = 0;

	while (have < size) {
		ssize_t n = read(fd, (char *)buf + have, size - have);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		have += n;
	}
	return have;
}

ssize_t pread_full(int fd, void *buf, size_t size, off_t offset)
{
	size_t have = 0;

	while (have < size) {
		ssize_t n = pread(fd, (char *)buf + have, size - have, offset + have);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		have += n;
	}
	return have;
}

int read_all(int fd, size_t max, char **ret, size_t *ret_size)
{
	_cleanup_free_ char *buf = NULL;
	size_t have = 0, room = 4096;

	for (;;) {
		char *more = realloc(buf, room + 1);
		ssize_t n;

		if (!more)
			return -ENOMEM;
		buf = more;
		n = read_full(fd, buf + have, room - have);
		if (n < 0)
			return n;
		have += n;
		if (have > max)
			return -EFBIG;
		if (have < room)
			break;
		room *= 2;
	}
	buf[have] = 0;
	*ret = TAKE_PTR(buf);
	if (ret_size)
		*ret_size = have;
	return 0;
}

int read_file_at(int dirfd, const char *path, size_t max, char **ret, size_t *ret_size)
{
	_cleanup_close_ int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return -errno;
	return read_all(fd, max, ret, ret_size);
}

static int write_synced(int dirfd, const char *name, const void *data, size_t size,
			mode_t mode)
{
	_cleanup_close_ int fd =
		openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int r;

	if (fd < 0)
		return -errno;
	r = write_all(fd, data, size);
	if (r < 0)
		return r;
	if (fchmod(fd, mode) < 0 || fdatasync(fd) < 0)
		return -errno;
	return 0;
}

int write_file_atomic(int dirfd, const char *name, const void *data, size_t size,
		      mode_t mode)
{
	char tmp[TMP_NAME_SIZE];
	int r;

	r = tmp_name(tmp);
	if (r < 0)
		return r;
	r = write_synced(dirfd, tmp, data, size, mode);
	if (r == 0 && renameat(dirfd, tmp, dirfd, name) < 0)
		r = -errno;
	if (r < 0) {
		(void)unlinkat(dirfd, tmp, 0);
		return r;
	}
	return sync_dir(dirfd);
}

int sync_dir(int dirfd)
{
	_cleanup_close_ int fd = -1;

	if (fsync(dirfd) == 0)
		return 0;
	if (errno != EBADF)
		return -errno;
	/* An O_PATH descriptor cannot be synced itself. */
	fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) < 0)
		return -errno;
	return 0;
}

static int copy_by_buffer(int in, off_t in_offset, int out, off_t out_offset,
			  uint64_t size)
{
	size_t room = size < (1u << 20) ? size : 1u << 20;
	_cleanup_free_ char *buf = malloc(room);

	if (!buf)
		return -ENOMEM;
	while (size > 0) {
		ssize_t n = pread_full(in, buf, size < room ? size : room, in_offset);
		int r;

		if (n <= 0)
			return n < 0 ? n : -ENODATA;
		r = pwrite_all(out, buf, n, out_offset);
		if (r < 0)
			return r;
		in_offset += n;
		out_offset += n;
		size -= n;
	}
	return 0;
}

/* What the kernel says where copying in it cannot work between these two files. */
static bool needs_buffer(int code)
{
	return code == EXDEV || code == EINVAL || code == EOPNOTSUPP || code == ENOSYS ||
	       code == EPERM || code == EBADF;
}

int copy_bytes(int in, off_t in_offset, int out, off_t out_offset, uint64_t size)
{
	while (size > 0) {
		size_t step = size < (1u << 30) ? size : 1u << 30;
		ssize_t n = copy_file_range(in, &in_offset, out, &out_offset, step, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && needs_buffer(errno))
			return copy_by_buffer(in, in_offset, out, out_offset, size);
		if (n < 0)
			return -errno;
		/* The end, or a file (as in /proc) that only read() can read. */
		if (n == 0)
			return copy_by_buffer(in, in_offset, out, out_offset, size);
		size -= n;
	}
	return 0;
}

int random_hex(char *ret, size_t bytes)
{
	uint8_t raw[64];

	if (bytes > sizeof(raw))
		return -EINVAL;
	if (getrandom(raw, bytes, 0) != (ssize_t)bytes)
		return -EIO;
	for (size_t i = 0; i < bytes; i++)
		(void)snprintf(ret + 2 * i, 3, "%02x", raw[i]);
	return 0;
}

int tmp_name(char name[static TMP_NAME_SIZE])
{
	memcpy(name, ".tmp-", 5);
	return random_hex(name + 5, 8);
}

int set_nonblocking(int fd, bool on)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return -errno;
	flags = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
	return fcntl(fd, F_SETFL, flags) < 0 ? -errno : 0;
}
