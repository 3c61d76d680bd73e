/* SPDX-License-Identifier: Apache-2.0 */
#include <archive.h>
#include <archive_entry.h>
#include <elf.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "base/path.h"
#include "guest/kernel-json.h"
#include "guest/nanos-check.h"
#include "guest/nanos-kernel.h"
#include "guest/nanos-release.h"
#include "put-file.h"
#include "tap.h"

static char root[] = "/tmp/volt-test-nanos-XXXXXX";
static int rootfd = -1;
static struct store *store;
static struct kernels ks;
static struct volt_error e;

/* Things made for the tests */

static size_t make_elf(uint16_t type, const char *text, char *to)
{
	Elf64_Ehdr h = { .e_type = type,
			 .e_machine = EM_X86_64,
			 .e_phoff = sizeof(h),
			 .e_phnum = 1,
			 .e_phentsize = sizeof(Elf64_Phdr) };
	Elf64_Phdr p = { .p_type = PT_LOAD, .p_filesz = sizeof(h) + sizeof(p) };

	memcpy(h.e_ident, ELFMAG, SELFMAG);
	h.e_ident[EI_CLASS] = ELFCLASS64;
	h.e_ident[EI_DATA] = ELFDATA2LSB;
	memcpy(to, &h, sizeof(h));
	memcpy(to + sizeof(h), &p, sizeof(p));
	memcpy(to + sizeof(h) + sizeof(p), text, strlen(text));
	return sizeof(h) + sizeof(p) + strlen(text);
}

static size_t make_boot(char *to)
{
	memset(to, 0, 1024);
	to[435] = 2; /* 512 bytes */
	memcpy(to + 510, "\x55\xaa", 2);
	return 1024;
}

static size_t make_uefi(char *to)
{
	memset(to, 0, 80);
	memcpy(to, "MZ", 2);
	to[0x3c] = 64;
	memcpy(to + 64, "PE\0\0\x64\x86", 6);
	return 80;
}

struct entry {
	const char *path;
	mode_t type;
	const char *link, *hardlink;
	const char *data;
	size_t size;
};

static void write_entry(struct archive *a, const struct entry *from)
{
	struct archive_entry *to = archive_entry_new();

	archive_entry_set_pathname(to, from->path);
	archive_entry_set_mode(to, from->type | 0644);
	archive_entry_set_size(to, (la_int64_t)from->size);
	if (from->link)
		archive_entry_set_symlink(to, from->link);
	if (from->hardlink)
		archive_entry_set_hardlink(to, from->hardlink);
	if (archive_write_header(a, to) != ARCHIVE_OK ||
	    archive_write_data(a, from->data, from->size) != (la_ssize_t)from->size)
		abort();
	archive_entry_free(to);
}

/* The archive of @n entries, in memory. */
static int make_archive(const struct entry *v, size_t n)
{
	struct archive *a = archive_write_new();
	int fd = memfd_create("release", MFD_CLOEXEC);

	archive_write_set_format_ustar(a);
	archive_write_add_filter_gzip(a);
	if (fd < 0 || archive_write_open_fd(a, fd) != ARCHIVE_OK)
		abort();
	for (size_t k = 0; k < n; k++)
		write_entry(a, &v[k]);
	if (archive_write_close(a) != ARCHIVE_OK || lseek(fd, 0, SEEK_SET) < 0)
		abort();
	archive_write_free(a);
	return fd;
}

static int unpack(const struct entry *v, size_t n, struct nanos_release *ret)
{
	_cleanup_close_ int fd = make_archive(v, n);

	return nanos_release_unpack(fd, ret, &e);
}

/* What an archive of a kernel and @one more is refused for. */
static const char *refusal(const struct entry *one, int code)
{
	static char text[sizeof(e.msg)];
	struct nanos_release r = { 0 };
	char kernel[256];
	struct entry v[] = { { .path = NANOS_KERNEL, .type = S_IFREG, .data = kernel },
			     *one };

	v[0].size = make_elf(ET_EXEC, "", kernel);
	(void)snprintf(text, sizeof(text), "%s",
		       unpack(v, 2, &r) == code ? e.msg : "another code");
	nanos_release_done(&r);
	return text;
}

static void put(const char *directory, const char *name, const char *data, size_t size)
{
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/%s", directory, name);
	put_file(root, path, data, size);
}

