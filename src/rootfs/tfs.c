/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation
 *
 * A file system is planned whole (tfs-layout.c) and its one record put in memory
 * (tfs-record.c); then contents go to their places (mover.c), the log behind them, and last
 * the first sector, without which nothing of it counts. In order:
 *
 *	sector 0   header with label and UUID, link to the log
 *	contents   small files, then larger ones
 *	log        one extension: the record, and a hole for another
 *	room       a hole: what the guest may write
 *
 * What is on disk follows from the input alone: no clock, no random number and no order of
 * a directory of the host has a part in it. The tree is not trusted (shape.h).
 */
#include "rootfs/tfs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/io.h"
#include "rootfs/tfs-private.h"

#define WHAT "a Nanos file system"

static void image_done(struct tfs_image *m)
{
	for (size_t i = 0; i < m->n_sparse; i++)
		free(m->sparse[i].v);
	free(m->sparse);
	free(m->nodes);
	tfs_encoder_done(&m->record);
}

int tfs_open_object(const struct tree *t, const struct store *s, uint32_t entry,
		    struct volt_error *e)
{
	return store_open_object(s, &t->v[entry].object, e);
}

int tfs_open_content(const struct tfs_input *in, uint32_t i, struct volt_error *e)
{
	return in->open ? in->open(in->data, i, e)
			: tfs_open_object(in->tree, in->data, i, e);
}

static bool find_place(const void *data, uint32_t i, struct mover_place *ret)
{
	const struct tfs_image *m = data;
	const struct tfs_spot *n = &m->nodes[i];
	uint64_t size = m->in->tree->v[i].size;

	if (n->sparse != TREE_NONE) {
		ret->pieces = m->sparse[n->sparse].v;
		ret->n_pieces = m->sparse[n->sparse].n;
		return ret->n_pieces > 0;
	}
	ret->one = (struct mover_piece){ 0, size, m->start + n->at };
	ret->padding = (uint32_t)(tfs_sectors(size) * TFS_SECTOR - size);
	return true;
}

static int open_content(const void *data, uint32_t i, struct volt_error *e)
{
	const struct tfs_image *m = data;

	return tfs_open_content(m->in, i, e);
}

/* The pieces of sparse files now count from the beginning of the disk, as movers do. */
static void shift_pieces(struct tfs_image *m)
{
	for (size_t i = 0; i < m->n_sparse; i++)
		for (size_t k = 0; k < m->sparse[i].n; k++)
			m->sparse[i].v[k].to += m->start;
}

static int write_contents(struct tfs_image *m, int fd, struct volt_error *e)
{
	const struct mover_job j = { .tree = m->in->tree,
				     .fd = fd,
				     .what = WHAT,
				     .place = find_place,
				     .open = open_content,
				     .data = m,
				     .from_store = !m->in->open };
	int r;

	shift_pieces(m);
	r = mover_make_room(&j, &m->room, e);
	return r < 0 ? r : mover_run(&j, e);
}

static void put_header(struct tfs_encoder *c, uint64_t sectors)
{
	tfs_put_bytes(c, TFS_MAGIC, strlen(TFS_MAGIC));
	tfs_put_varint(c, TFS_VERSION);
	tfs_put_varint(c, sectors);
}

/* What an extension has in front of the one record in it. */
static void put_log_start(struct tfs_encoder *c, uint64_t sectors, uint64_t record)
{
	put_header(c, sectors);
	tfs_put_frame(c, record);
}

/* The extension's length is in its header, and may make that longer. */
static uint64_t log_sectors(uint64_t record, uint64_t room)
{
	uint64_t fixed = strlen(TFS_MAGIC) + tfs_varint_size(TFS_VERSION) +
			 tfs_frame_size(record) + record + 1 + room;
	uint64_t sectors = tfs_sectors(fixed + 1);

	while (tfs_sectors(fixed + tfs_varint_size(sectors)) > sectors)
		sectors++;
	return sectors;
}

