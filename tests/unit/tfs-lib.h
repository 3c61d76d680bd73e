/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "rootfs/tfs-read.h"

/* Disks made by hand, byte by byte, so that they can be wrong in any way. */
struct disk {
	uint8_t *data;
	size_t size;
	size_t at; /* where the next byte goes */
};

static inline ssize_t disk_read(void *data, void *buf, size_t size, uint64_t at)
{
	const struct disk *d = data;
	size_t n = at >= d->size ? 0 : d->size - (size_t)at;

	n = n < size ? n : size;
	if (n > 0)
		memcpy(buf, d->data + at, n);
	return (ssize_t)n;
}

static inline struct byte_source disk_source(struct disk *d)
{
	return (struct byte_source){ .read = disk_read, .data = d };
}

static inline void disk_init(struct disk *d, size_t sectors)
{
	d->size = sectors * TFS_SECTOR;
	d->data = calloc(sectors, TFS_SECTOR);
	d->at = 0;
}

static inline void disk_done(struct disk *d)
{
	free(d->data);
}

static inline void put_bytes(struct disk *d, const void *p, size_t n)
{
	if (d->at + n > d->size)
		abort();
	memcpy(d->data + d->at, p, n);
	d->at += n;
}

static inline void put_byte(struct disk *d, unsigned int byte)
{
	uint8_t b = (uint8_t)byte;

	put_bytes(d, &b, 1);
}

static inline void put_varint(struct disk *d, uint64_t n)
{
	uint8_t text[10];
	size_t i = sizeof(text);

	text[--i] = n & 0x7f;
	while (n >>= 7)
		text[--i] = (n & 0x7f) | 0x80;
	put_bytes(d, text + i, sizeof(text) - i);
}

/* A value's header: is the value here, its type, and N. */
static inline void put_header(struct disk *d, bool here, unsigned int type, uint64_t n)
{
	uint8_t text[10];
	size_t i = sizeof(text);
	unsigned int first = (here ? 0x80u : 0) | type << 4;

	for (bool last = true; n > 7 || (!last && n > 7); last = false) {
		text[--i] = (n & 0x7f) | (last ? 0 : 0x80);
		n >>= 7;
	}
	put_byte(d, first | (i < sizeof(text) ? 8u : 0) | (unsigned int)n);
	put_bytes(d, text + i, sizeof(text) - i);
}

static inline void put_tuple(struct disk *d, uint64_t n)
{
	put_header(d, true, 1, n);
}

static inline void put_vector(struct disk *d, uint64_t n)
{
	put_header(d, true, 2, n);
}

/* The tuple of that number again, with @n more attributes. */
static inline void put_again(struct disk *d, uint64_t index, uint64_t n)
{
	put_header(d, false, 1, n);
	put_varint(d, index);
}

static inline void put_name(struct disk *d, const char *name)
{
	put_header(d, true, 0, strlen(name));
	put_bytes(d, name, strlen(name));
}

static inline void put_text(struct disk *d, const char *text)
{
	put_header(d, true, 4, strlen(text));
	put_bytes(d, text, strlen(text));
}

static inline void put_number(struct disk *d, uint64_t n)
{
	put_header(d, true, 3, 0);
	put_varint(d, n);
}

/* What a log's extension begins with; the first has a label, too. */
static inline void put_log(struct disk *d, size_t sector, uint64_t sectors,
			   const char *label)
{
	d->at = sector * TFS_SECTOR;
	put_bytes(d, "NVMTFS\x05", 7);
	put_varint(d, sectors);
	if (!label)
		return;
	for (unsigned int i = 0; i < TFS_UUID_SIZE; i++)
		put_byte(d, i);
	put_bytes(d, label, strlen(label) + 1);
}

static inline void put_link(struct disk *d, uint64_t sector, uint64_t sectors)
{
	put_byte(d, 5);
	put_varint(d, sector);
	put_varint(d, sectors);
}

/* Records are made in a disk of their own, then put into the log whole. */
static inline void put_record(struct disk *d, const struct disk *record)
{
	put_byte(d, 2);
	put_varint(d, record->at);
	put_varint(d, record->at);
	put_bytes(d, record->data, record->at);
}

static inline void put_extent(struct disk *d, const char *first, uint64_t sector,
			      uint64_t length)
{
	put_name(d, first);
	put_tuple(d, 3);
	put_name(d, "offset");
	put_number(d, sector);
	put_name(d, "length");
	put_number(d, length);
	put_name(d, "allocated");
	put_number(d, length);
}

/* One file system with the one record @record in sector 0 and 8 sectors at 1. */
static inline void disk_of(struct disk *d, const struct disk *record)
{
	disk_init(d, 64);
	put_log(d, 0, 1, "");
	put_link(d, 1, 8);
	put_log(d, 1, 8, NULL);
	put_record(d, record);
	put_byte(d, 1);
}
