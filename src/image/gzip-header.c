/* SPDX-License-Identifier: Apache-2.0 */
#include "image/gzip-header.h"

#include <errno.h>

/* Fields in their order. The flag says whether one is there. */
enum part {
	PART_FIXED,
	PART_EXTRA_LENGTH,
	PART_EXTRA,
	PART_NAME,
	PART_COMMENT,
	PART_CHECKSUM,
	PART_END
};

#define FLAG_CHECKSUM 0x02u
#define FLAG_EXTRA    0x04u
#define FLAG_NAME     0x08u
#define FLAG_COMMENT  0x10u
#define FLAGS_UNKNOWN 0xe0u

#define FIXED_SIZE 10u

static bool is_there(const struct gzip_header *h, unsigned part)
{
	static const uint8_t flags[] = {
		[PART_EXTRA_LENGTH] = FLAG_EXTRA, [PART_EXTRA] = FLAG_EXTRA,
		[PART_NAME] = FLAG_NAME,          [PART_COMMENT] = FLAG_COMMENT,
		[PART_CHECKSUM] = FLAG_CHECKSUM,
	};

	if (part == PART_EXTRA && h->left == 0)
		return false;
	return part == PART_END || (h->flags & flags[part]) != 0;
}

static void next_part(struct gzip_header *h)
{
	h->at = 0;
	do
		h->part++;
	while (!is_there(h, h->part));
}

static int feed_fixed(struct gzip_header *h, uint8_t byte)
{
	static const uint8_t begin[] = { 0x1f, 0x8b, 8 }; /* 8: deflate */

	if (h->at < sizeof(begin) && byte != begin[h->at])
		return -EBADMSG;
	if (h->at == sizeof(begin))
		h->flags = byte;
	if ((h->flags & FLAGS_UNKNOWN) != 0)
		return -EBADMSG;
	if (++h->at == FIXED_SIZE)
		next_part(h);
	return 0;
}

static int feed_byte(struct gzip_header *h, uint8_t byte)
{
	switch (h->part) {
	case PART_FIXED:
		return feed_fixed(h, byte);
	case PART_EXTRA_LENGTH:
		h->left |= (unsigned)byte << (8 * h->at);
		if (++h->at == 2)
			next_part(h);
		return 0;
	case PART_EXTRA:
		if (--h->left == 0)
			next_part(h);
		return 0;
	case PART_CHECKSUM: /* of the header only: the data has its own */
		if (++h->at == 2)
			next_part(h);
		return 0;
	default:
		if (byte == 0)
			next_part(h);
		return 0;
	}
}

long gzip_header_feed(struct gzip_header *h, const uint8_t *data, size_t size,
		      bool *ret_done)
{
	size_t n = 0;

	while (n < size && h->part != PART_END) {
		int r = feed_byte(h, data[n++]);

		if (r < 0)
			return r;
	}
	*ret_done = h->part == PART_END;
	return (long)n;
}
