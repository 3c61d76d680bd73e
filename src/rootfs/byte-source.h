/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Where the readers of disks get their bytes from: a file, or a file with an overlay over
 * it. How many bytes there were, fewer than asked for only at the end; or -errno. */
struct byte_source {
	ssize_t (*read)(void *data, void *buf, size_t size, uint64_t at);
	void *data;
};

/* A regular file or a block device; @fd lives as long as what is returned. */
struct byte_source byte_source_fd(const int *fd);

/* All of it: what lies behind the end is zeros. 0 or -errno. */
int byte_source_read(const struct byte_source *from, void *buf, size_t size, uint64_t at);
