/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/macro.h"

/* Plain helpers over file descriptors. All return 0 or a count on success, -errno on
 * failure, restart after EINTR, and say nothing: the caller knows what was attempted. */

int write_all(int fd, const void *data, size_t size);
int pwrite_all(int fd, const void *data, size_t size, off_t offset);

/* Reads until @size bytes are there or the file ends; returns how many there were. */
ssize_t read_full(int fd, void *buf, size_t size);
ssize_t pread_full(int fd, void *buf, size_t size, off_t offset);

/* Reads all that is left of @fd. The caller frees *@ret, which has a NUL after its end.
 * More than @max bytes: -EFBIG. @ret_size may be NULL. */
int read_all(int fd, size_t max, char **ret, size_t *ret_size);
int read_file_at(int dirfd, const char *path, size_t max, char **ret, size_t *ret_size);

/* A file that is absent or complete: temporary name, write, fdatasync, rename, fsync of
 * the directory. Replaces what is there. @name has no slash. */
int write_file_atomic(int dirfd, const char *name, const void *data, size_t size,
		      mode_t mode);

/* Makes what was renamed, linked or unlinked in a directory durable. O_PATH will do. */
int sync_dir(int dirfd);

/* Copies @size bytes, by copy_file_range() where the file systems can, else through a
 * buffer. -ENODATA when the source is shorter. Neither file position moves. */
int copy_bytes(int in, off_t in_offset, int out, off_t out_offset, uint64_t size);

/* Writes ".tmp-" and 16 random hexadecimal digits. */
#define TMP_NAME_SIZE 24
int tmp_name(char name[static TMP_NAME_SIZE]);

/* 2 * @bytes random hexadecimal digits and a NUL. */
int random_hex(char *ret, size_t bytes);

int set_nonblocking(int fd, bool on);
