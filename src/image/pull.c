/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation
 *
 * From a registry, the manifest comes first, as the registry has it (so that digests are
 * the registry's, and what another tool pinned is found here): skopeo prints it raw, and
 * if it is an index, the platform is chosen here and its manifest printed too. If that
 * image is held already, naming it is all there is to do. Otherwise skopeo copies by that
 * digest into a layout in which the layers that are held stand already.
 *
 * From anywhere else there is no such digest, and no round trips to save: skopeo copies what
 * it finds, and the manifest is the one it writes: an OCI source's own, or for the others
 * Docker's form, in which the config, and so the image's id, stays what it was.
 */
#include "image/pull.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "image/find.h"
#include "image/import.h"
#include "image/source.h"
#include "image/transfer.h"
#include "store/sha256.h"

int image_policy_parse(const char *text, enum image_policy *ret, struct volt_error *e)
{
	static const char *const names[] = {
		[IMAGE_PULL_ALWAYS] = "always",
		[IMAGE_PULL_MISSING] = "missing",
		[IMAGE_PULL_NEWER] = "newer",
		[IMAGE_PULL_NEVER] = "never",
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcmp(text, names[i]) == 0) {
			*ret = (enum image_policy)i;
			return 0;
		}
	}
	return fail(e, EINVAL,
		    "pull policy is 'always', 'missing', 'newer' or 'never', not '%s'",
		    text);
}

/* --- from a registry --- */

struct document {
	char *text;
	size_t size;
	struct digest digest;
};

struct remote {
	const struct image_name *name;
	struct document index, manifest; /* without an index, @index.text is NULL */
};

static void remote_done(struct remote *r)
{
	free(r->index.text);
	free(r->manifest.text);
}

/* "docker://host/repo@sha256:…" or with the tag. skopeo takes not both. */
static char *docker_ref(const struct image_name *n, const struct digest *d)
{
	char digest[DIGEST_OCI_SIZE];
	char *s;

	if (!d && n->has_digest)
		d = &n->digest;
	if (asprintf(&s, "docker://%s/%s%s%s", n->registry, n->repository, d ? "@" : ":",
		     d ? digest_oci(d, digest) : n->tag) < 0)
		return NULL;
	return s;
}

static int get_document(const struct skopeo *sk, const struct image_name *n,
			const struct digest *wanted, struct document *ret,
			struct volt_error *e)
{
	_cleanup_free_ char *ref = docker_ref(n, wanted), *text = NULL;
	int r;

	if (!ref)
		return fail_oom(e);
	if (!wanted && n->has_digest)
		wanted = &n->digest;
	r = skopeo_raw(sk, ref, false, &text, &ret->size, e);
	if (r < 0)
		return r;
	if (sha256_bytes(text, ret->size, &ret->digest) < 0)
		return fail_oom(e);
	if (wanted && !digest_equal(wanted, &ret->digest))
		return fail(e, EBADMSG,
			    "the registry sent a manifest with another digest");
	ret->text = TAKE_PTR(text);
	return 0;
}

/* Finds the manifest for the platform, through an index if there is one. */
static int resolve(const struct skopeo *sk, struct remote *rm, struct volt_error *e)
{
	struct descriptor d;
	int r;

	r = get_document(sk, rm->name, NULL, &rm->manifest, e);
	if (r == 0)
		r = manifest_is_index(rm->manifest.text, rm->manifest.size, e);
	if (r <= 0)
		return r;
	rm->index = rm->manifest;
	rm->manifest = (struct document){ 0 };
	r = index_choose(rm->index.text, rm->index.size, sk->platform, &d, e);
	if (r == 0)
		r = get_document(sk, rm->name, &d.digest, &rm->manifest, e);
	if (r == 0)
		r = manifest_is_index(rm->manifest.text, rm->manifest.size, e);
	return r > 0 ? fail(e, ENOTSUP, "an index in an index") : r;
}

/* A Docker image's config is rewritten when it becomes part of a layout; ask for it as it
 * is. */
static int get_config(struct import *im, const struct skopeo *sk, const char *ref,
		      struct volt_error *e)
{
	char *text;
	size_t size;
	int r;

	if (!im->manifest->docker ||
	    store_has(im->images->store, &im->manifest->config.digest, OBJECT_PLAIN))
		return 0;
	r = skopeo_raw(sk, ref, true, &text, &size, e);
	return r < 0 ? r : import_set_config(im, text, size, e);
}

static int copy_remote(struct import *im, const struct skopeo *sk, struct remote *rm,
		       struct volt_error *e)
{
	_cleanup_free_ char *ref = docker_ref(rm->name, &rm->manifest.digest);
	_cleanup_strv_ struct strv args = { 0 };
	int r;