static void put_release(const char *directory, const char *text, bool all)
{
	char path[256], data[2048];

	(void)snprintf(path, sizeof(path), "%s/%s/klibs", root, directory);
	*strrchr(path, '/') = 0;
	if (mkdir(path, 0700) < 0)
		abort();
	put(directory, NANOS_KERNEL, data, make_elf(ET_EXEC, text, data));
	if (!all)
		return;
	(void)snprintf(path, sizeof(path), "%s/%s/klibs", root, directory);
	if (mkdir(path, 0700) < 0)
		abort();
	put(directory, NANOS_BOOT, data, make_boot(data));
	put(directory, NANOS_UEFI, data, make_uefi(data));
	put(directory, "klibs/tls", data, make_elf(ET_DYN, "tls", data));
	put(directory, "klibs/ntp", data, make_elf(ET_DYN, "ntp", data));
}

static int import(const char *directory, const char *name, char **ret)
{
	char path[256];
	struct nanos_import o = { .name = name, .source = path };

	(void)snprintf(path, sizeof(path), "%s/%s", root, directory);
	return nanos_kernel_import(&ks, &o, ret, &e);
}

/* Files of a release */

/* Cut anywhere, each but the last byte of what is checked is missed. */
static int check_cut(const char *path, const char *data, size_t cut)
{
	char *part = malloc(cut ? cut : 1);
	int r;

	if (!part)
		abort();
	memcpy(part, data, cut);
	r = nanos_file_check(path, part, cut, NULL);
	free(part);
	return r;
}

static void a_file_that_is_cut_short_is_refused(void)
{
	char data[2048];
	size_t n = make_elf(ET_EXEC, "", data);

	for (size_t cut = 0; cut < n; cut++)
		CHECK_INT(check_cut(NANOS_KERNEL, data, cut), -ENOTSUP);
	CHECK_INT(check_cut(NANOS_KERNEL, data, n), 0);
	CHECK_INT(check_cut("klibs/x", data, n), -ENOTSUP);
	n = make_elf(ET_DYN, "", data);
	CHECK_INT(check_cut("klibs/x", data, n), 0);
	n = make_boot(data);
	for (size_t cut = 0; cut < n; cut++)
		CHECK_INT(check_cut(NANOS_BOOT, data, cut), -ENOTSUP);
	CHECK_INT(check_cut(NANOS_BOOT, data, n), 0);
	n = make_uefi(data);
	for (size_t cut = 0; cut < 70; cut++)
		CHECK_INT(check_cut(NANOS_UEFI, data, cut), -ENOTSUP);
	CHECK_INT(check_cut(NANOS_UEFI, data, n), 0);
}

static void offsets_beyond_the_file_are_refused(void)
{
	char data[2048];
	size_t n = make_elf(ET_EXEC, "", data);
	Elf64_Ehdr h;
	Elf64_Phdr p;

	memcpy(&h, data, sizeof(h));
	h.e_phoff = UINT64_MAX;
	memcpy(data, &h, sizeof(h));
	CHECK_INT(check_cut(NANOS_KERNEL, data, n), -ENOTSUP);
	(void)make_elf(ET_EXEC, "", data);
	memcpy(&p, data + sizeof(h), sizeof(p));
	p.p_offset = 1;
	p.p_filesz = UINT64_MAX;
	memcpy(data + sizeof(h), &p, sizeof(p));
	CHECK_INT(check_cut(NANOS_KERNEL, data, n), -ENOTSUP);
	n = make_uefi(data);
	memset(data + 0x3c, 0xff, 4);
	CHECK_INT(check_cut(NANOS_UEFI, data, n), -ENOTSUP);
}

static void only_paths_of_a_release_are_taken(void)
{
	static const char *const others[] = { "",        "kernel",     "klibs",
					      "klibs/",  "klibs/a/b",  "klibs/..",
					      "klibs/.", "KERNEL.IMG", "klibs/\n" };

	for (size_t k = 0; k < ARRAY_SIZE(others); k++)
		CHECK_INT(nanos_file_max(others[k]), 0);
	CHECK(nanos_file_max("klibs/tls") > 0);
}

