/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation
 *
 * A new overlay is a handful of clusters of 64 KiB, in this order:
 *
 *	header | refcount table | refcount block | L1 table | L2 tables | data
 *
 * One refcount block counts 32,768 clusters (2 GiB), more than an overlay is made with, so
 * every cluster has refcount 1 and the whole layout follows from which clusters of the disk
 * the patches touch. The file is sparse: of the tables only their entries are written, so
 * that it takes the data and five blocks of the file system.
 */
#include "rootfs/overlay.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/path.h"
#include "rootfs/qcow2.h"

#define CLUSTER_BITS 16u
#define CLUSTER      (1u << CLUSTER_BITS)
#define L2_ENTRIES   (CLUSTER / 8)
#define PER_BLOCK    (CLUSTER / 2) /* refcounts of 16 bits */
#define TOO_LARGE    "the changes to the disk are too large"

enum {
	HEADER_AT,
	TABLE_AT,
	BLOCK_AT,
	L1_AT
}; /* clusters of the file */

struct making {
	const struct overlay_wish *w;
	uint64_t *touched; /* clusters of the disk, sorted, each once */
	size_t n;
	uint32_t l1_entries, l1_clusters;
	uint32_t n_l2;
	int fd;
	uint8_t *cluster;
};

static void making_done(struct making *m)
{
	free(m->touched);
	free(m->cluster);
	closep(&m->fd);
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static int check_wish(const struct overlay_wish *w, uint64_t *ret_clusters,
		      struct volt_error *e)
{
	uint64_t n = 0;

	if (w->size == 0 || w->size % TFS_SECTOR || w->size > OVERLAY_SIZE_MAX)
		return fail(e, EINVAL, "a disk of %llu bytes: up to 16 TiB are possible",
			    (unsigned long long)w->size);
	for (size_t i = 0; i < w->n_patches; i++) {
		const struct tfs_patch *p = &w->patches[i];

		if (p->size > w->size || p->at > w->size - p->size)
			return fail(e, EINVAL, "a change lies outside of the disk");
		if (p->size > 0)
			n += (p->at + p->size - 1) / CLUSTER - p->at / CLUSTER + 1;
	}
	if (n > PER_BLOCK)
		return fail(e, EINVAL, TOO_LARGE);
	*ret_clusters = n;
	return 0;
}

/* Which clusters of the disk the patches touch. */
static int find_touched(struct making *m, struct volt_error *e)
{
	uint64_t room = 0;
	size_t n = 0;
	int r = check_wish(m->w, &room, e);

	if (r < 0)
		return r;
	m->touched = calloc((size_t)room + 1, sizeof(*m->touched));
	if (!m->touched)
		return fail_oom(e);
	for (size_t i = 0; i < m->w->n_patches; i++) {
		const struct tfs_patch *p = &m->w->patches[i];

		if (p->size == 0)
			continue;
		for (uint64_t at = p->at / CLUSTER * CLUSTER; at < p->at + p->size;
		     at += CLUSTER)
			m->touched[n++] = at / CLUSTER;
	}
	qsort(m->touched, n, sizeof(*m->touched), compare);
	for (size_t i = 0; i < n; i++)
		if (m->n == 0 || m->touched[m->n - 1] != m->touched[i])
			m->touched[m->n++] = m->touched[i];
	return 0;
}

/* The first cluster of the file that has an L2 table, and that has data. */
static uint64_t l2_at(const struct making *m)
{
	return L1_AT + m->l1_clusters;
}

static uint64_t data_at(const struct making *m)
{
	return l2_at(m) + m->n_l2;
}

static int plan(struct making *m, struct volt_error *e)
{
	const uint64_t per_l2 = (uint64_t)CLUSTER * L2_ENTRIES;

	m->l1_entries = (uint32_t)((m->w->size + per_l2 - 1) / per_l2);
	m->l1_clusters = (m->l1_entries + L2_ENTRIES - 1) / L2_ENTRIES;
	for (size_t i = 0; i < m->n; i++)
		m->n_l2 += i == 0 ||
			   m->touched[i] / L2_ENTRIES != m->touched[i - 1] / L2_ENTRIES;
	return data_at(m) + m->n <= PER_BLOCK ? 0 : fail(e, EINVAL, TOO_LARGE);
}

static int write_at(const struct making *m, const void *data, size_t size,
		    uint64_t cluster, uint64_t offset)
{
	return pwrite_all(m->fd, data, size, (off_t)(cluster * CLUSTER + offset));
}

static int write_header(const struct making *m)
{
	const struct qcow2_header h = {
		.magic = htobe32(QCOW2_MAGIC),
		.version = htobe32(QCOW2_VERSION),
		.cluster_bits = htobe32(CLUSTER_BITS),
		.size = htobe64(m->w->size),
		.l1_size = htobe32(m->l1_entries),
		.l1_table_offset = htobe64((uint64_t)L1_AT * CLUSTER),
		.refcount_table_offset = htobe64((uint64_t)TABLE_AT * CLUSTER),
		.refcount_table_clusters = htobe32(1),
		.refcount_order = htobe32(4),
		.header_length = htobe32(QCOW2_HEADER_LENGTH),
	};

	return write_at(m, &h, sizeof(h), HEADER_AT, 0);
}

static int write_refcounts(const struct making *m)
{
	const uint64_t block = htobe64((uint64_t)BLOCK_AT * CLUSTER);
	size_t n = (size_t)(data_at(m) + m->n);
	uint16_t *counts = (uint16_t *)m->cluster;
	int r = write_at(m, &block, sizeof(block), TABLE_AT, 0);

	for (size_t i = 0; i < n; i++)
		counts[i] = htobe16(1);
	return r < 0 ? r : write_at(m, counts, n * sizeof(*counts), BLOCK_AT, 0);
}

static int write_tables(const struct making *m)
{
	uint64_t l2 = l2_at(m) - 1;
	int r = 0;

	for (size_t i = 0; r >= 0 && i < m->n; i++) {
		uint64_t table = m->touched[i] / L2_ENTRIES;
		uint64_t data = htobe64((data_at(m) + i) * CLUSTER | QCOW2_COPIED);

		if (i == 0 || table != m->touched[i - 1] / L2_ENTRIES) {
			uint64_t entry = htobe64(++l2 * CLUSTER | QCOW2_COPIED);

			r = write_at(m, &entry, sizeof(entry), L1_AT, table * 8);
		}
		if (r >= 0)
			r = write_at(m, &data, sizeof(data), l2,
				     m->touched[i] % L2_ENTRIES * 8);
	}
	return r;
}

/* What of @p lies in the cluster that begins at byte @at of the disk. */
static void apply(const struct tfs_patch *p, uint64_t at, uint8_t *cluster)
{
	uint64_t first = p->at > at ? p->at : at;
	uint64_t end = p->at + p->size < at + CLUSTER ? p->at + p->size : at + CLUSTER;

	if (first < end)
		memcpy(cluster + (first - at), p->data + (first - p->at),
		       (size_t)(end - first));
}

static int write_data(const struct making *m)
{
	struct byte_source base = byte_source_fd(&m->w->base);
	int r = 0;

	for (size_t i = 0; r >= 0 && i < m->n; i++) {
		uint64_t at = m->touched[i] * CLUSTER;

		r = byte_source_read(&base, m->cluster, CLUSTER, at);
		for (size_t k = 0; k < m->w->n_patches; k++)
			apply(&m->w->patches[k], at, m->cluster);
		if (r >= 0)
			r = write_at(m, m->cluster, CLUSTER, data_at(m) + i, 0);
	}
	return r;
}

static int write_file(struct making *m)
{
	int r;

	m->cluster = calloc(1, CLUSTER);
	if (!m->cluster)
		return -ENOMEM;
	if (ftruncate(m->fd, (off_t)((data_at(m) + m->n) * CLUSTER)) < 0)
		return -errno;
	if ((r = write_header(m)) < 0 || (r = write_refcounts(m)) < 0 ||
	    (r = write_tables(m)) < 0 || (r = write_data(m)) < 0)
		return r;
	return fdatasync(m->fd) < 0 ? -errno : 0;
}

/* The temporary name is one caller's alone, so what has it was left by a crash. */
static int make_as(struct making *m, int dirfd, const char *name, struct volt_error *e)
{
	char tmp[NAME_MAX + 1];
	int r;

	(void)snprintf(tmp, sizeof(tmp), "%s.tmp", name);
	if (unlinkat(dirfd, tmp, 0) < 0 && errno != ENOENT)
		return fail_errno(e, "remove '%s'", tmp);
	m->fd = openat(dirfd, tmp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (m->fd < 0)
		return fail_errno(e, "make '%s'", tmp);
	r = write_file(m);
	if (r < 0)
		r = fail_code(e, r, "write disk '%s'", name);
	else if (renameat2(dirfd, tmp, dirfd, name, RENAME_NOREPLACE) < 0)
		r = fail_errno(e, "make disk '%s'", name);
	else if ((r = sync_dir(dirfd)) < 0)
		return fail_code(e, r, "sync the directory of '%s'", name);
	if (r < 0)
		(void)unlinkat(dirfd, tmp, 0);
	return r;
}

int overlay_make(int dirfd, const char *name, const struct overlay_wish *w,
		 struct volt_error *e)
{
	_cleanup_(making_done) struct making m = { .w = w, .fd = -1 };
	int r;

	if (!path_is_name(name) || strlen(name) + strlen(".tmp") > NAME_MAX)
		return fail(e, EINVAL, "disk name '%s' is no file name", name);
	r = find_touched(&m, e);
	if (r >= 0)
		r = plan(&m, e);
	return r < 0 ? r : make_as(&m, dirfd, name, e);
}
