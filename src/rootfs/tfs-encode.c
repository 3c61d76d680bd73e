/* SPDX-License-Identifier: Apache-2.0 */
#include "rootfs/tfs-encode.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The types of values, and of names. */
enum type {
	TYPE_NAME,
	TYPE_TUPLE,
	TYPE_VECTOR,
	TYPE_INTEGER,
	TYPE_TEXT
};

/* A name that was given an index. A name is written out once in a log: who counts indices
 * by distinct names, as Nanos does before it appends, must come to the same number. */
struct tfs_name {
	const char *text; /* NULL: it is in the buffer, at: */
	size_t at;
	uint32_t size;
	uint32_t index; /* 0: nobody's place */
};

void tfs_encoder_done(struct tfs_encoder *c)
{
	free(c->v);
	free(c->names);
}

static bool make_room(struct tfs_encoder *c, size_t size)
{
	size_t room = c->room ? c->room : 4096;
	uint8_t *more;

	if (c->failed || size > SIZE_MAX / 4)
		return false;
	if (size <= c->room - c->n)
		return true;
	while (room - c->n < size)
		room += room / 2;
	more = realloc(c->v, room);
	c->failed = !more;
	if (!more)
		return false;
	c->v = more;
	c->room = room;
	return true;
}

void tfs_put_bytes(struct tfs_encoder *c, const void *data, size_t size)
{
	if (size == 0 || !make_room(c, size))
		return;
	memcpy(c->v + c->n, data, size);
	c->n += size;
}

void tfs_put_byte(struct tfs_encoder *c, uint8_t byte)
{
	tfs_put_bytes(c, &byte, 1);
}

/* @n in groups of seven bits, the highest first, all but the last with bit 7 set. */
static void put_groups(struct tfs_encoder *c, uint64_t n, unsigned int groups)
{
	while (groups-- > 0)
		tfs_put_byte(c, (uint8_t)((groups > 0 ? 0x80u : 0) |
					  (n >> (7 * groups) & 0x7f)));
}

size_t tfs_varint_size(uint64_t n)
{
	size_t size = 1;

	while (n >>= 7)
		size++;
	return size;
}

void tfs_put_varint(struct tfs_encoder *c, uint64_t n)
{
	put_groups(c, n, (unsigned int)tfs_varint_size(n));
}

/* Bit 7: it follows here, or it is known by its index. Bits 6 to 4: type. Bit 3: @n goes on
 * in groups. Bits 2 to 0: the highest bits of @n. */
static void put_header(struct tfs_encoder *c, bool here, enum type type, uint64_t n)
{
	uint8_t first = (uint8_t)((here ? 0x80u : 0) | (unsigned int)type << 4);
	unsigned int groups = 0;

	while (groups < 9 && n >> (7 * groups) > 7)
		groups++;
	first |= (uint8_t)(n >> (7 * groups) | (groups > 0 ? 8u : 0));
	tfs_put_byte(c, first);
	put_groups(c, n, groups);
}

static uint32_t hash(const char *name, size_t size)
{
	uint32_t h = 0x811c9dc5;

	for (size_t i = 0; i < size; i++)
		h = (h ^ (unsigned char)name[i]) * 0x01000193;
	return h ^ h >> 15;
}

static const char *text_of(const struct tfs_encoder *c, const struct tfs_name *n)
{
	return n->text ? n->text : (const char *)c->v + n->at;
}

/* Where the name is, or would be. There is always a free place. */
static struct tfs_name *find_name(const struct tfs_encoder *c, const char *name,
				  size_t size)
{
	size_t i = hash(name, size) & c->names_mask;

	while (c->names[i].index > 0 &&
	       (c->names[i].size != size ||
		memcmp(text_of(c, &c->names[i]), name, size) != 0))
		i = (i + 1) & c->names_mask;
	return &c->names[i];
}

/* Keeps a third of the places free. */
static bool make_place(struct tfs_encoder *c)
{
	struct tfs_name *old = c->names;
	size_t n = old ? c->names_mask + 1 : 0, room = n ? 2 * n : 256;

	if (c->failed || (n > 0 && c->n_names < n / 3 * 2))
		return !c->failed;
	c->names = calloc(room, sizeof(*c->names));
	if (!c->names) {
		c->names = old;
		c->failed = true;
		return false;
	}
	c->names_mask = room - 1;
	for (size_t i = 0; i < n; i++)
		if (old[i].index > 0)
			*find_name(c, text_of(c, &old[i]), old[i].size) = old[i];
	free(old);
	return true;
}

void tfs_know_name(struct tfs_encoder *c, const char *name, size_t size, uint32_t index)
{
	struct tfs_name *place;

	if (!make_place(c))
		return;
	place = find_name(c, name, size);
	c->n_names += place->index == 0;
	*place =
		(struct tfs_name){ .text = name, .size = (uint32_t)size, .index = index };
}

void tfs_put_name(struct tfs_encoder *c, const char *name, size_t size)
{
	struct tfs_name *place;

	if (!make_place(c))
		return;
	place = find_name(c, name, size);
	if (place->index > 0) {
		put_header(c, false, TYPE_NAME, place->index);
		return;
	}
	put_header(c, true, TYPE_NAME, size);
	*place = (struct tfs_name){ .at = c->n,
				    .size = (uint32_t)size,
				    .index = ++c->last };
	c->n_names++;
	tfs_put_bytes(c, name, size);
}

uint32_t tfs_put_tuple(struct tfs_encoder *c, uint64_t attributes)
{
	put_header(c, true, TYPE_TUPLE, attributes);
	return ++c->last;
}

uint32_t tfs_put_vector(struct tfs_encoder *c, uint64_t elements)
{
	put_header(c, true, TYPE_VECTOR, elements);
	return ++c->last;
}

void tfs_put_tuple_again(struct tfs_encoder *c, uint32_t index, uint64_t attributes)
{
	put_header(c, false, TYPE_TUPLE, attributes);
	tfs_put_varint(c, index);
}

void tfs_put_text(struct tfs_encoder *c, const char *text, size_t size)
{
	put_header(c, true, TYPE_TEXT, size);
	tfs_put_bytes(c, text, size);
}

void tfs_put_integer(struct tfs_encoder *c, uint64_t n)
{
	put_header(c, true, TYPE_INTEGER, 0);
	tfs_put_varint(c, n);
}

void tfs_put_number(struct tfs_encoder *c, const char *name, uint64_t n)
{
	tfs_put_name(c, name, strlen(name));
	tfs_put_integer(c, n);
}

void tfs_put_frame(struct tfs_encoder *c, uint64_t record)
{
	tfs_put_byte(c, TFS_FRAME_TUPLE);
	tfs_put_varint(c, record);
	tfs_put_varint(c, record);
}

uint64_t tfs_frame_size(uint64_t record)
{
	return 1 + 2 * tfs_varint_size(record);
}
