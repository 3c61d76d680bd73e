/* SPDX-License-Identifier: Apache-2.0 */
/* Decides where everything goes before a byte is written.
 *
 * Inodes stand in the tree's order, so that a directory's children share blocks with it.
 * Behind an inode its tail: symbolic links, the ends of directories and small files, none
 * of which may cross a block. Where that leaves a gap, a later inode without a tail fills
 * it. Whole blocks of file data come last and block-aligned, so that a reflink or the
 * kernel's own copy can move them; files of the same content share them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "rootfs/erofs-private.h"
#include "rootfs/mover.h"
#include "rootfs/shape.h"

/* Longer ends of files get a block of their own: behind an inode they would leave gaps
 * about as large as what they save, and spread the inodes. */
#define TAIL_MAX 3072u

/* Beyond this much metadata (which is made in memory) only links and directories keep
 * their tails. */
#define META_COMFORTABLE (256ull << 20)
#define META_MAX         (8ull << 30)

#define LINK_MAX_LENGTH 4095

/* Finds parents, siblings, names and link counts. */
static void link_node(void *data, uint32_t i, const struct shape_place *at)
{
	struct erofs_image *m = data;
	const struct tree_entry *f = &m->t->v[i];
	struct erofs_node *n = &m->nodes[i];

	n->name = at->name;
	n->parent = at->dir;
	if (at->before == TREE_NONE)
		m->nodes[at->dir].child = i;
	else
		m->nodes[at->before].sibling = i;
	if (S_ISDIR(f->mode)) {
		n->nlink++;
		m->nodes[at->dir].nlink++;
	}
	m->nodes[erofs_is_node(f) ? i : f->hardlink].nlink++;
}

static int link_nodes(struct erofs_image *m, struct volt_error *e)
{
	for (uint32_t i = 0; i < m->t->n; i++) {
		m->nodes[i].child = m->nodes[i].sibling = TREE_NONE;
		m->nodes[i].twin = i;
		m->inodes += erofs_is_node(&m->t->v[i]);
	}
	m->nodes[0].nlink = 2;
	return shape_walk(m->t, link_node, m, e);
}

static int compare_times(const void *a, const void *b)
{
	const struct tree_entry *x = *(const struct tree_entry *const *)a;
	const struct tree_entry *y = *(const struct tree_entry *const *)b;

	if (x->mtime != y->mtime)
		return x->mtime < y->mtime ? -1 : 1;
	return (x->mtime_nsec > y->mtime_nsec) - (x->mtime_nsec < y->mtime_nsec);
}

/* The time most files have becomes the superblock's, which saves each of them 32 bytes. */
static int choose_build_time(struct erofs_image *m, struct volt_error *e)
{
	_cleanup_free_ const struct tree_entry **v = calloc(m->t->n, sizeof(void *));
	size_t best = 0, run = 0;

	if (!v)
		return fail_oom(e);
	for (uint32_t i = 0; i < m->t->n; i++)
		v[i] = &m->t->v[i];
	qsort(v, m->t->n, sizeof(void *), compare_times);
	for (uint32_t i = 0; i < m->t->n; i++) {
		run = i > 0 && compare_times(&v[i - 1], &v[i]) == 0 ? run + 1 : 1;
		if (run <= best)
			continue;
		best = run;
		m->build_time = v[i]->mtime;
		m->build_time_nsec = v[i]->mtime_nsec;
	}
	return 0;
}

struct twins {
	uint32_t *slots;
	size_t mask;
};

static void twins_done(struct twins *t)
{
	free(t->slots);
}

/* The digest is as good a hash as there can be. */
static void find_twin(struct erofs_image *m, const struct twins *t, uint32_t i)
{
	const struct tree_entry *f = &m->t->v[i];
	size_t at;

	memcpy(&at, f->object.b, sizeof(at));
	for (at &= t->mask; t->slots[at] != TREE_NONE; at = (at + 1) & t->mask) {
		const struct tree_entry *other = &m->t->v[t->slots[at]];

		if (digest_equal(&other->object, &f->object) && other->size == f->size) {
			m->nodes[i].twin = t->slots[at];
			return;
		}
	}
	t->slots[at] = i;
}

