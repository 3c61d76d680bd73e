/* SPDX-License-Identifier: Apache-2.0 */
#include "rootfs-lib.h"
#include "rootfs/nanos-disk.h"
#include "store/sha256.h"
#include "tfs-write-lib.h"

/* A release whose files are only sizes and a few bytes. */
struct release {
	struct world w;
	struct nanos_disk_input in;
	struct nanos_klib klibs[2];
	struct nanos_disk_layout at;
	int fd;
};

static int release_file(struct release *r, const char *name, size_t size, char fill)
{
	_cleanup_free_ char *data = malloc(size);
	int fd = world_file(&r->w, name);

	memset(data, fill, size);
	return pwrite_all(fd, data, size, 0) == 0 ? fd : -1;
}

static bool release_open(struct release *r)
{
	memset(r, 0, sizeof(*r));
	if (!world_open(&r->w) || !add_file(&r->w, "x", 0755, "program", 7) ||
	    !world_finish(&r->w))
		return false;
	r->in.root.tree = r->w.t;
	r->in.root.data = r->w.f.store;
	r->in.root.room = 1 << 20;
	r->in.kernel = release_file(r, "kernel.img", 1700001, 'K');
	r->in.boot_img = release_file(r, "boot.img", 48640, 'B');
	r->in.uefi_loader = release_file(r, "bootx64.efi", 158948, 'U');
	r->klibs[0] = (struct nanos_klib){ "tls", release_file(r, "tls", 70000, 'T') };
	r->klibs[1] = (struct nanos_klib){ "ntp", release_file(r, "ntp", 5000, 'N') };
	r->in.klibs = r->klibs;
	r->fd = world_file(&r->w, "disk");
	return true;
}

static void release_close(struct release *r)
{
	const int fds[] = { r->in.kernel,   r->in.boot_img, r->in.uefi_loader,
			    r->klibs[0].fd, r->klibs[1].fd, r->fd };

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		closep(&fds[i]);
	world_close(&r->w);
}

#define _cleanup_release_ _cleanup_(release_close)

static bool write_disk(struct release *r, enum nanos_boot boot, size_t n_klibs)
{
	r->in.boot = boot;
	r->in.n_klibs = n_klibs;
	return fine(&r->w, nanos_disk_write(&r->in, r->fd, &r->at, &r->w.f.e));
}

/* What the reader finds is what the writer said. */
static bool is_found(const struct release *r, struct nanos_parts *ret)
{
	struct byte_source from = byte_source_fd(&r->fd);
	struct volt_error e = { 0 };
	struct stat st;

	return fstat(r->fd, &st) == 0 && (uint64_t)st.st_size == r->at.size &&
	       nanos_disk_find(&from, r->at.size, ret, &e) >= 0 && ret->partitioned &&
	       ret->root.at == r->at.root && ret->klog == r->at.klog &&
	       reads_back(&r->w, "disk", r->at.root);
}

static bool bootfs_has(const struct release *r, const char *path, char fill, size_t size)
{
	_cleanup_(tfs_closep) struct tfs *fs = NULL;
	struct volt_error e = { 0 };
	struct tfs_stat st;
	uint32_t node;
	char last[2];
	int keep;

	fs = open_fs(r->fd, r->at.bootfs, &keep);
	if (!fs || tfs_lookup(fs, path, false, &node, &e) < 0)
		return false;
	tfs_stat(fs, node, &st);
	return st.size == size && tfs_node_read(fs, node, size - 1, last, 2, &e) == 1 &&
	       last[0] == fill;
}

static void a_direct_disk_has_room_for_the_klog_and_no_bootfs(void)
{
	_cleanup_release_ struct release r;
	struct nanos_parts parts;
	uint8_t sector[512];

	CHECK(release_open(&r) && write_disk(&r, NANOS_DIRECT, 0));
	CHECK(is_found(&r, &parts));
	CHECK_INT(r.at.bootfs, 0);
	CHECK_INT(parts.bootfs.size, 0);
	CHECK_INT(pread_full(r.fd, sector, sizeof(sector), 0), sizeof(sector));
	/* First entry: LBA 16, behind 4096 bytes of klog and what is before them. */
	CHECK(memcmp(sector + 446, "\x80\0\0\0\x83\0\0\0\x10\0\0\0\0\0\0\0", 16) == 0);
	CHECK(memcmp(sector + 510, "\x55\xaa", 2) == 0);
}

