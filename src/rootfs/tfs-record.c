/* SPDX-License-Identifier: Apache-2.0 */
/* The record that holds the attributes of the root and all files. A tuple says first how
 * much is in it, so the entries follow each other as they stand in the tree; a directory's
 * children must only be the last of its attributes. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "rootfs/tfs-private.h"

static void put_name(struct tfs_encoder *c, const char *name)
{
	tfs_put_name(c, name, strlen(name));
}

/* Seconds since 1970 in the upper half, their fraction in the lower; 0: none. */
static uint64_t time_of(const struct tree_entry *f)
{
	uint64_t fraction = f->mtime_nsec % 1000000000u;

	if (f->mtime < 0)
		return 0;
	if (f->mtime > UINT32_MAX)
		return (uint64_t)UINT32_MAX << 32;
	return (uint64_t)f->mtime << 32 | (fraction << 32) / 1000000000u;
}

static void put_time(struct tfs_encoder *c, const struct tree_entry *f)
{
	if (time_of(f) > 0)
		tfs_put_number(c, "mtime", time_of(f));
}

/* An extent has the offset in the file, in sectors, for its name. */
static void put_extent(struct tfs_encoder *c, const struct mover_piece *p)
{
	char name[32];
	int n = snprintf(name, sizeof(name), "%llu",
			 (unsigned long long)(p->from / TFS_SECTOR));

	tfs_put_name(c, name, (size_t)n);
	(void)tfs_put_tuple(c, 3);
	tfs_put_number(c, "length", tfs_sectors(p->size));
	tfs_put_number(c, "offset", p->to / TFS_SECTOR);
	tfs_put_number(c, "allocated", tfs_sectors(p->size));
}

static void put_extents(struct tfs_image *m, uint32_t i)
{
	const struct tree_entry *f = &m->in->tree->v[i];
	const struct tfs_spot *n = &m->nodes[i];
	const struct mover_piece whole = { 0, f->size, n->at };
	const struct mover_piece *v = &whole;
	size_t count = f->size > 0;

	if (n->sparse != TREE_NONE) {
		v = m->sparse[n->sparse].v;
		count = m->sparse[n->sparse].n;
	}
	put_name(&m->record, "extents");
	(void)tfs_put_tuple(&m->record, count);
	for (size_t k = 0; k < count; k++)
		put_extent(&m->record, &v[k]);
}

static void put_file(struct tfs_image *m, uint32_t i)
{
	const struct tree_entry *f = &m->in->tree->v[i];
	struct tfs_spot *n = &m->nodes[i];
	bool timed = time_of(f) > 0, shared = n->count > 1;

	n->index = tfs_put_tuple(&m->record, 2u + timed + shared);
	tfs_put_number(&m->record, "filelength", f->size);
	put_extents(m, i);
	put_time(&m->record, f);
	if (shared)
		tfs_put_number(&m->record, "nlink", n->count);
}

static void put_link(struct tfs_image *m, uint32_t i)
{
	const struct tree_entry *f = &m->in->tree->v[i];
	struct tfs_spot *n = &m->nodes[i];
	bool timed = time_of(f) > 0, shared = n->count > 1;

	n->index = tfs_put_tuple(&m->record, 1u + timed + shared);
	put_name(&m->record, "linktarget");
	tfs_put_text(&m->record, f->target, strlen(f->target));
	put_time(&m->record, f);
	if (shared)
		tfs_put_number(&m->record, "nlink", n->count);
}

/* What is behind the time and the root's attributes. */
static void put_children(struct tfs_image *m, uint32_t i)
{
	put_time(&m->record, &m->in->tree->v[i]);
	put_name(&m->record, "children");
	(void)tfs_put_tuple(&m->record, m->nodes[i].count);
}

static void put_entry(struct tfs_image *m, uint32_t i)
{
	const struct tree_entry *f = &m->in->tree->v[i];
	const char *slash = strrchr(f->path, '/');

	put_name(&m->record, slash ? slash + 1 : f->path);
	if (f->hardlink != TREE_NONE) {
		tfs_put_tuple_again(&m->record, m->nodes[f->hardlink].index, 0);
	} else if (S_ISDIR(f->mode)) {
		(void)tfs_put_tuple(&m->record, 1u + (time_of(f) > 0));
		put_children(m, i);
	} else if (S_ISREG(f->mode)) {
		put_file(m, i);
	} else {
		put_link(m, i);
	}
}

static int put_root(struct tfs_image *m, struct volt_error *e)
{
	const json_t *j = m->in->attributes;
	bool timed = time_of(&m->in->tree->v[0]) > 0;
	int r;

	(void)tfs_put_tuple(&m->record, tfs_count_json(j) + timed + 1);
	r = tfs_put_json(&m->record, j, false, e);
	if (r >= 0)
		put_children(m, 0);
	return r;
}

int tfs_record_put(struct tfs_image *m, struct volt_error *e)
{
	int r = put_root(m, e);

	for (uint32_t i = 1; r >= 0 && i < m->in->tree->n; i++)
		if (tfs_is_kept(&m->in->tree->v[i]))
			put_entry(m, i);
	return r >= 0 && m->record.failed ? fail_oom(e) : r;
}
