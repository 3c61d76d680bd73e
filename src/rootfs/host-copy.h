/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "rootfs/tfs.h"

/* What a copy of a single file calls it. */
#define HOST_COPY_FILE "file"

#define HOST_COPY_MAX 1000000 /* files, directories and links */

/* Writes a copy of the host's directory @source, absolute, as a file system with @label to
 * @fd, an empty file open for reading and writing. With @file, @source must be a regular file
 * instead, which becomes HOST_COPY_FILE in the root.
 *
 * Nothing outside of the directory is read: symbolic links are kept as links. Devices, FIFOs
 * and sockets are left out. A file that changes its size, or stops being one, while it is
 * copied is -EBADMSG or what open() says; its bytes are what was read. Without room left: for
 * mounting read-only. */
int host_copy(const char *source, bool file, const char *label, int fd,
	      struct volt_error *e);