static int find_twins(struct erofs_image *m, struct volt_error *e)
{
	_cleanup_(twins_done) struct twins t = { 0 };
	size_t size = 1024;

	while (size < 2 * (size_t)m->t->n)
		size *= 2;
	t.mask = size - 1;
	t.slots = malloc(size * sizeof(*t.slots));
	if (!t.slots)
		return fail_oom(e);
	memset(t.slots, 0xff, size * sizeof(*t.slots));
	for (uint32_t i = 0; i < m->t->n; i++) {
		const struct tree_entry *f = &m->t->v[i];

		if (S_ISREG(f->mode) && f->size > 0 && erofs_is_node(f))
			find_twin(m, &t, i);
	}
	return 0;
}

static int measure(struct erofs_image *m, uint32_t i, struct volt_error *e)
{
	const struct tree_entry *f = &m->t->v[i];
	struct erofs_node *n = &m->nodes[i];

	if (S_ISREG(f->mode))
		n->size = f->size;
	else if (S_ISLNK(f->mode))
		n->size = strlen(f->target);
	else if (S_ISDIR(f->mode))
		n->size = erofs_dir_size(m, i);
	if (S_ISLNK(f->mode) && n->size > LINK_MAX_LENGTH)
		return fail(e, ENAMETOOLONG,
			    "the target of symbolic link '%s' is too long", f->path);
	if (n->size > (uint64_t)EROFS_BLOCKS_MAX * EROFS_BLOCK)
		return fail(e, EFBIG, "'%s' is larger than 16 TiB", f->path);
	n->extended = f->uid > UINT16_MAX || f->gid > UINT16_MAX ||
		      n->nlink > UINT16_MAX || n->size > UINT32_MAX ||
		      f->mtime != m->build_time || f->mtime_nsec != m->build_time_nsec;
	return 0;
}

/* Where inodes go. */
struct cursor {
	uint64_t at;
	uint64_t gap, gap_end;
};

/* Room for @size bytes of which none, or none of the last @tail, may be on two blocks. */
static uint64_t fit(uint64_t at, uint64_t size, uint32_t tail, bool whole)
{
	uint64_t first = whole ? at : at + size - tail;

	if (first / EROFS_BLOCK == (at + size - 1) / EROFS_BLOCK)
		return at;
	/* The first of what must stay together comes to stand on the next block. */
	return at + erofs_align(EROFS_BLOCK - first % EROFS_BLOCK, EROFS_SLOT);
}

static void advance(struct cursor *c, struct erofs_node *n, uint64_t at, uint64_t size)
{
	if (at - c->at > c->gap_end - c->gap) {
		c->gap = c->at;
		c->gap_end = at;
	}
	n->at = at;
	c->at = erofs_align(at + size, EROFS_SLOT);
}

static void place_inode(struct cursor *c, struct erofs_node *n, bool link)
{
	uint64_t fixed = erofs_inode_size(n) + n->xattr_size;
	bool whole = link || n->xattr_size == 0;
	uint64_t size = fixed + n->tail, at;

	if (n->tail > 0) {
		at = fit(c->at, size, n->tail, whole);
		if (fit(at, size, n->tail, whole) == at) {
			n->layout = EROFS_INLINE;
			advance(c, n, at, size);
			return;
		}
		n->tail = 0; /* nowhere: it gets a block */
	}
	n->layout = EROFS_PLAIN;
	whole = n->xattr_size == 0;
	if (c->gap_end - c->gap >= fixed) {
		n->at = c->gap;
		c->gap = erofs_align(c->gap + fixed, EROFS_SLOT);
		return;
	}
	at = whole ? fit(c->at, fixed, 0, true) : c->at;
	advance(c, n, at, fixed);
}

static uint32_t wanted_tail(const struct tree_entry *f, const struct erofs_node *n,
			    uint32_t file_tail_max)
{
	uint32_t tail = (uint32_t)(n->size % EROFS_BLOCK);

	if (S_ISREG(f->mode))
		return n->size < EROFS_BLOCK && tail <= file_tail_max ? tail : 0;
	return tail;
}

