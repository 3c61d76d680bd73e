/* SPDX-License-Identifier: Apache-2.0 */

#include "base/digest.h"

#include <errno.h>

static const char digits[] = "0123456789abcdef";

const char *digest_hex(const struct digest *d, char hex[static DIGEST_HEX_SIZE])
{
	for (size_t i = 0; i < sizeof(d->b); i++) {
		hex[2 * i] = digits[d->b[i] >> 4];
		hex[2 * i + 1] = digits[d->b[i] & 15];
	}
	hex[2 * sizeof(d->b)] = 0;
	return hex;
}

static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int digest_parse(const char *hex, struct digest *ret)
{
	struct digest d;

	for (size_t i = 0; i < sizeof(d.b); i++) {
		int high = digit_value(hex[2 * i]);
		int low = high < 0 ? -1 : digit_value(hex[2 * i + 1]);

		if (low < 0)
			return -EINVAL;
		d.b[i] = (uint8_t)(high << 4 | low);
	}
	if (hex[2 * sizeof(d.b)])
		return -EINVAL;
	*ret = d;
	return 0;
}

const char *digest_oci(const struct digest *d, char text[static DIGEST_OCI_SIZE])
{
	memcpy(text, "sha256:", 7);
	(void)digest_hex(d, text + 7);
	return text;
}

int digest_parse_oci(const char *text, struct digest *ret)
{
	if (strncmp(text, "sha256:", 7) != 0)
		return strchr(text, ':') ? -ENOTSUP : -EINVAL;
	return digest_parse(text + 7, ret);
}