static void a_commit_is_40_digits_that_are_there_once(void)
{
	static const char good[] = "x0123456789abcdef0123456789abcdef01234567!";
	char text[128], commit[NANOS_COMMIT_SIZE];

	CHECK(nanos_kernel_commit(good, sizeof(good), commit));
	CHECK_STR(commit, "0123456789abcdef0123456789abcdef01234567");
	CHECK(nanos_kernel_commit(good + 1, 40, commit));
	CHECK(!nanos_kernel_commit(good, 40, commit));
	(void)snprintf(text, sizeof(text), "%s%s", good, good);
	CHECK(!nanos_kernel_commit(text, strlen(text), commit));
	(void)snprintf(text, sizeof(text), "a%s", good + 1);
	CHECK(!nanos_kernel_commit(text, strlen(text), commit));
	CHECK(!nanos_kernel_commit("", 0, commit));
}

/* Archives */

static void an_archive_is_read_whole(void)
{
	struct nanos_release r = { 0 };
	char kernel[256], klib[256];
	const struct entry v[] = {
		{ .path = "./", .type = S_IFDIR },
		{ .path = "README", .type = S_IFREG, .data = "hi", .size = 2 },
		{ .path = "./kernel.img",
		  .type = S_IFREG,
		  .data = kernel,
		  .size = make_elf(ET_EXEC, "", kernel) },
		{ .path = "klibs/tls",
		  .type = S_IFREG,
		  .data = klib,
		  .size = make_elf(ET_DYN, "", klib) },
		{ .path = "klibs/test/x", .type = S_IFREG, .data = "x", .size = 1 },
	};

	CHECK_INT(unpack(v, ARRAY_SIZE(v), &r), 0);
	CHECK_INT(r.n, 2);
	CHECK_STR(r.files[0].path, "kernel.img");
	CHECK_STR(r.files[1].path, "klibs/tls");
	nanos_release_done(&r);
}

static void what_is_hostile_in_an_archive_is_refused(void)
{
	char elf[256];
	size_t n = make_elf(ET_DYN, "", elf);
	struct entry up = { "../kernel.img", S_IFREG, NULL, NULL, elf, n };
	struct entry absolute = { "/etc/passwd", S_IFREG, NULL, NULL, elf, n };
	struct entry link = { NANOS_BOOT, S_IFLNK, "/etc/shadow", NULL, "", 0 };
	struct entry hard = { "klibs/tls", S_IFREG, NULL, "/etc/shadow", "", 0 };
	struct entry fifo = { NANOS_BOOT, S_IFIFO, NULL, NULL, "", 0 };
	struct entry twice = { "./" NANOS_KERNEL, S_IFREG, NULL, NULL, elf, n };
	struct entry script = { "klibs/tls", S_IFREG, NULL, NULL, "#!/bin/sh", 9 };

	CHECK_STR(refusal(&up, -EBADMSG),
		  "it names '../kernel.img', which is no path in it");
	CHECK_STR(refusal(&absolute, -EBADMSG),
		  "it names '/etc/passwd', which is no path in it");
	CHECK_STR(refusal(&link, -EBADMSG), "'boot.img' is not a plain file in it");
	CHECK_STR(refusal(&hard, -EBADMSG), "'klibs/tls' is not a plain file in it");
	CHECK_STR(refusal(&fifo, -EBADMSG), "'boot.img' is not a plain file in it");
	CHECK_STR(refusal(&twice, -EBADMSG), "it has 'kernel.img' twice");
	CHECK_STR(refusal(&script, -ENOTSUP), "'klibs/tls' is not a klib for x86_64");
}

static void what_is_too_large_in_an_archive_is_refused(void)
{
	static char zeros[(1u << 20) + 1];
	static char names[NANOS_FILES_MAX][32];
	static struct entry many[NANOS_FILES_MAX + 1];
	struct entry boot = { NANOS_BOOT, S_IFREG, NULL, NULL, zeros, sizeof(zeros) };
	struct nanos_release r = { 0 };
	char klib[256];
	size_t n = make_elf(ET_DYN, "", klib);

	CHECK_STR(refusal(&boot, -EFBIG), "'boot.img' is too large for a release");
	for (size_t k = 0; k < ARRAY_SIZE(names); k++) {
		(void)snprintf(names[k], sizeof(names[k]), "klibs/k%zu", k);
		many[k] = (struct entry){ names[k], S_IFREG, NULL, NULL, klib, n };
	}
	many[NANOS_FILES_MAX] =
		(struct entry){ "klibs/last", S_IFREG, NULL, NULL, klib, n };
	CHECK_INT(unpack(many, ARRAY_SIZE(many), &r), -EFBIG);
	CHECK_STR(e.msg, "it has too many files for a release");
	nanos_release_done(&r);
}

