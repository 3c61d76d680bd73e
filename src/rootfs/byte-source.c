/* SPDX-License-Identifier: Apache-2.0 */

#include "rootfs/byte-source.h"

#include <errno.h>
#include <string.h>

#include "base/io.h"

static ssize_t read_fd(void *data, void *buf, size_t size, uint64_t at)
{
	const int *fd = data;

	if (at > INT64_MAX || size > INT64_MAX - at)
		return -EOVERFLOW;
	return pread_full(*fd, buf, size, (off_t)at);
}

struct byte_source byte_source_fd(const int *fd)
{
	return (struct byte_source){ .read = read_fd, .data = (void *)fd };
}

int byte_source_read(const struct byte_source *from, void *buf, size_t size, uint64_t at)
{
	ssize_t n = from->read(from->data, buf, size, at);

	if (n < 0)
		return (int)n;
	if ((size_t)n < size)
		memset((char *)buf + n, 0, size - (size_t)n);
	return 0;
}
