/* SPDX-License-Identifier: Apache-2.0 */
/* The file was written by a QEMU that a guest may have taken over: every offset in it is
 * looked at. What lies behind its end reads as zeros, as in QEMU. */

#include <endian.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "rootfs/overlay.h"
#include "rootfs/qcow2.h"

#define CLUSTER_BITS_MIN 9u
#define CLUSTER_BITS_MAX 21u
#define L1_BYTES_MAX     (32u << 20) /* QEMU's limit */
#define L1_RESERVED      (~(QCOW2_OFFSET | QCOW2_COPIED))
#define L2_RESERVED      (~(QCOW2_OFFSET | QCOW2_COPIED | QCOW2_COMPRESSED | QCOW2_ZEROS))

static int broken(struct volt_error *e, const char *what)
{
	return fail(e, EBADMSG, "broken overlay: %s", what);
}

static int check_features(const struct qcow2_header *h, struct volt_error *e)
{
	uint64_t features = be64toh(h->incompatible_features);

	if (be32toh(h->magic) != QCOW2_MAGIC || be32toh(h->version) != QCOW2_VERSION)
		return fail(e, ENOTSUP,
			    "it is no overlay: not in qcow2 format, version 3");
	if (h->crypt_method)
		return fail(e, ENOTSUP, "encrypted disks cannot be read");
	if (h->nb_snapshots)
		return fail(e, ENOTSUP, "disks with snapshots in them cannot be read");
	if (features & QCOW2_DATA_FILE)
		return fail(e, ENOTSUP,
			    "disks whose data are in another file cannot be read");
	if (features & QCOW2_CORRUPT)
		return broken(e, "QEMU has marked it so");
	if (features & ~(QCOW2_DIRTY | QCOW2_COMPRESSION))
		return fail(e, ENOTSUP,
			    "the overlay has features that volt does not know");
	return 0;
}

static int check_sizes(const struct overlay *o, struct volt_error *e)
{
	const unsigned int bits = o->cluster_bits;
	uint64_t per_table;

	if (bits < CLUSTER_BITS_MIN || bits > CLUSTER_BITS_MAX)
		return broken(e, "its clusters have no size");
	per_table = 1ull << (2 * bits - 3);
	if (o->size > INT64_MAX || o->l1_entries > L1_BYTES_MAX / 8 ||
	    o->l1_entries < (o->size + per_table - 1) / per_table)
		return broken(e, "its size does not fit its tables");
	if (o->l1 % (1u << bits) || o->l1 == 0 || o->l1 > INT64_MAX - L1_BYTES_MAX)
		return broken(e, "its tables are nowhere");
	return 0;
}

int overlay_open(int fd, int base, struct overlay *ret, struct volt_error *e)
{
	struct qcow2_header h = { 0 };
	struct overlay o = { .fd = fd, .base = base };
	ssize_t n = pread_full(fd, &h, QCOW2_HEADER_LENGTH, 0);
	int r;

	if (n < 0)
		return fail_code(e, (int)n, "read the overlay");
	r = check_features(&h, e);
	if (r < 0)
		return r;
	if (n < (ssize_t)QCOW2_HEADER_LENGTH ||
	    be32toh(h.header_length) < QCOW2_HEADER_LENGTH)
		return broken(e, "it is too short");
	o.cluster_bits = be32toh(h.cluster_bits);
	o.size = be64toh(h.size);
	o.l1 = be64toh(h.l1_table_offset);
	o.l1_entries = be32toh(h.l1_size);
	r = check_sizes(&o, e);
	if (r < 0)
		return r;
	*ret = o;
	return 0;
}

/* One entry of a table; what lies behind the end of the file is 0. */
static int read_entry(const struct overlay *o, uint64_t at, uint64_t reserved,
		      uint64_t *ret)
{
	const struct byte_source from = byte_source_fd(&o->fd);
	uint64_t entry;
	int r = byte_source_read(&from, &entry, sizeof(entry), at);

	if (r < 0)
		return r;
	entry = be64toh(entry);
	if (entry & QCOW2_COMPRESSED & ~reserved)
		return -ENOTSUP;
	if (entry & reserved || (entry & QCOW2_OFFSET) % (1u << o->cluster_bits))
		return -EBADMSG;
	*ret = entry;
	return 0;
}

/* Where cluster @n of the disk is: an entry of an L2 table, 0 where there is none. */
static int find_cluster(const struct overlay *o, uint64_t n, uint64_t *ret)
{
	const unsigned int l2_bits = o->cluster_bits - 3;
	uint64_t table;
	int r = read_entry(o, o->l1 + (n >> l2_bits) * 8, L1_RESERVED, &table);

	if (r < 0)
		return r;
	table &= QCOW2_OFFSET;
	*ret = 0;
	if (table == 0)
		return 0;
	return read_entry(o, table + (n & ((1u << l2_bits) - 1)) * 8, L2_RESERVED, ret);
}

/* @size bytes that are all in one cluster. */
static int read_part(const struct overlay *o, void *buf, size_t size, uint64_t at)
{
	const uint64_t into = at & ((1u << o->cluster_bits) - 1);
	struct byte_source from = byte_source_fd(&o->fd);
	uint64_t entry;
	int r = find_cluster(o, at >> o->cluster_bits, &entry);

	if (r < 0)
		return r;
	if (entry & QCOW2_ZEROS) {
		memset(buf, 0, size);
		return 0;
	}
	if (entry & QCOW2_OFFSET)
		return byte_source_read(&from, buf, size, (entry & QCOW2_OFFSET) + into);
	from = byte_source_fd(&o->base);
	return byte_source_read(&from, buf, size, at);
}

ssize_t overlay_read(const struct overlay *o, void *buf, size_t size, uint64_t at)
{
	const size_t cluster = 1u << o->cluster_bits;
	size_t done = 0;

	if (at >= o->size)
		return 0;
	if (size > o->size - at)
		size = (size_t)(o->size - at);
	while (done < size) {
		size_t n = cluster - (size_t)((at + done) & (cluster - 1));
		int r;

		if (n > size - done)
			n = size - done;
		r = read_part(o, (char *)buf + done, n, at + done);
		if (r < 0)
			return r;
		done += n;
	}
	return (ssize_t)done;
}

static ssize_t read_source(void *data, void *buf, size_t size, uint64_t at)
{
	return overlay_read(data, buf, size, at);
}

struct byte_source overlay_source(const struct overlay *o)
{
	return (struct byte_source){ .read = read_source, .data = (void *)o };
}
