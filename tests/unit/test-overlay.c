/* SPDX-License-Identifier: Apache-2.0 */
#include <endian.h>
#include <sys/stat.h>

#include "rootfs-lib.h"
#include "rootfs/overlay.h"
#include "rootfs/qcow2.h"

#define CLUSTER 65536u
#define SIZE    (3u * CLUSTER + 512)

/* A base disk, what should be seen over it, and the overlay. */
struct disks {
	struct fixture f;
	int base, fd;
	uint8_t *want;
	size_t size;
	struct overlay o;
};

static void disks_close(struct disks *d)
{
	closep(&d->base);
	closep(&d->fd);
	free(d->want);
	fixture_close(&d->f);
}

#define _cleanup_disks_ _cleanup_(disks_close)

static bool disks_open(struct disks *d, size_t size)
{
	uint32_t x = 2463534242u;

	memset(d, 0, sizeof(*d));
	d->fd = -1;
	d->size = size;
	d->want = calloc(1, size);
	if (!d->want || !fixture_open(&d->f))
		return false;
	for (size_t i = 0; i < size; i++) {
		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		d->want[i] = (uint8_t)x;
	}
	d->base = openat(d->f.root, "base", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	return d->base >= 0 && write_all(d->base, d->want, size) == 0;
}

static bool make(struct disks *d, uint64_t size, const struct tfs_patch *p, size_t n)
{
	const struct overlay_wish w = {
		.base = d->base, .size = size, .patches = p, .n_patches = n
	};

	for (size_t i = 0; i < n; i++)
		memcpy(d->want + p[i].at, p[i].data, p[i].size);
	if (overlay_make(d->f.root, "disk", &w, &d->f.e) < 0)
		return false;
	d->fd = openat(d->f.root, "disk", O_RDWR | O_CLOEXEC);
	return overlay_open(d->fd, d->base, &d->o, &d->f.e) == 0;
}

static bool reads_back(struct disks *d)
{
	_cleanup_free_ uint8_t *buf = malloc(d->size + 1);

	return overlay_read(&d->o, buf, d->size + 1, 0) == (ssize_t)d->size &&
	       memcmp(buf, d->want, d->size) == 0;
}

static bool run(const struct disks *d, const char *const *argv)
{
	struct spawn s = SPAWN_INIT;
	struct volt_error e = { 0 };

	s.argv = argv;
	s.cwd = d->f.root;
	if (spawn_run(&s, 0, NULL, &e) == 0)
		return true;
	printf("# %s\n", e.msg);
	return false;
}

/* Both as QEMU is told: the file names no base, the base is a node behind it. */
#define OPTIONS                                                                \
	"driver=qcow2,file.driver=file,file.filename=disk,backing.driver=raw," \
	"backing.file.driver=file,backing.file.filename=base"

static bool qemu_likes(const struct disks *d)
{
	return run(d, (const char *const[]){ "qemu-img", "check", "-q", "-f", "qcow2",
					     "disk", NULL });
}

/* What is seen through QEMU, which wrote "flat", is what should be seen. */
static bool qemu_agrees(struct disks *d)
{
	_cleanup_free_ char *flat = NULL;
	size_t size;

	if (!run(d, (const char *const[]){ "qemu-img", "convert", "-q", "--image-opts",
					   "-O", "raw", OPTIONS, "flat", NULL }) ||
	    read_file_at(d->f.root, "flat", 1u << 30, &flat, &size) < 0)
		return false;
	return size == d->size && memcmp(flat, d->want, size) == 0;
}

static void patches_and_base_are_read_back(void)
{
	uint8_t a[1024], b[512];
	const struct tfs_patch p[] = {
		{ .at = 2 * CLUSTER - 512, .data = a, .size = sizeof(a) },
		{ .at = 3 * CLUSTER, .data = b, .size = sizeof(b) },
		{ .at = 2 * CLUSTER + 512, .data = b, .size = sizeof(b) },
	};
	_cleanup_disks_ struct disks d;
	struct stat st;

	memset(a, 'a', sizeof(a));
	memset(b, 'b', sizeof(b));
	CHECK(disks_open(&d, SIZE));
	CHECK(make(&d, SIZE, p, ARRAY_SIZE(p)));
	CHECK(reads_back(&d));
	CHECK(qemu_likes(&d));
	CHECK(qemu_agrees(&d));
	CHECK(fstat(d.fd, &st) == 0);
	CHECK_INT(st.st_mode, S_IFREG | 0600);
	CHECK(faccessat(d.f.root, "disk.tmp", F_OK, 0) < 0);
}

/* 5 GiB over a base of 1 MiB, as with the room behind a base disk. */
static void an_overlay_may_be_longer_than_its_base(void)
{
	uint8_t a[512] = "hello";
	const struct tfs_patch p = { .at = 512, .data = a, .size = sizeof(a) };
	_cleanup_disks_ struct disks d;
	uint8_t buf[512], zeros[512] = { 0 };
	struct stat st;

	CHECK(disks_open(&d, 1u << 20));
	CHECK(make(&d, 5ull << 30, &p, 1));
	CHECK(qemu_likes(&d));
	CHECK_INT(overlay_read(&d.o, buf, sizeof(buf), 512), 512);
	CHECK(memcmp(buf, a, sizeof(buf)) == 0);
	CHECK_INT(overlay_read(&d.o, buf, sizeof(buf), (5ull << 30) - 512), 512);
	CHECK(memcmp(buf, zeros, sizeof(buf)) == 0);
	CHECK_INT(overlay_read(&d.o, buf, sizeof(buf), 5ull << 30), 0);
	CHECK(fstat(d.fd, &st) == 0);
	CHECK(st.st_blocks * 512 < 256 << 10);
}

static void what_qemu_writes_is_read(void)
{
	uint8_t a[512] = "hello";
	const struct tfs_patch p = { .at = 512, .data = a, .size = sizeof(a) };
	_cleanup_disks_ struct disks d;

	CHECK(disks_open(&d, 40 * CLUSTER));
	CHECK(make(&d, 40 * CLUSTER, &p, 1));
	CHECK(run(&d, (const char *const[]){ "qemu-io", "--image-opts", OPTIONS, "-c",
					     "write -P 0x11 1000k 3000", "-c",
					     "write -z 2000k 64k", "-c",
					     "write -P 0x22 700 100", "-c",
					     "discard 1984k 64k", NULL }));
	memset(d.want + (1000u << 10), 0x11, 3000);
	memset(d.want + (2000u << 10), 0, 64u << 10);
	memset(d.want + 700, 0x22, 100);
	memset(d.want + (1984u << 10), 0, 64u << 10);
	CHECK(qemu_likes(&d));
	CHECK(qemu_agrees(&d));
	CHECK(reads_back(&d));
}

static void an_empty_patch_changes_nothing(void)
{
	uint8_t a[1] = { 0 };
	const struct tfs_patch p[] = {
		{ .at = CLUSTER + 512, .data = a },
		{ .at = 2 * CLUSTER + 512, .data = a },
	};
	_cleanup_disks_ struct disks d;
	struct stat st;

	CHECK(disks_open(&d, SIZE));
	CHECK(make(&d, SIZE, p, ARRAY_SIZE(p)));
	CHECK(reads_back(&d) && fstat(d.fd, &st) == 0);
	CHECK_INT(st.st_size, 4 * CLUSTER);
}

/* Each in the reach of another L2 table, which needs a cluster, too. */
static void more_clusters_than_can_be_counted_are_refused(void)
{
	const size_t n = 16384;
	_cleanup_free_ struct tfs_patch *p = calloc(n, sizeof(*p));
	struct overlay_wish w = { .size = 16384ull << 29, .patches = p, .n_patches = n };
	uint8_t a[512] = { 0 };
	_cleanup_disks_ struct disks d;

	CHECK(p && disks_open(&d, SIZE));
	for (size_t i = 0; i < n; i++)
		p[i] = (struct tfs_patch){ .at = (uint64_t)i << 29,
					   .data = a,
					   .size = 512 };
	w.base = d.base;
	CHECK_INT(overlay_make(d.f.root, "disk", &w, &d.f.e), -EINVAL);
	CHECK_STR(d.f.e.msg, "the changes to the disk are too large");
	CHECK(faccessat(d.f.root, "disk", F_OK, 0) < 0);
}

static void a_name_that_is_there_stays(void)
{
	_cleanup_disks_ struct disks d;
	struct overlay_wish w = { .size = SIZE };
	struct stat before, after;

	CHECK(disks_open(&d, SIZE));
	CHECK(make(&d, SIZE, NULL, 0));
	CHECK(qemu_likes(&d) && reads_back(&d));
	w.base = d.base;
	CHECK(fstatat(d.f.root, "disk", &before, 0) == 0);
	CHECK_INT(overlay_make(d.f.root, "disk", &w, &d.f.e), -EEXIST);
	CHECK_STR(d.f.e.msg, "make disk 'disk': File exists");
	CHECK(fstatat(d.f.root, "disk", &after, 0) == 0);
	CHECK_INT(before.st_ino, after.st_ino);
	CHECK(faccessat(d.f.root, "disk.tmp", F_OK, 0) < 0);
	CHECK_INT(overlay_make(d.f.root, "a/b", &w, &d.f.e), -EINVAL);
}

static void what_a_crash_left_is_removed(void)
{
	_cleanup_disks_ struct disks d;

	CHECK(disks_open(&d, SIZE));
	CHECK(write_file_atomic(d.f.root, "disk.tmp", "x", 1, 0600) == 0);
	CHECK(make(&d, SIZE, NULL, 0));
	CHECK(faccessat(d.f.root, "disk.tmp", F_OK, 0) < 0);
}

static void patches_outside_of_the_disk_are_refused(void)
{
	uint8_t a[512] = { 0 };
	struct tfs_patch p = { .at = SIZE - 256, .data = a, .size = sizeof(a) };
	struct overlay_wish w = { .size = SIZE, .patches = &p, .n_patches = 1 };
	_cleanup_disks_ struct disks d;

	CHECK(disks_open(&d, SIZE));
	w.base = d.base;
	CHECK_INT(overlay_make(d.f.root, "disk", &w, &d.f.e), -EINVAL);
	CHECK_STR(d.f.e.msg, "a change lies outside of the disk");
	p.at = UINT64_MAX - 256;
	CHECK_INT(overlay_make(d.f.root, "disk", &w, &d.f.e), -EINVAL);
	w.size = OVERLAY_SIZE_MAX + 512;
	CHECK_INT(overlay_make(d.f.root, "disk", &w, &d.f.e), -EINVAL);
	CHECK(strstr(d.f.e.msg, "up to 16 TiB"));
}

/* Changes one field of the header; what is asked for is the error. */
static int with_header(struct disks *d, size_t at, uint64_t value, size_t size)
{
	uint64_t big = htobe64(value << 8 * (8 - size)), old = 0;
	struct overlay o;
	int r;

	if (pread(d->fd, &old, size, (off_t)at) < 0 ||
	    pwrite(d->fd, &big, size, (off_t)at) < 0)
		return -EIO;
	r = overlay_open(d->fd, d->base, &o, &d->f.e);
	if (pwrite(d->fd, &old, size, (off_t)at) < 0)
		return -EIO;
	return r;
}

#define HEADER(field) offsetof(struct qcow2_header, field)

static void what_it_does_not_know_is_refused(void)
{
	_cleanup_disks_ struct disks d;

	CHECK(disks_open(&d, SIZE));
	CHECK(make(&d, SIZE, NULL, 0));
	CHECK_INT(with_header(&d, HEADER(version), 2, 4), -ENOTSUP);
	CHECK(strstr(d.f.e.msg, "not in qcow2 format, version 3"));
	CHECK_INT(with_header(&d, HEADER(crypt_method), 2, 4), -ENOTSUP);
	CHECK_STR(d.f.e.msg, "encrypted disks cannot be read");
	CHECK_INT(with_header(&d, HEADER(nb_snapshots), 1, 4), -ENOTSUP);
	CHECK(strstr(d.f.e.msg, "snapshots"));
	CHECK_INT(with_header(&d, HEADER(incompatible_features), 4, 8), -ENOTSUP);
	CHECK(strstr(d.f.e.msg, "in another file"));
	CHECK_INT(with_header(&d, HEADER(incompatible_features), 2, 8), -EBADMSG);
	CHECK_INT(with_header(&d, HEADER(incompatible_features), 16, 8), -ENOTSUP);
	CHECK_INT(with_header(&d, HEADER(incompatible_features), 1ull << 63, 8),
		  -ENOTSUP);
	CHECK(strstr(d.f.e.msg, "does not know"));
}

static void headers_that_lie_are_refused(void)
{
	_cleanup_disks_ struct disks d;

	CHECK(disks_open(&d, SIZE));
	CHECK(make(&d, SIZE, NULL, 0));
	CHECK_INT(with_header(&d, HEADER(cluster_bits), 8, 4), -EBADMSG);
	CHECK_INT(with_header(&d, HEADER(cluster_bits), 200, 4), -EBADMSG);
	CHECK_STR(d.f.e.msg, "broken overlay: its clusters have no size");
	CHECK_INT(with_header(&d, HEADER(size), UINT64_MAX, 8), -EBADMSG);
	CHECK_INT(with_header(&d, HEADER(size), 1ull << 40, 8), -EBADMSG);
	CHECK_INT(with_header(&d, HEADER(l1_size), 0, 4), -EBADMSG);
	CHECK_INT(with_header(&d, HEADER(l1_size), UINT32_MAX, 4), -EBADMSG);
	CHECK_STR(d.f.e.msg, "broken overlay: its size does not fit its tables");
	CHECK_INT(with_header(&d, HEADER(l1_table_offset), 512, 8), -EBADMSG);
	CHECK_INT(with_header(&d, HEADER(l1_table_offset), 1ull << 63, 8), -EBADMSG);
	CHECK_STR(d.f.e.msg, "broken overlay: its tables are nowhere");
	CHECK_INT(with_header(&d, HEADER(header_length), 72, 4), -EBADMSG);
	CHECK(ftruncate(d.fd, 100) == 0);
	CHECK_INT(overlay_open(d.fd, d.base, &d.o, &d.f.e), -EBADMSG);
	CHECK_STR(d.f.e.msg, "broken overlay: it is too short");
}

/* Sets an entry of a table, reads one byte of the disk's first cluster. */
static int with_entry(struct disks *d, uint64_t at, uint64_t entry)
{
	uint64_t big = htobe64(entry), old = 0;
	ssize_t n;
	char byte;

	if (pread(d->fd, &old, 8, (off_t)at) != 8 ||
	    pwrite(d->fd, &big, 8, (off_t)at) != 8)
		return -EIO;
	n = overlay_read(&d->o, &byte, 1, 0);
	if (pwrite(d->fd, &old, 8, (off_t)at) != 8)
		return -EIO;
	return n < 0 ? (int)n : byte;
}

static void table_entries_that_lie_are_refused(void)
{
	uint8_t a[512] = "A";
	const struct tfs_patch p = { .at = 0, .data = a, .size = sizeof(a) };
	const uint64_t l1 = 3 * CLUSTER, l2 = 4 * CLUSTER, far = 1ull << 55;
	_cleanup_disks_ struct disks d;

	CHECK(disks_open(&d, SIZE));
	CHECK(make(&d, SIZE, &p, 1));
	CHECK_INT(with_entry(&d, l1, l2), 'A');
	CHECK_INT(with_entry(&d, l1, l2 + 512), -EBADMSG);
	CHECK_INT(with_entry(&d, l1, l2 | 1), -EBADMSG);
	CHECK_INT(with_entry(&d, l1, l2 | 1ull << 62), -EBADMSG);
	CHECK_INT(with_entry(&d, l2, 5 * CLUSTER | 2), -EBADMSG);
	CHECK_INT(with_entry(&d, l2, 5 * CLUSTER | 1ull << 56), -EBADMSG);
	CHECK_INT(with_entry(&d, l2, 5 * CLUSTER | QCOW2_COMPRESSED), -ENOTSUP);
	CHECK_INT(with_entry(&d, l2, 5 * CLUSTER | QCOW2_ZEROS), 0);
	CHECK_INT(with_entry(&d, l2, far), 0); /* behind the file's end */
}

int main(void)
{
	RUN(patches_and_base_are_read_back);
	RUN(an_overlay_may_be_longer_than_its_base);
	RUN(what_qemu_writes_is_read);
	RUN(an_empty_patch_changes_nothing);
	RUN(more_clusters_than_can_be_counted_are_refused);
	RUN(a_name_that_is_there_stays);
	RUN(what_a_crash_left_is_removed);
	RUN(patches_outside_of_the_disk_are_refused);
	RUN(what_it_does_not_know_is_refused);
	RUN(headers_that_lie_are_refused);
	RUN(table_entries_that_lie_are_refused);
	return tap_done();
}
