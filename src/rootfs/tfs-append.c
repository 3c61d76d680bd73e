/* SPDX-License-Identifier: Apache-2.0 */
/* One more record at the end of a log, which is read first: names that are in it have their
 * index, and what is new goes on counting. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/io.h"
#include "rootfs/tfs-encode.h"
#include "rootfs/tfs-read-private.h"

/* From the end of the log on, the kernel needs as many bytes for a link. */
#define LINK_ROOM 22u

/* The root is always the first thing that has an index. */
#define ROOT_INDEX 1u

static int open_log(int fd, uint64_t at, struct tfs **ret, struct volt_error *e)
{
	struct byte_source from = byte_source_fd(&fd);
	struct stat st;

	if (fstat(fd, &st) < 0)
		return fail_errno(e, "stat a Nanos disk");
	if (at % TFS_SECTOR != 0 || at > (uint64_t)st.st_size)
		return fail(e, EBADMSG, "there is no Nanos file system at byte %llu",
			    (unsigned long long)at);
	return tfs_open(&from, at, (uint64_t)st.st_size - at, ret, e);
}

static void know_names(struct tfs_encoder *c, const struct tfs *fs)
{
	for (size_t i = 0; i < fs->entries.n; i++) {
		const struct tfs_entry *entry = &TFS_ENTRIES(fs)[i];
		const struct tfs_symbol *s;

		if (!entry->symbol)
			continue;
		s = &TFS_SYMBOLS(fs)[entry->index];
		tfs_know_name(c, s->text, s->size, (uint32_t)(i + 1));
	}
	c->last = (uint32_t)fs->entries.n;
}

static int put_record(struct tfs_encoder *c, const json_t *attributes,
		      struct volt_error *e)
{
	int r;

	tfs_put_tuple_again(c, ROOT_INDEX, tfs_count_json(attributes));
	r = tfs_put_json(c, attributes, true, e);
	return r >= 0 && c->failed ? fail_oom(e) : r;
}

/* The sectors from that with the end of the log on. */
static int make_patch(int fd, uint64_t end, const struct tfs_encoder *record,
		      struct tfs_patch *ret, struct volt_error *e)
{
	_cleanup_(tfs_encoder_done) struct tfs_encoder all = { 0 };
	uint64_t at = end / TFS_SECTOR * TFS_SECTOR;
	uint8_t before[TFS_SECTOR] = { 0 };
	ssize_t n = pread_full(fd, before, end - at, (off_t)at);

	if (n != (ssize_t)(end - at))
		return fail(e, EIO, "read the log of a Nanos file system");
	tfs_put_bytes(&all, before, end - at);
	tfs_put_frame(&all, record->n);
	tfs_put_bytes(&all, record->v, record->n);
	tfs_put_byte(&all, TFS_FRAME_END);
	while (!all.failed && all.n % TFS_SECTOR != 0)
		tfs_put_byte(&all, 0);
	if (all.failed)
		return fail_oom(e);
	*ret = (struct tfs_patch){ .at = at, .size = all.n };
	ret->data = TAKE_PTR(all.v);
	return 0;
}

int tfs_append(int fd, uint64_t at, const json_t *attributes, struct tfs_patch *ret,
	       struct volt_error *e)
{
	_cleanup_(tfs_encoder_done) struct tfs_encoder record = { 0 };
	_cleanup_(tfs_closep) struct tfs *fs = NULL;
	struct tfs_usage u;
	int r = open_log(fd, at, &fs, e);

	if (r < 0)
		return r;
	know_names(&record, fs);
	r = put_record(&record, attributes, e);
	if (r < 0)
		return r;
	tfs_usage(fs, &u);
	if (u.log_left < LINK_ROOM ||
	    tfs_frame_size(record.n) + record.n > u.log_left - LINK_ROOM)
		return fail(e, E2BIG,
			    "attributes of %zu bytes do not fit into the %llu that are "
			    "left in the log of the Nanos file system",
			    record.n, (unsigned long long)u.log_left);
	return make_patch(fd, u.log_end, &record, ret, e);
}

void tfs_patch_done(struct tfs_patch *p)
{
	free(p->data);
	*p = (struct tfs_patch){ 0 };
}
