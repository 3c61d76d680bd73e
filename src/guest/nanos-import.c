/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/io.h"
#include "base/path.h"
#include "guest/image.h"
#include "guest/kernel-json.h"
#include "guest/nanos-check.h"
#include "guest/nanos-kernel.h"
#include "guest/nanos-release.h"
#include "store/ingest.h"

/* Theory of operation
 *
 * Releases of Nanos are published without checksums, so the first import decides what a
 * version is: its digest is kept, and another release of that version is refused until it
 * is given a name of its own or the first is removed. The whole release is read into memory
 * and checked before the store sees any of it; from there on the steps are those of other
 * kernels (kernel.c). */

#define LATEST     "latest.txt"
#define LATEST_MAX 256
#define SHORT      12 /* digits of a digest in messages */

/* Releases below ~/.ops */

/* Nobody else may choose what is imported unasked: why that could be; NULL: it could not. */
static const char *doubt(const struct stat *st)
{
	if (S_ISLNK(st->st_mode))
		return "is a link";
	if (st->st_uid != geteuid() && st->st_uid != 0)
		return "belongs to somebody else";
	return st->st_mode & (S_IWGRP | S_IWOTH) ? "can be written by others" : NULL;
}

static const char *doubt_at(int dirfd, const char *name)
{
	struct stat st;

	return fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ? "cannot be looked at"
								  : doubt(&st);
}