	if (!ref)
		return fail_oom(e);
	r = import_set_manifest(im, TAKE_PTR(rm->manifest.text), rm->manifest.size, e);
	if (r == 0)
		r = get_config(im, sk, ref, e);
	if (r == 0)
		r = import_link_held(im, e);
	if (r > 0 &&
	    (im->config ||
	     store_has(im->images->store, &im->manifest->config.digest, OBJECT_PLAIN)))
		return 0;
	if (r >= 0)
		r = skopeo_copy_args(sk, ref, "oci:" FETCH_LAYOUT, &args, e);
	return r < 0 ? r : import_copy(im, &args, e);
}

/* The name an image gets: a digest says more than a tag. */
static char *local_name(const struct image_name *n)
{
	struct image_name copy = *n;

	if (copy.has_digest)
		copy.tag = NULL;
	return image_name_text(&copy);
}

/* By architecture alone: an index may have given an older variant. */
static bool platform_fits(const char *arch, const struct platform *wanted)
{
	const struct platform *p = platform_find(arch);

	return !p || strcmp(p->oci_arch, wanted->oci_arch) == 0;
}

/* It is held: perhaps under another name, perhaps through another index. */
static int use_held(struct import *im, const struct image *held, const char *name,
		    const struct digest *index, struct image **ret, struct volt_error *e)
{
	int r;

	if (im->wanted && !platform_fits(held->arch, im->wanted))
		return fail(e, ENOENT, "the image is for %s, not for %s", held->arch,
			    im->wanted->arch);
	r = name_write(im->images, name, &held->manifest, index, e);
	return r < 0 ? r : image_load_ref(im->images, &held->manifest, name, ret, e);
}

static int pull_remote(struct import *im, const struct image_name *n,
		       const struct skopeo *sk, struct image **ret, struct volt_error *e)
{
	_cleanup_(remote_done) struct remote rm = { .name = n };
	_cleanup_(image_freep) struct image *held = NULL;
	_cleanup_free_ char *name = local_name(n);
	const struct digest *index;
	int r;

	if (!name)
		return fail_oom(e);
	r = resolve(sk, &rm, e);
	if (r < 0)
		return r;
	index = rm.index.text ? &rm.index.digest : NULL;
	if (image_load_ref(im->images, &rm.manifest.digest, NULL, &held, NULL) == 0)
		return use_held(im, held, name, index, ret, e);
	r = copy_remote(im, sk, &rm, e);
	return r < 0 ? r : import_finish(im, name, index, ret, e);
}

/* --- from anywhere else --- */

/* Paths are reached through a link in the staging directory: skopeo's syntax has no way to
 * write a path with a colon. */
static int link_source(const struct import *im, const struct source *s, char **ret,
		       struct volt_error *e)
{
	_cleanup_free_ char *path = realpath(s->place, NULL);

	if (!path || symlinkat(path, im->staging.dir, "source") < 0)
		return fail_errno(e, "'%s'", s->place);
	if (asprintf(ret, "%ssource%s%s", s->transport, s->ref ? ":" : "",
		     s->ref ? s->ref : "") < 0) {
		*ret = NULL;
		return fail_oom(e);
	}
	return 0;
}

static int copy_local(struct import *im, const struct source *s, const struct skopeo *sk,
		      struct volt_error *e)
{
	_cleanup_strv_ struct strv args = { 0 };
	_cleanup_free_ char *text = NULL;
	int r = 0;

	if (s->kind == SOURCE_PATH) {
		r = link_source(im, s, &text, e);
	} else if (asprintf(&text, "%s%s", s->transport, s->place) < 0) {
		text = NULL;
		r = fail_oom(e);
	}
	if (r == 0)
		r = skopeo_copy_args(sk, text, "dir:" FETCH_DIR, &args, e);
	return r < 0 ? r : import_copy(im, &args, e);
}

/* --- both --- */

int pull_source(struct images *is, const struct source *s, const char *name,
		const struct image_pull *o, struct image **ret, struct volt_error *e)
{
	_cleanup_import_ struct import im = IMPORT_INIT;
	_cleanup_skopeo_ struct skopeo sk = { 0 };
	const struct platform *p = platform_find(o->arch);
	const struct image_name *n = s->name; /* of a registry; NULL: from elsewhere */
	int r;

	r = import_begin(is, n ? FETCH_LAYOUT_BLOBS : FETCH_DIR, &im, e);
	if (r == 0 && !p)
		r = fail(e, EINVAL, "architecture '%s' is not known",
			 o->arch ? o->arch : "");
	if (r == 0)
		r = skopeo_init(&sk, &im.staging, &o->transport, n ? n->registry : NULL,
				e);
	if (r < 0)
		return r;
	sk.platform = p;
	im.wanted = o->arch ? p : NULL;
	if (n)
		return pull_remote(&im, n, &sk, ret, e);
	r = copy_local(&im, s, &sk, e);
	return r < 0 ? r : import_finish(&im, name, NULL, ret, e);
}

