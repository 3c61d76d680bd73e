/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* A SHA-256 value. Computing one is store/sha256.h. */
struct digest {
	uint8_t b[32];
};

#define DIGEST_HEX_SIZE 65 /* with the NUL */
#define DIGEST_OCI_SIZE (DIGEST_HEX_SIZE + 7)

/* Writes 64 lower-case digits and a NUL; returns @hex. */
const char *digest_hex(const struct digest *d, char hex[static DIGEST_HEX_SIZE]);

/* Accepts exactly 64 lower-case hexadecimal digits. -EINVAL otherwise. */
int digest_parse(const char *hex, struct digest *ret);

/* The same with OCI's "sha256:" in front. -ENOTSUP for another algorithm. */
const char *digest_oci(const struct digest *d, char text[static DIGEST_OCI_SIZE]);
int digest_parse_oci(const char *text, struct digest *ret);

static inline bool digest_equal(const struct digest *a, const struct digest *b)
{
	return memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

static inline int digest_compare(const struct digest *a, const struct digest *b)
{
	return memcmp(a->b, b->b, sizeof(a->b));
}
