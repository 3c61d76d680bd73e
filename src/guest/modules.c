/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/modules.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/decompress.h"
#include "base/io.h"
#include "base/macro.h"
#include "base/path.h"
#include "base/strv.h"
#include "guest/kernel.h"

#define LIST_MAX   (4u << 20)
#define MODULE_MAX (64u << 20)
#define DEPTH_MAX  16
#define BOOT       "boot"

/* What machines need. A name that is neither a module nor built in matters only if it is
 * needed by all. */
static const struct wanted {
	const char *name, *when;
	unsigned int ability;
	bool needed;
} wanted[] = {
	{ "virtio_pci", BOOT, KERNEL_PCI, false },
	{ "virtio_mmio", BOOT, KERNEL_MMIO, false },
	{ "virtio_console", BOOT, 0, true },
	{ "virtio_blk", BOOT, 0, true },
	{ "virtio_net", BOOT, 0, true },
	{ "virtio_rng", BOOT, 0, false },
	{ "virtio_balloon", BOOT, 0, false },
	/* What libcrc32c looks for by name, which no module's list of needs says. */
	{ "crc32c_generic", "erofs", 0, false },
	{ "erofs", "erofs", 0, true },
	{ "overlay", "overlay", 0, true },
	{ "ext4", "ext4", KERNEL_EXT4, false },
	{ "9pnet_virtio", "9p", 0, false },
	{ "9p", "9p", KERNEL_9P, false },
	{ "virtiofs", "virtiofs", KERNEL_VIRTIOFS, false },
};

/* Where modules come from while they are collected. */
struct source {
	int dirfd;
	char *order, *builtin; /* texts of the two lists */
	struct modules *to;
};

static void source_done(struct source *s)
{
	free(s->order);
	free(s->builtin);
}

/* "kernel/fs/9p/9p.ko" is @name; in names '-' and '_' are the same. */
static bool line_is(const char *line, size_t n, const char *name)
{
	const char *base = memrchr(line, '/', n);
	size_t k = 0;

	base = base ? base + 1 : line;
	n -= (size_t)(base - line);
	for (; k < n && name[k]; k++)
		if ((base[k] == '-' ? '_' : base[k]) != (name[k] == '-' ? '_' : name[k]))
			return false;
	return !name[k] && n - k == 3 && memcmp(base + k, ".ko", 3) == 0;
}

/* The line of a list that is @name, or NULL. */
static const char *find_line(const char *list, const char *name, size_t *ret_n)
{
	for (const char *at = list; *at; at += *at == '\n') {
		size_t n = strcspn(at, "\n");

		if (line_is(at, n, name)) {
			*ret_n = n;
			return at;
		}
		at += n;
	}
	return NULL;
}

static int open_module(const struct source *s, const char *path)
{
	static const char *const suffixes[] = { "", ".xz", ".zst", ".gz" };
	char text[PATH_MAX];
	int fd = -ENOENT;

	for (size_t k = 0; fd == -ENOENT && k < ARRAY_SIZE(suffixes); k++) {
		(void)snprintf(text, sizeof(text), "%s%s", path, suffixes[k]);
		fd = open_beneath(s->dirfd, text, O_RDONLY, 0);
	}
	return fd;
}

static int read_module(const struct source *s, const char *path, char **ret, size_t *size)
{
	_cleanup_free_ char *packed = NULL;
	_cleanup_close_ int fd = open_module(s, path);
	size_t n;
	int r;

	if (fd < 0)
		return fd;
	r = read_all(fd, MODULE_MAX, &packed, &n);
	if (r < 0)
		return r;
	if (n > SELFMAG && memcmp(packed, ELFMAG, SELFMAG) == 0) {
		*ret = TAKE_PTR(packed);
		*size = n;
		return 0;
	}
	return decompress(packed, n, MODULE_MAX, ret, size);
}

static struct module *find_module(const struct modules *m, const char *name)
{
	for (size_t k = 0; k < m->n; k++)
		if (strcmp(m->v[k].name, name) == 0)
			return &m->v[k];
	return NULL;
}

