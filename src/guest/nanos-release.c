/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/nanos-release.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/io.h"
#include "base/path.h"
#include "guest/nanos-check.h"
#include "guest/nanos-release-internal.h"
#include "store/sha256.h"

#define BYTES_MAX (256ull << 20)

void nanos_release_done(struct nanos_release *r)
{
	for (size_t k = 0; k < r->n; k++) {
		free(r->files[k].path);
		free(r->files[k].data);
	}
	free(r->files);
	*r = (struct nanos_release){ 0 };
}

int nanos_release_expect(const struct nanos_release *r, const char *path, uint64_t size,
			 struct volt_error *e)
{
	if (size > nanos_file_max(path) || size > BYTES_MAX - r->size)
		return fail(e, EFBIG, "'%s' is too large for a release", path);
	if (r->n == NANOS_FILES_MAX)
		return fail(e, EFBIG, "it has too many files for a release");
	for (size_t k = 0; k < r->n; k++)
		if (strcmp(r->files[k].path, path) == 0)
			return fail(e, EBADMSG, "it has '%s' twice", path);
	return 0;
}

int nanos_release_add(struct nanos_release *r, const char *path, char *data, size_t size,
		      struct volt_error *e)
{
	_cleanup_free_ char *name = strdup(path), *owned = data;
	struct nanos_file *v = reallocarray(r->files, r->n + 1, sizeof(*v));
	int n;

	if (v)
		r->files = v;
	if (!v || !name)
		return fail_oom(e);
	n = nanos_file_check(path, data, size, e);
	if (n < 0)
		return n;
	v[r->n++] = (struct nanos_file){ TAKE_PTR(name), TAKE_PTR(owned), size };
	r->size += size;
	return 0;
}

/* A directory */

/* -errno; -EXDEV where it is a link that leads out of @dirfd. */
static int open_file(int dirfd, const char *name)
{
	_cleanup_close_ int fd = open_within(dirfd, name, O_PATH);

	return fd < 0 ? fd : reopen_regular(fd);
}

static int read_file(int dirfd, const char *name, const char *path,
		     struct nanos_release *r, struct volt_error *e)
{
	_cleanup_close_ int fd = open_file(dirfd, name);
	char *data = NULL;
	struct stat st;
	size_t size;
	int n;

	if (fd == -EXDEV)
		return fail(e, EXDEV, "'%s' is a link out of the directory", path);
	if (fd < 0 || fstat(fd, &st) < 0)
		return fd == -ENOENT
			       ? fd
			       : fail_code(e, fd < 0 ? fd : -errno, "open '%s'", path);
	n = nanos_release_expect(r, path, (uint64_t)st.st_size, e);
	if (n < 0)
		return n;
	n = read_all(fd, (size_t)st.st_size, &data, &size); /* what grows is refused */
	return n < 0 ? fail_code(e, n, "read '%s'", path)
		     : nanos_release_add(r, path, data, size, e);
}

/* A build has directories beside the klibs, which are no part of a release. */
static bool is_klib(int dirfd, const char *name)
{
	struct stat st;

	return name_is_valid(name) && fstatat(dirfd, name, &st, 0) == 0 &&
	       !S_ISDIR(st.st_mode);
}

static int read_klibs(int dirfd, struct nanos_release *r, struct volt_error *e)
{
	_cleanup_close_ int fd = open_within(dirfd, NANOS_KLIBS, O_RDONLY | O_DIRECTORY);
	_cleanup_closedir_ DIR *d = NULL;
	struct dirent *de;
	char path[PATH_MAX];
	int n;

	if (fd < 0)
		return fd == -ENOENT ? 0 : fail_code(e, fd, "open '" NANOS_KLIBS "'");
	n = dir_stream(fd, &d);
	if (n < 0)
		return fail_code(e, n, "read '" NANOS_KLIBS "'");
	while ((de = dir_next(d))) {
		if (!is_klib(fd, de->d_name))
			continue;
		(void)snprintf(path, sizeof(path), NANOS_KLIBS "/%s", de->d_name);
		n = read_file(fd, de->d_name, path, r, e);
		if (n < 0)
			return n;
	}
	return errno == 0 ? 0 : fail_errno(e, "read '" NANOS_KLIBS "'");
}

static int read_directory(int fd, struct nanos_release *r, struct volt_error *e)
{
	static const char *const names[] = { NANOS_KERNEL, NANOS_BOOT, NANOS_UEFI };

	r->source = "directory";
	for (size_t k = 0; k < ARRAY_SIZE(names); k++) {
		int n = read_file(fd, names[k], names[k], r, e);

		if (n < 0 && n != -ENOENT)
			return n;
	}
	return read_klibs(fd, r, e);
}

/* What it all is */

static int by_path(const void *a, const void *b)
{
	const struct nanos_file *x = a, *y = b;

	return strcmp(x->path, y->path);
}

