/* SPDX-License-Identifier: Apache-2.0 */
#include <elf.h>
#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <sys/mman.h>

#include "base/io.h"
#include "image/elf-closure.h"
#include "tap.h"

static const struct elf_member *find(const struct elf_closure *c, const char *image)
{
	for (size_t i = 0; i < c->n; i++)
		if (strcmp(c->v[i].image, image) == 0)
			return &c->v[i];
	return NULL;
}

static bool has_suffix(const struct elf_closure *c, const char *suffix)
{
	for (size_t i = 0; i < c->n; i++) {
		size_t n = strlen(c->v[i].image), m = strlen(suffix);

		if (n >= m && strcmp(c->v[i].image + n - m, suffix) == 0)
			return true;
	}
	return false;
}

static void a_program_says_what_it_needs(void)
{
	_cleanup_elf_ struct elf_file f = { 0 };
	struct volt_error e;
	bool libc = false;

	CHECK_INT(elf_file_read(ELF_PROGRAM, &f, &e), 0);
	CHECK(f.interpreter && f.interpreter[0] == '/');
	CHECK(f.needed.n >= 2);
	for (size_t i = 0; i < f.needed.n; i++)
		libc |= strncmp(f.needed.v[i], "libc.so", 7) == 0;
	CHECK(libc);
	CHECK(f.runpath || f.rpath);
	CHECK(elf_file_platform(&f) == platform_find(NULL));
}

static void what_is_found_relative_to_the_program_moves_with_it(void)
{
	_cleanup_closure_ struct elf_closure c = { 0 };
	struct volt_error e = { 0 };
	int r = elf_closure_read(ELF_PROGRAM, "/opt/app/elf/run", "", &c, &e);

	if (r < 0)
		printf("# %s\n", e.msg);
	CHECK_INT(r, 0);
	CHECK_STR(c.v[0].image, "/opt/app/elf/run");
	CHECK(find(&c, "/opt/app/elf/libvolt-elf-test.so"));
	CHECK(find(&c, c.v[0].file.interpreter));
	CHECK(has_suffix(&c, "/libc.so.6"));
	for (size_t i = 0; i < c.n; i++)
		CHECK(!strstr(c.v[i].image, "..") && !strstr(c.v[i].image, "/./"));
}

/* "$ORIGIN/.." of a program in the root is the root. */
static void dot_dot_stops_at_the_root_of_the_image(void)
{
	_cleanup_closure_ struct elf_closure c = { 0 };

	CHECK_INT(elf_closure_read(ELF_PROGRAM, "/run", "", &c, NULL), 0);
	CHECK(find(&c, "/elf/libvolt-elf-test.so"));
}

static void a_missing_library_is_named_with_who_needs_it(void)
{
	_cleanup_closure_ struct elf_closure c = { 0 };
	char path[] = "/tmp/volt-elf-XXXXXX", command[1024];
	struct volt_error e = { 0 };
	int fd = mkstemp(path), r;

	CHECK(fd >= 0);
	(void)close(fd);
	(void)snprintf(command, sizeof(command), "cp '%s' '%s'", ELF_PROGRAM, path);
	CHECK_INT(system(command), 0);
	r = elf_closure_read(path, "/run", "", &c, &e);
	(void)unlink(path);
	CHECK_INT(r, -ENOENT);
	CHECK(strstr(e.msg, "'libvolt-elf-test.so'"));
	CHECK(strstr(e.msg, path));
}

static void a_library_has_a_closure_without_a_loader_of_its_own(void)
{
	_cleanup_closure_ struct elf_closure c = { 0 };
	struct volt_error e = { 0 };

	CHECK_INT(elf_closure_read_library(ELF_LIBRARY, "", &c, &e), 0);
	CHECK(!c.v[0].file.interpreter);
	CHECK(strstr(c.v[0].host, "libvolt-elf-test.so"));
	CHECK(has_suffix(&c, "/libc.so.6"));
	CHECK(strstr(elf_multiarch(&c.v[0].file), "-linux-"));
}

static void a_library_is_no_program(void)
{
	_cleanup_closure_ struct elf_closure c = { 0 };
	struct volt_error e = { 0 };

	CHECK_INT(elf_closure_read(ELF_LIBRARY, "/x", "", &c, &e), -ENOEXEC);
	CHECK(strstr(e.msg, "no program"));
}

/* Looked at before anything is done with it: one that is too long wrote over the stack. */
static void a6_a_place_that_is_no_clean_path_is_refused(void)
{
	static char deep[6000];
	const char *const bad[] = { "", "run", "/", "/../run", "/a//b", "/a/", deep };
	_cleanup_closure_ struct elf_closure c = { 0 };
	struct volt_error e = { 0 };

	for (size_t i = 0; i < sizeof(deep) - 1; i++)
		deep[i] = i % 50 ? 'x' : '/';
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		CHECK_INT(elf_closure_read(ELF_PROGRAM, bad[i], "", &c, &e), -EINVAL);
		CHECK(strstr(e.msg, "is no absolute path for a program"));
	}
}

