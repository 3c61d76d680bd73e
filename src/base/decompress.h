/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

struct archive;
struct volt_error;

/* Lets @a undo the compressions named below. Others libarchive would give to programs of
 * the host, which hostile input must not reach; -ENOTSUP where it was built so that it
 * would do so with one of these. */
int decompress_allow(struct archive *a, struct volt_error *e);

/* Undoes one layer of gzip, xz, lzma, bzip2, zstd or lz4 (also the old kind kernels use),
 * found by its first bytes; what is none of them is copied. At most @max bytes: -EFBIG;
 * -EBADMSG: damaged, or something stands behind it; -ENOTSUP as above. The caller frees. */
int decompress(const void *data, size_t size, size_t max, char **ret, size_t *ret_size);
