/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation
 *
 * skopeo carries profiles as it carries images: it copies blobs of any type as they are.
 *
 * What leaves are the store's objects, hard-linked into a staging directory in the form of
 * skopeo's dir: transport, with the two documents.
 *
 * What comes is not believed. The manifest has the digest it was asked for by, the config the
 * one in the manifest, both name the same files; only then is anything fetched, into a layout
 * in which the files that the store has stand already, and which may not grow by more than was
 * announced (artifact-bound.c). Each is hashed when it goes into the ingest. When all of them
 * are what they should be they are committed, then the ref is written, then the tag: until
 * then the profile is absent, after it complete, and what a crash leaves is staging.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/error.h"
#include "base/io.h"
#include "base/path.h"
#include "base/spawn.h"
#include "base/strv.h"
#include "image/manifest.h"
#include "image/skopeo.h"
#include "image/source.h"
#include "profile/artifact-bound.h"
#include "profile/artifact.h"
#include "profile/versions.h"
#include "store/ingest.h"
#include "store/sha256.h"

#define DIR_NAME    "profile"
#define DIR_VERSION "Directory Transport Version: 1.1\n"

struct transfer {
	const struct profiles *ps;
	struct images *images;
	struct staging staging;
	struct skopeo skopeo;
	struct image_name *name; /* the registry's */
	struct ingest *ingest;
	int dir; /* with the blobs */
};
#define TRANSFER_INIT(profiles, is)                          \
	{                                                    \
		.ps = (profiles), .images = (is), .dir = -1, \
		.staging = { .lock = -1, .dir = -1 },        \
	}

static void transfer_done(struct transfer *t)
{
	closep(&t->dir);
	ingest_end(t->ingest);
	skopeo_done(&t->skopeo);
	staging_close(&t->staging);
	image_name_free(t->name);
}

static int transfer_begin(struct transfer *t, const struct profile_place *place,
			  struct volt_error *e)
{
	_cleanup_(source_freep) struct source *s = NULL;
	int r = source_parse(place->name, &s, e);

	if (r < 0)
		return r;
	if (s->kind != SOURCE_REGISTRY)
		return fail(e, EINVAL, "profiles are kept in registries, not in '%s'",
			    s->transport);
	t->name = TAKE_PTR(s->name);
	r = staging_open(t->images, &t->staging, e);
	return r < 0 ? r
		     : skopeo_init(&t->skopeo, &t->staging, place->how, t->name->registry,
				   e);
}

/* "docker://host/repo:tag", or "…@sha256:…". skopeo takes not both. */
static char *remote_name(const struct image_name *n, const struct digest *d)
{
	char digest[DIGEST_OCI_SIZE];
	char *text;

	if (!d && n->has_digest)
		d = &n->digest;
	if (asprintf(&text, "docker://%s/%s%s%s", n->registry, n->repository,
		     d ? "@" : ":", d ? digest_oci(d, digest) : n->tag) < 0)
		return NULL;
	return text;
}

static void report(const struct transfer *t, const char *what, size_t done, size_t total)
{
	const struct volt_progress p = { .what = what,
					 .items = (unsigned)done,
					 .items_total = (unsigned)total };

	if (t->images->progress)
		t->images->progress(t->images->progress_data, &p);
}

/* Digests stay what they are, or it fails. */
static int run_copy(const struct transfer *t, const char *from, const char *to,
		    struct bound *bound, struct volt_error *e)
{
	_cleanup_strv_ struct strv plain = { 0 }, args = { 0 };
	struct spawn s = SPAWN_INIT;
	struct volt_error why = { 0 };
	int r = skopeo_copy_args(&t->skopeo, from, to, &plain, e);

	if (r < 0)
		return r;
	strv_foreach(word, plain.v) {
		r = strv_add(&args, *word);
		if (r == 0 && strcmp(*word, "copy") == 0)
			r = strv_add(&args, "--preserve-digests");
		if (r < 0)
			return fail_oom(e);
	}
	s.argv = (const char *const *)args.v;
	s.cwd = t->staging.dir;
	s.die_with_parent = true;
	if (bound)
		bound_apply(bound, &s);
	r = spawn_run(&s, 0, NULL, &why);
	if (r == -EIO)
		return skopeo_explain(why.msg, e);
	return r < 0 ? fail(e, -r, "%s", why.msg) : 0;
}