static int hash_file(struct sha256 *all, const struct nanos_file *f)
{
	char hex[DIGEST_HEX_SIZE];
	struct digest d;
	int r;

	if ((r = sha256_bytes(f->data, f->size, &d)) < 0 ||
	    (r = sha256_update(all, digest_hex(&d, hex), DIGEST_HEX_SIZE - 1)) < 0 ||
	    (r = sha256_update(all, "  ", 2)) < 0 ||
	    (r = sha256_update(all, f->path, strlen(f->path))) < 0)
		return r;
	return sha256_update(all, "\n", 1);
}

static int hash_all(struct nanos_release *r)
{
	_cleanup_(sha256_freep) struct sha256 *all = NULL;
	int n = sha256_new(&all);

	for (size_t k = 0; n == 0 && k < r->n; k++)
		n = hash_file(all, &r->files[k]);
	return n < 0 ? n : sha256_final(all, &r->digest);
}

/* @name without what releases and archives are called around their version. */
static void strip_name(const char *name, char ret[static NANOS_VERSION_SIZE])
{
	static const char *const before[] = { "nanos-release-linux-",
					      "nanos-release-darwin-", "nanos-" };
	static const char *const behind[] = { ".gz", ".xz", ".zst", ".tar", ".tgz" };
	size_t n = 0;

	for (size_t k = 0; k < ARRAY_SIZE(before) && n == 0; k++)
		if (strncmp(name, before[k], strlen(before[k])) == 0)
			n = strlen(before[k]);
	(void)snprintf(ret, NANOS_VERSION_SIZE, "%s", name + n);
	for (size_t k = 0; k < ARRAY_SIZE(behind); k++) {
		size_t end = strlen(behind[k]);

		n = strlen(ret);
		if (n > end && strcmp(ret + n - end, behind[k]) == 0)
			ret[n - end] = 0;
	}
}

/* "nanos-release-linux-0.1.55.tar.gz", "0.1.55"; "nightly" is another one each day. */
static void take_version(struct nanos_release *r, const char *name)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789.-";
	char text[NANOS_VERSION_SIZE];

	strip_name(name, text);
	if (text[0] >= '0' && text[0] <= '9' && strchr(text, '.') &&
	    !text[strspn(text, plain)] && strlen(text) < NANOS_VERSION_SIZE / 2)
		memcpy(r->version, text, sizeof(text));
	else if (strncmp(text, "nightly", 7) == 0)
		(void)snprintf(r->version, sizeof(r->version), "nightly");
}

/* Numbers say nothing of the commit, and nothing else says anything of what it is. */
static void complete_version(struct nanos_release *r)
{
	char commit[NANOS_COMMIT_SIZE];

	if (r->version[0] >= '0' && r->version[0] <= '9')
		return;
	if (!nanos_kernel_commit(r->kernel->data, r->kernel->size, commit))
		return;
	(void)snprintf(r->version, sizeof(r->version), "%s-%.12s",
		       r->version[0] ? "nightly" : "git", commit);
}

static int complete(struct nanos_release *r, const char *name, struct volt_error *e)
{
	const struct nanos_file wanted = { .path = (char[]){ NANOS_KERNEL } };
	int n;

	if (r->n > 0)
		qsort(r->files, r->n, sizeof(*r->files), by_path);
	r->kernel = r->n > 0 ? bsearch(&wanted, r->files, r->n, sizeof(wanted), by_path)
			     : NULL;
	if (!r->kernel)
		return fail(e, ENOTSUP, "it has no '" NANOS_KERNEL "'");
	n = hash_all(r);
	if (n < 0)
		return fail_code(e, n, "compute its digest");
	take_version(r, name);
	complete_version(r);
	return 0;
}

static int read_any(int fd, struct nanos_release *r, struct volt_error *e)
{
	_cleanup_close_ int in = -1;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return fail_errno(e, "stat it");
	if (S_ISREG(st.st_mode)) {
		in = reopen_regular(fd);
		return in < 0 ? fail_code(e, in, "open it")
			      : nanos_release_unpack(in, r, e);
	}
	if (!S_ISDIR(st.st_mode))
		return fail(e, ENOTSUP, "it is neither a directory nor an archive");
	in = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return in < 0 ? fail_errno(e, "open it") : read_directory(in, r, e);
}

int nanos_release_read(const char *path, struct nanos_release *ret, struct volt_error *e)
{
	_cleanup_(nanos_release_done) struct nanos_release r = { 0 };
	_cleanup_free_ char *real = realpath(path, NULL);
	_cleanup_close_ int fd = real ? open(real, O_PATH | O_CLOEXEC) : -1;
	int n;

	if (fd < 0)
		return fail_errno(e, "open the release '%s'", path);
	n = read_any(fd, &r, e);
	if (n == 0)
		n = complete(&r, path_base(real), e);
	if (n < 0)
		return fail_in(e, n, "read the release '%s'", path);
	*ret = r;
	r = (struct nanos_release){ 0 };
	return 0;
}