/* -EPERM with *@ret_doubt. */
static int open_ops(const char *ops, const char **ret_doubt)
{
	_cleanup_close_ int fd = open(ops, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	*ret_doubt = doubt(&st);
	return *ret_doubt ? -EPERM : TAKE_FD(fd);
}

/* Of all that is directly in directory @name; @what gets the path of that. */
static const char *doubt_within(int dirfd, const char *name, char what[static PATH_MAX])
{
	_cleanup_close_ int fd = open_beneath(dirfd, name, O_RDONLY | O_DIRECTORY, 0);
	_cleanup_closedir_ DIR *d = NULL;
	const char *why;
	struct dirent *de;

	(void)snprintf(what, PATH_MAX, "%s", name);
	if (fd == -ENOENT)
		return NULL;
	why = doubt_at(dirfd, name);
	if (!why && (fd < 0 || dir_stream(fd, &d) < 0))
		why = "cannot be read";
	while (!why && (de = dir_next(d))) {
		(void)snprintf(what, PATH_MAX, "%s/%s", name, de->d_name);
		why = doubt_at(fd, de->d_name);
	}
	return why;
}

static bool has_kernel(int dirfd, const char *name)
{
	_cleanup_close_ int fd = open_within(dirfd, name, O_RDONLY | O_DIRECTORY);

	return fd >= 0 && faccessat(fd, NANOS_KERNEL, R_OK, 0) == 0;
}

static bool has_release(const struct kernels *ks, int dirfd, const char *name)
{
	char what[PATH_MAX], klibs[PATH_MAX];
	const char *why;

	if (!has_kernel(dirfd, name))
		return false;
	(void)snprintf(klibs, sizeof(klibs), "%s/" NANOS_KLIBS, name);
	why = doubt_within(dirfd, name, what);
	if (!why)
		why = doubt_within(dirfd, klibs, what);
	if (why)
		log_line(ks->log, 4,
			 "the release in '%s/%s' is not imported unasked: '%s/%s' %s",
			 ks->ops, name, ks->ops, what, why);
	return !why;
}

static bool read_latest(const struct kernels *ks, int dirfd, char ret[static LATEST_MAX])
{
	_cleanup_free_ char *text = NULL;

	if (doubt_at(dirfd, LATEST) ||
	    read_file_at(dirfd, LATEST, LATEST_MAX - 1, &text, NULL) < 0)
		return false;
	text[strcspn(text, " \t\r\n")] = 0;
	(void)snprintf(ret, LATEST_MAX, "%s", text);
	return name_is_valid(ret) && has_release(ks, dirfd, ret);
}

/* Those for another architecture end in "-arm". */
static bool is_newer(const char *name, const char *than)
{
	size_t n = strlen(name);

	return name[0] >= '0' && name[0] <= '9' && strverscmp(name, than) > 0 &&
	       (n < 4 || strcmp(name + n - 4, "-arm") != 0);
}

/* What ops names as the newest; else the highest number; else that of the night. */
static bool find_newest(const struct kernels *ks, int dirfd, char ret[static LATEST_MAX])
{
	_cleanup_closedir_ DIR *d = NULL;
	struct dirent *de;

	if (read_latest(ks, dirfd, ret))
		return true;
	ret[0] = 0;
	if (dir_stream(dirfd, &d) < 0)
		return false;
	while ((de = dir_next(d)))
		if (is_newer(de->d_name, ret) && name_is_valid(de->d_name) &&
		    has_release(ks, dirfd, de->d_name))
			(void)snprintf(ret, LATEST_MAX, "%s", de->d_name);
	if (!ret[0] && has_release(ks, dirfd, "nightly"))
		(void)snprintf(ret, LATEST_MAX, "nightly");
	return ret[0] != 0;
}

int nanos_ops_find(const struct kernels *ks, char **ret, struct volt_error *e)
{
	const char *why = NULL;
	_cleanup_close_ int fd = ks->ops ? open_ops(ks->ops, &why) : -ENOENT;
	char name[LATEST_MAX];

	if (why)
		return fail(e, EPERM, "'%s' %s: what is below it is not imported unasked",
			    ks->ops, why);
	if (fd < 0 || !find_newest(ks, fd, name))
		return fail(
			e, ENOENT,
			"no Nanos kernel yet, nor one that ops has%s%s%s; 'volt kernel "
			"import --guest nanos DIR' takes a release's directory or tar "
			"archive",
			ks->ops ? " below '" : "", ks->ops ? ks->ops : "",
			ks->ops ? "'" : "");
	return asprintf(ret, "%s/%s", ks->ops, name) < 0 ? fail_oom(e) : 0;
}

/* The record */

static int make_name(const struct nanos_import *o, struct nanos_release *r, char **ret,
		     struct volt_error *e)
{
	char *name;

	if (!o->name && !r->version[0])
		return fail(e, EINVAL,
			    "the release does not tell its version: give it a --name");
	if (o->name)
		name = strdup(o->name);
	else if (asprintf(&name, "nanos-%s", r->version) < 0)
		name = NULL;
	if (!name)
		return fail_oom(e);
	*ret = name; /* the record's, which is freed as a whole */
	if (!name_is_valid(name))
		return fail(e, EINVAL, "'%s' is not a name for a kernel", name);
	if (!r->version[0])
		(void)snprintf(r->version, sizeof(r->version), "%.80s", name);
	return 0;
}

static int begin_record(const struct nanos_import *o, struct nanos_release *r,
			struct kernel_record *k, struct volt_error *e)
{
	int n;

	k->guest = KERNEL_NANOS;
	k->arch = "x86_64"; /* what nanos_file_check() takes */
	if (o->arch && strcmp(o->arch, k->arch) != 0)
		return fail(e, EINVAL, "the kernel is for %s, not %s", k->arch, o->arch);
	n = make_name(o, r, &k->name, e);
	if (n < 0)
		return n;
	k->size = r->size;
	k->digest = r->digest;
	if (kernel_elf_is_pvh(r->kernel->data, r->kernel->size))
		k->abilities = KERNEL_PVH;
	return kernel_record_begin(k, r->version, r->source, e);
}

static int ingest_release(struct ingest *g, const struct nanos_release *r,
			  struct kernel_record *k, struct volt_error *e)
{
	k->files = calloc(r->n, sizeof(*k->files));
	if (!k->files)
		return fail_oom(e);
	for (size_t i = 0; i < r->n; i++) {
		const struct nanos_file *from = &r->files[i];
		struct kernel_file *f = &k->files[k->n_files];
		struct digest *to = from == r->kernel ? &k->image : &f->object;
		int n = ingest_add(g, from->data, from->size, OBJECT_PLAIN, to, e);

		if (n < 0)
			return n;
		if (from == r->kernel)
			continue;
		f->path = strdup(from->path);
		if (!f->path)
			return fail_oom(e);
		k->n_files++;
	}
	return ingest_commit(g, e);
}

/* What is pinned */

static int refuse(const struct kernel *have, const struct kernel_record *k,
		  struct volt_error *e)
{
	char was[DIGEST_HEX_SIZE], is[DIGEST_HEX_SIZE];

	return fail(
		e, EEXIST,
		"kernel '%s' is Nanos %s with other contents (sha256 %.*s, not %.*s); "
		"give this one another --name, or remove that with 'volt kernel rm'",
		have->name, have->release, SHORT, digest_hex(&have->digest, was), SHORT,
		digest_hex(&k->digest, is));
}

/* Whoever names a kernel means that one alone; else its version is what counts. */
static bool is_pinned_by(const struct kernel *have, bool named,
			 const struct kernel_record *k)
{
	if (strcmp(have->guest, KERNEL_NANOS) != 0)
		return false;
	return strcmp(have->name, k->name) == 0 ||
	       (!named && strcmp(have->arch, k->arch) == 0 &&
		strcmp(have->release, k->release) == 0);
}

static int take_name(const char *name, struct kernel_record *k, struct volt_error *e)
{
	char *copy = strdup(name);

	if (!copy)
		return fail_oom(e);
	free(k->name);
	k->name = copy;
	return 1;
}

static int check_pins(struct kernel *const *v, size_t n, bool named,
		      struct kernel_record *k, struct volt_error *e)
{
	const struct kernel *other = NULL;

	for (size_t i = 0; i < n; i++) {
		if (!is_pinned_by(v[i], named, k))
			continue;
		if (digest_equal(&v[i]->digest, &k->digest))
			return take_name(v[i]->name, k, e);
		other = v[i];
	}
	return other ? refuse(other, k, e) : 0;
}

/* 1: the release is here, under the name that @k gets. */
static int find_same(const struct kernels *ks, bool named, struct kernel_record *k,
		     struct volt_error *e)
{
	struct kernel **v = NULL;
	size_t n = 0;
	int r = kernel_list(ks, NULL, &v, &n, e);

	if (r == 0)
		r = check_pins(v, n, named, k, e);
	for (size_t i = 0; i < n; i++)
		kernel_free(v[i]);
	free(v);
	return r;
}

/* Importing */

static int add_locked(const struct kernels *ks, int dirfd, const struct nanos_release *r,
		      struct kernel_record *k, struct volt_error *e)
{
	_cleanup_(ingest_endp) struct ingest *g = NULL;
	int n = kernel_make_room(ks, dirfd, k->name, e);

	if (n < 0 || (n = ingest_begin(ks->store, &g, e)) < 0 ||
	    (n = ingest_release(g, r, k, e)) < 0)
		return n;
	return kernel_put(ks, dirfd, k, e);
}

static int add(const struct kernels *ks, bool named, const struct nanos_release *r,
	       struct kernel_record *k, struct volt_error *e)
{
	_cleanup_close_ int dirfd = kernels_open(ks, true), lock = -1;
	int n;

	if (dirfd < 0)
		return fail_code(e, dirfd, "make the directory of kernels");
	lock = kernels_lock(dirfd, e);
	if (lock < 0)
		return lock;
	n = find_same(ks, named, k, e);
	if (n == 0)
		return add_locked(ks, dirfd, r, k, e);
	/* The first import may have died before this. */
	return n < 0 || kernel_has_default(dirfd, k) ? n
						     : kernel_default_write(dirfd, k, e);
}

static void say_imported(const struct kernels *ks, const char *path,
			 const struct kernel_record *k)
{
	char hex[DIGEST_HEX_SIZE];

	log_line(ks->log, 4, "imported Nanos %s from '%s' as kernel '%s' (sha256 %.*s)",
		 k->release, path, k->name, SHORT, digest_hex(&k->digest, hex));
}

int nanos_kernel_import(const struct kernels *ks, const struct nanos_import *o,
			char **ret_name, struct volt_error *e)
{
	_cleanup_(nanos_release_done) struct nanos_release r = { 0 };
	_cleanup_(kernel_record_done) struct kernel_record k = { 0 };
	_cleanup_free_ char *found = NULL;
	int n = o->source ? 0 : nanos_ops_find(ks, &found, e);

	if (n < 0 || (n = nanos_release_read(found ? found : o->source, &r, e)) < 0 ||
	    (n = begin_record(o, &r, &k, e)) < 0 ||
	    (n = add(ks, o->name != NULL, &r, &k, e)) < 0)
		return n;
	if (found)
		say_imported(ks, found, &k);
	if (ret_name)
		*ret_name = TAKE_PTR(k.name);
	return 0;
}
