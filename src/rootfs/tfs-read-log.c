/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation
 *
 * The log is a chain of extensions, read through one window, so that an extension may be as
 * long as it likes. It ends with a frame that says so: an extension that ends without one,
 * or without a link to the next, is broken. Each extension has sectors of its own, so a
 * chain cannot lead back into itself.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "rootfs/tfs-read-private.h"

#define MAGIC       "NVMTFS"
#define MAGIC_SIZE  6
#define WINDOW      (64u << 10)
#define VERSION_OLD 4u

enum frame {
	FRAME_END = 1,
	FRAME_TUPLE,
	FRAME_MORE, /* of the tuple before */
	FRAME_SEGMENT,
	FRAME_LINK
};

struct reader {
	struct tfs *fs;
	uint64_t at, end; /* of what is left of the extension, absolute */
	uint8_t *window;
	size_t next, n; /* in the window */
	uint8_t *record;
	size_t size, room; /* of it */
	uint64_t missing;  /* bytes of the record that are in segments to come */
	struct volt_error *e;
};

static int broken(const struct reader *r, const char *what)
{
	return fail(r->e, EBADMSG, "broken log of the file system: %s", what);
}

/* At least one byte in the window. */
static int fill(struct reader *r)
{
	uint64_t left = r->end - r->at;
	int err;

	if (r->next < r->n)
		return 0;
	if (left == 0)
		return broken(r, "it stops without an end");
	r->next = 0;
	r->n = left < WINDOW ? (size_t)left : WINDOW;
	err = byte_source_read(&r->fs->from, r->window, r->n, r->at);
	if (err < 0)
		return fail_code(r->e, err, "read the log of the file system");
	r->at += r->n;
	return 0;
}

static int take_byte(struct reader *r, uint8_t *ret)
{
	int err = fill(r);

	if (err < 0)
		return err;
	*ret = r->window[r->next++];
	return 0;
}

static int take_number(struct reader *r, uint64_t *ret)
{
	uint64_t n = 0;
	uint8_t byte;

	do {
		int err = take_byte(r, &byte);

		if (err < 0)
			return err;
		if (n >> 57)
			return broken(r, "a number is too large");
		n = n << 7 | (byte & 0x7f);
	} while (byte & 0x80);
	*ret = n;
	return 0;
}

static int take_bytes(struct reader *r, void *to, size_t size)
{
	uint8_t *p = to;

	while (size > 0) {
		int err = fill(r);
		size_t n = r->n - r->next < size ? r->n - r->next : size;

		if (err < 0)
			return err;
		memcpy(p, r->window + r->next, n);
		r->next += n;
		p += n;
		size -= n;
	}
	return 0;
}

/* Where the byte is that comes next. */
static uint64_t position(const struct reader *r)
{
	return r->at - (r->n - r->next);
}

static int take_header(struct reader *r)
{
	char magic[MAGIC_SIZE];
	uint64_t version, length;
	int err;

	if ((err = take_bytes(r, magic, sizeof(magic))) < 0)
		return err;
	if (memcmp(magic, MAGIC, sizeof(magic)) != 0)
		return fail(r->e, ENOTSUP,
			    "no TFS file system, or a part of its log is gone");
	if ((err = take_number(r, &version)) < 0)
		return err;
	if (version == VERSION_OLD)
		return fail(
			r->e, ENOTSUP,
			"the file system has TFS version 4, of Nanos before 0.1.47, which is "
			"too old: volt reads version 5");
	if (version != TFS_VERSION)
		return fail(r->e, ENOTSUP,
			    "the file system has TFS version %llu; volt reads version 5",
			    (unsigned long long)version);
	return take_number(r, &length);
}

static int take_label(struct reader *r, char *label, uint8_t *uuid)
{
	int err = take_bytes(r, uuid, TFS_UUID_SIZE);

	for (size_t i = 0; err >= 0 && i < TFS_LABEL_SIZE; i++) {
		err = take_byte(r, (uint8_t *)&label[i]);
		if (err >= 0 && label[i] == '\0')
			return 0;
	}
	return err < 0 ? err : broken(r, "its label has no end");
}

