/* SPDX-License-Identifier: Apache-2.0 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/path.h"
#include "guest/cmdline.h"
#include "guest/image.h"
#include "guest/kernel.h"
#include "guest/modules.h"
#include "kernel-lib.h"
#include "put-file.h"
#include "store/ref.h"
#include "tap.h"

static char root[] = "/tmp/volt-test-kernel-XXXXXX";
static int rootfd = -1;
static struct store *store;
static struct kernels ks;
static struct volt_error e;

/* Things made for the tests */

/* A module: an ELF file with sections "", ".modinfo" and names. */
static size_t make_module(const char *info, size_t info_size, char *to)
{
	static const char names[] = "\0.modinfo\0.shstrtab";
	Elf64_Ehdr h = { .e_shentsize = sizeof(Elf64_Shdr),
			 .e_shnum = 3,
			 .e_shstrndx = 2 };
	Elf64_Shdr s[3] = { { 0 } };
	size_t at = sizeof(h);

	memcpy(h.e_ident, ELFMAG, SELFMAG);
	h.e_ident[EI_CLASS] = ELFCLASS64;
	h.e_ident[EI_DATA] = ELFDATA2LSB;
	memcpy(to + at, info, info_size);
	s[1] = (Elf64_Shdr){ .sh_name = 1, .sh_offset = at, .sh_size = info_size };
	at += info_size;
	memcpy(to + at, names, sizeof(names));
	s[2] = (Elf64_Shdr){ .sh_name = 10, .sh_offset = at, .sh_size = sizeof(names) };
	at += sizeof(names);
	h.e_shoff = at;
	memcpy(to + at, s, sizeof(s));
	memcpy(to, &h, sizeof(h));
	return at + sizeof(s);
}

static void put_module(const char *directory, const char *name, const char *depends)
{
	char info[256], data[1024], path[256];
	int n = snprintf(info, sizeof(info), "license=GPL%cdepends=%s", 0, depends);

	(void)snprintf(path, sizeof(path), "%s/%s.ko", directory, name);
	put_file(root, path, data, make_module(info, (size_t)n + 1, data));
}

/* A kernel as QEMU enters it: an ELF file with a note, and its release somewhere. */
static size_t make_kernel(const char *release, bool note, char *to)
{
	Elf64_Ehdr h = { .e_machine = EM_X86_64,
			 .e_phoff = sizeof(h),
			 .e_phnum = 1,
			 .e_phentsize = sizeof(Elf64_Phdr) };
	Elf64_Phdr p = { .p_type = PT_NOTE, .p_offset = sizeof(h) + sizeof(p) };
	struct {
		Elf64_Nhdr h;
		char name[4];
		uint32_t entry;
	} n = { { 4, 4, 18 }, "Xen", 0x1000000 };

	memcpy(h.e_ident, ELFMAG, SELFMAG);
	h.e_ident[EI_CLASS] = ELFCLASS64;
	h.e_ident[EI_DATA] = ELFDATA2LSB;
	n.h.n_type = note ? 18 : 1;
	p.p_filesz = sizeof(n);
	memcpy(to, &h, sizeof(h));
	memcpy(to + sizeof(h), &p, sizeof(p));
	memcpy(to + p.p_offset, &n, sizeof(n));
	return p.p_offset + sizeof(n) +
	       (size_t)sprintf(to + p.p_offset + sizeof(n), "Linux version %s (x)",
			       release);
}

static void put_kernel(const char *path, const char *release)
{
	char data[1024];

	put_file(root, path, data, make_kernel(release, true, data));
}

static char *heap(const void *data, size_t size)
{
	char *copy = malloc(size);

	if (!copy)
		abort();
	memcpy(copy, data, size);
	return copy;
}

/* Modules */

