/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Records: what control payloads of the agent protocol are made of. This is the one
 * reader of them, for both sides; what it is given comes from the other, untrusted, side.
 */
#include <endian.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* @size bytes follow, without padding or NUL. A number is an int64_t, a flag is empty, a
 * text has no NUL in it, a group holds records. Integers are little-endian. */
struct agent_record {
	uint16_t tag;      /* enum agent_tag */
	uint16_t reserved; /* 0 */
	uint32_t size;
} __attribute__((packed));

/* A record as read: @data points into the payload. */
struct agent_item {
	uint16_t tag;
	uint32_t size;
	const char *data;
};

/* What is left of a payload or a group. */
struct agent_cursor {
	const char *data;
	size_t size;
};

/* Takes the next record: 1, or 0 at the end, or -EBADMSG. */
static inline int agent_next(struct agent_cursor *c, struct agent_item *ret)
{
	struct agent_record r;
	uint32_t size;

	if (c->size == 0)
		return 0;
	if (c->size < sizeof(r))
		return -EBADMSG;
	memcpy(&r, c->data, sizeof(r));
	size = le32toh(r.size);
	if (r.reserved != 0 || size > c->size - sizeof(r))
		return -EBADMSG;
	*ret = (struct agent_item){ le16toh(r.tag), size, c->data + sizeof(r) };
	c->data += sizeof(r) + size;
	c->size -= sizeof(r) + size;
	return 1;
}

/* The records of a group. */
static inline struct agent_cursor agent_group(const struct agent_item *i)
{
	return (struct agent_cursor){ i->data, i->size };
}

/* -EBADMSG unless it is a number in @min to @max. */
static inline int agent_number(const struct agent_item *i, int64_t min, int64_t max,
			       int64_t *ret)
{
	uint64_t le;
	int64_t v;

	if (i->size != sizeof(le))
		return -EBADMSG;
	memcpy(&le, i->data, sizeof(le));
	v = (int64_t)le64toh(le);
	if (v < min || v > max)
		return -EBADMSG;
	*ret = v;
	return 0;
}

/* -EBADMSG unless it is a text of at most @max bytes. It ends after @i->size bytes, not
 * with a NUL. */
static inline int agent_text(const struct agent_item *i, size_t max)
{
	return i->size > max || memchr(i->data, 0, i->size) ? -EBADMSG : 0;
}