static void the_cache_gives_paths_of_plain_builds(void)
{
	static const char strings[] = "libx.so.1\0/opt/v3/libx.so.1\0/opt/libx.so.1";
	const uint32_t names = 48 + 2 * 24;
	struct {
		char magic[20];
		uint32_t head[7];
		struct {
			int32_t flags;
			uint32_t name, path, os;
			uint64_t hwcap;
		} v[2];
		char text[sizeof(strings)];
	} __attribute__((packed)) cache = { .head = { 2, sizeof(strings) } };
	_cleanup_strv_ struct strv paths = { 0 };

	memcpy(cache.magic, "glibc-ld.so.cache1.1", 20);
	memcpy(cache.text, strings, sizeof(strings));
	cache.v[0].name = cache.v[1].name = names;
	cache.v[0].path = names + 10;
	cache.v[0].hwcap = (uint64_t)1 << 62;
	cache.v[1].path = names + 28;
	CHECK_INT(ld_cache_find((const char *)&cache, sizeof(cache), "libx.so.1", &paths),
		  0);
	CHECK_INT(paths.n, 1);
	CHECK_STR(paths.v[0], "/opt/libx.so.1");
	CHECK_INT(ld_cache_find((const char *)&cache, sizeof(cache), "liby.so.1", &paths),
		  0);
	CHECK_INT(paths.n, 1);
	for (size_t n = 0; n < sizeof(cache); n++) {
		_cleanup_free_ char *cut = malloc(n ? n : 1);

		CHECK(cut);
		memcpy(cut, &cache, n);
		CHECK_INT(ld_cache_find(cut, n, "libx.so.1", &paths), 0);
	}
}

/* The smallest library that needs one with a name of @length bytes. */
struct small_elf {
	Elf64_Ehdr head;
	Elf64_Phdr load, dynamic;
	Elf64_Dyn entries[4];
	char strings[2 * PATH_MAX];
};

static int needs_name_of(size_t length, struct elf_file *ret, struct volt_error *e)
{
	_cleanup_close_ int fd = memfd_create("library", MFD_CLOEXEC);
	struct small_elf f = { 0 };
	const size_t at = offsetof(struct small_elf, strings);

	memcpy(f.head.e_ident, ELFMAG, SELFMAG);
	f.head.e_ident[EI_CLASS] = ELFCLASS64;
	f.head.e_ident[EI_DATA] = ELFDATA2LSB;
	f.head.e_ident[EI_VERSION] = EV_CURRENT;
	f.head.e_type = ET_DYN;
	f.head.e_machine = EM_X86_64;
	f.head.e_version = EV_CURRENT;
	f.head.e_ehsize = sizeof(f.head);
	f.head.e_phoff = offsetof(struct small_elf, load);
	f.head.e_phentsize = sizeof(f.load);
	f.head.e_phnum = 2;
	f.load = (Elf64_Phdr){ .p_type = PT_LOAD, .p_filesz = sizeof(f) };
	f.dynamic = (Elf64_Phdr){ .p_type = PT_DYNAMIC,
				  .p_offset = offsetof(struct small_elf, entries),
				  .p_filesz = sizeof(f.entries) };
	f.entries[0] = (Elf64_Dyn){ .d_tag = DT_STRTAB, .d_un.d_ptr = at };
	f.entries[1] = (Elf64_Dyn){ .d_tag = DT_STRSZ, .d_un.d_val = sizeof(f.strings) };
	f.entries[2] = (Elf64_Dyn){ .d_tag = DT_NEEDED, .d_un.d_val = 1 };
	memset(f.strings + 1, 'x', length);
	if (fd < 0 || pwrite_all(fd, &f, sizeof(f), 0) < 0)
		return -EIO;
	return elf_file_read_fd(fd, "small", ret, e);
}

/* A thousand entries may name the same string, which is copied for each. */
static void name_that_no_path_could_be_is_damage(void)
{
	_cleanup_elf_ struct elf_file good = { 0 }, bad = { 0 };
	struct volt_error e = { 0 };

	CHECK_INT(needs_name_of(PATH_MAX - 1, &good, &e), 0);
	CHECK_INT(strlen(good.needed.v[0]), PATH_MAX - 1);
	CHECK_INT(needs_name_of(PATH_MAX, &bad, &e), -ENOEXEC);
	CHECK_STR(e.msg, "'small' is a damaged ELF file");
}

int main(void)
{
	RUN(a_program_says_what_it_needs);
	RUN(what_is_found_relative_to_the_program_moves_with_it);
	RUN(dot_dot_stops_at_the_root_of_the_image);
	RUN(a_missing_library_is_named_with_who_needs_it);
	RUN(a_library_has_a_closure_without_a_loader_of_its_own);
	RUN(a_library_is_no_program);
	RUN(a6_a_place_that_is_no_clean_path_is_refused);
	RUN(the_cache_gives_paths_of_plain_builds);
	RUN(name_that_no_path_could_be_is_damage);
	return tap_done();
}
