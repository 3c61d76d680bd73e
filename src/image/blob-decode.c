/* SPDX-License-Identifier: Apache-2.0 */
#include "image/blob-decode.h"

#include <errno.h>
#include <isa-l/igzip_lib.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "base/io.h"
#include "image/gzip-header.h"
#include "store/sha256.h"

#define IN_SIZE ((size_t)128 << 10)
_Static_assert(IN_SIZE <= BLOB_CHUNK, "what is read fits a chunk");

/* The largest window a zstd layer may ask memory for, as the zstd program's default. */
#define ZSTD_WINDOW_LOG 27

enum coding {
	CODING_PLAIN,
	CODING_GZIP,
	CODING_ZSTD
};

struct blob_decoder {
	int fd;
	struct blob_limits limits;
	enum coding coding;
	struct sha256 *blob, *diff;
	uint64_t blob_size, diff_size;
	const uint8_t *in; /* what is left of in_buf */
	size_t in_left;
	bool in_end;    /* the file has ended */
	bool at_border; /* between two gzip members or zstd frames, or before the first */
	struct inflate_state *gzip;
	struct gzip_header header;
	bool in_header;
	ZSTD_DCtx *zstd;
	uint8_t in_buf[IN_SIZE];
};

void blob_decoder_free(struct blob_decoder *b)
{
	if (!b)
		return;
	sha256_free(b->blob);
	sha256_free(b->diff);
	free(b->gzip);
	(void)ZSTD_freeDCtx(b->zstd);
	free(b);
}

/* Reads and hashes more, once all that was read before has been used. */
static int refill(struct blob_decoder *b, struct volt_error *e)
{
	ssize_t n;

	if (b->in_left > 0 || b->in_end)
		return 0;
	n = pread_full(b->fd, b->in_buf, sizeof(b->in_buf), (off_t)b->blob_size);
	if (n < 0)
		return fail_code(e, (int)n, "read layer");
	if (sha256_update(b->blob, b->in_buf, (size_t)n) < 0)
		return fail_oom(e);
	b->in_end = (size_t)n < sizeof(b->in_buf);
	b->in = b->in_buf;
	b->in_left = (size_t)n;
	b->blob_size += (uint64_t)n;
	return 0;
}

static int gzip_init(struct blob_decoder *b, struct volt_error *e)
{
	b->gzip = malloc(sizeof(*b->gzip));
	if (!b->gzip)
		return fail_oom(e);
	isal_inflate_init(b->gzip);
	return 0;
}

static int zstd_init(struct blob_decoder *b, struct volt_error *e)
{
	b->zstd = ZSTD_createDCtx();
	if (!b->zstd)
		return fail_oom(e);
	(void)ZSTD_DCtx_setParameter(b->zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG);
	return 0;
}

/* Zstd frames have one magic number, its skippable frames (which may come first) sixteen. */
static bool is_zstd(const uint8_t *p)
{
	static const uint8_t frame[] = { 0x28, 0xb5, 0x2f, 0xfd };
	static const uint8_t skippable[] = { 0x2a, 0x4d, 0x18 };

	return memcmp(p, frame, sizeof(frame)) == 0 ||
	       ((p[0] & 0xf0) == 0x50 &&
		memcmp(p + 1, skippable, sizeof(skippable)) == 0);
}

static int detect(struct blob_decoder *b, struct volt_error *e)
{
	static const uint8_t gzip[] = { 0x1f, 0x8b };
	static const uint8_t bzip2[] = { 'B', 'Z', 'h' };
	static const uint8_t xz[] = { 0xfd, '7', 'z', 'X', 'Z' };

	if (b->in_left >= sizeof(gzip) && memcmp(b->in, gzip, sizeof(gzip)) == 0) {
		b->coding = CODING_GZIP;
		return gzip_init(b, e);
	}
	if (b->in_left >= 4 && is_zstd(b->in)) {
		b->coding = CODING_ZSTD;
		return zstd_init(b, e);
	}
	if (b->in_left >= sizeof(xz) && (memcmp(b->in, bzip2, sizeof(bzip2)) == 0 ||
					 memcmp(b->in, xz, sizeof(xz)) == 0))
		return fail(e, ENOTSUP,
			    "compressed by bzip2 or xz, which OCI layers do not use");
	b->coding = CODING_PLAIN;
	return 0;
}

int blob_decoder_new(int fd, const struct blob_limits *limits, struct blob_decoder **ret,
		     struct volt_error *e)
{
	_cleanup_(blob_decoder_freep) struct blob_decoder *b = malloc(sizeof(*b));
	int r;

	if (!b)
		return fail_oom(e);
	memset(b, 0, offsetof(struct blob_decoder, in_buf));
	b->fd = fd;
	b->limits = *limits;
	b->at_border = true;
	if (sha256_new(&b->blob) < 0 || sha256_new(&b->diff) < 0)
		return fail_oom(e);
	r = refill(b, e);
	if (r == 0)
		r = detect(b, e);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(b);
	return 0;
}

