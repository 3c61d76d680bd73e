/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

/* An archive in cpio's "newc" format, as the kernel unpacks it, in memory. The same
 * entries give the same bytes. Start with { 0 }; 0 or -ENOMEM. */
struct cpio {
	char *data; /* owned */
	size_t size, room;
	unsigned int entries;
};

/* A file or a directory by @mode, owned by root. @path without a slash at its begin. */
int cpio_add(struct cpio *c, const char *path, mode_t mode, const void *data,
	     size_t size);
int cpio_end(struct cpio *c);
void cpio_done(struct cpio *c);