static void a_module_says_what_it_needs(void)
{
	static const char info[] = "license=GPL\0depends=a,b\0x=y";
	char data[1024], *depends;
	size_t size = make_module(info, sizeof(info), data);

	CHECK_INT(module_depends(data, size, &depends), 0);
	CHECK_STR(depends, "a,b");
	free(depends);
	size = make_module("license=GPL", 12, data);
	CHECK_INT(module_depends(data, size, &depends), 0);
	CHECK_STR(depends, "");
	free(depends);
}

static void a_damaged_module_is_refused(void)
{
	static const char info[] = "depends=a,b";
	char data[1024], *depends;
	size_t size = make_module(info, sizeof(info), data);

	for (size_t n = 0; n < size; n++) {
		char *part = heap(data, n ? n : 1);

		CHECK_INT(module_depends(part, n, &depends), -EBADMSG);
		free(part);
	}
	size = make_module(info, sizeof(info) - 1, data); /* no NUL at its end */
	CHECK_INT(module_depends(data, size, &depends), -EBADMSG);
}

static int modules_fd(const char *directory)
{
	char full[256];
	int fd;

	(void)snprintf(full, sizeof(full), "%s/%s", root, directory);
	fd = open(full, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		abort();
	return fd;
}

static void make_modules(const char *directory)
{
	static const char order[] =
		"k/virtio-pci.ko\nk/virtio.ko\nk/virtio_ring.ko\n"
		"k/virtio_console.ko\nk/virtio_blk.ko\nk/erofs.ko\n"
		"k/libcrc32c.ko\nk/unused.ko\nk/9p.ko\nk/9pnet_virtio.ko\n"
		"k/9pnet.ko\nk/ext4.ko";
	static const char builtin[] = "kernel/virtio_net.ko\nkernel/fs/overlay.ko\n";
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/%s", root, directory);
	if (mkdir(path, 0700) < 0)
		abort();
	(void)snprintf(path, sizeof(path), "%s/%s/k", root, directory);
	if (mkdir(path, 0700) < 0)
		abort();
	(void)snprintf(path, sizeof(path), "%s/modules.order", directory);
	put_file(root, path, order, sizeof(order) - 1);
	(void)snprintf(path, sizeof(path), "%s/modules.builtin", directory);
	put_file(root, path, builtin, sizeof(builtin) - 1);
	(void)snprintf(path, sizeof(path), "%s/k", directory);
	put_module(path, "virtio-pci", "virtio_ring,virtio");
	put_module(path, "virtio", "");
	put_module(path, "virtio_ring", "virtio");
	put_module(path, "virtio_console", "virtio_ring");
	put_module(path, "virtio_blk", "virtio");
	put_module(path, "erofs", "libcrc32c");
	put_module(path, "ext4", "libcrc32c");
	put_module(path, "libcrc32c", "");
	put_module(path, "unused", "");
	put_module(path, "9p", "9pnet");
	put_module(path, "9pnet", "");
	put_module(path, "9pnet_virtio", "9pnet,virtio");
}

static void modules_stand_after_what_they_need(void)
{
	static const char *const order[] = {
		"boot virtio",     "boot virtio_ring",
		"boot virtio_pci", "boot virtio_console",
		"boot virtio_blk", "boot libcrc32c",
		"erofs erofs",     "ext4 ext4",
		"9p 9pnet",        "9p 9pnet_virtio",
		"9p 9p",
	};
	_cleanup_close_ int fd = -1;
	struct modules m;
	char text[64];

	make_modules("good");
	fd = modules_fd("good");
	CHECK_INT(modules_read(fd, &m, &e), 0);
	CHECK_INT(m.n, ARRAY_SIZE(order));
	for (size_t k = 0; k < m.n; k++) {
		(void)snprintf(text, sizeof(text), "%s %s", m.v[k].when, m.v[k].name);
		CHECK_STR(text, order[k]);
	}
	CHECK_INT(m.abilities, KERNEL_PCI | KERNEL_EXT4 | KERNEL_9P);
	modules_done(&m);
}

static void what_is_for_boot_has_all_it_needs_at_boot(void)
{
	_cleanup_close_ int fd = -1;
	struct modules m;
	int found = 0;

	make_modules("shared");
	put_module("shared/k", "libcrc32c", "unused"); /* of erofs and of ext4 */
	fd = modules_fd("shared");
	CHECK_INT(modules_read(fd, &m, &e), 0);
	for (size_t k = 0; k < m.n; k++)
		if (strcmp(m.v[k].name, "libcrc32c") == 0 ||
		    strcmp(m.v[k].name, "unused") == 0) {
			CHECK_STR(m.v[k].when, "boot");
			found++;
		}
	CHECK_INT(found, 2);
	modules_done(&m);
}

static void modules_that_need_each_other_are_refused(void)
{
	_cleanup_close_ int fd = -1;
	struct modules m;

	make_modules("circle");
	put_module("circle/k", "virtio", "virtio_ring");
	fd = modules_fd("circle");
	CHECK_INT(modules_read(fd, &m, &e), -ELOOP);
}

static void a_module_that_is_needed_but_missing_is_named(void)
{
	_cleanup_close_ int fd = -1;
	struct modules m;

	make_modules("lacking");
	put_module("lacking/k", "erofs", "nowhere");
	fd = modules_fd("lacking");
	CHECK_INT(modules_read(fd, &m, &e), -ENOENT);
	CHECK_STR(e.msg, "module 'erofs' needs 'nowhere', which is missing");
	put_file(root, "lacking/modules.builtin", "kernel/virtio_net.ko\n", 21);
	put_module("lacking/k", "erofs", "");
	CHECK_INT(modules_read(fd, &m, &e), -ENOTSUP);
	CHECK_STR(e.msg, "the kernel has no 'overlay', which machines need");
}

/* Images */

static void an_elf_kernel_tells_its_release(void)
{
	struct kernel_image k;
	char data[1024];
	size_t n = make_kernel("6.1.2-x+y", true, data);

	CHECK_INT(kernel_image_take(heap(data, n), n, "k", &k, &e), 0);
	CHECK_STR(k.release, "6.1.2-x+y");
	CHECK_STR(k.arch, "x86_64");
	CHECK(k.pvh);
	kernel_image_done(&k);
}

static void put_le(char *at, uint32_t value, size_t size)
{
	for (size_t k = 0; k < size; k++)
		at[k] = (char)(value >> 8 * k);
}

/* A bzImage as the boot protocol has it: header, one sector of setup, the payload with its
 * unpacked length behind. */
static size_t make_bzimage(bool note, char *to, size_t room)
{
	char inner[1024];
	size_t size = make_kernel("6.9-inner", note, inner), n;

	memset(to, 0, 1024);
	n = compress(inner, size, ARCHIVE_FILTER_XZ, to + 1024, room - 1024);
	put_le(to + 1024 + n, (uint32_t)size, 4);
	to[0x1f1] = 1;
	memcpy(to + 0x202, "HdrS", 4);
	put_le(to + 0x206, 0x20f, 2);
	put_le(to + 0x20e, 0x100, 2);
	put_le(to + 0x236, 1, 2);
	put_le(to + 0x24c, (uint32_t)n + 4, 4);
	memcpy(to + 0x300, "6.9-outer (x)", 14);
	return 1024 + n + 4;
}

static void a_bzimage_is_unpacked_where_qemu_can_enter_it(void)
{
	struct kernel_image k;
	static char data[8192];
	size_t n = make_bzimage(true, data, sizeof(data));

	CHECK_INT(kernel_image_take(heap(data, n), n, "k", &k, &e), 0);
	CHECK_STR(k.release, "6.9-outer");
	CHECK(k.pvh);
	CHECK(memcmp(k.data, ELFMAG, SELFMAG) == 0);
	kernel_image_done(&k);
	n = make_bzimage(false, data, sizeof(data));
	CHECK_INT(kernel_image_take(heap(data, n), n, "k", &k, &e), 0);
	CHECK(!k.pvh);
	CHECK_INT(k.size, n);
	kernel_image_done(&k);
	n = make_bzimage(true, data, sizeof(data));
	memset(data + 1024, 0xff, 64); /* damaged: boots as it is, or not */
	CHECK_INT(kernel_image_take(heap(data, n), n, "k", &k, &e), 0);
	CHECK(!k.pvh);
	kernel_image_done(&k);
	data[0x236] = 0;
	CHECK_INT(kernel_image_take(heap(data, n), n, "k", &k, &e), -ENOTSUP);
	CHECK_STR(e.msg, "'k' is a 32-bit kernel");
}

static void what_qemu_cannot_enter_is_refused(void)
{
	struct kernel_image k;
	char data[1024] = { 0 };
	size_t n = make_kernel("6.1", false, data);

	CHECK_INT(kernel_image_take(heap(data, n), n, "k", &k, &e), -ENOTSUP);
	CHECK(strstr(e.msg, "CONFIG_PVH"));
	CHECK_INT(kernel_image_take(heap("#!/bin/sh", 9), 9, "k", &k, &e), -ENOTSUP);
	CHECK_STR(e.msg, "'k' is not a kernel that volt knows");
	n = make_kernel("../../etc", true, data);
	CHECK_INT(kernel_image_take(heap(data, n), n, "k", &k, &e), -ENOTSUP);
	CHECK_STR(e.msg, "'k' does not say which release it is");
}

static void damaged_images_are_refused_or_read_within_bounds(void)
{
	struct kernel_image k;
	char data[1024];
	size_t n = make_kernel("6.1", true, data);

	for (size_t cut = 1; cut < n; cut++)
		if (kernel_image_take(heap(data, cut), cut, "k", &k, &e) == 0)
			kernel_image_done(&k);
	for (size_t at = 4; at < 128; at++) {
		char *copy = heap(data, n);

		copy[at] = (char)0xff;
		if (kernel_image_take(copy, n, "k", &k, &e) == 0)
			kernel_image_done(&k);
	}
}

/* Kernels */

static int import(const char *file, const char *name, char **ret)
{
	char path[256];
	struct kernel_import o = { .name = name, .source = path };

	(void)snprintf(path, sizeof(path), "%s/%s", root, file);
	return kernel_import(&ks, &o, NULL, ret, &e);
}

static void a_kernel_file_becomes_the_default_kernel(void)
{
	struct kernel *k = NULL;
	char *name = NULL;
	struct stat st;

	put_kernel("vmlinux", "6.1.7-small+1");
	CHECK_INT(import("vmlinux", NULL, &name), 0);
	CHECK_STR(name, "6.1.7-small-1");
	free(name);
	CHECK_INT(kernel_open(&ks, NULL, "x86_64", &k, &e), 0);
	CHECK_STR(k->name, "6.1.7-small-1");
	CHECK_STR(k->release, "6.1.7-small+1");
	CHECK_STR(k->image_path, "kernels/6.1.7-small-1/kernel");
	CHECK(k->is_default);
	CHECK(k->abilities & KERNEL_PVH);
	CHECK_INT(fstatat(rootfd, k->image_path, &st, 0), 0);
	CHECK_INT(fstatat(rootfd, k->initramfs_path, &st, 0), 0);
	CHECK(store_has(store, &k->initramfs, OBJECT_PLAIN));
	kernel_free(k);
}

static void a_microvm_needs_a_kernel_that_finds_its_devices(void)
{
	static const char mark[] = "virtio-mmio-cmdline";
	struct kernel *k = NULL;
	char data[1024];
	size_t n = make_kernel("6.3", true, data);

	CHECK_INT(kernel_open(&ks, "6.1.7-small-1", "x86_64", &k, &e), 0);
	CHECK_INT(k->abilities & (KERNEL_PCI | KERNEL_MMIO), KERNEL_PCI);
	kernel_free(k);
	memcpy(data + n + 1, mark, sizeof(mark));
	data[n] = 0;
	put_file(root, "vmlinux", data, n + 1 + sizeof(mark));
	CHECK_INT(import("vmlinux", "finding", NULL), 0);
	CHECK_INT(kernel_open(&ks, "finding", "x86_64", &k, &e), 0);
	CHECK_INT(k->abilities & (KERNEL_PCI | KERNEL_MMIO), KERNEL_PCI | KERNEL_MMIO);
	kernel_free(k);
	CHECK_INT(kernel_remove(&ks, "finding", &e), 0);
	put_kernel("vmlinux", "6.1.7-small+1");
}

static void names_that_are_no_names_are_refused(void)
{
	struct kernel *k;

	CHECK_INT(import("vmlinux", "../x", NULL), -EINVAL);
	CHECK_INT(import("vmlinux", ".hidden", NULL), -EINVAL);
	CHECK_INT(kernel_open(&ks, "..", "x86_64", &k, &e), -EINVAL);
	CHECK_INT(kernel_open(&ks, "a/b", "x86_64", &k, &e), -EINVAL);
	CHECK_INT(kernel_remove(&ks, "", &e), -EINVAL);
	CHECK_INT(kernel_remove(&ks, ".default-x86_64", &e), -EINVAL);
	CHECK_INT(kernel_set_default(&ks, "..", &e), -EINVAL);
}

static void a_name_in_use_is_refused(void)
{
	CHECK_INT(import("vmlinux", NULL, NULL), -EEXIST);
	CHECK(strstr(e.msg, "'6.1.7-small-1'"));
}

static void a_kernel_of_another_architecture_is_refused(void)
{
	struct kernel *k;

	CHECK_INT(kernel_open(&ks, "6.1.7-small-1", "arm64", &k, &e), -EINVAL);
	CHECK_STR(e.msg, "kernel '6.1.7-small-1' is for x86_64, not arm64");
	CHECK_INT(kernel_open(&ks, NULL, "arm64", &k, &e), -ENOENT);
	CHECK_STR(e.msg,
		  "no kernel for arm64 yet; 'volt kernel import --arch arm64' gets one");
	CHECK_INT(kernel_open(&ks, "absent", "x86_64", &k, &e), -ENOENT);
}

static void a_new_init_makes_a_new_initramfs(void)
{
	struct kernel *before, *after;
	struct stat st;

	CHECK_INT(kernel_open(&ks, NULL, "x86_64", &before, &e), 0);
	put_file(root, "init", "another init", 12);
	CHECK_INT(kernel_open(&ks, NULL, "x86_64", &after, &e), 0);
	CHECK(!digest_equal(&before->initramfs, &after->initramfs));
	CHECK_INT(fstatat(rootfd, after->initramfs_path, &st, 0), 0);
	/* who was just about to open the old one still can */
	CHECK_INT(fstatat(rootfd, before->initramfs_path, &st, 0), 0);
	kernel_free(before);
	kernel_free(after);
}

static void the_ref_keeps_what_the_kernel_needs(void)
{
	json_t *ref = NULL;

	CHECK_INT(ref_read(store, "kernels", "6.1.7-small-1", &ref, &e), 0);
	CHECK(json_object_get(json_object_get(ref, "objects"), "kernel"));
	CHECK(json_object_get(json_object_get(ref, "objects"), "initramfs"));
	json_decref(ref);
}

static void write_entry(struct archive *a, const char *path, mode_t type,
			const void *data, size_t size)
{
	struct archive_entry *entry = archive_entry_new();

	archive_entry_set_pathname(entry, path);
	archive_entry_set_mode(entry, type | 0644);
	archive_entry_set_size(entry, (la_int64_t)size);
	if (type == S_IFLNK)
		archive_entry_set_symlink(entry, data);
	if (archive_write_header(a, entry) != ARCHIVE_OK)
		abort();
	if (type == S_IFREG && archive_write_data(a, data, size) != (la_ssize_t)size)
		abort();
	archive_entry_free(entry);
}

static void write_module(struct archive *a, const char *name, const char *depends)
{
	char info[256], data[1024], path[256];
	int n = snprintf(info, sizeof(info), "depends=%s", depends);

	(void)snprintf(path, sizeof(path),
		       "./lib/modules/6.2/kernel/drivers/virtio/%s.ko", name);
	write_entry(a, path, S_IFREG, data, make_module(info, (size_t)n + 1, data));
}

static size_t make_data_tar(char *to, size_t room)
{
	static const char order[] = "kernel/drivers/virtio/virtio_console.ko\n"
				    "kernel/drivers/virtio/virtio.ko\n";
	static const char builtin[] =
		"k/virtio_pci.ko\nk/virtio_blk.ko\nk/virtio_net.ko\n"
		"k/erofs.ko\nk/overlay.ko\n";
	struct archive *a = archive_write_new();
	char kernel[1024];
	size_t n = make_kernel("6.2", true, kernel), used;

	archive_write_set_format_ustar(a);
	archive_write_add_filter_xz(a);
	if (archive_write_open_memory(a, to, room, &used) != ARCHIVE_OK)
		abort();
	write_entry(a, "./../../tmp/escaped", S_IFREG, "x", 1);
	write_entry(a, "/lib/modules/6.2/modules.absolute", S_IFREG, "x", 1);
	write_entry(a, "./lib/modules/6.2/kernel/fs", S_IFLNK, "/tmp", 0);
	write_entry(a, "./boot/vmlinuz-6.2", S_IFREG, kernel, n);
	write_entry(a, "./lib/modules/6.2/modules.order", S_IFREG, order,
		    sizeof(order) - 1);
	write_entry(a, "./lib/modules/6.2/modules.builtin", S_IFREG, builtin,
		    sizeof(builtin) - 1);
	write_module(a, "virtio_console", "virtio");
	write_module(a, "virtio", "");
	if (archive_write_close(a) != ARCHIVE_OK)
		abort();
	archive_write_free(a);
	return used;
}

static void put_deb(const char *name)
{
	static char tar[65536], deb[70000];
	struct archive *a = archive_write_new();
	size_t n = make_data_tar(tar, sizeof(tar)), used;

	archive_write_set_format_ar_svr4(a);
	if (archive_write_open_memory(a, deb, sizeof(deb), &used) != ARCHIVE_OK)
		abort();
	write_entry(a, "debian-binary", S_IFREG, "2.0\n", 4);
	write_entry(a, "control.tar.xz", S_IFREG, "?", 1);
	write_entry(a, "data.tar.xz", S_IFREG, tar, n);
	if (archive_write_close(a) != ARCHIVE_OK)
		abort();
	archive_write_free(a);
	put_file(root, name, deb, used);
}

static void a_package_is_imported_with_its_modules(void)
{
	struct kernel *k = NULL;
	char *name = NULL;

	put_deb("linux-image-6.2_1_amd64.deb");
	CHECK_INT(import("linux-image-6.2_1_amd64.deb", NULL, &name), 0);
	CHECK_STR(name, "6.2");
	free(name);
	CHECK_INT(kernel_open(&ks, "6.2", "x86_64", &k, &e), 0);
	CHECK_STR(k->source, "debian:linux-image-6.2");
	CHECK(!k->is_default);
	CHECK_INT(k->abilities, KERNEL_PVH | KERNEL_PCI);
	kernel_free(k);
	CHECK(access("/tmp/escaped", F_OK) < 0);
}

static void an_initramfs_has_the_modules_and_their_order(void)
{
	static char text[100000];
	_cleanup_close_ int fd = -1;
	struct kernel *k;

	CHECK_INT(kernel_open(&ks, "6.2", "x86_64", &k, &e), 0);
	fd = openat(rootfd, k->initramfs_path, O_RDONLY | O_CLOEXEC);
	CHECK(read_full(fd, text, sizeof(text)) > 0);
	CHECK(memmem(text, sizeof(text), "boot virtio.ko\nboot virtio_console.ko\n", 38));
	CHECK(memmem(text, sizeof(text), "modules/virtio_console.ko", 25));
	CHECK(memmem(text, sizeof(text), "another init", 12));
	kernel_free(k);
}

static void a_package_without_a_kernel_is_refused(void)
{
	put_file(root, "not.deb", "!<arch>\n", 8);
	CHECK_INT(import("not.deb", NULL, NULL), -ENOTSUP);
	put_file(root, "text.deb", "hello", 5);
	CHECK_INT(import("text.deb", NULL, NULL), -ENOTSUP);
}

static void packages_are_named_by_plain_names_only(void)
{
	struct kernel_import o = { .source = "debian:--help" };

	CHECK_INT(kernel_import(&ks, &o, NULL, NULL, &e), -EINVAL);
	CHECK_STR(e.msg, "'--help' is not the name of a Debian package");
}

static void all_are_listed_by_name(void)
{
	struct kernel **v;
	size_t n;

	CHECK_INT(kernel_list(&ks, NULL, &v, &n, &e), 0);
	CHECK_INT(n, 2);
	CHECK_STR(v[0]->name, "6.1.7-small-1");
	CHECK_STR(v[1]->name, "6.2");
	kernel_free(v[0]);
	kernel_free(v[1]);
	free(v);
}

static void the_default_is_removed_only_as_the_last(void)
{
	struct kernel *k;

	CHECK_INT(kernel_remove(&ks, "6.1.7-small-1", &e), -EBUSY);
	CHECK_INT(kernel_set_default(&ks, "6.2", &e), 0);
	CHECK_INT(kernel_remove(&ks, "6.1.7-small-1", &e), 0);
	CHECK_INT(kernel_open(&ks, "6.1.7-small-1", "x86_64", &k, &e), -ENOENT);
	CHECK_INT(kernel_remove(&ks, "6.2", &e), 0);
	CHECK_INT(kernel_open(&ks, NULL, "x86_64", &k, &e), -ENOENT);
	CHECK_INT(kernel_remove(&ks, "6.2", &e), -ENOENT);
}

static void a_ref_without_a_kernel_goes_with_the_next_change(void)
{
	json_t *ref = json_pack("{s:i, s:{}}", "version", 1, "objects"), *found = NULL;

	CHECK_INT(ref_write(store, "kernels", "crashed", ref, &e), 0);
	CHECK_INT(kernel_remove(&ks, "absent", &e), -ENOENT);
	CHECK_INT(ref_read(store, "kernels", "crashed", &found, &e), -ENOENT);
	json_decref(ref);
}

static void nothing_is_left_behind(void)
{
	_cleanup_close_ int fd =
		openat(rootfd, "kernels", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_closedir_ DIR *d = fdopendir(TAKE_FD(fd));
	struct dirent *de;

	while (d && (de = readdir(d))) {
		if (strcmp(de->d_name, ".") != 0 && strcmp(de->d_name, "..") != 0)
			CHECK_STR(de->d_name, ".lock");
	}
}

/* Command lines */

static void only_an_emulated_pc_is_told_a_rate(void)
{
	char text[CMDLINE_SIZE];

	CHECK(strstr(kernel_cmdline(machine_row_find("x86_64", MACHINE_MICROVM), true,
				    2600000, text),
		     "tsc_early_khz=2600000"));
	CHECK(!strstr(
		kernel_cmdline(machine_row_find("x86_64", MACHINE_Q35), false, 0, text),
		"tsc"));
	CHECK(!strstr(
		kernel_cmdline(machine_row_find("arm64", MACHINE_VIRT), true, 0, text),
		"tsc"));
	CHECK(strstr(text, "console=ttyAMA0"));
}

static void a21_the_console_is_the_machine_s(void)
{
	static const struct {
		const char *arch;
		enum machine_kind kind;
		const char *console;
	} want[] = {
		{ "x86_64", MACHINE_Q35, "console=ttyS0 " },
		{ "arm64", MACHINE_VIRT, "console=ttyAMA0 " },
		{ "riscv64", MACHINE_VIRT, "console=ttyS0 " },
		{ "ppc64le", MACHINE_PSERIES, "console=hvc0 " },
		{ "mips64el", MACHINE_MALTA, "console=ttyS0 " },
		{ "s390x", MACHINE_CCW, "console=ttysclp0 " },
	};
	char text[CMDLINE_SIZE];

	for (size_t i = 0; i < ARRAY_SIZE(want); i++)
		CHECK(strstr(kernel_cmdline(machine_row_find(want[i].arch, want[i].kind),
					    true, 0, text),
			     want[i].console));
}

static void a_rate_is_measured_alike_twice(void)
{
	struct tsc_sample begin = tsc_sample();
	uint64_t a = tsc_khz(&begin), b = tsc_khz(&begin);

	if (begin.ticks == 0) {
		CHECK_INT(a, 0);
		return;
	}
	CHECK(a > 100000 && a < 20000000);
	CHECK(a > b ? a - b < a / 1000 : b - a < a / 1000);
}

int main(void)
{
	char init[256];
	int tmp;

	if (!mkdtemp(root) || (rootfd = open(root, O_RDONLY | O_DIRECTORY)) < 0 ||
	    store_open(rootfd, &store, &e) < 0)
		return 1;
	put_file(root, "init", "the init", 8);
	(void)snprintf(init, sizeof(init), "%s/init", root);
	ks = (struct kernels){ rootfd, store, init };
	RUN(a_module_says_what_it_needs);
	RUN(a_damaged_module_is_refused);
	RUN(modules_stand_after_what_they_need);
	RUN(what_is_for_boot_has_all_it_needs_at_boot);
	RUN(modules_that_need_each_other_are_refused);
	RUN(a_module_that_is_needed_but_missing_is_named);
	RUN(an_elf_kernel_tells_its_release);
	RUN(a_bzimage_is_unpacked_where_qemu_can_enter_it);
	RUN(what_qemu_cannot_enter_is_refused);
	RUN(damaged_images_are_refused_or_read_within_bounds);
	RUN(a_kernel_file_becomes_the_default_kernel);
	RUN(a_microvm_needs_a_kernel_that_finds_its_devices);
	RUN(names_that_are_no_names_are_refused);
	RUN(a_name_in_use_is_refused);
	RUN(a_kernel_of_another_architecture_is_refused);
	RUN(a_new_init_makes_a_new_initramfs);
	RUN(the_ref_keeps_what_the_kernel_needs);
	RUN(a_package_is_imported_with_its_modules);
	RUN(an_initramfs_has_the_modules_and_their_order);
	RUN(a_package_without_a_kernel_is_refused);
	RUN(packages_are_named_by_plain_names_only);
	RUN(all_are_listed_by_name);
	RUN(the_default_is_removed_only_as_the_last);
	RUN(a_ref_without_a_kernel_goes_with_the_next_change);
	RUN(nothing_is_left_behind);
	RUN(only_an_emulated_pc_is_told_a_rate);
	RUN(a21_the_console_is_the_machine_s);
	RUN(a_rate_is_measured_alike_twice);
	store_close(store);
	tmp = open("/tmp", O_PATH | O_DIRECTORY);
	if (remove_tree_at(tmp, root + strlen("/tmp/")) < 0)
		return 1;
	return tap_done();
}