/* -- push -------------------------------------------------------------------------- */

static int link_file(const struct transfer *t, const struct profile_entry *f,
		     uint64_t *ret_size, struct volt_error *e)
{
	char hex[DIGEST_HEX_SIZE];
	struct stat st;
	int r;

	(void)digest_hex(&f->digest, hex);
	r = store_link(t->ps->store, &f->digest, profile_kind(f->path), t->dir, hex, e);
	if (r < 0 && r != -EEXIST) /* two files may have one content */
		return fail_in(e, r, "'%s'", f->path);
	if (fstatat(t->dir, hex, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return fail_errno(e, "look at '%s'", f->path);
	*ret_size = (uint64_t)st.st_size;
	return 0;
}

static int write_document(int dir, const char *name, const char *text,
			  struct volt_error *e)
{
	int r = write_file_atomic(dir, name, text, strlen(text), 0600);

	return r < 0 ? fail_code(e, r, "write a directory to copy from") : 0;
}

static int write_documents(const struct transfer *t, const char *manifest,
			   const char *config, struct digest *ret, struct volt_error *e)
{
	char hex[DIGEST_HEX_SIZE];
	struct digest d;
	int r;

	if (sha256_bytes(config, strlen(config), &d) < 0 ||
	    sha256_bytes(manifest, strlen(manifest), ret) < 0)
		return fail_oom(e);
	r = write_document(t->dir, digest_hex(&d, hex), config, e);
	if (r == 0)
		r = write_document(t->dir, "manifest.json", manifest, e);
	return r < 0 ? r : write_document(t->dir, "version", DIR_VERSION, e);
}

static int make_dir(struct transfer *t, const struct profile_manifest *m,
		    struct digest *ret, struct volt_error *e)
{
	_cleanup_free_ uint64_t *sizes = calloc(m->n, sizeof(*sizes));
	_cleanup_free_ char *manifest = NULL, *config = NULL;
	int r = 0;

	if (!sizes)
		return fail_oom(e);
	t->dir = mkdir_beneath(t->staging.dir, DIR_NAME, 0700);
	if (t->dir < 0)
		return fail_code(e, t->dir, "make a directory to copy from");
	for (size_t i = 0; r >= 0 && i < m->n; i++)
		r = link_file(t, &m->v[i], &sizes[i], e);
	if (r >= 0)
		r = artifact_make(m, sizes, &manifest, &config, e);
	return r < 0 ? r : write_documents(t, manifest, config, ret, e);
}

static int push(struct transfer *t, const char *ref, struct digest *ret,
		struct volt_error *e)
{
	_cleanup_close_ int lease = lease_take(t->ps->store, e);
	_cleanup_(profile_manifest_freep) struct profile_manifest *m = NULL;
	_cleanup_free_ char *to = remote_name(t->name, NULL);
	struct digest d;
	int r = lease < 0 ? lease : profile_read(t->ps, ref, &m, e);

	if (r == 0 && !to)
		r = fail_oom(e);
	if (r == 0)
		r = make_dir(t, m, &d, e);
	if (r < 0)
		return r;
	report(t, "push", 0, m->n);
	r = run_copy(t, "dir:" DIR_NAME, to, NULL, e);
	if (r < 0)
		return r;
	report(t, "push", m->n, m->n);
	*ret = d;
	return 0;
}

int profile_push(const struct profiles *ps, const struct profile_place *to,
		 const char *ref, struct digest *ret, struct volt_error *e)
{
	_cleanup_(transfer_done) struct transfer t = TRANSFER_INIT(ps, to->images);
	int r = transfer_begin(&t, to, e);

	if (r == 0 && t.name->has_digest)
		r = fail(e, EINVAL, "it has a digest: say a tag to push to");
	if (r == 0)
		r = push(&t, ref, ret, e);
	return r < 0 ? fail_in(e, r, "push '%s' to '%s'", ref, to->name) : 0;
}

/* -- pull -------------------------------------------------------------------------- */

/* The manifest, as the registry has it. */
static int get_manifest(const struct transfer *t, struct artifact **ret,
			struct digest *ret_digest, struct volt_error *e)
{
	_cleanup_free_ char *from = remote_name(t->name, NULL), *text = NULL;
	struct digest d;
	size_t size;
	int r;

	if (!from)
		return fail_oom(e);
	r = skopeo_raw(&t->skopeo, from, false, &text, &size, e);
	if (r < 0)
		return r;
	if (sha256_bytes(text, size, &d) < 0)
		return fail_oom(e);
	if (t->name->has_digest && !digest_equal(&d, &t->name->digest))
		return fail(e, EBADMSG,
			    "the registry sent a manifest with another digest");
	r = artifact_parse(text, size, ret, e);
	if (r == 0)
		*ret_digest = d;
	return r;
}

static int get_config(const struct transfer *t, const struct artifact *a,
		      const char *from, const char *name, struct profile_manifest **ret,
		      struct volt_error *e)
{
	_cleanup_free_ char *text = NULL;
	size_t size;
	int r = skopeo_raw(&t->skopeo, from, true, &text, &size, e);

	return r < 0 ? r : artifact_config_parse(a, text, size, name, ret, e);
}

static int check_size(const struct artifact_file *f, const struct stat *st,
		      struct volt_error *e)
{
	if (!S_ISREG(st->st_mode))
		return fail(e, EBADMSG, "'%s' did not arrive as a file", f->path);
	if ((uint64_t)st->st_size == f->size)
		return 0;
	return fail(e, EBADMSG, "'%s' has %llu bytes, not %llu as its manifest says",
		    f->path, (unsigned long long)st->st_size,
		    (unsigned long long)f->size);
}

/* 1: a file with the content stands there, linked from the store; 0: it is to come. */
static int link_held(const struct transfer *t, const struct artifact_file *f,
		     struct volt_error *e)
{
	static const enum object_kind kinds[] = { OBJECT_PLAIN, OBJECT_EXEC };
	char hex[DIGEST_HEX_SIZE];
	struct stat st;
	int r;

	(void)digest_hex(&f->digest, hex);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (!store_has(t->ps->store, &f->digest, kinds[i]))
			continue;
		r = store_link(t->ps->store, &f->digest, kinds[i], t->dir, hex, e);
		if (r < 0 && r != -EEXIST)
			return r;
		if (fstatat(t->dir, hex, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return fail_errno(e, "look at '%s'", f->path);
		r = check_size(f, &st, e);
		return r < 0 ? r : 1;
	}
	return 0;
}

struct to_come {
	size_t files;
	uint64_t bytes;
};

/* What is to be fetched; refused where the disk cannot take it. One content that comes under
 * several paths is counted for each: it errs on the safe side. */
static int count_missing(const struct transfer *t, const struct artifact *a,
			 struct to_come *ret, struct volt_error *e)
{
	struct to_come c = { 0 };
	struct statvfs v;
	uint64_t room;

	if (fstatvfs(t->dir, &v) < 0)
		return fail_errno(e, "look how full the disk is");
	room = v.f_bavail * v.f_frsize;
	for (size_t i = 0; i < a->n; i++) {
		int held = link_held(t, &a->v[i], e);

		if (held < 0)
			return held;
		if (held)
			continue;
		if (a->v[i].size > room - c.bytes)
			return fail(e, ENOSPC,
				    "its files are larger than what is free on the disk, "
				    "%llu bytes",
				    (unsigned long long)room);
		c.files++;
		c.bytes += a->v[i].size;
	}
	*ret = c;
	return 0;
}

static int fetch(struct transfer *t, const struct artifact *a, const char *from,
		 struct volt_error *e)
{
	_cleanup_(bound_done) struct bound b = BOUND_INIT;
	struct to_come c = { 0 };
	int r;

	t->dir = mkdir_beneath(t->staging.dir, LAYOUT_BLOBS, 0700);
	if (t->dir < 0)
		return fail_code(e, t->dir, "make a directory to fetch into");
	r = count_missing(t, a, &c, e);
	if (r < 0 || c.files == 0)
		return r;
	report(t, "fetch", 0, c.files);
	r = bound_begin(&b, t->staging.dir, c.bytes, e);
	return r < 0 ? r : run_copy(t, from, "oci:" LAYOUT, &b, e);
}

/* Hashes the file on its way into the store's staging. 1: so it did; 0: the store has it. */
static int take_file(const struct transfer *t, const struct artifact_file *f,
		     struct volt_error *e)
{
	_cleanup_close_ int fd = -1;
	char hex[DIGEST_HEX_SIZE];
	struct digest d;
	struct stat st;
	int r;

	if (store_has(t->ps->store, &f->digest, profile_kind(f->path)))
		return 0;
	fd = openat(t->dir, digest_hex(&f->digest, hex),
		    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return fail(e, ENOENT, "'%s' did not arrive", f->path);
	if (fstat(fd, &st) < 0)
		return fail_errno(e, "look at '%s'", f->path);
	r = check_size(f, &st, e);
	if (r < 0)
		return r;
	r = ingest_file(t->ingest, fd, profile_kind(f->path), &d, NULL, e);
	if (r < 0)
		return fail_in(e, r, "store '%s'", f->path);
	if (!digest_equal(&d, &f->digest))
		return fail(e, EBADMSG, "'%s' has another digest than its manifest says",
			    f->path);
	return 1;
}

static void set_fresh(struct profile_manifest *m, const char *path)
{
	for (size_t i = 0; i < m->n; i++)
		if (strcmp(m->v[i].path, path) == 0)
			m->v[i].fresh = true;
}

static int take_all(const struct transfer *t, const struct artifact *a,
		    struct profile_manifest *m, struct volt_error *e)
{
	for (size_t i = 0; i < a->n; i++) {
		int r = take_file(t, &a->v[i], e);

		if (r < 0)
			return r;
		if (r > 0)
			set_fresh(m, a->v[i].path);
	}
	return ingest_commit(t->ingest, e);
}

/* The last part of the registry's name for it, as podman calls an image as it was asked for:
 * what a registry writes into a document is no reason to replace a profile of that name. */
static int local_name(const struct transfer *t, const char **ret, struct volt_error *e)
{
	const char *name = path_base(t->name->repository);

	if (!profile_label_is_valid(name))
		return fail(e, EINVAL,
			    "'%s' is not a valid name for a profile: give it one with "
			    "--name",
			    name);
	*ret = name;
	return 0;
}

static int pull(struct transfer *t, const char *name, struct digest *ret_digest,
		struct profile_manifest **ret, struct volt_error *e)
{
	_cleanup_(profile_manifest_freep) struct profile_manifest *m = NULL;
	_cleanup_(artifact_freep) struct artifact *a = NULL;
	_cleanup_free_ char *from = NULL;
	struct digest d;
	int r = get_manifest(t, &a, &d, e);

	if (r < 0)
		return r;
	/* From here on by its digest: a tag may change meanwhile. */
	from = remote_name(t->name, &d);
	if (!from)
		return fail_oom(e);
	if ((r = get_config(t, a, from, name, &m, e)) < 0 ||
	    (r = ingest_begin(t->ps->store, &t->ingest, e)) < 0 ||
	    (r = fetch(t, a, from, e)) < 0 || (r = take_all(t, a, m, e)) < 0 ||
	    (r = profile_record(t->ps, m, NULL, e)) < 0)
		return r;
	report(t, "fetch", a->n, a->n);
	*ret_digest = d;
	*ret = TAKE_PTR(m);
	return 0;
}

int profile_pull(const struct profiles *ps, const struct profile_place *from,
		 const char *name, struct digest *ret_digest,
		 struct profile_manifest **ret, struct volt_error *e)
{
	_cleanup_(transfer_done) struct transfer t = TRANSFER_INIT(ps, from->images);
	int r = 0;

	if (name && !profile_label_is_valid(name))
		return fail(e, EINVAL, "'%s' is not a valid name for a profile", name);
	r = transfer_begin(&t, from, e);
	if (r == 0 && !name)
		r = local_name(&t, &name, e);
	if (r == 0)
		r = pull(&t, name, ret_digest, ret, e);
	return r < 0 ? fail_in(e, r, "pull '%s'", from->name) : 0;
}
