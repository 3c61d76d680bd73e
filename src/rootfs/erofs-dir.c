/* SPDX-License-Identifier: Apache-2.0 */
/* Directories: names in byte order, "." and ".." among them, packed into blocks of which
 * each can be searched by itself. The children of a directory are in that order already. */
#include <endian.h>
#include <string.h>
#include <sys/stat.h>

#include "rootfs/erofs-private.h"

/* The shortest name takes 13 bytes. */
#define NAMES_MAX (EROFS_BLOCK / (sizeof(struct erofs_dirent) + 1))

struct name {
	const char *text;
	size_t len;
	uint32_t entry;
};

struct dir {
	const struct erofs_image *m;
	uint32_t self, child;
	unsigned dots;    /* how many of "." and ".." were handed out */
	struct name kept; /* taken but not used, or without text */
};

static void child_name(const struct dir *d, struct name *ret)
{
	ret->entry = d->child;
	ret->text = d->m->t->v[d->child].path + d->m->nodes[d->child].name;
	ret->len = strlen(ret->text);
}

/* The next name in order; false at the end. */
static bool dir_next(struct dir *d, struct name *ret)
{
	const struct erofs_node *nodes = d->m->nodes;

	if (d->child != TREE_NONE)
		child_name(d, ret);
	if (d->dots < 2 &&
	    (d->child == TREE_NONE || strcmp(&".."[1 - d->dots], ret -> text) < 0)) {
		ret->text = &".."[1 - d->dots];
		ret->len = d->dots + 1;
		ret->entry = d->dots == 0 ? d->self : nodes[d->self].parent;
		d->dots++;
		return true;
	}
	if (d->child == TREE_NONE)
		return false;
	d->child = nodes[d->child].sibling;
	return true;
}

static struct dir dir_start(const struct erofs_image *m, uint32_t dir)
{
	return (struct dir){ .m = m, .self = dir, .child = m->nodes[dir].child };
}

/* The names of the next block; what does not fit is kept for the one after. *@ret_used is
 * the length of the block. */
static size_t next_block(struct dir *d, struct name names[static NAMES_MAX],
			 size_t *ret_used)
{
	size_t n = 0, used = 0;

	while (d->kept.text || dir_next(d, &d->kept)) {
		size_t need = sizeof(struct erofs_dirent) + d->kept.len;

		if (used + need > EROFS_BLOCK)
			break;
		used += need;
		names[n++] = d->kept;
		d->kept.text = NULL;
	}
	*ret_used = used;
	return n;
}

uint64_t erofs_dir_size(const struct erofs_image *m, uint32_t dir)
{
	struct dir d = dir_start(m, dir);
	struct name names[NAMES_MAX];
	uint64_t blocks = 0;
	size_t used = 0, last = 0;

	while (next_block(&d, names, &used) > 0) {
		blocks++;
		last = used;
	}
	return (blocks - 1) * EROFS_BLOCK + last; /* "." and ".." are always there */
}

static uint8_t type_of(uint32_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR:
		return EROFS_FT_DIR;
	case S_IFCHR:
		return EROFS_FT_CHR;
	case S_IFBLK:
		return EROFS_FT_BLK;
	case S_IFIFO:
		return EROFS_FT_FIFO;
	case S_IFSOCK:
		return EROFS_FT_SOCK;
	case S_IFLNK:
		return EROFS_FT_LNK;
	default:
		return EROFS_FT_REG;
	}
}

static void put_block(const struct erofs_image *m, const struct name *names, size_t n,
		      uint8_t *to)
{
	size_t at = n * sizeof(struct erofs_dirent);

	for (size_t i = 0; i < n; i++) {
		const struct tree_entry *f = &m->t->v[names[i].entry];
		uint32_t node = erofs_is_node(f) ? names[i].entry : f->hardlink;
		const struct erofs_dirent d = {
			.nid = htole64(m->nodes[node].at / EROFS_SLOT),
			.name_offset = htole16((uint16_t)at),
			.type = type_of(f->mode),
		};

		memcpy(to + i * sizeof(d), &d, sizeof(d));
		memcpy(to + at, names[i].text, names[i].len);
		at += names[i].len;
	}
}

void erofs_dir_fill(const struct erofs_image *m, uint32_t dir)
{
	const struct erofs_node *node = &m->nodes[dir];
	uint64_t block = node->block, last = node->size / EROFS_BLOCK + node->block;
	struct dir d = dir_start(m, dir);
	struct name names[NAMES_MAX];
	size_t n, used;

	while ((n = next_block(&d, names, &used)) > 0) {
		bool tail = block == last && node->layout == EROFS_INLINE;

		put_block(m, names, n,
			  tail ? erofs_tail(m, node) : m->meta + block * EROFS_BLOCK);
		block++;
	}
}
