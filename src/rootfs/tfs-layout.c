/* SPDX-License-Identifier: Apache-2.0 */
/* Decides where contents go before a byte is written: first the small files, one sector
 * after the other, so that they leave in few writes; then those that the kernel moves,
 * each from a block of the host's file system on, so that it can share them.
 *
 * A file's long holes are left out. What counts as one begins and ends at a multiple of
 * 1 MiB of the file, so that it does not matter how finely the host's file system keeps
 * holes, and a file cannot be in more pieces than half its MiB. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "rootfs/shape.h"
#include "rootfs/tfs-private.h"

#define HOLE          (1ull << 20)
#define BLOCK         4096u
#define FILE_SIZE_MAX (16ull << 40)
#define PIECES_MAX    65536u

#define TARGET_MAX 4095u

bool tfs_is_kept(const struct tree_entry *f)
{
	return S_ISREG(f->mode) || S_ISDIR(f->mode) || S_ISLNK(f->mode);
}

static void count_entry(void *data, uint32_t i, const struct shape_place *at)
{
	struct tfs_image *m = data;
	const struct tree_entry *f = &m->in->tree->v[i];

	m->nodes[i].sparse = TREE_NONE;
	if (!tfs_is_kept(f)) {
		m->stats.skipped++;
		return;
	}
	m->nodes[at->dir].count++;
	if (f->hardlink != TREE_NONE)
		m->nodes[f->hardlink].count++;
	else if (!S_ISDIR(f->mode))
		m->nodes[i].count = 1;
	m->stats.files += S_ISREG(f->mode) && f->hardlink == TREE_NONE;
}

static int add_piece(struct tfs_sparse *s, uint64_t from, uint64_t end)
{
	struct mover_piece *last = s->n > 0 ? &s->v[s->n - 1] : NULL;
	struct mover_piece *more;

	if (last && (from <= last->from + last->size || s->n == PIECES_MAX)) {
		last->size = end - last->from;
		return 0;
	}
	more = reallocarray(s->v, s->n + 1, sizeof(*s->v));
	if (!more)
		return -ENOMEM;
	s->v = more;
	s->v[s->n++] = (struct mover_piece){ .from = from, .size = end - from };
	return 0;
}

/* Finds what is between the long holes of a file of @size bytes. */
static int find_pieces(int in, uint64_t size, struct tfs_sparse *ret)
{
	uint64_t at = 0;

	while (at < size) {
		off_t data = lseek(in, (off_t)at, SEEK_DATA);
		off_t hole = data < 0 ? -1 : lseek(in, data, SEEK_HOLE);
		uint64_t end;
		int r;

		if (data < 0 && errno == ENXIO)
			return 0;
		if (hole < 0)
			return -errno;
		if ((uint64_t)data >= size)
			return 0;
		end = tfs_align((uint64_t)hole, HOLE);
		if (end > size)
			end = size;
		r = add_piece(ret, (uint64_t)data / HOLE * HOLE, end);
		if (r < 0)
			return r;
		at = end;
	}
	return 0;
}

static bool is_whole(const struct tfs_sparse *s, uint64_t size)
{
	return s->n == 1 && s->v[0].size == size;
}

static int keep_sparse(struct tfs_image *m, uint32_t i, struct tfs_sparse *s)
{
	struct tfs_sparse *more = reallocarray(m->sparse, m->n_sparse + 1, sizeof(*more));

	if (!more)
		return -ENOMEM;
	m->sparse = more;
	m->nodes[i].sparse = (uint32_t)m->n_sparse;
	m->sparse[m->n_sparse++] = *s;
	*s = (struct tfs_sparse){ 0 };
	return 0;
}

/* A file that has another size than it should has no holes here; who moves it says so. */
static int find_holes(struct tfs_image *m, uint32_t i, struct volt_error *e)
{
	const struct tree_entry *f = &m->in->tree->v[i];
	_cleanup_close_ int in = tfs_open_content(m->in, i, e);
	struct tfs_sparse s = { 0 };
	struct stat st;
	int r;

	if (in < 0)
		return fail_in(e, in, "'%s'", f->path);
	if (fstat(in, &st) < 0)
		return fail_errno(e, "stat the content of '%s'", f->path);
	if ((uint64_t)st.st_size != f->size || (uint64_t)st.st_blocks * 512 >= f->size)
		return 0;
	r = find_pieces(in, f->size, &s);
	if (r >= 0 && !is_whole(&s, f->size))
		r = keep_sparse(m, i, &s);
	free(s.v);
	return r < 0 ? fail_code(e, r, "find holes in the content of '%s'", f->path) : 0;
}

