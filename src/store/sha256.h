/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

#include "base/digest.h"
#include "base/macro.h"

/* SHA-256 by libcrypto, which uses the CPU's SHA instructions. */
struct sha256;

int sha256_new(struct sha256 **ret); /* -ENOMEM */
int sha256_update(struct sha256 *h, const void *data, size_t size);
int sha256_final(struct sha256 *h, struct digest *ret); /* ready for a next value after */
void sha256_free(struct sha256 *h);
DEFINE_CLEANUP(struct sha256 *, sha256_free)

int sha256_bytes(const void *data, size_t size, struct digest *ret);
int sha256_fd(int fd, struct digest *ret); /* from offset 0 to the end, by pread() */
