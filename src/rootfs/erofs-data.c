/* SPDX-License-Identifier: Apache-2.0 */
/* File contents: whole blocks to the image, ends to the metadata behind their inodes. */
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "rootfs/erofs-private.h"
#include "rootfs/mover.h"

static bool find_place(const void *data, uint32_t i, struct mover_place *ret)
{
	const struct erofs_image *m = data;
	const struct erofs_node *n = &m->nodes[i];
	uint64_t whole = n->size - n->tail;

	if (n->twin != i)
		return false;
	ret->one = (struct mover_piece){ 0, whole, n->block * EROFS_BLOCK };
	ret->padding = (uint32_t)(erofs_whole_blocks(n) * EROFS_BLOCK - whole);
	ret->tail = erofs_tail(m, n);
	ret->tail_size = n->tail;
	return true;
}

static int open_content(const void *data, uint32_t i, struct volt_error *e)
{
	const struct erofs_image *m = data;

	return store_open_object(m->s, &m->t->v[i].object, e);
}

/* What files of the same content have behind their inodes. */
static void copy_twins(const struct erofs_image *m)
{
	for (uint32_t i = 0; i < m->t->n; i++) {
		const struct tree_entry *f = &m->t->v[i];
		const struct erofs_node *n = &m->nodes[i];

		if (S_ISREG(f->mode) && f->size > 0 && erofs_is_node(f) && n->twin != i)
			memcpy(erofs_tail(m, n), erofs_tail(m, &m->nodes[n->twin]),
			       n->tail);
	}
}

int erofs_data_write(const struct erofs_image *m, int fd, struct volt_error *e)
{
	const struct mover_job j = { .tree = m->t,
				     .fd = fd,
				     .what = "an EROFS image",
				     .place = find_place,
				     .open = open_content,
				     .data = m,
				     .from_store = true,
				     .sync_soon = true };
	const struct mover_room room = { .large = m->large_start,
					 .huge = m->huge_start,
					 .end = m->end };
	int r;

	r = mover_make_room(&j, &room, e);
	if (r >= 0)
		r = mover_run(&j, e);
	if (r >= 0)
		copy_twins(m);
	return r;
}
