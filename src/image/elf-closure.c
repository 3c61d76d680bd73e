/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation
 *
 * The search is the loader's: a name with a slash is a path; else the RPATH of the one who
 * needs it and of those who needed that one (unless it has a RUNPATH), its RUNPATH, the
 * cache, the standard directories. What is found must be for the same machine, or the
 * search goes on.
 *
 * Each file keeps its path in the image, with two exceptions. The program may get another
 * name, and what it finds relative to itself ($ORIGIN) moves with it. And what only the
 * cache knows is put into /usr/lib, since the image has no cache.
 */
#include "image/elf-closure.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/io.h"
#include "base/path.h"
#include "image/layer-path.h"

#define CACHE_MAX   ((size_t)64 << 20)
#define MEMBERS_MAX 4096u
#define LOOKS_MAX   (1u << 19) /* in all: hostile files could have us look for ever */
#define DIRS_MAX    1024u      /* of one RPATH: each is looked into for every library */

struct search {
	const struct elf_source *source;
	struct elf_closure c;
	struct strv *missing; /* NULL: what is missing is a failure */
};

void elf_closure_done(struct elf_closure *c)
{
	for (size_t i = 0; i < c->n; i++) {
		free(c->v[i].host);
		free(c->v[i].image);
		elf_file_done(&c->v[i].file);
	}
	free(c->v);
	free(c->cache);
	*c = (struct elf_closure){ 0 };
}

static void search_done(struct search *s)
{
	elf_closure_done(&s->c);
}

static int open_host(void *data, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	return fd < 0 ? -errno : fd;
}

struct elf_source elf_source_host(const char *root)
{
	return (struct elf_source){ .root = root, .open = open_host, .where = "here" };
}

const char *elf_multiarch(const struct elf_file *f)
{
	static const struct {
		const char *arch, *dir;
	} dirs[] = {
		{ "x86_64", "x86_64-linux-gnu" },
		{ "i386", "i386-linux-gnu" },
		{ "arm64", "aarch64-linux-gnu" },
		{ "arm", "arm-linux-gnueabihf" },
		{ "riscv64", "riscv64-linux-gnu" },
		{ "ppc64le", "powerpc64le-linux-gnu" },
		{ "s390x", "s390x-linux-gnu" },
		{ "mips64el", "mips64el-linux-gnuabi64" },
		{ "mipsel", "mipsel-linux-gnu" },
		{ "loongarch64", "loongarch64-linux-gnu" },
	};
	const struct platform *p = elf_file_platform(f);

	for (size_t i = 0; p && i < ARRAY_SIZE(dirs); i++)
		if (strcmp(p->arch, dirs[i].arch) == 0)
			return dirs[i].dir;
	return "";
}

static bool is_musl(const struct search *s)
{
	const char *interpreter = s->c.v[0].file.interpreter;

	return interpreter && strstr(interpreter, "/ld-musl-") != NULL;
}

static int add_member(struct search *s, const char *host, const char *image,
		      struct elf_file *file, size_t by)
{
	struct elf_member *v = reallocarray(s->c.v, s->c.n + 1, sizeof(*v));

	if (!v)
		return -ENOMEM;
	s->c.v = v;
	v += s->c.n;
	*v = (struct elf_member){ .host = strdup(host),
				  .image = strdup(image),
				  .by = by };
	v->file = *file;
	*file = (struct elf_file){ 0 };
	s->c.n++;
	return v->host && v->image ? 0 : -ENOMEM;
}

/* 1: it is what we look for and has been added, 0: it is not. */
static int try_file(struct search *s, const char *host, const char *image, size_t by,
		    struct volt_error *e)
{
	_cleanup_elf_ struct elf_file f = { 0 };
	_cleanup_free_ char *path = NULL;
	_cleanup_close_ int fd = -1;