static void place_inodes(struct erofs_image *m, uint32_t file_tail_max)
{
	struct cursor c = { .at = EROFS_SUPER_OFFSET + sizeof(struct erofs_super) };

	for (uint32_t i = 0; i < m->t->n; i++) {
		const struct tree_entry *f = &m->t->v[i];
		struct erofs_node *n = &m->nodes[i];

		if (!erofs_is_node(f))
			continue;
		n->tail = wanted_tail(f, n, file_tail_max);
		place_inode(&c, n, S_ISLNK(f->mode));
		/* Blocks that end in a tail and blocks that do not are no twins. */
		if (n->layout != m->nodes[n->twin].layout)
			n->twin = i;
	}
	m->inode_end = c.at;
}

/* The parts of an image that consist of whole blocks, in order. */
enum part {
	PART_NAMES, /* directories and long links, made in memory */
	PART_SMALL,
	PART_LARGE,
	PART_HUGE,
	PARTS
};

static enum part part_of(const struct tree_entry *f)
{
	if (!S_ISREG(f->mode))
		return PART_NAMES;
	if (f->size <= MOVER_SMALL)
		return PART_SMALL;
	return f->size <= MOVER_HUGE ? PART_LARGE : PART_HUGE;
}

uint64_t erofs_whole_blocks(const struct erofs_node *n)
{
	uint64_t round = n->layout == EROFS_INLINE ? 0 : EROFS_BLOCK - 1;

	return (n->size + round) / EROFS_BLOCK;
}

/* Numbers the blocks within each part. */
static int count_blocks(struct erofs_image *m, uint64_t used[static PARTS],
			struct volt_error *e)
{
	for (uint32_t i = 0; i < m->t->n; i++) {
		struct erofs_node *n = &m->nodes[i];
		enum part part = part_of(&m->t->v[i]);

		if (!erofs_is_node(&m->t->v[i]) || n->twin != i)
			continue;
		n->block = used[part];
		used[part] += erofs_whole_blocks(n);
		if (used[part] > EROFS_BLOCKS_MAX)
			return fail(e, EFBIG, "the image would be larger than 16 TiB");
	}
	return 0;
}

static int place_blocks(struct erofs_image *m, struct volt_error *e)
{
	uint64_t used[PARTS] = { 0 }, start[PARTS + 1];
	int r;

	r = count_blocks(m, used, e);
	if (r < 0)
		return r;
	m->xattr_start = erofs_align(m->inode_end, EROFS_BLOCK);
	start[0] = erofs_align(m->xattr_start + m->xattrs.shared_size, EROFS_BLOCK) /
		   EROFS_BLOCK;
	for (int part = 0; part < PARTS; part++)
		start[part + 1] = start[part] + used[part];
	if (start[PARTS] > EROFS_BLOCKS_MAX)
		return fail(e, EFBIG, "the image would be larger than 16 TiB");
	m->meta_end = start[PART_SMALL] * EROFS_BLOCK;
	m->large_start = start[PART_LARGE] * EROFS_BLOCK;
	m->huge_start = start[PART_HUGE] * EROFS_BLOCK;
	m->end = start[PARTS] * EROFS_BLOCK;
	for (uint32_t i = 0; i < m->t->n; i++) {
		struct erofs_node *n = &m->nodes[i];

		if (n->twin != i)
			n->block = m->nodes[n->twin].block;
		else if (erofs_whole_blocks(n) > 0)
			n->block += start[part_of(&m->t->v[i])];
	}
	return 0;
}

int erofs_layout_plan(struct erofs_image *m, struct volt_error *e)
{
	int r;

	r = link_nodes(m, e);
	if (r >= 0)
		r = choose_build_time(m, e);
	if (r >= 0)
		r = erofs_xattrs_plan(m, e);
	if (r >= 0)
		r = find_twins(m, e);
	for (uint32_t i = 0; r >= 0 && i < m->t->n; i++)
		r = erofs_is_node(&m->t->v[i]) ? measure(m, i, e) : 0;
	if (r < 0)
		return r;
	place_inodes(m, TAIL_MAX);
	if (m->inode_end > META_COMFORTABLE)
		place_inodes(m, 0);
	r = place_blocks(m, e);
	if (r >= 0 && m->meta_end > META_MAX)
		r = fail(e, EFBIG, "the metadata would be larger than 8 GiB");
	return r;
}
