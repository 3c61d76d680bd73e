/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/image.h"

#include <elf.h>
#include <endian.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/decompress.h"
#include "base/macro.h"
#include "base/path.h"

#define IMAGE_MAX (256u << 20)
#define PVH_NOTE  18 /* XEN_ELFNOTE_PHYS32_ENTRY */
#define SECTOR    512
#define BANNER    "Linux version "

static uint32_t le32(const char *at)
{
	uint32_t v;

	memcpy(&v, at, sizeof(v));
	return le32toh(v);
}

static uint16_t le16(const char *at)
{
	uint16_t v;

	memcpy(&v, at, sizeof(v));
	return le16toh(v);
}

/* A release is one word of plain characters; it becomes part of a name. */
static bool take_release(struct kernel_image *k, const char *at, size_t max)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789.-_+~";
	size_t n = 0;

	while (n < max && n < sizeof(k->release) - 1 && at[n] && strchr(plain, at[n]))
		n++;
	if (n == 0 || n == max || (at[n] != ' ' && at[n] != 0))
		return false;
	memcpy(k->release, at, n);
	k->release[n] = 0;
	return true;
}

static void find_release(struct kernel_image *k)
{
	const char *at = k->data, *end = k->data + k->size;

	while ((at = memmem(at, (size_t)(end - at), BANNER, strlen(BANNER)))) {
		at += strlen(BANNER);
		if (take_release(k, at, (size_t)(end - at)))
			return;
	}
}

/* Looks through one note segment. Names and contents are padded to 4 bytes. */
static bool has_pvh_note(const char *at, size_t size)
{
	Elf64_Nhdr n;
	size_t name, desc;

	while (size >= sizeof(n)) {
		memcpy(&n, at, sizeof(n));
		at += sizeof(n);
		size -= sizeof(n);
		name = ((size_t)n.n_namesz + 3) & ~(size_t)3;
		desc = ((size_t)n.n_descsz + 3) & ~(size_t)3;
		if (name > size || desc > size - name)
			return false;
		if (n.n_type == PVH_NOTE && n.n_namesz == 4 && memcmp(at, "Xen", 4) == 0)
			return true;
		at += name + desc;
		size -= name + desc;
	}
	return false;
}

static bool is_elf(const char *data, size_t size)
{
	return size > sizeof(Elf64_Ehdr) && memcmp(data, ELFMAG, SELFMAG) == 0 &&
	       data[EI_CLASS] == ELFCLASS64 && data[EI_DATA] == ELFDATA2LSB;
}

bool kernel_elf_is_pvh(const char *data, size_t size)
{
	Elf64_Ehdr h;
	Elf64_Phdr p;

	if (!is_elf(data, size))
		return false;
	memcpy(&h, data, sizeof(h));
	if (h.e_phentsize != sizeof(p) || h.e_phoff > size ||
	    h.e_phnum > (size - h.e_phoff) / sizeof(p))
		return false;
	for (size_t k = 0; k < h.e_phnum; k++) {
		memcpy(&p, data + h.e_phoff + k * sizeof(p), sizeof(p));
		if (p.p_type == PT_NOTE && p.p_offset <= size &&
		    p.p_filesz <= size - p.p_offset &&
		    has_pvh_note(data + p.p_offset, p.p_filesz))
			return true;
	}
	return false;
}

static int take_elf(struct kernel_image *k, const char *name, struct volt_error *e)
{
	uint16_t machine = le16(k->data + offsetof(Elf64_Ehdr, e_machine));

	find_release(k);
	if (machine == EM_PPC64 || machine == EM_MIPS) {
		k->arch = machine == EM_MIPS ? "mips64el" : "ppc64le";
		return 0;
	}
	if (machine != EM_X86_64)
		return fail(e, ENOTSUP,
			    "'%s' is an ELF file, but not of a kernel that volt knows",
			    name);
	if (!kernel_elf_is_pvh(k->data, k->size))
		return fail(e, ENOTSUP,
			    "'%s' cannot be entered by QEMU (built without CONFIG_PVH); "
			    "give the bzImage instead",
			    name);
	k->arch = "x86_64";
	k->pvh = true;
	return 0;
}

/* The boot protocol's header begins at 0x1f1; offsets are from the file's begin. */
static bool is_bzimage(const char *data, size_t size)
{
	return size > 0x268 && memcmp(data + 0x202, "HdrS", 4) == 0 &&
	       le16(data + 0x206) >= 0x208;
}

/* The payload has its unpacked length behind it, which with gzip is part of the format.
 * What does not come out in that length is not used. */
static int unpack_payload(const char *at, size_t size, char **ret, size_t *ret_size)
{
	bool gzip = size > 2 && memcmp(at, "\x1f\x8b", 2) == 0;
	int r;

	if (size < 8)
		return -EBADMSG;
	r = decompress(at, gzip ? size : size - 4, IMAGE_MAX, ret, ret_size);
	if (r == 0 && *ret_size != le32(at + size - 4)) {
		free(*ret);
		*ret = NULL;
		return -EBADMSG;
	}
	return r;
}

/* Replaces a bzImage by what it holds, if that can be entered directly. What cannot be
 * unpacked here boots as it is. */