static int append(struct modules *m, const char *name, const char *when, char *data,
		  size_t size)
{
	struct module *v = reallocarray(m->v, m->n + 1, sizeof(*v));
	char *copy = strdup(name);

	if (v)
		m->v = v;
	if (!v || !copy) {
		free(copy);
		free(data);
		return -ENOMEM;
	}
	m->v[m->n++] = (struct module){ copy, when, data, size };
	return 0;
}

static int collect(const struct source *s, const char *name, const char *when, int depth,
		   struct volt_error *e);

static int collect_needed(const struct source *s, const char *of, char *depends,
			  const char *when, int depth, struct volt_error *e)
{
	const char *name;

	while ((name = strsep(&depends, ","))) {
		int r = *name ? collect(s, name, when, depth + 1, e) : 1;

		if (r < 0)
			return r;
		if (r == 0)
			return fail(e, ENOENT, "module '%s' needs '%s', which is missing",
				    of, name);
	}
	return 0;
}

static int collect_module(const struct source *s, const char *name, const char *path,
			  const char *when, int depth, struct volt_error *e)
{
	_cleanup_free_ char *data = NULL, *depends = NULL;
	size_t size;
	int r;

	if (depth > DEPTH_MAX)
		return fail(e, ELOOP, "module '%s' needs itself", name);
	r = read_module(s, path, &data, &size);
	if (r == 0)
		r = module_depends(data, size, &depends);
	if (r < 0)
		return fail_code(e, r, "read module '%s'", path);
	r = collect_needed(s, name, depends, when, depth, e);
	if (r < 0)
		return r;
	return append(s->to, name, when, TAKE_PTR(data), size) < 0 ? fail_oom(e) : 0;
}

/* One that two file systems need is loaded at boot, and so is all that it needs. */
static int collect_again(const struct source *s, struct module *have, const char *when,
			 int depth, struct volt_error *e)
{
	_cleanup_free_ char *depends = NULL;
	int r;

	if (strcmp(have->when, when) == 0 || strcmp(have->when, BOOT) == 0)
		return 1;
	have->when = BOOT;
	r = module_depends(have->data, have->size, &depends);
	if (r < 0)
		return fail_code(e, r, "read module '%s'", have->name);
	r = collect_needed(s, have->name, depends, BOOT, depth, e);
	return r < 0 ? r : 1;
}

/* Adds a module and before it all it needs. 1: there is such a module or it is built in;
 * 0: neither. */
static int collect(const struct source *s, const char *name, const char *when, int depth,
		   struct volt_error *e)
{
	struct module *have = find_module(s->to, name);
	char path[PATH_MAX];
	const char *line;
	size_t n;
	int r;

	if (have)
		return collect_again(s, have, when, depth, e);
	if (find_line(s->builtin, name, &n))
		return 1;
	line = find_line(s->order, name, &n);
	if (!line || n >= sizeof(path))
		return 0;
	memcpy(path, line, n);
	path[n] = 0;
	r = collect_module(s, name, path, when, depth, e);
	return r < 0 ? r : 1;
}

static int collect_all(struct source *s, struct volt_error *e)
{
	for (size_t k = 0; k < ARRAY_SIZE(wanted); k++) {
		int r = collect(s, wanted[k].name, wanted[k].when, 0, e);

		if (r < 0)
			return r;
		if (r > 0)
			s->to->abilities |= wanted[k].ability;
		else if (wanted[k].needed)
			return fail(e, ENOTSUP,
				    "the kernel has no '%s', which machines need",
				    wanted[k].name);
	}
	return 0;
}