	for (size_t i = 0; i < s->c.n; i++)
		if (strcmp(s->c.v[i].image, image) == 0)
			return 1;
	if (++s->c.looks > LOOKS_MAX)
		return fail(e, E2BIG, "libraries may be in too many places");
	if (asprintf(&path, "%s%s", s->source->root, host) < 0) {
		path = NULL;
		return fail_oom(e);
	}
	fd = s->source->open(s->source->data, path);
	if (fd < 0 || elf_file_read_fd(fd, path, &f, NULL) < 0 ||
	    !elf_file_same_machine(&f, &s->c.v[0].file))
		return 0;
	if (s->c.n >= MEMBERS_MAX)
		return fail(e, E2BIG, "more than %u libraries", MEMBERS_MAX);
	return add_member(s, path, image, &f, by) < 0 ? fail_oom(e) : 1;
}

/* Writes one directory of a search path with $ORIGIN, $LIB and $PLATFORM replaced. An
 * empty one is the current directory, and what is not absolute depends on it: neither. */
static bool expand(const char *from, size_t n, const char *origin, const char *lib,
		   char ret[static PATH_MAX])
{
	size_t out = 0;

	for (size_t i = 0; i < n;) {
		static const char *const words[] = { "ORIGIN", "LIB", "PLATFORM" };
		const char *const values[] = { origin, lib, "" };
		const char *value = NULL;
		size_t skip = 1;

		for (size_t k = 0; from[i] == '$' && !value && k < ARRAY_SIZE(words);
		     k++) {
			bool braces = i + 1 < n && from[i + 1] == '{';
			size_t length = strlen(words[k]), at = i + 1 + braces;

			if (at + length > n ||
			    strncmp(from + at, words[k], length) != 0 ||
			    (braces && (at + length == n || from[at + length] != '}')))
				continue;
			value = values[k];
			skip = 1 + length + 2 * (size_t)braces;
		}
		if (out + (value ? strlen(value) : 1) >= PATH_MAX)
			return false;
		if (value)
			out = (size_t)(stpcpy(ret + out, value) - ret);
		else
			ret[out++] = from[i];
		i += skip;
	}
	ret[out] = '\0';
	return ret[0] == '/';
}

static void directory_of(const char *path, char ret[static PATH_MAX])
{
	const char *slash = strrchr(path, '/');
	size_t n = slash ? (size_t)(slash - path) : 0;

	memcpy(ret, path, n);
	ret[n] = '\0';
}

/* Its place in the image is where that path leads there: the image has no links. */
static int try_in(struct search *s, const char *host_dir, const char *image_dir,
		  const char *name, size_t by, struct volt_error *e)
{
	_cleanup_free_ char *host = NULL;
	char image[PATH_MAX + 1] = "/";

	if (layer_path_walk(image + 1, image_dir) < 0 ||
	    layer_path_walk(image + 1, name) < 0)
		return 0;
	if (asprintf(&host, "%s/%s", host_dir, name) < 0) {
		host = NULL;
		return fail_oom(e);
	}
	return try_file(s, host, image, by, e);
}

/* The directories of @list, an RPATH or RUNPATH of member @owner. */
static int try_list(struct search *s, const char *list, size_t owner, const char *name,
		    size_t by, struct volt_error *e)
{
	char host_origin[PATH_MAX], image_origin[PATH_MAX];
	char host[PATH_MAX], image[PATH_MAX], lib[64];
	int r = 0;

	(void)snprintf(lib, sizeof(lib), "lib/%s", elf_multiarch(&s->c.v[0].file));
	directory_of(s->c.v[owner].host + strlen(s->source->root), host_origin);
	directory_of(s->c.v[owner].image, image_origin);
	for (unsigned i = 0; list && r == 0 && i < DIRS_MAX; i++) {
		size_t n = strcspn(list, ":");

		if (expand(list, n, host_origin, lib, host) &&
		    expand(list, n, image_origin, lib, image))
			r = try_in(s, host, image, name, by, e);
		list = list[n] ? list + n + 1 : NULL;
	}
	return r;
}

/* RPATHs count from the one who needs it up to the program, unless it has a RUNPATH, which
 * comes after what the environment says. */
static int try_rpaths(struct search *s, const char *name, size_t by, struct volt_error *e)
{
	const char *runpath = s->c.v[by].file.runpath;
	int r = 0;

	for (size_t i = by; !runpath && r == 0; i = s->c.v[i].by) {
		if (!s->c.v[i].file.runpath)
			r = try_list(s, s->c.v[i].file.rpath, i, name, by, e);
		if (i == 0)
			break;
	}
	r = r ?: try_list(s, s->source->library_path, 0, name, by, e);
	return r ?: try_list(s, runpath, by, name, by, e);
}