static void klibs_bring_a_bootfs_with_the_kernel(void)
{
	_cleanup_release_ struct release r;
	struct nanos_parts parts;

	CHECK(release_open(&r) && write_disk(&r, NANOS_DIRECT, 2));
	CHECK(is_found(&r, &parts));
	CHECK_INT(parts.bootfs.at, r.at.bootfs);
	CHECK_INT(parts.bootfs.size, 12 << 20);
	CHECK(bootfs_has(&r, "kernel", 'K', 1700001));
	CHECK(bootfs_has(&r, "klib/tls", 'T', 70000));
	CHECK(bootfs_has(&r, "klib/ntp", 'N', 5000));
}

static void a_boot_sector_keeps_its_code(void)
{
	_cleanup_release_ struct release r;
	struct nanos_parts parts;
	uint8_t have[48641];

	CHECK(release_open(&r) && write_disk(&r, NANOS_BIOS, 0));
	CHECK(is_found(&r, &parts) && bootfs_has(&r, "kernel", 'K', 1700001));
	CHECK_INT(pread_full(r.fd, have, sizeof(have), 0), sizeof(have));
	for (size_t i = 0; i < 48640; i++)
		CHECK((i >= 446 && i < 512) || have[i] == 'B');
	CHECK_INT(have[48640], 0);
	CHECK(parts.klog >= 48640 && parts.bootfs.at == parts.klog + 4096);
}

static void a_large_kernel_makes_a_larger_bootfs(void)
{
	_cleanup_release_ struct release r;
	struct nanos_parts parts;

	CHECK(release_open(&r) && ftruncate(r.in.kernel, 20 << 20) == 0);
	CHECK(write_disk(&r, NANOS_BIOS, 0) && is_found(&r, &parts));
	CHECK_INT(parts.bootfs.size, 21 << 20);
	CHECK(bootfs_has(&r, "kernel", 0, 20 << 20));
}

static void uefi_finds_the_loader_on_a_fat_partition(void)
{
	_cleanup_release_ struct release r;
	struct nanos_parts parts;
	char image[300], out[300];
	const char *argv[] = { "mcopy", "-n", "-i", image, "::/EFI/Boot/bootx64.efi",
			       out,     NULL };
	_cleanup_free_ char *data = NULL;
	size_t n = 0;

	CHECK(release_open(&r) && write_disk(&r, NANOS_UEFI, 1));
	CHECK(is_found(&r, &parts) && bootfs_has(&r, "klib/tls", 'T', 70000));
	CHECK_INT(parts.esp.size, 33 << 20);
	(void)snprintf(image, sizeof(image), "%s@@%llu", world_path(&r.w, "disk"),
		       (unsigned long long)parts.esp.at);
	(void)snprintf(out, sizeof(out), "%s", world_path(&r.w, "loader"));
	CHECK(run_program(argv));
	CHECK(read_file_at(r.w.f.root, "loader", 1 << 20, &data, &n) == 0);
	CHECK(n == 158948 && data[0] == 'U' && data[n - 1] == 'U');
}

static void the_same_input_gives_the_same_bytes(void)
{
	static const enum nanos_boot boots[] = { NANOS_DIRECT, NANOS_BIOS, NANOS_UEFI };

	for (size_t i = 0; i < ARRAY_SIZE(boots); i++) {
		_cleanup_release_ struct release r;
		_cleanup_free_ char *x = NULL, *y = NULL;
		size_t n = 0, m = 0;

		CHECK(release_open(&r) && write_disk(&r, boots[i], 2));
		CHECK(read_file_at(r.w.f.root, "disk", 1 << 27, &x, &n) == 0);
		CHECK(ftruncate(r.fd, 0) == 0 && write_disk(&r, boots[i], 2));
		CHECK(read_file_at(r.w.f.root, "disk", 1 << 27, &y, &m) == 0);
		CHECK(n == m && memcmp(x, y, n) == 0);
	}
}

/* The error, and that the file is empty again. */
static bool is_refused(struct release *r, int code, const char *why)
{
	int have = nanos_disk_write(&r->in, r->fd, &r->at, &r->w.f.e);
	struct stat st;

	if (have != code || !strstr(r->w.f.e.msg, why))
		printf("# %d: %s\n", have, r->w.f.e.msg);
	return have == code && strstr(r->w.f.e.msg, why) &&
	       strstr(r->w.f.e.msg, "make a Nanos disk") && fstat(r->fd, &st) == 0 &&
	       st.st_size == 0;
}