int modules_read(int dirfd, struct modules *ret, struct volt_error *e)
{
	struct modules m = { 0 };
	_cleanup_(source_done) struct source s = { .dirfd = dirfd, .to = &m };
	int r = read_file_at(dirfd, "modules.order", LIST_MAX, &s.order, NULL);

	if (r == -ENOENT) /* of a kernel without modules */
		s.order = strdup("");
	else if (r < 0)
		return fail_code(e, r, "read modules.order");
	if (!s.order)
		return fail_oom(e);
	r = read_file_at(dirfd, "modules.builtin", LIST_MAX, &s.builtin, NULL);
	if (r < 0)
		return fail_code(e, r, "read modules.builtin");
	r = collect_all(&s, e);
	if (r < 0) {
		modules_done(&m);
		return r;
	}
	*ret = m;
	return 0;
}

void modules_done(struct modules *m)
{
	for (size_t k = 0; k < m->n; k++) {
		free(m->v[k].name);
		free(m->v[k].data);
	}
	free(m->v);
	*m = (struct modules){ 0 };
}

/* .modinfo: texts "key=value", each with a NUL behind. */
static int find_depends(const char *info, size_t size, char **ret)
{
	static const char key[] = "depends=";
	const char *end = info + size, *nul;

	for (const char *at = info; at < end; at = nul + 1) {
		nul = memchr(at, 0, (size_t)(end - at));
		if (!nul)
			return -EBADMSG;
		if (strncmp(at, key, strlen(key)) == 0) {
			*ret = strdup(at + strlen(key));
			return *ret ? 0 : -ENOMEM;
		}
	}
	*ret = strdup("");
	return *ret ? 0 : -ENOMEM;
}

/* Modules are in the byte order of their architecture; s390x has the big end first. */
struct elf {
	const char *data;
	size_t size;
	bool big;
	uint64_t shoff;
	uint16_t shnum, shstrndx;
};

static uint64_t number(const struct elf *f, const void *at, size_t size)
{
	const unsigned char *byte = at;
	uint64_t v = 0;

	for (size_t k = 0; k < size; k++)
		v |= (uint64_t)byte[f->big ? size - 1 - k : k] << (8 * k);
	return v;
}
#define NUMBER(f, member) number(f, &(member), sizeof(member))

static bool open_elf(const char *data, size_t size, struct elf *ret)
{
	struct elf f = { .data = data, .size = size };
	Elf64_Ehdr h;

	if (size < sizeof(h) || memcmp(data, ELFMAG, SELFMAG) != 0 ||
	    data[EI_CLASS] != ELFCLASS64)
		return false;
	memcpy(&h, data, sizeof(h));
	f.big = data[EI_DATA] == ELFDATA2MSB;
	f.shoff = NUMBER(&f, h.e_shoff);
	f.shnum = (uint16_t)NUMBER(&f, h.e_shnum);
	f.shstrndx = (uint16_t)NUMBER(&f, h.e_shstrndx);
	*ret = f;
	return NUMBER(&f, h.e_shentsize) == sizeof(Elf64_Shdr) && f.shoff <= size &&
	       f.shnum <= (size - f.shoff) / sizeof(Elf64_Shdr);
}

struct section {
	uint64_t name, offset, size;
};

static bool section(const struct elf *f, size_t index, struct section *ret)
{
	Elf64_Shdr s;

	if (index >= f->shnum)
		return false;
	memcpy(&s, f->data + f->shoff + index * sizeof(s), sizeof(s));
	*ret = (struct section){ NUMBER(f, s.sh_name), NUMBER(f, s.sh_offset),
				 NUMBER(f, s.sh_size) };
	return ret->offset <= f->size && ret->size <= f->size - ret->offset;
}

int module_depends(const char *data, size_t size, char **ret)
{
	static const char wished[] = ".modinfo";
	struct section names, s;
	struct elf f;

	if (!open_elf(data, size, &f) || !section(&f, f.shstrndx, &names))
		return -EBADMSG;
	for (size_t k = 0; k < f.shnum; k++) {
		if (!section(&f, k, &s))
			continue; /* .bss may lie outside of the file */
		if (s.name <= names.size && names.size - s.name >= sizeof(wished) &&
		    memcmp(data + names.offset + s.name, wished, sizeof(wished)) == 0)
			return find_depends(data + s.offset, s.size, ret);
	}
	return -EBADMSG;
}
