/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "volt.h"

/* The disk that a guest of kind `disk` boots from: an image file of the user's.
 *
 * What it is, is seen once, when the machine is made, and told QEMU ever after: QEMU never
 * guesses. Else a guest could write a qcow2 header into its raw disk, which names any file
 * of the host as the one that lies below. For the same reason an image that rests on
 * another file is refused: the name in it is whatever its maker wished. */
enum disk_format {
	DISK_UNKNOWN, /* in a wish: to be seen */
	DISK_RAW,
	DISK_QCOW2
};

#define DISK_HEAD_SIZE 512
#define DISK_SIZE_MIN  (1ull << 20)

struct disk_info {
	enum disk_format format;
	uint64_t size; /* as the guest sees it */
};

/* What the first @n bytes (DISK_HEAD_SIZE, or all there are) of a file of @file_size bytes
 * say; @name is for messages. Formats that QEMU knows and volt does not open are refused,
 * and so is a qcow2 image that is encrypted, damaged, or names another file. */
int disk_examine(const char *name, const uint8_t *head, size_t n, uint64_t file_size,
		 struct disk_info *ret, struct volt_error *e);

/* Opens @path, absolute, and checks that it is what it was: @format as once seen, or
 * DISK_UNKNOWN. The descriptor is what QEMU gets. */
int disk_open(const char *path, bool read_only, enum disk_format format, int *ret_fd,
	      struct disk_info *ret, struct volt_error *e);

/* Says that it is in use, by the locks that QEMU and its tools use themselves (on @fd's
 * open file, so the QEMU that gets @fd may take them again). -EBUSY where somebody writes
 * to it, or, with @read_only false, uses it at all. */
int disk_lock(int fd, const char *path, bool read_only, struct volt_error *e);

const char *disk_format_text(enum disk_format f);
