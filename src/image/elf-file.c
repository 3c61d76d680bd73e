/* SPDX-License-Identifier: Apache-2.0 */
#include "image/elf-file.h"

#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/io.h"

#define NEEDED_MAX 1024u
#define RPATH_MAX  ((size_t)64 << 10) /* all of it; a name is shorter than PATH_MAX */

void elf_file_done(struct elf_file *f)
{
	free(f->interpreter);
	strv_done(&f->needed);
	free(f->rpath);
	free(f->runpath);
	*f = (struct elf_file){ 0 };
}

static int check_head(int fd, const char *path, struct volt_error *e)
{
	unsigned char head[EI_NIDENT] = { 0 };
	ssize_t n = pread_full(fd, head, sizeof(head), 0);

	if (n < 0)
		return fail_code(e, (int)n, "read '%s'", path);
	if (n >= 2 && head[0] == '#' && head[1] == '!')
		return fail(
			e, ENOEXEC,
			"'%s' is a script; only an ELF program can become an image by itself",
			path);
	if (n < EI_NIDENT || memcmp(head, ELFMAG, SELFMAG) != 0)
		return fail(e, ENOEXEC, "'%s' is not an ELF program", path);
	if (head[EI_OSABI] != ELFOSABI_SYSV && head[EI_OSABI] != ELFOSABI_LINUX)
		return fail(e, ENOEXEC, "'%s' is a program for another system than Linux",
			    path);
	return 0;
}

/* A string of the file, which ends within its section or segment. */
static int get_string(Elf *elf, const GElf_Phdr *p, char **ret)
{
	size_t size;
	const char *raw = elf_rawfile(elf, &size);

	if (!raw || p->p_offset > size || p->p_filesz > size - p->p_offset ||
	    p->p_filesz == 0 || p->p_filesz > PATH_MAX ||
	    !memchr(raw + p->p_offset, '\0', p->p_filesz))
		return -EBADMSG;
	free(*ret);
	*ret = strdup(raw + p->p_offset);
	return *ret ? 0 : -ENOMEM;
}

/* The section of the dynamic segment's strings is found by its address, so that a file
 * without section headers (which the loader does not need) works as well. */
static const char *dynamic_strings(Elf *elf, const GElf_Dyn *dyn, size_t n,
				   size_t *ret_size)
{
	GElf_Addr address = 0;
	GElf_Xword length = 0;
	size_t n_headers, size;
	const char *raw = elf_rawfile(elf, &size);

	for (size_t i = 0; i < n && dyn[i].d_tag != DT_NULL; i++) {
		if (dyn[i].d_tag == DT_STRTAB)
			address = dyn[i].d_un.d_ptr;
		else if (dyn[i].d_tag == DT_STRSZ)
			length = dyn[i].d_un.d_val;
	}
	if (!raw || length == 0 || elf_getphdrnum(elf, &n_headers) < 0)
		return NULL;
	for (size_t i = 0; i < n_headers; i++) {
		GElf_Phdr p;
		GElf_Off at;

		if (!gelf_getphdr(elf, (int)i, &p) || p.p_type != PT_LOAD ||
		    address < p.p_vaddr || address - p.p_vaddr >= p.p_filesz)
			continue;
		at = p.p_offset + (address - p.p_vaddr);
		if (at > size || length > size - at || raw[at + length - 1] != '\0')
			return NULL;
		*ret_size = length;
		return raw + at;
	}
	return NULL;
}

/* All strings may be the same long one: none is copied that no path could be. */
static bool is_string(const char *strings, size_t size, GElf_Xword at, size_t max)
{
	return strings && at < size && strnlen(strings + at, max) < max;
}

static int take_string(const char *strings, size_t size, GElf_Xword at, char **ret)
{
	if (!is_string(strings, size, at, RPATH_MAX))
		return -EBADMSG;
	free(*ret);
	*ret = strdup(strings + at);
	return *ret ? 0 : -ENOMEM;
}

static int take_entry(struct elf_file *f, const GElf_Dyn *d, const char *strings,
		      size_t size)
{
	switch (d->d_tag) {
	case DT_NEEDED:
		if (!is_string(strings, size, d->d_un.d_val, PATH_MAX) ||
		    f->needed.n >= NEEDED_MAX)
			return -EBADMSG;
		return strv_add(&f->needed, strings + d->d_un.d_val);
	case DT_RPATH:
		return take_string(strings, size, d->d_un.d_val, &f->rpath);
	case DT_RUNPATH:
		return take_string(strings, size, d->d_un.d_val, &f->runpath);
	case DT_FLAGS_1:
		f->pie = (d->d_un.d_val & DF_1_PIE) != 0;
		return 0;
	default:
		return 0;
	}
}