static void what_is_missing_is_named_and_nothing_is_left(void)
{
	_cleanup_release_ struct release r;
	int kernel;

	CHECK(release_open(&r));
	kernel = r.in.kernel;
	r.in.kernel = -1;
	r.in.boot = NANOS_BIOS;
	CHECK(is_refused(&r, -EINVAL, "needs the kernel"));
	r.in.kernel = kernel;
	r.in.n_klibs = 2;
	r.klibs[1].name = "tls";
	CHECK(is_refused(&r, -EINVAL, "klib 'tls' is there twice"));
	r.klibs[1].name = "../x";
	CHECK(is_refused(&r, -EINVAL, "'../x' is no name of a klib"));
	r.klibs[1].name = "ntp";
	CHECK(ftruncate(r.klibs[1].fd, 0) == 0);
	CHECK(is_refused(&r, -EBADMSG, "klib 'ntp' is no file of 1 to"));
	r.in.n_klibs = 0;
	CHECK(ftruncate(r.in.boot_img, 512) == 0);
	CHECK(is_refused(&r, -EBADMSG, "boot.img has 512 bytes: too short"));
	CHECK(damage_object(&r.w, "x", 3));
	r.in.boot = NANOS_DIRECT;
	CHECK(is_refused(&r, -EBADMSG, "of 'x' does not have the 7 bytes"));
}

/* Overlays of kept machines lie over disks that are made again from the same input. */
static bool has_bytes_of_old(struct release *r, enum nanos_boot boot, size_t n_klibs,
			     const char *want)
{
	char hex[DIGEST_HEX_SIZE];
	struct digest have;

	if (ftruncate(r->fd, 0) < 0 || !write_disk(r, boot, n_klibs) ||
	    sha256_fd(r->fd, &have) < 0)
		return false;
	if (strcmp(digest_hex(&have, hex), want) == 0)
		return true;
	printf("# %s: a small disk has other bytes than it had: raise TFS_LAYOUT_VERSION "
	       "and put this digest here\n",
	       hex);
	return false;
}

static void other_bytes_need_another_layout_version(void)
{
	_cleanup_release_ struct release r;

	CHECK(release_open(&r));
	CHECK_INT(TFS_LAYOUT_VERSION, 1);
	CHECK(has_bytes_of_old(
		&r, NANOS_DIRECT, 0,
		"ae4e41d3cbbf85b8984b2ab6b1031f2268e521065c5abb85e32af7a09d3f3f1f"));
	CHECK(has_bytes_of_old(
		&r, NANOS_DIRECT, 2,
		"8a0bfe1bbec5b957652ebf061d6867b42aa61454234bd8db5a7bba0cb9160c1c"));
	CHECK(has_bytes_of_old(
		&r, NANOS_BIOS, 0,
		"4aab55d97164065dfe78b9105473f881be73576bbbc09f94acaf8fb25ab28537"));
}

static void a_disk_is_known_by_where_its_contents_are(void)
{
	_cleanup_release_ struct release r;
	struct nanos_disk_id a, b;

	CHECK(release_open(&r) && write_disk(&r, NANOS_DIRECT, 2));
	CHECK(fine(&r.w, nanos_disk_identify(r.fd, &a, &r.w.f.e)));
	CHECK_INT(a.size, r.at.size);
	CHECK(ftruncate(r.fd, 0) == 0 && write_disk(&r, NANOS_DIRECT, 2));
	CHECK(fine(&r.w, nanos_disk_identify(r.fd, &b, &r.w.f.e)));
	CHECK(a.size == b.size && digest_equal(&a.layout, &b.layout));
	r.klibs[1].name = "other";
	CHECK(ftruncate(r.fd, 0) == 0 && write_disk(&r, NANOS_DIRECT, 2));
	CHECK(fine(&r.w, nanos_disk_identify(r.fd, &b, &r.w.f.e)));
	CHECK(a.size == b.size && !digest_equal(&a.layout, &b.layout));
	CHECK(ftruncate(r.fd, 0) == 0 && ftruncate(r.fd, 4096) == 0);
	CHECK_INT(nanos_disk_identify(r.fd, &b, &r.w.f.e), -ENOTSUP);
	CHECK_STR(r.w.f.e.msg, "it is neither a disk of Nanos nor a volume");
}

int main(void)
{
	RUN(a_direct_disk_has_room_for_the_klog_and_no_bootfs);
	RUN(klibs_bring_a_bootfs_with_the_kernel);
	RUN(a_boot_sector_keeps_its_code);
	RUN(a_large_kernel_makes_a_larger_bootfs);
	RUN(uefi_finds_the_loader_on_a_fat_partition);
	RUN(the_same_input_gives_the_same_bytes);
	RUN(other_bytes_need_another_layout_version);
	RUN(a_disk_is_known_by_where_its_contents_are);
	RUN(what_is_missing_is_named_and_nothing_is_left);
	return tap_done();
}