static int unwrap(struct kernel_image *k)
{
	size_t setup = (size_t)(k->data[0x1f1] ? (unsigned char)k->data[0x1f1] : 4);
	uint64_t offset = (setup + 1) * SECTOR + (uint64_t)le32(k->data + 0x248);
	uint64_t length = le32(k->data + 0x24c);
	_cleanup_free_ char *inner = NULL;
	size_t size;
	int r;

	if (offset > k->size || length > k->size - offset)
		return -EBADMSG;
	r = unpack_payload(k->data + offset, length, &inner, &size);
	if (r < 0)
		return r;
	if (!kernel_elf_is_pvh(inner, size))
		return -ENOTSUP;
	free(k->data);
	k->data = TAKE_PTR(inner);
	k->size = size;
	k->pvh = true;
	return 0;
}

static int take_bzimage(struct kernel_image *k, const char *name, struct volt_error *e)
{
	size_t version = (size_t)le16(k->data + 0x20e) + 0x200;

	/* XLF_KERNEL_64 */
	if (!(le16(k->data + 0x236) & 1))
		return fail(e, ENOTSUP, "'%s' is a 32-bit kernel", name);
	k->arch = "x86_64";
	if (version < k->size)
		(void)take_release(k, k->data + version, k->size - version);
	return unwrap(k) == -ENOMEM ? fail_oom(e) : 0;
}

/* How the EFI program begins in which newer kernels for arm64 and riscv64 are packed. */
struct zboot {
	char mz[4], magic[4];
	uint32_t offset, size; /* of what is packed */
};

static bool is_zboot(const char *data, size_t size)
{
	return size > sizeof(struct zboot) && memcmp(data, "MZ", 2) == 0 &&
	       memcmp(data + offsetof(struct zboot, magic), "zimg", 4) == 0;
}

static int unpack_zboot(struct kernel_image *k)
{
	uint32_t offset = le32(k->data + offsetof(struct zboot, offset));
	uint32_t size = le32(k->data + offsetof(struct zboot, size));
	char *inner;
	int r;

	if (offset > k->size || size > k->size - offset)
		return -EBADMSG;
	r = decompress(k->data + offset, size, IMAGE_MAX, &inner, &k->size);
	if (r < 0)
		return r;
	free(k->data);
	k->data = inner;
	return 0;
}

/* What can be started at 0x10000 says so in these words; the boot loader's code before it
 * differs. */
static bool is_s390(const char *data, size_t size)
{
	return size > 0x11000 && memcmp(data + 0x10008, "S390EP", 6) == 0;
}

/* The 64-byte header of arm64 and riscv images differs only in its magic number. */
static int take_flat(struct kernel_image *k, const char *name, struct volt_error *e)
{
	if (k->size > 64 && memcmp(k->data + 56, "ARM\x64", 4) == 0)
		k->arch = "arm64";
	else if (k->size > 64 && memcmp(k->data + 56, "RSC\x05", 4) == 0)
		k->arch = "riscv64";
	else
		return fail(e, ENOTSUP, "'%s' is not a kernel that volt knows", name);
	find_release(k);
	return 0;
}

static int take(struct kernel_image *k, const char *name, struct volt_error *e)
{
	if (is_elf(k->data, k->size))
		return take_elf(k, name, e);
	if (is_bzimage(k->data, k->size))
		return take_bzimage(k, name, e);
	if (is_s390(k->data, k->size)) {
		k->arch = "s390x";
		find_release(k);
		return 0;
	}
	return take_flat(k, name, e);
}

/* Those that are packed as a whole say nothing, but files are named after their release. */
static void take_release_of_name(struct kernel_image *k, const char *name)
{
	const char *base = path_base(name);

	if (!k->release[0] && strncmp(base, "vmlinu", 6) == 0 && base[6] &&
	    base[7] == '-' && !strpbrk(base, " \n"))
		(void)take_release(k, base + 8, strlen(base + 8) + 1);
}

int kernel_image_take(char *data, size_t size, const char *name, struct kernel_image *ret,
		      struct volt_error *e)
{
	struct kernel_image k = { .data = data, .size = size };
	char *inner;
	int r;

	/* Image.gz, and whatever else was packed as a whole. */
	if (size > 2 && memcmp(data, "\x1f\x8b", 2) == 0) {
		r = decompress(data, size, IMAGE_MAX, &inner, &k.size);
		free(data);
		if (r < 0)
			return fail_code(e, r, "unpack '%s'", name);
		k.data = inner;
	}
	r = is_zboot(k.data, k.size) ? unpack_zboot(&k) : 0;
	if (r < 0)
		r = fail_code(e, r, "unpack '%s'", name);
	else
		r = take(&k, name, e);
	if (r == 0)
		take_release_of_name(&k, name);
	if (r == 0 && !k.release[0])
		r = fail(e, ENOTSUP, "'%s' does not say which release it is", name);
	if (r < 0) {
		kernel_image_done(&k);
		return r;
	}
	*ret = k;
	return 0;
}

void kernel_image_done(struct kernel_image *k)
{
	free(k->data);
	*k = (struct kernel_image){ 0 };
}