static void a_damaged_archive_is_an_error_or_read_as_it_is(void)
{
	struct nanos_release r = { 0 };
	char kernel[256], data[4096];
	const struct entry v = { NANOS_KERNEL, S_IFREG, NULL,
				 NULL,         kernel,  make_elf(ET_EXEC, "", kernel) };
	_cleanup_close_ int fd = make_archive(&v, 1);
	ssize_t n = read(fd, data, sizeof(data));

	CHECK(n > 100 && n < (ssize_t)sizeof(data));
	for (off_t cut = 0; cut < 100; cut++) {
		_cleanup_close_ int part = memfd_create("part", MFD_CLOEXEC);

		CHECK_INT(write(part, data, (size_t)cut), cut);
		CHECK_INT(lseek(part, 0, SEEK_SET), 0);
		CHECK_INT(nanos_release_unpack(part, &r, &e), -EBADMSG);
		nanos_release_done(&r);
	}
}

/* Kernels */

static void all_of_a_release_can_be_opened(void)
{
	_cleanup_(nanos_kernel_freep) struct nanos_kernel *k = NULL;
	_cleanup_close_ int fd = -1;
	_cleanup_free_ char *name = NULL;
	char data[2048], want[2048];
	size_t n = make_elf(ET_DYN, "tls", want);

	put_release("0.1.55", "", true);
	CHECK_INT(import("0.1.55", NULL, &name), 0);
	CHECK_STR(name, "nanos-0.1.55");
	CHECK_INT(nanos_kernel_open(&ks, NULL, "x86_64", &k, &e), 0);
	CHECK_STR(k->name, "nanos-0.1.55");
	CHECK_STR(k->version, "0.1.55");
	CHECK_STR(k->arch, "x86_64");
	CHECK(!k->pvh); /* no such note in it */
	CHECK_INT(pread(k->boot_img, data, sizeof(data), 0), 1024);
	CHECK_INT(pread(k->uefi_loader, data, sizeof(data), 0), 80);
	CHECK_INT(pread(k->kernel, data, sizeof(data), 0), 120);
	CHECK_INT(k->klibs_names.n, 2);
	CHECK_STR(k->klibs_names.v[0], "ntp");
	fd = nanos_klib_open(k, "tls", &e);
	CHECK_INT(read(fd, data, sizeof(data)), n);
	CHECK_INT(memcmp(data, want, n), 0);
	CHECK_INT(nanos_klib_open(k, "../kernel.json", &e), -ENOENT);
	CHECK_INT(nanos_klib_open(k, "radar", &e), -ENOENT);
	CHECK_STR(e.msg, "kernel 'nanos-0.1.55' has no klib 'radar'; it has: ntp, tls");
}

static void what_a_release_has_not_is_not_open(void)
{
	_cleanup_(nanos_kernel_freep) struct nanos_kernel *k = NULL;

	put_release("0.1.30", "old", false);
	CHECK_INT(import("0.1.30", "old", NULL), 0);
	CHECK_INT(nanos_kernel_open(&ks, "old", "x86_64", &k, &e), 0);
	CHECK_STR(k->version, "0.1.30");
	CHECK_INT(k->boot_img, -1);
	CHECK_INT(k->uefi_loader, -1);
	CHECK_INT(k->klibs, -1);
	CHECK_INT(nanos_klib_open(k, "tls", &e), -ENOENT);
	CHECK_STR(e.msg, "kernel 'old' has no klib 'tls'; it has: none");
}

static void a_kernel_for_something_else_is_refused(void)
{
	struct nanos_kernel *k;
	struct kernel *l;

	CHECK_INT(nanos_kernel_open(&ks, "old", "arm64", &k, &e), -EINVAL);
	CHECK_STR(e.msg, "kernel 'old' is for x86_64, not arm64");
	CHECK_INT(nanos_kernel_open(&ks, "absent", "x86_64", &k, &e), -ENOENT);
	CHECK_INT(nanos_kernel_open(&ks, "../x", "x86_64", &k, &e), -EINVAL);
	CHECK_INT(kernel_open(&ks, "old", "x86_64", &l, &e), -EINVAL);
	CHECK_STR(e.msg, "kernel 'old' is for Nanos guests and cannot run this one");
	CHECK_INT(kernel_open(&ks, NULL, "x86_64", &l, &e), -ENOENT);
}

