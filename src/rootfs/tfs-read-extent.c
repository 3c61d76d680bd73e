/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rootfs/tfs-read-private.h"

static int take_extent(const struct tfs *fs, const struct tfs_value *v,
		       struct tfs_extent *ret)
{
	const struct tfs_symbol *key = &TFS_SYMBOLS(fs)[v->name];
	const struct tfs_value first = { .kind = TFS_TEXT,
					 .size = key->size,
					 .text = key->text };

	if (v->kind != TFS_TUPLE || tfs_number(&first, &ret->first) < 0 ||
	    tfs_number(tfs_get(fs, v->group, "length"), &ret->length) < 0 ||
	    tfs_number(tfs_get(fs, v->group, "offset"), &ret->sector) < 0 ||
	    tfs_number(tfs_get(fs, v->group, "allocated"), &ret->allocated) < 0)
		return -EBADMSG;
	ret->zeros = tfs_get(fs, v->group, "uninited") != NULL;
	return 0;
}

/* Its data are inside; what is reserved behind the last may be cut off, as in an image that
 * was made as short as could be. */
static bool is_inside(const struct tfs *fs, const struct tfs_extent *x)
{
	const uint64_t most = INT64_MAX / TFS_SECTOR;

	return x->allocated >= x->length && x->allocated <= most && x->first <= most &&
	       x->length <= most - x->first && x->sector > 0 &&
	       x->sector <= fs->sectors && x->length <= fs->sectors - x->sector;
}

static int compare_extents(const void *a, const void *b)
{
	const struct tfs_extent *x = a, *y = b;

	if (x->first != y->first)
		return x->first < y->first ? -1 : 1;
	return (x->length > y->length) - (x->length < y->length);
}

static int check_order(struct tfs *fs, uint32_t node, struct volt_error *e)
{
	const struct tfs_node *f = &TFS_NODES(fs)[node];
	struct tfs_extent *x = TFS_EXTENTS(fs) + f->extents;

	if (f->n_extents > 1)
		qsort(x, f->n_extents, sizeof(*x), compare_extents);
	for (size_t i = 1; i < f->n_extents; i++)
		if (x[i].first - x[i - 1].first < x[i - 1].length)
			return tfs_fail_node(fs, node, e,
					     "has two extents for one place");
	return 0;
}

int tfs_extents_take(struct tfs *fs, uint32_t node, const struct tfs_value *extents,
		     struct volt_error *e)
{
	struct tfs_node *f = &TFS_NODES(fs)[node];
	const struct tfs_group *g;
	int r;

	if (extents->kind != TFS_TUPLE)
		return tfs_fail_node(fs, node, e, "has no list of extents");
	g = &TFS_GROUPS(fs)[extents->group];
	if (g->n == 0)
		return 0;
	f->extents = fs->extents.n;
	for (uint32_t i = 0; i < g->n; i++) {
		struct tfs_extent x = { 0 };

		if (take_extent(fs, &g->v[i], &x) < 0)
			return tfs_fail_node(fs, node, e, "has an extent that is none");
		if (!is_inside(fs, &x))
			return tfs_fail_node(fs, node, e,
					     "has an extent outside of the file system");
		r = tfs_grow(fs, &fs->extents, sizeof(x), e);
		if (r < 0)
			return r;
		TFS_EXTENTS(fs)[fs->extents.n++] = x;
		f->n_extents++;
		f->st.allocated += x.allocated * TFS_SECTOR;
	}
	return check_order(fs, node, e);
}

static int add_used(struct tfs *fs, uint64_t sector, uint64_t n, struct volt_error *e)
{
	int r;

	if (n == 0)
		return 0;
	r = tfs_grow(fs, &fs->used, sizeof(struct nanos_extent), e);
	if (r < 0)
		return r;
	((struct nanos_extent *)fs->used.v)[fs->used.n++] =
		(struct nanos_extent){ sector, n };
	return 0;
}

static int compare_used(const void *a, const void *b)
{
	const struct nanos_extent *x = a, *y = b;

	return (x->at > y->at) - (x->at < y->at);
}

/* Whose extent begins at @sector. */
static int fail_shared(const struct tfs *fs, uint64_t sector, struct volt_error *e)
{
	for (uint32_t i = 0; i < fs->nodes.n; i++) {
		const struct tfs_node *f = &TFS_NODES(fs)[i];

		for (size_t k = 0; k < f->n_extents; k++)
			if (TFS_EXTENTS(fs)[f->extents + k].sector == sector)
				return tfs_fail_node(
					fs, i, e, "has sectors that are also another's");
	}
	return fail(e, EBADMSG, "the file system's log lies in a file");
}

int tfs_used_make(struct tfs *fs, struct volt_error *e)
{
	const struct nanos_extent *log = fs->log.v;
	struct nanos_extent *x;
	int r = 0;

	for (size_t i = 0; r >= 0 && i < fs->log.n; i++)
		r = add_used(fs, log[i].at, log[i].size, e);
	for (size_t i = 0; r >= 0 && i < fs->extents.n; i++)
		r = add_used(fs, TFS_EXTENTS(fs)[i].sector, TFS_EXTENTS(fs)[i].allocated,
			     e);
	if (r < 0)
		return r;
	x = fs->used.v;
	qsort(x, fs->used.n, sizeof(*x), compare_used);
	for (size_t i = 1; i < fs->used.n; i++)
		if (x[i].at - x[i - 1].at < x[i - 1].size)
			return fail_shared(fs, x[i].at, e);
	return 0;
}
