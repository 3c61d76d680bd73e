/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation
 *
 *	sector 0   partition table, with boot.img's code where the disk is booted from
 *	           its boot sector, whose rest then follows
 *	klog       4096 bytes, right before the first partition
 *	[ESP]      with the UEFI loader
 *	[bootfs]   a file system with the kernel and its klibs
 *	root       to the end of the disk
 *
 * The kernel knows the parts by their place in the table: an entry for bootfs is there even
 * where bootfs is not, so that the klog has its place. Sector 0 is written last: without it
 * this is no disk.
 */
#include "rootfs/nanos-disk.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/io.h"
#include "image/tree-builder.h"
#include "rootfs/nanos-klog.h"
#include "rootfs/nanos-private.h"
#include "rootfs/tfs-private.h"

#define BLOCK         4096u
#define BOOTFS_SIZE   (12ull << 20)
#define BOOT_IMG_MAX  (16u << 20)
#define BOOT_FILE_MAX (1ull << 30)

#define TABLE_AT       446
#define PARTITIONS     4
#define PARTITION_BOOT 0x80
#define TYPE_LINUX     0x83
#define TYPE_ESP       0xef

struct partition {
	uint8_t flags, first_chs[3], type, last_chs[3];
	uint32_t first, sectors;
} __attribute__((packed));

struct disk {
	const struct nanos_disk_input *in;
	int fd;
	uint64_t boot_size; /* bytes of boot.img, or of sector 0 alone */
	struct nanos_disk_layout at;
	uint64_t end; /* of what has its place already */
	struct partition table[PARTITIONS];
	unsigned int n;
};

static int size_of(int fd, const char *what, uint64_t max, uint64_t *ret,
		   struct volt_error *e)
{
	struct stat st;

	if (fd < 0)
		return fail(e, EINVAL, "this way of booting needs %s", what);
	if (fstat(fd, &st) < 0)
		return fail_errno(e, "stat %s", what);
	if (!S_ISREG(st.st_mode) || st.st_size <= 0 || (uint64_t)st.st_size > max)
		return fail(e, EBADMSG, "%s is no file of 1 to %llu bytes", what,
			    (unsigned long long)max);
	*ret = (uint64_t)st.st_size;
	return 0;
}

static int add_partition(struct disk *d, uint8_t type, uint64_t at, uint64_t size,
			 struct volt_error *e)
{
	uint64_t sectors = size / TFS_SECTOR;

	if (at / TFS_SECTOR > UINT32_MAX)
		return fail(e, EFBIG, "the disk's root would begin beyond 2 TiB");
	d->table[d->n++] = (struct partition){
		.flags = PARTITION_BOOT,
		.type = type,
		.first = htole32((uint32_t)(at / TFS_SECTOR)),
		.sectors = htole32(sectors > UINT32_MAX ? UINT32_MAX : (uint32_t)sectors),
	};
	return 0;
}

/* boot.img without its first sector, which comes last. */
static int copy_boot_img(struct disk *d, struct volt_error *e)
{
	int r = size_of(d->in->boot_img, "the release's boot.img", BOOT_IMG_MAX,
			&d->boot_size, e);

	if (r < 0)
		return r;
	if (d->boot_size <= TFS_SECTOR)
		return fail(e, EBADMSG, "boot.img has %llu bytes: too short",
			    (unsigned long long)d->boot_size);
	r = copy_bytes(d->in->boot_img, TFS_SECTOR, d->fd, TFS_SECTOR,
		       d->boot_size - TFS_SECTOR);
	return r < 0 ? fail_code(e, r, "copy boot.img") : 0;
}

static int write_boot_code(struct disk *d, struct volt_error *e)
{
	int r;

	d->boot_size = TFS_SECTOR;
	r = d->in->boot == NANOS_BIOS ? copy_boot_img(d, e) : 0;
	if (r < 0)
		return r;
	d->at.klog = tfs_align(d->boot_size, BLOCK);
	d->end = d->at.klog + NANOS_KLOG_SIZE;
	return 0;
}

static int write_esp(struct disk *d, struct volt_error *e)
{
	uint64_t at = d->end, loader;
	int r;

	if (d->in->boot != NANOS_UEFI)
		return 0;
	r = size_of(d->in->uefi_loader, "the release's UEFI loader", NANOS_ESP_SIZE / 2,
		    &loader, e);
	if (r < 0)
		return r;
	d->end += NANOS_ESP_SIZE;
	if (ftruncate(d->fd, (off_t)d->end) < 0)
		return fail_errno(e, "size the disk");
	r = nanos_esp_write(d->fd, at, d->in->uefi_loader, d->in->arch, e);
	return r < 0 ? r : add_partition(d, TYPE_ESP, at, NANOS_ESP_SIZE, e);
}

/* What bootfs holds, and the descriptors behind it. */
struct boot_files {
	const struct nanos_disk_input *in;
	const struct tree *tree;
};