static int add_piece(struct reader *r, uint64_t sector, uint64_t length)
{
	struct tfs *fs = r->fs;
	struct nanos_extent *x = fs->log.v;
	int err;

	if (length == 0 || sector >= fs->sectors || length > fs->sectors - sector)
		return broken(r, "it goes on outside of the file system");
	for (size_t i = 0; i < fs->log.n; i++)
		if (sector < x[i].at + x[i].size && x[i].at < sector + length)
			return broken(r, "it leads back into itself");
	if (fs->log.n == TFS_LOG_PIECES)
		return fail(r->e, EFBIG, "the file system's log has too many parts");
	err = tfs_grow(fs, &fs->log, sizeof(*x), r->e);
	if (err < 0)
		return err;
	x = fs->log.v;
	x[fs->log.n++] = (struct nanos_extent){ sector, length };
	r->at = fs->at + sector * TFS_SECTOR;
	r->end = r->at + length * TFS_SECTOR;
	r->next = r->n = 0;
	return take_header(r);
}

/* The next @size bytes belong to the record. */
static int gather(struct reader *r, uint64_t size)
{
	uint64_t need = r->size + size;

	if (size > r->end - position(r))
		return broken(r, "a record is longer than what holds it");
	if (need > r->room) {
		size_t room = (size_t)need + (size_t)need / 2;
		uint8_t *p = realloc(r->record, room);

		if (!p)
			return fail_oom(r->e);
		r->record = p;
		r->room = room;
	}
	r->missing -= size;
	r->size = (size_t)need;
	return take_bytes(r, r->record + r->size - size, (size_t)size);
}

static int take_segment(struct reader *r)
{
	uint64_t size;
	int err = take_number(r, &size);

	if (err < 0)
		return err;
	if (size > r->missing)
		return broken(r, "a part of a record is longer than it");
	err = gather(r, size);
	if (err < 0 || r->missing > 0)
		return err;
	err = tfs_decode(r->fs, r->record, r->size, r->e);
	r->size = 0;
	return err;
}

static int take_tuple(struct reader *r)
{
	uint64_t size;
	int err;

	if (r->missing > 0)
		return broken(r, "a record begins inside of another");
	err = take_number(r, &size);
	if (err < 0)
		return err;
	if (size > TFS_RECORD_MAX)
		return fail(r->e, EFBIG,
			    "the file system's log has a record of %llu bytes",
			    (unsigned long long)size);
	if (size == 0)
		return broken(r, "a record is empty");
	r->missing = size;
	return take_segment(r);
}

static int take_more(struct reader *r)
{
	if (r->missing == 0)
		return broken(r, "a record goes on that has not begun");
	return take_segment(r);
}

static int take_link(struct reader *r)
{
	uint64_t sector, length;
	int err;

	if ((err = take_number(r, &sector)) < 0 || (err = take_number(r, &length)) < 0)
		return err;
	return add_piece(r, sector, length);
}

static int finish(struct reader *r)
{
	struct tfs *fs = r->fs;

	if (r->missing > 0)
		return broken(r, "it ends inside of a record");
	if (fs->groups.n == 0)
		return broken(r, "it has no record");
	fs->log_end = position(r) - 1;
	fs->log_left = r->end - fs->log_end;
	return 0;
}

/* 1: that was the last. */
static int take_frame(struct reader *r)
{
	uint8_t frame = 0;
	int err = take_byte(r, &frame);

	if (err < 0)
		return err;
	switch (frame) {
	case FRAME_END:
		err = finish(r);
		return err < 0 ? err : 1;
	case FRAME_TUPLE:
		return take_tuple(r);
	case FRAME_MORE:
		return take_more(r);
	case FRAME_SEGMENT:
		return 0;
	case FRAME_LINK:
		return take_link(r);
	default:
		return broken(r, "it has a part of an unknown kind");
	}
}

static void reader_done(struct reader *r)
{
	free(r->window);
	free(r->record);
}

int tfs_log_read(struct tfs *fs, struct volt_error *e)
{
	_cleanup_(reader_done) struct reader r = { .fs = fs, .e = e };
	int err;

	r.window = malloc(WINDOW);
	if (!r.window)
		return fail_oom(e);
	err = add_piece(&r, 0, 1);
	if (err >= 0)
		err = take_label(&r, fs->label, fs->uuid);
	while (err == 0)
		err = take_frame(&r);
	return err < 0 ? err : 0;
}

int tfs_probe(const struct byte_source *from, uint64_t at, char label[TFS_LABEL_SIZE],
	      uint8_t uuid[TFS_UUID_SIZE], struct volt_error *e)
{
	uint8_t sector[TFS_SECTOR];
	struct tfs fs = { .from = *from };
	struct reader r = { .fs = &fs, .window = sector, .e = e, .n = sizeof(sector) };
	int err = byte_source_read(from, sector, sizeof(sector), at);

	if (err < 0)
		return fail_code(e, err, "read the file system's header");
	err = take_header(&r);
	return err < 0 ? err : take_label(&r, label, uuid);
}