static ssize_t next_plain(struct blob_decoder *b, uint8_t *out)
{
	size_t n = b->in_left;

	memcpy(out, b->in, n);
	b->in_left = 0;
	return (ssize_t)n;
}

/* Members may follow each other without a gap (RFC 1952); anything else may not. */
static int gzip_border(struct blob_decoder *b, struct volt_error *e)
{
	if (b->in_left > 0 && b->in[0] != 0x1f)
		return fail(e, EBADMSG, "garbage after the gzip data");
	isal_inflate_reset(b->gzip);
	b->gzip->crc_flag = ISAL_GZIP_NO_HDR_VER;
	b->header = (struct gzip_header){ 0 };
	b->in_header = true;
	b->at_border = false;
	return 0;
}

static int gzip_head(struct blob_decoder *b, struct volt_error *e)
{
	bool done;
	long n = gzip_header_feed(&b->header, b->in, b->in_left, &done);

	if (n < 0)
		return fail(e, EBADMSG, "damaged gzip data: no header");
	b->in += n;
	b->in_left -= (size_t)n;
	b->in_header = !done;
	return 0;
}

/* One step: some output, or 0 when more input is needed. */
static ssize_t gzip_step(struct blob_decoder *b, uint8_t *out, struct volt_error *e)
{
	struct inflate_state *z = b->gzip;
	int r;

	if (b->at_border && (r = gzip_border(b, e)) < 0)
		return r;
	if (b->in_header)
		return gzip_head(b, e);
	z->next_in = (uint8_t *)b->in;
	z->avail_in = (uint32_t)b->in_left;
	z->next_out = out;
	z->avail_out = BLOB_CHUNK;
	r = isal_inflate(z);
	if (r != ISAL_DECOMP_OK && r != ISAL_END_INPUT)
		return fail(e, EBADMSG, "damaged gzip data (%d)", r);
	b->in = z->next_in;
	b->in_left = z->avail_in;
	b->at_border = z->block_state == ISAL_BLOCK_FINISH;
	return (ssize_t)(BLOB_CHUNK - z->avail_out);
}

static ssize_t zstd_step(struct blob_decoder *b, ZSTD_outBuffer to, struct volt_error *e)
{
	ZSTD_inBuffer in = { b->in, b->in_left, 0 };
	size_t left = ZSTD_decompressStream(b->zstd, &to, &in);

	if (ZSTD_isError(left))
		return fail(e, EBADMSG, "damaged zstd data (%s)",
			    ZSTD_getErrorName(left));
	b->in += in.pos;
	b->in_left -= in.pos;
	b->at_border = left == 0;
	return (ssize_t)to.pos;
}

/* Steps until something comes out. The decoders keep output back while it does not fit,
 * so the end of input is the end only once a step gave nothing. */
static ssize_t next_inflated(struct blob_decoder *b, uint8_t *out, struct volt_error *e)
{
	for (;;) {
		ssize_t n;
		int r = refill(b, e);

		if (r < 0)
			return r;
		if (b->in_left == 0 && b->at_border)
			return 0;
		n = b->coding == CODING_GZIP
			    ? gzip_step(b, out, e)
			    : zstd_step(b, (ZSTD_outBuffer){ out, BLOB_CHUNK, 0 }, e);
		if (n != 0)
			return n;
		if (b->in_left == 0 && b->in_end && !b->at_border)
			return fail(e, EBADMSG,
				    "truncated: the compressed data has no end");
	}
}

static int check_limits(const struct blob_decoder *b, struct volt_error *e)
{
	const struct blob_limits *l = &b->limits;

	if (b->diff_size > l->max_bytes)
		return fail(e, EFBIG, "inflates to more than %llu bytes",
			    (unsigned long long)l->max_bytes);
	if (b->diff_size > l->ratio_from && b->diff_size / l->max_ratio > b->blob_size)
		return fail(e, EFBIG, "inflates to more than %u times its size: a bomb",
			    l->max_ratio);
	return 0;
}

ssize_t blob_decoder_next(struct blob_decoder *b, uint8_t *out, struct volt_error *e)
{
	ssize_t n;
	int r = refill(b, e);

	if (r < 0)
		return r;
	n = b->coding == CODING_PLAIN ? next_plain(b, out) : next_inflated(b, out, e);
	if (n <= 0)
		return n;
	b->diff_size += (uint64_t)n;
	r = check_limits(b, e);
	if (r < 0)
		return r;
	return sha256_update(b->diff, out, (size_t)n) < 0 ? fail_oom(e) : n;
}

int blob_decoder_sums(struct blob_decoder *b, struct blob_sums *ret, struct volt_error *e)
{
	if (sha256_final(b->blob, &ret->blob) < 0 ||
	    sha256_final(b->diff, &ret->diff) < 0)
		return fail_oom(e);
	ret->blob_size = b->blob_size;
	ret->diff_size = b->diff_size;
	return 0;
}