/* The directories that the loader of this program knows by itself. */
static int standard_dirs(const struct search *s, struct strv *ret)
{
	const char *arch = elf_multiarch(&s->c.v[0].file);
	int r = 0;

	if (is_musl(s)) {
		static const char *const musl[] = { "/lib", "/usr/local/lib",
						    "/usr/lib" };

		for (size_t i = 0; i < ARRAY_SIZE(musl) && r == 0; i++)
			r = strv_add(ret, musl[i]);
		return r;
	}
	if (*arch) {
		r = strv_addf(ret, "/lib/%s", arch);
		if (r == 0)
			r = strv_addf(ret, "/usr/lib/%s", arch);
	}
	if (r == 0 && s->c.v[0].file.class == ELFCLASS64) {
		r = strv_add(ret, "/lib64");
		if (r == 0)
			r = strv_add(ret, "/usr/lib64");
	}
	if (r == 0)
		r = strv_add(ret, "/lib");
	return r == 0 ? strv_add(ret, "/usr/lib") : r;
}

static bool has(const struct strv *list, const char *text)
{
	for (size_t i = 0; i < list->n; i++)
		if (strcmp(list->v[i], text) == 0)
			return true;
	return false;
}

static int try_cache(struct search *s, const struct strv *standard, const char *name,
		     size_t by, struct volt_error *e)
{
	_cleanup_strv_ struct strv paths = { 0 };
	int r = 0;

	if (is_musl(s))
		return 0;
	if (ld_cache_find(s->c.cache, s->c.cache_size, name, &paths) < 0)
		return fail_oom(e);
	for (size_t i = 0; i < paths.n && r == 0; i++) {
		char dir[PATH_MAX];

		if (strlen(paths.v[i]) >= sizeof(dir))
			continue;
		directory_of(paths.v[i], dir);
		r = try_in(s, dir, has(standard, dir) ? dir : "/usr/lib", name, by, e);
	}
	return r;
}

static int find_library(struct search *s, const char *name, size_t by,
			struct volt_error *e)
{
	_cleanup_strv_ struct strv standard = { 0 };
	int r;

	if (strchr(name, '/'))
		return *name == '/' ? try_file(s, name, name, by, e) : 0;
	if (standard_dirs(s, &standard) < 0)
		return fail_oom(e);
	r = try_rpaths(s, name, by, e);
	if (r == 0)
		r = try_cache(s, &standard, name, by, e);
	for (size_t i = 0; i < standard.n && r == 0; i++)
		r = try_in(s, standard.v[i], standard.v[i], name, by, e);
	return r;
}

/* musl's loader is its C library too, under any of these names. */
static bool is_loader_itself(const struct search *s, const char *name)
{
	return is_musl(s) &&
	       (strcmp(name, "libc.so") == 0 || strncmp(name, "libc.musl-", 10) == 0);
}

static int say_missing(struct search *s, const char *name, size_t by,
		       struct volt_error *e)
{
	const char *who = s->c.v[by].host, *where = s->source->where;

	if (!s->missing)
		return fail(e, ENOENT, "library '%s', which '%s' needs, is not %s", name,
			    who, where);
	if (strv_addf(s->missing, "library '%s', which '%s' needs, is not %s", name, who,
		      where) < 0)
		return fail_oom(e);
	return 0;
}

static int find_needed(struct search *s, size_t by, struct volt_error *e)
{
	for (size_t i = 0; i < s->c.v[by].file.needed.n; i++) {
		const char *name = s->c.v[by].file.needed.v[i];
		int r = is_loader_itself(s, name) ? 1 : find_library(s, name, by, e);

		if (r == 0)
			r = say_missing(s, name, by, e);
		if (r < 0)
			return r;
	}
	return 0;
}

/* A program, or a library that one will open. */
static int add_first(struct search *s, const char *path, const char *name, bool library,
		     struct volt_error *e)
{
	_cleanup_elf_ struct elf_file f = { 0 };
	_cleanup_close_ int fd = -1;
	int r;

