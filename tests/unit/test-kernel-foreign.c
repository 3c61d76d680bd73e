/* SPDX-License-Identifier: Apache-2.0 */
/* Kernels and modules of other architectures than a PC's. */
#include <elf.h>
#include <endian.h>
#include <errno.h>

#include "guest/image.h"
#include "guest/modules.h"
#include "kernel-lib.h"
#include "tap.h"

#define BANNER "Linux version 6.1.0-x (y)"

static struct volt_error e;

static int take(const char *data, size_t size, const char *name, struct kernel_image *k)
{
	char *copy = malloc(size);

	if (!copy)
		abort();
	memcpy(copy, data, size);
	return kernel_image_take(copy, size, name, k, &e);
}

static void check(const char *data, size_t size, const char *name, const char *arch)
{
	struct kernel_image k = { 0 };

	CHECK_INT(take(data, size, name, &k), 0);
	CHECK_STR(k.arch, arch);
	CHECK_STR(k.release, "6.1.0-x");
	CHECK(!k.pvh);
	kernel_image_done(&k);
}

/* The header of arm64's and riscv64's images. */
static size_t make_flat(const char *magic, char *to)
{
	memset(to, 0, 128);
	memcpy(to, "MZ", 2);
	memcpy(to + 56, magic, 4);
	memcpy(to + 128, BANNER, sizeof(BANNER));
	return 128 + sizeof(BANNER);
}

static void flat_images_are_told_apart_by_their_magic(void)
{
	char data[256];

	check(data, make_flat("ARM\x64", data), "k", "arm64");
	check(data, make_flat("RSC\x05", data), "k", "riscv64");
}

static void what_is_packed_in_an_efi_program_is_unpacked(void)
{
	char inner[256], data[4096] = "MZ\0\0zimg";
	size_t size = make_flat("ARM\x64", inner), n;
	uint32_t offset = htole32(1024), length;
	struct kernel_image k = { 0 };

	n = compress(inner, size, ARCHIVE_FILTER_GZIP, data + 1024, sizeof(data) - 1024);
	length = htole32((uint32_t)n);
	memcpy(data + 8, &offset, 4);
	memcpy(data + 12, &length, 4);
	check(data, 1024 + n, "k", "arm64");
	CHECK_INT(take(data, 1024 + n, "k", &k), 0);
	CHECK_INT(k.size, size);
	kernel_image_done(&k);
	/* It says that it is longer than the file. */
	CHECK_INT(take(data, 1023 + n, "k", &k), -EBADMSG);
	CHECK(strstr(e.msg, "unpack 'k'"));
	memset(data + 8, 0xff, 4);
	CHECK_INT(take(data, 1024 + n, "k", &k), -EBADMSG);
}

static size_t make_elf(uint16_t machine, const char *text, char *to)
{
	Elf64_Ehdr h = { .e_machine = htole16(machine) };

	memcpy(h.e_ident, ELFMAG, SELFMAG);
	h.e_ident[EI_CLASS] = ELFCLASS64;
	h.e_ident[EI_DATA] = ELFDATA2LSB;
	memcpy(to, &h, sizeof(h));
	memcpy(to + sizeof(h), text, strlen(text) + 1);
	return sizeof(h) + strlen(text) + 1;
}

static void elf_files_boot_where_qemu_takes_them(void)
{
	struct kernel_image k;
	char data[256];

	check(data, make_elf(EM_PPC64, BANNER, data), "k", "ppc64le");
	check(data, make_elf(EM_MIPS, BANNER, data), "k", "mips64el");
	CHECK_INT(take(data, make_elf(EM_SPARCV9, BANNER, data), "k", &k), -ENOTSUP);
	CHECK_STR(e.msg, "'k' is an ELF file, but not of a kernel that volt knows");
}

static void a_packed_kernel_is_of_the_release_in_its_name(void)
{
	static char data[0x12000];
	struct kernel_image k;
	size_t n = make_elf(EM_MIPS, "packed", data);

	check(data, n, "boot/vmlinuz-6.1.0-x", "mips64el");
	check(data, n, "/vmlinux-6.1.0-x", "mips64el");
	CHECK_INT(take(data, n, "vmlinuz", &k), -ENOTSUP);
	CHECK_INT(take(data, n, "vmlinuz-6.1/6.2", &k), -ENOTSUP);
	CHECK_INT(take(data, n, "vmlinuz-a b\n", &k), -ENOTSUP);
	CHECK_STR(e.msg, "'vmlinuz-a b?' does not say which release it is");
	memset(data, 0, sizeof(data));
	memcpy(data + 0x10008, "S390EP", 6);
	check(data, sizeof(data), "vmlinuz-6.1.0-x", "s390x");
	CHECK_INT(take(data, 0x10010, "vmlinuz-6.1.0-x", &k), -ENOTSUP);
}

/* A module of s390x: everything in it has the big end first. */
static size_t make_big_module(const char *info, size_t size, char *to)
{
	static const char names[] = "\0.modinfo\0";
	Elf64_Shdr s[2] = { 0 };
	Elf64_Ehdr h = { .e_shentsize = htobe16(sizeof(s[0])),
			 .e_shnum = htobe16(2),
			 .e_shstrndx = htobe16(1) };
	size_t at = sizeof(h);

	memcpy(h.e_ident, ELFMAG, SELFMAG);
	h.e_ident[EI_CLASS] = ELFCLASS64;
	h.e_ident[EI_DATA] = ELFDATA2MSB;
	s[0] = (Elf64_Shdr){ .sh_name = htobe32(1),
			     .sh_offset = htobe64(at),
			     .sh_size = htobe64(size) };
	memcpy(to + at, info, size);
	at += size;
	s[1] = (Elf64_Shdr){ .sh_offset = htobe64(at),
			     .sh_size = htobe64(sizeof(names)) };
	memcpy(to + at, names, sizeof(names));
	at += sizeof(names);
	h.e_shoff = htobe64(at);
	memcpy(to, &h, sizeof(h));
	memcpy(to + at, s, sizeof(s));
	return at + sizeof(s);
}

static void a_big_endian_module_says_what_it_needs(void)
{
	static const char info[] = "license=GPL\0depends=virtio,ring";
	char data[1024], *depends = NULL;
	size_t size = make_big_module(info, sizeof(info), data);

	CHECK_INT(module_depends(data, size, &depends), 0);
	CHECK_STR(depends, "virtio,ring");
	free(depends);
	for (size_t n = 0; n < size; n++)
		CHECK_INT(module_depends(data, n, &depends), -EBADMSG);
}

int main(void)
{
	RUN(flat_images_are_told_apart_by_their_magic);
	RUN(what_is_packed_in_an_efi_program_is_unpacked);
	RUN(elf_files_boot_where_qemu_takes_them);
	RUN(a_packed_kernel_is_of_the_release_in_its_name);
	RUN(a_big_endian_module_says_what_it_needs);
	return tap_done();
}
