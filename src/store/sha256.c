/* SPDX-License-Identifier: Apache-2.0 */
#include "store/sha256.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdint.h>

#include "base/io.h"

#define READ_SIZE (128u << 10)

struct sha256 {
	EVP_MD_CTX *ctx;
};

int sha256_new(struct sha256 **ret)
{
	_cleanup_(sha256_freep) struct sha256 *h = calloc(1, sizeof(*h));

	if (!h)
		return -ENOMEM;
	h->ctx = EVP_MD_CTX_new();
	if (!h->ctx || !EVP_DigestInit_ex(h->ctx, EVP_sha256(), NULL))
		return -ENOMEM;
	*ret = TAKE_PTR(h);
	return 0;
}

int sha256_update(struct sha256 *h, const void *data, size_t size)
{
	return EVP_DigestUpdate(h->ctx, data, size) ? 0 : -EIO;
}

int sha256_final(struct sha256 *h, struct digest *ret)
{
	struct digest d;

	if (!EVP_DigestFinal_ex(h->ctx, d.b, NULL) ||
	    !EVP_DigestInit_ex(h->ctx, NULL, NULL))
		return -EIO;
	*ret = d;
	return 0;
}

void sha256_free(struct sha256 *h)
{
	if (!h)
		return;
	EVP_MD_CTX_free(h->ctx);
	free(h);
}

int sha256_bytes(const void *data, size_t size, struct digest *ret)
{
	return SHA256(data, size, ret->b) ? 0 : -EIO;
}

int sha256_fd(int fd, struct digest *ret)
{
	_cleanup_(sha256_freep) struct sha256 *h = NULL;
	_cleanup_free_ char *buf = malloc(READ_SIZE);
	off_t offset = 0;
	ssize_t n;
	int r;

	if (!buf)
		return -ENOMEM;
	r = sha256_new(&h);
	if (r < 0)
		return r;
	do {
		n = pread_full(fd, buf, READ_SIZE, offset);
		if (n < 0)
			return (int)n;
		r = sha256_update(h, buf, (size_t)n);
		if (r < 0)
			return r;
		offset += n;
	} while (n == READ_SIZE);
	return sha256_final(h, ret);
}