static int write_log(const struct tfs_image *m, int fd, struct volt_error *e)
{
	_cleanup_(tfs_encoder_done) struct tfs_encoder c = { 0 };
	const uint8_t end = TFS_FRAME_END;
	off_t at = (off_t)(m->start + m->log);
	int r;

	put_log_start(&c, m->log_size / TFS_SECTOR, m->record.n);
	if (c.failed)
		return fail_oom(e);
	r = pwrite_all(fd, c.v, c.n, at);
	if (r >= 0)
		r = pwrite_all(fd, m->record.v, m->record.n, at + (off_t)c.n);
	if (r >= 0)
		r = pwrite_all(fd, &end, 1, at + (off_t)(c.n + m->record.n));
	return r < 0 ? fail_code(e, r, "write " WHAT) : 0;
}

static int write_first_sector(const struct tfs_image *m, int fd, struct volt_error *e)
{
	_cleanup_(tfs_encoder_done) struct tfs_encoder c = { 0 };
	const char *label = m->in->label ? m->in->label : "";
	uint8_t sector[TFS_SECTOR] = { 0 };
	int r;

	put_header(&c, 1);
	tfs_put_bytes(&c, m->in->uuid, sizeof(m->in->uuid));
	tfs_put_bytes(&c, label, strlen(label) + 1);
	tfs_put_byte(&c, TFS_FRAME_LINK);
	tfs_put_varint(&c, m->log / TFS_SECTOR);
	tfs_put_varint(&c, m->log_size / TFS_SECTOR);
	tfs_put_byte(&c, TFS_FRAME_END);
	if (c.failed)
		return fail_oom(e);
	memcpy(sector, c.v, c.n);
	r = pwrite_all(fd, sector, sizeof(sector), (off_t)m->start);
	return r < 0 ? fail_code(e, r, "write " WHAT) : 0;
}

static int write_image(struct tfs_image *m, int fd, struct volt_error *e)
{
	int r;

	if (ftruncate(fd, (off_t)(m->start + m->size)) < 0)
		return fail_errno(e, "size " WHAT " to %llu bytes",
				  (unsigned long long)m->size);
	r = write_contents(m, fd, e);
	if (r >= 0)
		r = write_log(m, fd, e);
	if (r >= 0)
		r = write_first_sector(m, fd, e);
	/* What cannot be taken back is no file system: it has no first sector. */
	if (r < 0 && ftruncate(fd, (off_t)m->start) < 0)
		return r;
	return r;
}

static int check_input(const struct tfs_input *in, uint64_t at, struct volt_error *e)
{
	if (at % TFS_SECTOR != 0 || in->room > INT64_MAX / 4 || at > INT64_MAX / 4)
		return fail(e, EINVAL,
			    WHAT " cannot begin at %llu with room for %llu bytes",
			    (unsigned long long)at, (unsigned long long)in->room);
	if (in->label && strlen(in->label) > TFS_LABEL_MAX)
		return fail(e, EINVAL, "label '%s' is longer than %u bytes", in->label,
			    TFS_LABEL_MAX);
	return 0;
}

static int write_as(const struct tfs_input *in, bool bare, int fd, uint64_t at,
		    struct tfs_written *ret, struct volt_error *e)
{
	_cleanup_(
		image_done) struct tfs_image m = { .in = in, .start = at, .bare = bare };
	uint64_t room = bare ? 0 : TFS_RECORD_ROOM;
	int r;

	r = check_input(in, at, e);
	if (r >= 0)
		r = tfs_layout_plan(&m, e);
	if (r >= 0)
		r = tfs_record_put(&m, e);
	if (r < 0)
		return r;
	m.log_size = log_sectors(m.record.n, room) * TFS_SECTOR;
	m.size = m.log + m.log_size + tfs_sectors(in->room) * TFS_SECTOR;
	m.stats.size = m.size;
	m.stats.metadata = m.record.n;
	r = write_image(&m, fd, e);
	if (r >= 0 && ret)
		*ret = m.stats;
	return r;
}

int tfs_write(const struct tfs_input *in, int fd, uint64_t at, struct tfs_written *ret,
	      struct volt_error *e)
{
	return write_as(in, false, fd, at, ret, e);
}

int tfs_write_bare(const struct tfs_input *in, int fd, uint64_t at,
		   struct tfs_written *ret, struct volt_error *e)
{
	return write_as(in, true, fd, at, ret, e);
}