static int open_boot_file(void *data, uint32_t i, struct volt_error *e)
{
	const struct boot_files *b = data;
	const char *path = b->tree->v[i].path, *slash = strchr(path, '/');
	int fd = b->in->kernel;

	for (size_t k = 0; slash && k < b->in->n_klibs; k++)
		if (strcmp(b->in->klibs[k].name, slash + 1) == 0)
			fd = b->in->klibs[k].fd;
	fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	return fd < 0 ? fail_errno(e, "duplicate a descriptor") : fd;
}

static int add_boot_file(struct tree_builder *b, const char *path, int fd,
			 const char *what, struct volt_error *e)
{
	struct tree_entry f = { .path = path, .mode = S_IFREG | 0444 };
	int r = size_of(fd, what, BOOT_FILE_MAX, &f.size, e);

	return r < 0 ? r : tree_builder_add(b, &f, e);
}

static int add_klib(struct tree_builder *b, const struct nanos_klib *k,
		    struct volt_error *e)
{
	char path[300], what[300];
	int n = snprintf(path, sizeof(path), "klib/%s", k->name);

	(void)snprintf(what, sizeof(what), "klib '%s'", k->name);
	if (n >= (int)sizeof(path) || strchr(k->name, '/'))
		return fail(e, EINVAL, "'%s' is no name of a klib", k->name);
	if (tree_builder_find(b, path))
		return fail(e, EINVAL, "%s is there twice", what);
	return add_boot_file(b, path, k->fd, what, e);
}

static int make_boot_tree(const struct nanos_disk_input *in, struct tree **ret,
			  struct volt_error *e)
{
	_cleanup_(tree_builder_freep) struct tree_builder *b = NULL;
	int r = tree_builder_new(&b, e);

	if (r >= 0)
		r = add_boot_file(b, "kernel", in->kernel, "the kernel", e);
	for (size_t i = 0; r >= 0 && i < in->n_klibs; i++)
		r = add_klib(b, &in->klibs[i], e);
	return r < 0 ? r : tree_builder_finish(b, NULL, ret, e);
}

static int write_bootfs(struct disk *d, struct volt_error *e)
{
	_cleanup_(tree_freep) struct tree *t = NULL;
	struct boot_files files = { .in = d->in };
	struct tfs_input in = { .open = open_boot_file, .data = &files };
	struct tfs_written w;
	int r;

	if (d->in->boot == NANOS_DIRECT && d->in->n_klibs == 0)
		return add_partition(d, TYPE_LINUX, d->end, 0, e);
	r = make_boot_tree(d->in, &t, e);
	if (r < 0)
		return fail_in(e, r, "boot file system");
	in.tree = files.tree = t;
	memcpy(in.uuid, d->in->root.uuid, sizeof(in.uuid));
	in.uuid[0] ^= 0xff;
	d->at.bootfs = d->end;
	r = tfs_write_bare(&in, d->fd, d->at.bootfs, &w, e);
	if (r < 0)
		return fail_in(e, r, "boot file system");
	d->end += w.size > BOOTFS_SIZE ? tfs_align(w.size, 1u << 20) : BOOTFS_SIZE;
	if (ftruncate(d->fd, (off_t)d->end) < 0)
		return fail_errno(e, "size the disk");
	return add_partition(d, TYPE_LINUX, d->at.bootfs, d->end - d->at.bootfs, e);
}

static int write_root(struct disk *d, struct volt_error *e)
{
	struct tfs_written w;
	int r;

	d->at.root = d->end;
	r = tfs_write(&d->in->root, d->fd, d->at.root, &w, e);
	if (r < 0)
		return r;
	d->at.size = d->at.root + w.size;
	d->at.skipped = w.skipped;
	return add_partition(d, TYPE_LINUX, d->at.root, w.size, e);
}

static int write_first_sector(struct disk *d, struct volt_error *e)
{
	uint8_t sector[TFS_SECTOR] = { 0 };
	int r;

	if (d->in->boot == NANOS_BIOS &&
	    pread_full(d->in->boot_img, sector, sizeof(sector), 0) != sizeof(sector))
		return fail(e, EBADMSG, "boot.img changed while it was read");
	memcpy(sector + TABLE_AT, d->table, sizeof(d->table));
	sector[TFS_SECTOR - 2] = 0x55;
	sector[TFS_SECTOR - 1] = 0xaa;
	r = pwrite_all(d->fd, sector, sizeof(sector), 0);
	return r < 0 ? fail_code(e, r, "write the disk's partition table") : 0;
}

int nanos_disk_write(const struct nanos_disk_input *in, int fd,
		     struct nanos_disk_layout *ret, struct volt_error *e)
{
	struct disk d = { .in = in, .fd = fd };
	int r;

	r = write_boot_code(&d, e);
	if (r >= 0)
		r = write_esp(&d, e);
	if (r >= 0)
		r = write_bootfs(&d, e);
	if (r >= 0)
		r = write_root(&d, e);
	if (r >= 0)
		r = write_first_sector(&d, e);
	/* What cannot be taken back is no disk: it has no first sector. */
	if (r < 0 && ftruncate(fd, 0) < 0)
		return fail_in(e, r, "make a Nanos disk, or empty it again");
	if (r < 0)
		return fail_in(e, r, "make a Nanos disk");
	if (ret)
		*ret = d.at;
	return 0;
}
