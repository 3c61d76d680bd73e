/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "image/tree.h"

struct erofs_stats {
	uint64_t bytes;  /* length of the image */
	uint64_t inodes; /* files of all types, hard links counted once */
	uint64_t meta;   /* bytes of inodes, names, xattrs and inlined data */
};

/* Writes @t as an EROFS image (uncompressed, for Linux 6.1 and later) to @fd: a regular
 * file, empty, open for reading and writing. @id, the tree's digest, becomes the UUID.
 * The same tree gives the same bytes. @ret may be NULL.
 *
 * Objects are read from @s, which must not be collected meanwhile. One that is missing or
 * has another size than the tree says is -ENOENT or -EBADMSG with its digest and path.
 * Extended attributes outside user., trusted., security. and the POSIX ACLs, which Linux
 * could not have set from the archive either, are left out. */
int erofs_write(const struct tree *t, const struct store *s, const struct digest *id,
		int fd, struct erofs_stats *ret, struct volt_error *e);
