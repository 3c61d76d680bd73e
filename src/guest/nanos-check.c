/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/nanos-check.h"

#include <elf.h>
#include <endian.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/error.h"
#include "base/macro.h"
#include "base/path.h"

#define SECTOR      512
#define HEX         "0123456789abcdef"
#define PE_X86_64   0x8664
#define PE_OFFSET   0x3c /* of the offset of what is behind the DOS program */
#define STAGE2_SIZE 434  /* 64 bits: of what follows the first sector */
#define SIGNATURE   510
#define BANNER      "Linux version "

static uint64_t le(const char *at, size_t size)
{
	uint64_t v = 0;

	memcpy(&v, at, size);
	return le64toh(v);
}

/* Whether it is a 64-bit ELF file for x86-64, with program headers and the contents of its
 * segments inside of it; *@program: whether it asks for a loader. */
static bool check_elf(const char *data, size_t size, Elf64_Ehdr *h, bool *program)
{
	Elf64_Phdr p;

	*program = false;
	if (size < sizeof(*h) || memcmp(data, ELFMAG, SELFMAG) != 0 ||
	    data[EI_CLASS] != ELFCLASS64 || data[EI_DATA] != ELFDATA2LSB)
		return false;
	memcpy(h, data, sizeof(*h));
	if (h->e_machine != EM_X86_64 || h->e_phentsize != sizeof(p) || h->e_phnum == 0 ||
	    h->e_phoff > size || h->e_phnum > (size - h->e_phoff) / sizeof(p))
		return false;
	for (size_t k = 0; k < h->e_phnum; k++) {
		memcpy(&p, data + h->e_phoff + k * sizeof(p), sizeof(p));
		*program |= p.p_type == PT_INTERP;
		if (p.p_offset > size || p.p_filesz > size - p.p_offset)
			return false;
	}
	return true;
}

/* The banner of a Linux kernel has its release in it. */
static bool is_linux(const char *data, size_t size)
{
	const char *at = data, *end = data + size;

	while ((at = memmem(at, (size_t)(end - at), BANNER, strlen(BANNER)))) {
		at += strlen(BANNER);
		if (at < end && *at >= '0' && *at <= '9')
			return true;
	}
	return false;
}

static int check_kernel(const char *path, const char *data, size_t size,
			struct volt_error *e)
{
	bool program = false;
	Elf64_Ehdr h;

	if (!check_elf(data, size, &h, &program))
		return fail(e, ENOTSUP, "'%s' is not a whole ELF file for x86_64", path);
	if (program)
		return fail(e, ENOTSUP, "'%s' is a program, not a kernel", path);
	if (is_linux(data, size))
		return fail(e, ENOTSUP, "'%s' is a Linux kernel, not one of Nanos", path);
	return 0;
}

static int check_klib(const char *path, const char *data, size_t size,
		      struct volt_error *e)
{
	bool program = false;
	Elf64_Ehdr h;

	if (!check_elf(data, size, &h, &program) || program || h.e_type != ET_DYN)
		return fail(e, ENOTSUP, "'%s' is not a klib for x86_64", path);
	return 0;
}

/* The boot sector knows how long the loader behind it is. */
static int check_boot(const char *path, const char *data, size_t size,
		      struct volt_error *e)
{
	if (size <= SECTOR || size % SECTOR != 0 ||
	    memcmp(data + SIGNATURE, "\x55\xaa", 2) != 0 ||
	    le(data + STAGE2_SIZE, 8) != size - SECTOR)
		return fail(e, ENOTSUP, "'%s' is not a whole boot loader of Nanos", path);
	return 0;
}

static int check_uefi(const char *path, const char *data, size_t size,
		      struct volt_error *e)
{
	uint64_t at = size < PE_OFFSET + 4 || memcmp(data, "MZ", 2) != 0
			      ? size
			      : le(data + PE_OFFSET, 4);

	if (at > size || size - at < 6 || memcmp(data + at, "PE\0\0", 4) != 0 ||
	    le(data + at + 4, 2) != PE_X86_64)
		return fail(e, ENOTSUP, "'%s' is not a UEFI program for x86_64", path);
	return 0;
}

static const struct kind {
	const char *path; /* of a directory: of what is in it */
	size_t max;
	int (*check)(const char *path, const char *data, size_t size,
		     struct volt_error *e);
} kinds[] = {
	{ NANOS_KERNEL, 64u << 20, check_kernel },
	{ NANOS_BOOT, 1u << 20, check_boot },
	{ NANOS_UEFI, 4u << 20, check_uefi },
	{ NANOS_KLIBS, 16u << 20, check_klib },
};

static const struct kind *find_kind(const char *path)
{
	const struct kind *klib = &kinds[ARRAY_SIZE(kinds) - 1];
	size_t n = strlen(NANOS_KLIBS);

	for (const struct kind *k = kinds; k < klib; k++)
		if (strcmp(path, k->path) == 0)
			return k;
	if (strncmp(path, NANOS_KLIBS "/", n + 1) == 0 && name_is_valid(path + n + 1))
		return klib;
	return NULL;
}

size_t nanos_file_max(const char *path)
{
	const struct kind *k = find_kind(path);

	return k ? k->max : 0;
}

int nanos_file_check(const char *path, const char *data, size_t size,
		     struct volt_error *e)
{
	const struct kind *k = find_kind(path);

	if (!k)
		return fail(e, ENOTSUP, "'%s' is no part of a Nanos release", path);
	return k->check(path, data, size, e);
}

static size_t hex_run(const char *at, const char *end)
{
	const char *from = at;

	while (at < end && *at && strchr(HEX, *at))
		at++;
	return (size_t)(at - from);
}

/* Nothing but the one place must look like it. */
bool nanos_kernel_commit(const char *data, size_t size,
			 char ret[static NANOS_COMMIT_SIZE])
{
	const char *found = NULL, *end = data + size;

	for (const char *at = data; at < end;) {
		size_t n = hex_run(at, end);

		if (n == NANOS_COMMIT_SIZE - 1 && found)
			return false;
		if (n == NANOS_COMMIT_SIZE - 1)
			found = at;
		at += n + 1;
	}
	if (!found)
		return false;
	memcpy(ret, found, NANOS_COMMIT_SIZE - 1);
	ret[NANOS_COMMIT_SIZE - 1] = 0;
	return true;
}
