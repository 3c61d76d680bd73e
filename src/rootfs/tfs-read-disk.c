/* SPDX-License-Identifier: Apache-2.0 */

#include <endian.h>
#include <errno.h>
#include <string.h>

#include "rootfs/nanos-klog.h"
#include "rootfs/tfs-read.h"

#define TABLE_AT  446
#define TYPE_EFI  0xef
#define N_ENTRIES 4
#define QCOW2     "QFI\xfb"
#define MAGIC     "NVMTFS"

struct mbr_entry {
	uint8_t active, chs_first[3], type, chs_last[3];
	uint32_t first, sectors;
} __attribute__((packed));
_Static_assert(sizeof(struct mbr_entry) == 16, "partition entry");

static int take_part(const struct mbr_entry *p, uint64_t size, const char *what,
		     struct nanos_extent *ret, struct volt_error *e)
{
	const uint64_t at = (uint64_t)le32toh(p->first) * TFS_SECTOR;
	const uint64_t bytes = (uint64_t)le32toh(p->sectors) * TFS_SECTOR;

	if (at == 0 || at > size || bytes > size - at)
		return fail(e, EBADMSG,
			    "the disk's partition for %s lies outside of the disk", what);
	*ret = (struct nanos_extent){ bytes > 0 ? at : 0, bytes };
	return 0;
}

/* The root's goes to the disk's end, whatever its entry says. */
static int take_root(const struct mbr_entry *p, uint64_t size, struct nanos_parts *ret,
		     struct volt_error *e)
{
	const uint64_t at = (uint64_t)le32toh(p->first) * TFS_SECTOR;

	if (at == 0 || at >= size)
		return fail(e, EBADMSG,
			    "the disk's partition for the root lies outside of the disk");
	ret->root = (struct nanos_extent){ at, size - at };
	return 0;
}

static int take_table(const uint8_t *sector, uint64_t size, struct nanos_parts *ret,
		      struct volt_error *e)
{
	struct mbr_entry t[N_ENTRIES];
	const struct mbr_entry *p = t;
	uint64_t first;
	int r = 0;

	memcpy(t, sector + TABLE_AT, sizeof(t));
	first = (uint64_t)le32toh(p->first) * TFS_SECTOR;
	if (first >= NANOS_KLOG_SIZE + TFS_SECTOR && first <= size)
		ret->klog = first - NANOS_KLOG_SIZE;
	ret->partitioned = true;
	if (p->type == TYPE_EFI)
		r = take_part(p++, size, "UEFI", &ret->esp, e);
	if (r >= 0)
		r = take_part(p++, size, "booting", &ret->bootfs, e);
	return r < 0 ? r : take_root(p, size, ret, e);
}

int nanos_disk_find(const struct byte_source *from, uint64_t size,
		    struct nanos_parts *ret, struct volt_error *e)
{
	struct nanos_parts parts = { .size = size };
	uint8_t sector[TFS_SECTOR];
	int r;

	r = byte_source_read(from, sector, sizeof(sector), 0);
	if (r < 0)
		return fail_code(e, r, "read the disk's first sector");
	if (memcmp(sector, QCOW2, strlen(QCOW2)) == 0)
		return fail(
			e, ENOTSUP,
			"the disk is in qcow2 format; its base must be named with it");
	if (sector[510] == 0x55 && sector[511] == 0xaa)
		r = take_table(sector, size, &parts, e);
	else if (memcmp(sector, MAGIC, strlen(MAGIC)) == 0)
		parts.root = (struct nanos_extent){ 0, size };
	else
		r = fail(e, ENOTSUP, "it is neither a disk of Nanos nor a volume");
	if (r < 0)
		return r;
	*ret = parts;
	return 0;
}