static int check_entry(struct tfs_image *m, uint32_t i, struct volt_error *e)
{
	const struct tree_entry *f = &m->in->tree->v[i];

	if (S_ISLNK(f->mode) && (!f->target[0] || strlen(f->target) > TARGET_MAX))
		return fail(e, f->target[0] ? ENAMETOOLONG : EBADMSG,
			    "the target of symbolic link '%s' is %s", f->path,
			    f->target[0] ? "too long" : "empty");
	if (!S_ISREG(f->mode))
		return 0;
	if (f->size > FILE_SIZE_MAX)
		return fail(e, EFBIG, "'%s' is larger than 16 TiB", f->path);
	return !m->bare && f->size >= 2 * HOLE && f->hardlink == TREE_NONE
		       ? find_holes(m, i, e)
		       : 0;
}

/* The parts of the contents, in order. */
enum part {
	PART_SMALL,
	PART_LARGE,
	PART_HUGE
};

static enum part part_of(const struct tree_entry *f)
{
	if (f->size <= MOVER_SMALL)
		return PART_SMALL;
	return f->size <= MOVER_HUGE ? PART_LARGE : PART_HUGE;
}

static bool has_content(const struct tree_entry *f)
{
	return S_ISREG(f->mode) && f->size > 0 && f->hardlink == TREE_NONE;
}

/* Places the pieces of a file behind each other. */
static void place(struct tfs_image *m, uint32_t i, uint64_t unit, uint64_t *at)
{
	const struct tree_entry *f = &m->in->tree->v[i];
	struct tfs_spot *n = &m->nodes[i];

	n->at = *at;
	if (n->sparse == TREE_NONE) {
		*at += tfs_align(f->size, unit);
		return;
	}
	for (size_t k = 0; k < m->sparse[n->sparse].n; k++) {
		m->sparse[n->sparse].v[k].to = *at;
		*at += tfs_align(m->sparse[n->sparse].v[k].size, unit);
	}
}

/* Places the contents of one part from *@at on. */
static int place_part(struct tfs_image *m, enum part part, uint64_t *at,
		      struct volt_error *e)
{
	uint64_t unit = part == PART_SMALL ? TFS_SECTOR : BLOCK;
	const struct tree *t = m->in->tree;
	bool first = true;

	for (uint32_t i = 0; i < t->n; i++) {
		if (!has_content(&t->v[i]) || part_of(&t->v[i]) != part)
			continue;
		if (first)
			*at = tfs_align(m->start + *at, unit) - m->start;
		first = false;
		place(m, i, unit, at);
		if (*at > FILE_SIZE_MAX)
			return fail(e, EFBIG,
				    "the file system would be larger than 16 TiB");
	}
	return 0;
}

static int place_contents(struct tfs_image *m, struct volt_error *e)
{
	uint64_t at = TFS_SECTOR;
	int r;

	m->room.start = m->start + at;
	r = place_part(m, PART_SMALL, &at, e);
	m->room.large = m->start + at;
	if (r >= 0)
		r = place_part(m, PART_LARGE, &at, e);
	m->room.huge = m->start + at;
	if (r >= 0)
		r = place_part(m, PART_HUGE, &at, e);
	m->room.end = m->start + at;
	m->log = at;
	return r;
}

int tfs_layout_plan(struct tfs_image *m, struct volt_error *e)
{
	const struct tree *t = m->in->tree;
	int r;

	m->nodes = calloc((size_t)t->n + 1, sizeof(*m->nodes));
	if (!m->nodes)
		return fail_oom(e);
	r = shape_walk(t, count_entry, m, e);
	for (uint32_t i = 0; r >= 0 && i < t->n; i++)
		r = check_entry(m, i, e);
	return r < 0 ? r : place_contents(m, e);
}
