/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation
 *
 * An image is planned whole (erofs-layout.c), then its metadata is made in memory, file
 * contents go from the store to their places (erofs-data.c), and the metadata is written
 * with one call. What is on disk follows from the tree alone: no clock, no random number
 * and no order of a directory of the host has a part in it.
 *
 * The tree is not trusted: its order, names, links and sizes are checked while planning,
 * after which every offset is known to be inside the image.
 */
#include "rootfs/erofs.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/io.h"
#include "rootfs/erofs-private.h"

static void image_done(struct erofs_image *m)
{
	erofs_xattrs_done(&m->xattrs);
	free(m->nodes);
	free(m->meta);
}

/* Linux's encoding of a device number in 32 bits. */
static int device_number(const struct tree_entry *f, uint32_t *ret, struct volt_error *e)
{
	if (f->rdev_major > 0xfff || f->rdev_minor > 0xfffff)
		return fail(e, EOVERFLOW, "device '%s' has number %u:%u: too large",
			    f->path, f->rdev_major, f->rdev_minor);
	*ret = (f->rdev_minor & 0xff) | f->rdev_major << 8 |
	       (f->rdev_minor & ~0xffu) << 12;
	return 0;
}

static void put_compact(const struct erofs_node *n, const struct tree_entry *f,
			uint32_t block, uint32_t ino, uint8_t *to)
{
	const struct erofs_inode_compact i = {
		.format = htole16((uint16_t)(n->layout << 1)),
		.xattr_count = htole16(
			(uint16_t)(n->xattr_size ? (n->xattr_size - 12) / 4 + 1 : 0)),
		.mode = htole16((uint16_t)f->mode),
		.nlink = htole16((uint16_t)n->nlink),
		.size = htole32((uint32_t)n->size),
		.block = htole32(block),
		.ino = htole32(ino),
		.uid = htole16((uint16_t)f->uid),
		.gid = htole16((uint16_t)f->gid),
	};

	memcpy(to, &i, sizeof(i));
}

static void put_extended(const struct erofs_node *n, const struct tree_entry *f,
			 uint32_t block, uint32_t ino, uint8_t *to)
{
	const struct erofs_inode_extended i = {
		.format = htole16((uint16_t)(n->layout << 1 | EROFS_EXTENDED)),
		.xattr_count = htole16(
			(uint16_t)(n->xattr_size ? (n->xattr_size - 12) / 4 + 1 : 0)),
		.mode = htole16((uint16_t)f->mode),
		.size = htole64(n->size),
		.block = htole32(block),
		.ino = htole32(ino),
		.uid = htole32(f->uid),
		.gid = htole32(f->gid),
		.mtime = htole64((uint64_t)f->mtime),
		.mtime_nsec = htole32(f->mtime_nsec),
		.nlink = htole32(n->nlink),
	};

	memcpy(to, &i, sizeof(i));
}

static int fill_node(struct erofs_image *m, uint32_t i, uint32_t ino,
		     struct volt_error *e)
{
	const struct tree_entry *f = &m->t->v[i];
	const struct erofs_node *n = &m->nodes[i];
	uint32_t block = (uint32_t)n->block;
	int r = 0;

	if (S_ISCHR(f->mode) || S_ISBLK(f->mode))
		r = device_number(f, &block, e);
	if (r < 0)
		return r;
	if (n->extended)
		put_extended(n, f, block, ino, m->meta + n->at);
	else
		put_compact(n, f, block, ino, m->meta + n->at);
	if (n->n_xattrs > 0)
		erofs_xattrs_fill_node(m, n, m->meta + n->at + erofs_inode_size(n));
	if (S_ISDIR(f->mode))
		erofs_dir_fill(m, i);
	else if (S_ISLNK(f->mode))
		memcpy(n->layout == EROFS_INLINE ? erofs_tail(m, n)
						 : m->meta + n->block * EROFS_BLOCK,
		       f->target, n->size);
	return 0;
}

static uint32_t crc32c(uint32_t crc, const uint8_t *p, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		crc ^= p[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
	}
	return crc;
}

static void fill_super(const struct erofs_image *m, const struct digest *id)
{
	struct erofs_super s = {
		.magic = htole32(EROFS_SUPER_MAGIC),
		.feature_compat = htole32(EROFS_COMPAT_SB_CHKSUM | EROFS_COMPAT_MTIME),
		.block_bits = 12,
		.root_nid = htole16((uint16_t)(m->nodes[0].at / EROFS_SLOT)),
		.inodes = htole64(m->inodes),
		.build_time = htole64((uint64_t)m->build_time),
		.build_time_nsec = htole32(m->build_time_nsec),
		.blocks = htole32((uint32_t)(m->end / EROFS_BLOCK)),
		.xattr_block = htole32((uint32_t)(m->xattr_start / EROFS_BLOCK)),
	};
	uint8_t *at = m->meta + EROFS_SUPER_OFFSET;

	memcpy(s.uuid, id->b, sizeof(s.uuid));
	s.uuid[6] = (s.uuid[6] & 0x0f) | 0x80; /* version 8: made our own way */
	s.uuid[8] = (s.uuid[8] & 0x3f) | 0x80;
	memcpy(at, &s, sizeof(s));
	s.checksum = htole32(crc32c(~0u, at, EROFS_BLOCK - EROFS_SUPER_OFFSET));
	memcpy(at, &s, sizeof(s));
}

static int fill_meta(struct erofs_image *m, struct volt_error *e)
{
	uint32_t ino = 0;
	int r = 0;

	m->meta = calloc(1, m->meta_end);
	if (!m->meta)
		return fail_oom(e);
	for (uint32_t i = 0; r >= 0 && i < m->t->n; i++)
		if (erofs_is_node(&m->t->v[i]))
			r = fill_node(m, i, ++ino, e);
	erofs_xattrs_fill(m);
	return r;
}

static int write_image(struct erofs_image *m, const struct digest *id, int fd,
		       struct volt_error *e)
{
	int r;

	if (ftruncate(fd, (off_t)m->end) < 0)
		return fail_errno(e, "size the EROFS image to %llu bytes",
				  (unsigned long long)m->end);
	r = erofs_data_write(m, fd, e);
	if (r < 0)
		return r;
	fill_super(m, id);
	r = pwrite_all(fd, m->meta, m->meta_end, 0);
	return r < 0 ? fail_code(e, r, "write EROFS image") : 0;
}

int erofs_write(const struct tree *t, const struct store *s, const struct digest *id,
		int fd, struct erofs_stats *ret, struct volt_error *e)
{
	_cleanup_(image_done) struct erofs_image m = { .t = t, .s = s };
	int r;

	m.nodes = calloc((size_t)t->n + 1, sizeof(*m.nodes));
	if (!m.nodes)
		return fail_oom(e);
	r = erofs_layout_plan(&m, e);
	if (r >= 0)
		r = fill_meta(&m, e);
	if (r >= 0)
		r = write_image(&m, id, fd, e);
	if (r >= 0 && ret)
		*ret = (struct erofs_stats){ m.end, m.inodes, m.meta_end };
	return r;
}