static int read_dynamic(struct elf_file *f, Elf *elf, const GElf_Phdr *p)
{
	Elf_Data *data =
		elf_getdata_rawchunk(elf, (int64_t)p->p_offset, p->p_filesz, ELF_T_DYN);
	_cleanup_free_ GElf_Dyn *dyn = NULL;
	size_t each = gelf_fsize(elf, ELF_T_DYN, 1, EV_CURRENT), n, size = 0;
	const char *strings;
	int r = 0;

	if (!data || each == 0)
		return -EBADMSG;
	n = p->p_filesz / each;
	dyn = calloc(n + 1, sizeof(*dyn));
	if (!dyn)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		if (!gelf_getdyn(data, (int)i, &dyn[i]))
			return -EBADMSG;
	strings = dynamic_strings(elf, dyn, n, &size);
	for (size_t i = 0; i < n && dyn[i].d_tag != DT_NULL && r == 0; i++)
		r = take_entry(f, &dyn[i], strings, size);
	return r;
}

static int read_headers(struct elf_file *f, Elf *elf)
{
	GElf_Ehdr head;
	size_t n;

	if (elf_kind(elf) != ELF_K_ELF || !gelf_getehdr(elf, &head) ||
	    elf_getphdrnum(elf, &n) < 0)
		return -EBADMSG;
	f->class = head.e_ident[EI_CLASS];
	f->data = head.e_ident[EI_DATA];
	f->machine = head.e_machine;
	f->type = head.e_type;
	for (size_t i = 0; i < n; i++) {
		GElf_Phdr p;
		int r = 0;

		if (!gelf_getphdr(elf, (int)i, &p))
			return -EBADMSG;
		if (p.p_type == PT_INTERP)
			r = get_string(elf, &p, &f->interpreter);
		else if (p.p_type == PT_DYNAMIC && p.p_filesz > 0)
			r = read_dynamic(f, elf, &p);
		if (r < 0)
			return r;
	}
	return 0;
}

int elf_file_read_fd(int fd, const char *name, struct elf_file *ret, struct volt_error *e)
{
	_cleanup_elf_ struct elf_file f = { 0 };
	Elf *elf;
	int r;

	r = check_head(fd, name, e);
	if (r < 0)
		return r;
	(void)elf_version(EV_CURRENT);
	elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
	r = elf ? read_headers(&f, elf) : -EBADMSG;
	(void)elf_end(elf);
	if (r == -ENOMEM)
		return fail_oom(e);
	if (r < 0)
		return fail(e, ENOEXEC, "'%s' is a damaged ELF file", name);
	*ret = f;
	f = (struct elf_file){ 0 };
	return 0;
}

int elf_file_read(const char *path, struct elf_file *ret, struct volt_error *e)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return fail_errno(e, "open '%s'", path);
	return elf_file_read_fd(fd, path, ret, e);
}

bool elf_file_is_program(const struct elf_file *f)
{
	return f->type == ET_EXEC || (f->type == ET_DYN && (f->interpreter || f->pie));
}

const struct platform *elf_file_platform(const struct elf_file *f)
{
	static const struct {
		uint16_t machine;
		int class, data;
		const char *arch;
	} known[] = {
		{ EM_X86_64, ELFCLASS64, ELFDATA2LSB, "x86_64" },
		{ EM_386, ELFCLASS32, ELFDATA2LSB, "i386" },
		{ EM_AARCH64, ELFCLASS64, ELFDATA2LSB, "arm64" },
		{ EM_ARM, ELFCLASS32, ELFDATA2LSB, "arm" },
		{ EM_RISCV, ELFCLASS64, ELFDATA2LSB, "riscv64" },
		{ EM_PPC64, ELFCLASS64, ELFDATA2LSB, "ppc64le" },
		{ EM_PPC64, ELFCLASS64, ELFDATA2MSB, "ppc64" },
		{ EM_S390, ELFCLASS64, ELFDATA2MSB, "s390x" },
		{ EM_MIPS, ELFCLASS64, ELFDATA2LSB, "mips64el" },
		{ EM_MIPS, ELFCLASS64, ELFDATA2MSB, "mips64" },
		{ EM_MIPS, ELFCLASS32, ELFDATA2LSB, "mipsel" },
		{ EM_MIPS, ELFCLASS32, ELFDATA2MSB, "mips" },
		{ EM_LOONGARCH, ELFCLASS64, ELFDATA2LSB, "loongarch64" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (f->machine == known[i].machine && f->class == known[i].class &&
		    f->data == known[i].data)
			return platform_find(known[i].arch);
	return NULL;
}

bool elf_file_same_machine(const struct elf_file *a, const struct elf_file *b)
{
	return a->machine == b->machine && a->class == b->class && a->data == b->data;
}