static void an_open_kernel_outlives_its_removal(void)
{
	_cleanup_(nanos_kernel_freep) struct nanos_kernel *k = NULL;
	_cleanup_close_ int fd = -1;
	char data[256];

	CHECK_INT(nanos_kernel_open(&ks, "nanos-0.1.55", "x86_64", &k, &e), 0);
	fd = nanos_klib_open(k, "tls", &e);
	CHECK_INT(kernel_set_default(&ks, "old", &e), 0);
	CHECK_INT(kernel_remove(&ks, "nanos-0.1.55", &e), 0);
	CHECK_INT(read(k->kernel, data, sizeof(data)), 120);
	CHECK_INT(read(fd, data, sizeof(data)), 123);
}

/* kernel.json */

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define HEAD                                                                        \
	"{\"version\":1,\"guest\":\"nanos\",\"arch\":\"x86_64\",\"release\":\"1\"," \
	"\"source\":\"s\",\"created_at\":\"t\",\"image\":\"" HEX "\",\"abilities\":[]"
#define FILE_OF(path) "{\"path\":\"" path "\",\"object\":\"" HEX "\"}"

static int parse(const char *text)
{
	struct kernel_record k = { 0 };
	json_t *j = NULL;
	int r = json_parse(text, strlen(text), "test", &j, &e);

	if (r == 0)
		r = kernel_record_parse(j, "k", &k, &e);
	json_decref(j);
	kernel_record_done(&k);
	return r;
}

static void a_record_that_is_wrong_names_the_member(void)
{
	static const struct {
		const char *text, *member;
	} cases[] = {
		{ HEAD ",\"files\":[]}", "digest" },
		{ HEAD ",\"digest\":\"" HEX "\"}", "files" },
		{ HEAD ",\"digest\":\"" HEX "\",\"files\":[1]}", "files" },
		{ HEAD ",\"digest\":\"" HEX "\",\"files\":[" FILE_OF("../x") "]}",
		  "files" },
		{ HEAD ",\"digest\":\"" HEX "\",\"files\":[" FILE_OF("klibs/../x") "]}",
		  "files" },
		{ HEAD ",\"digest\":\"" HEX "\",\"files\":[" FILE_OF("kernel.img") "]}",
		  "files" },
		{ HEAD ",\"digest\":\"" HEX
		       "\",\"files\":[" FILE_OF("boot.img") "," FILE_OF("boot.img") "]}",
		  "files" },
		{ "{\"version\":1,\"arch\":\"x86_64\",\"guest\":\"vax\"}", "guest" },
		{ "{\"version\":1,\"arch\":\"x86_64\",\"guest\":1}", "guest" },
	};
	char want[128];

	CHECK_INT(parse(HEAD ",\"digest\":\"" HEX
			     "\",\"files\":[" FILE_OF("boot.img") "]}"),
		  0);
	for (size_t k = 0; k < ARRAY_SIZE(cases); k++) {
		(void)snprintf(want, sizeof(want),
			       "kernel 'k': kernel.json: '%s' is missing or wrong",
			       cases[k].member);
		CHECK_INT(parse(cases[k].text), -EBADMSG);
		CHECK_STR(e.msg, want);
	}
}

int main(void)
{
	int tmp;

	if (!mkdtemp(root) || (rootfd = open(root, O_RDONLY | O_DIRECTORY)) < 0 ||
	    store_open(rootfd, &store, &e) < 0)
		return 1;
	ks = (struct kernels){ .rootfd = rootfd, .store = store };
	RUN(a_file_that_is_cut_short_is_refused);
	RUN(offsets_beyond_the_file_are_refused);
	RUN(only_paths_of_a_release_are_taken);
	RUN(a_commit_is_40_digits_that_are_there_once);
	RUN(an_archive_is_read_whole);
	RUN(what_is_hostile_in_an_archive_is_refused);
	RUN(what_is_too_large_in_an_archive_is_refused);
	RUN(a_damaged_archive_is_an_error_or_read_as_it_is);
	RUN(all_of_a_release_can_be_opened);
	RUN(what_a_release_has_not_is_not_open);
	RUN(a_kernel_for_something_else_is_refused);
	RUN(an_open_kernel_outlives_its_removal);
	RUN(a_record_that_is_wrong_names_the_member);
	store_close(store);
	tmp = open("/tmp", O_PATH | O_DIRECTORY);
	if (remove_tree_at(tmp, root + strlen("/tmp/")) < 0)
		return 1;
	return tap_done();
}