/* What is here already, as far as the policy wants it: 1 found, 0 to be pulled. */
static int find_here(struct images *is, const struct source *s, const char *text,
		     const struct image_pull *o, struct image **ret, struct volt_error *e)
{
	_cleanup_(image_freep) struct image *img = NULL;
	const struct platform *p = platform_find(o->arch);
	int r;

	if (o->policy == IMAGE_PULL_ALWAYS || s->kind == SOURCE_PATH)
		return 0;
	if (strncmp(text, s->transport, strlen(s->transport)) == 0)
		text += strlen(s->transport);
	r = image_find(is, text, &img, e);
	if (r == 0 && (!o->arch || !p || platform_fits(img->arch, p))) {
		*ret = TAKE_PTR(img);
		return 1;
	}
	if (r < 0 && r != -ENOENT && s->kind == SOURCE_REGISTRY)
		return r; /* podman's storage has more ways to say a name */
	if (o->policy != IMAGE_PULL_NEVER)
		return 0;
	return r < 0 ? r : fail(e, ENOENT, "the image that is here is for %s", img->arch);
}

/* podman's storage may have a short name below localhost/, which skopeo does not try. */
static int pull_storage(struct images *is, struct source *s, const struct image_pull *o,
			struct image **ret, struct volt_error *e)
{
	_cleanup_(image_name_freep) struct image_name *n = NULL;
	_cleanup_free_ char *name = NULL;
	char *typed;
	int r;

	if (image_name_parse(s->place, &n, NULL) < 0)
		return pull_source(is, s, NULL, o, ret,
				   e); /* an id, or a store's options */
	if (n->short_name) {
		name = image_name_localhost(n);
		if (!name)
			return fail_oom(e);
		typed = s->place;
		s->place = name;
		r = pull_source(is, s, name, o, ret, e);
		s->place = typed;
		if (r != -ENOENT)
			return r;
		free(name);
	}
	name = local_name(n);
	return name ? pull_source(is, s, name, o, ret, e) : fail_oom(e);
}

/* Whether entry @i is meant by @ref, which may be any of the image's tags. */
static bool ref_matches(const struct contents *c, size_t i, const char *ref)
{
	_cleanup_(image_name_freep) struct image_name *n = NULL;
	_cleanup_free_ char *full = NULL;

	if (strcmp(c->transport, "docker-archive:") != 0 ||
	    image_name_parse(ref, &n, NULL) < 0)
		return strcmp(ref, c->refs.v[i]) == 0;
	full = image_name_text(n);
	return full && strcmp(full, c->names.v[i]) == 0;
}

static int pull_path(struct images *is, struct source *s, const struct image_pull *o,
		     struct image **ret, struct volt_error *e)
{
	_cleanup_contents_ struct contents c = { 0 };
	const char *name = NULL;
	int r = contents_read(s->place, s->transport, &c, e);

	if (r < 0)
		return r;
	for (size_t i = 1; i < c.refs.n && !s->ref; i++)
		if (strcmp(c.refs.v[i], c.refs.v[0]) != 0)
			return fail(e, EINVAL,
				    "it holds several images; say which, as in '%s%s:%s'",
				    s->transport, s->place, c.refs.v[0]);
	for (size_t i = 0; i < c.refs.n && !name; i++)
		if (!s->ref || ref_matches(&c, i, s->ref))
			name = c.names.v[i];
	return pull_source(is, s, name && *name ? name : NULL, o, ret, e);
}

static int pull_any(struct images *is, struct source *s, const struct image_pull *o,
		    struct image **ret, struct volt_error *e)
{
	switch (s->kind) {
	case SOURCE_PATH:
		return pull_path(is, s, o, ret, e);
	case SOURCE_STORAGE:
		return pull_storage(is, s, o, ret, e);
	default:
		return pull_source(is, s, NULL, o, ret, e);
	}
}

int image_pull(struct images *is, const char *text, const struct image_pull *o,
	       struct image **ret, struct volt_error *e)
{
	static const struct image_pull plain;
	_cleanup_(source_freep) struct source *s = NULL;
	_cleanup_(image_freep) struct image *here = NULL;
	int r;

	if (!o)
		o = &plain;
	r = source_parse(text, &s, e);
	if (r < 0)
		return r;
	r = find_here(is, s, text, o, &here, e);
	if (r > 0 && o->policy != IMAGE_PULL_NEWER) {
		*ret = TAKE_PTR(here);
		return 0;
	}
	if (r >= 0)
		r = pull_any(is, s, o, ret, e);
	if (r < 0 && here) { /* "newer": what is here is good enough */
		log_line(&is->log, LOG_WARNING,
			 "pull '%s': %s; using the image that is here", text,
			 e ? e->msg : "failed");
		*ret = TAKE_PTR(here);
		return 0;
	}
	return r < 0 ? fail_in(e, r, "pull '%s'", text) : 0;
}