	if (name[0] != '/' || !path_is_clean(name + 1))
		return fail(e, EINVAL, "'%.300s' is no absolute path for a program",
			    name);
	fd = s->source->open(s->source->data, path);
	if (fd < 0)
		return fail_code(e, fd, "open '%s'", path);
	r = elf_file_read_fd(fd, path, &f, e);
	if (r < 0)
		return r;
	if (library ? f.type != ET_DYN : !elf_file_is_program(&f))
		return fail(e, ENOEXEC, "'%s' is an ELF file, but no %s", path,
			    library ? "library" : "program");
	s->c.platform = elf_file_platform(&f);
	if (!s->c.platform)
		return fail(e, ENOEXEC,
			    "'%s' is a program for a machine that volt does not know",
			    path);
	return add_member(s, path, name, &f, 0) < 0 ? fail_oom(e) : 0;
}

static int add_interpreter(struct search *s, struct volt_error *e)
{
	const char *path = s->c.v[0].file.interpreter;
	int r;

	if (!path)
		return 0;
	r = *path == '/' ? try_file(s, path, path, 0, e) : 0;
	if (r == 0)
		return fail(e, ENOENT, "the loader '%s', which '%s' needs, is not %s",
			    path, s->c.v[0].host, s->source->where);
	return r < 0 ? r : 0;
}

/* One that is missing or unreadable is an empty one. */
static int read_cache(struct search *s, struct volt_error *e)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_close_ int fd = -1;

	if (asprintf(&path, "%s/etc/ld.so.cache", s->source->root) < 0) {
		path = NULL;
		return fail_oom(e);
	}
	fd = s->source->open(s->source->data, path);
	if (fd >= 0)
		(void)read_all(fd, CACHE_MAX, &s->c.cache, &s->c.cache_size);
	return 0;
}

/* What members from @first on need. */
static int find_rest(struct search *s, size_t first, struct volt_error *e)
{
	int r = 0;

	for (size_t i = first; r == 0 && i < s->c.n; i++)
		r = find_needed(s, i, e);
	return r;
}

static int find_closure(const struct elf_source *source, const char *path,
			const char *name, bool library, struct elf_closure *ret,
			struct volt_error *e)
{
	_cleanup_(search_done) struct search s = { .source = source };
	int r = read_cache(&s, e);

	if (r == 0)
		r = add_first(&s, path, name, library, e);
	if (r == 0)
		r = add_interpreter(&s, e);
	if (r == 0)
		r = find_rest(&s, 0, e);
	if (r < 0)
		return r;
	*ret = s.c;
	s.c = (struct elf_closure){ 0 };
	return 0;
}

int elf_closure_find(const struct elf_source *s, const char *program,
		     const char *name_in_image, struct elf_closure *ret,
		     struct volt_error *e)
{
	return find_closure(s, program, name_in_image, false, ret, e);
}

int elf_closure_add(const struct elf_source *source, struct elf_closure *c,
		    const char *library, struct strv *missing, struct volt_error *e)
{
	_cleanup_(search_done) struct search s = { .source = source,
						   .c = *c,
						   .missing = missing };
	size_t first = c->n;
	int found = find_library(&s, library, 0, e);
	int r = found > 0 ? find_rest(&s, first, e) : found;

	*c = s.c;
	s.c = (struct elf_closure){ 0 };
	return r < 0 ? r : found;
}

/* The file itself, as what is found relative to it counts from there. */
static int find_on_host(const char *path, const char *name, bool library,
			const char *root, struct elf_closure *ret, struct volt_error *e)
{
	struct elf_source host = elf_source_host(root);
	_cleanup_free_ char *real = NULL;

	if (name[0] == '/' && path_is_clean(name + 1)) {
		real = realpath(path, NULL);
		if (!real)
			return fail_errno(e, "program '%s'", path);
	}
	return find_closure(&host, real ? real : path, name, library, ret, e);
}

int elf_closure_read(const char *program, const char *name_in_image, const char *root,
		     struct elf_closure *ret, struct volt_error *e)
{
	return find_on_host(program, name_in_image, false, root, ret, e);
}

int elf_closure_read_library(const char *library, const char *root,
			     struct elf_closure *ret, struct volt_error *e)
{
	return find_on_host(library, "/library", true, root, ret, e);
}
