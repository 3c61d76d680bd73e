/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation
 *
 * Nothing an image says is believed. The manifest has the digest it was asked for by (or
 * is the first of a chain that we begin), the config the digest in the manifest, each layer
 * the digest and size in the manifest and, inflated, the diff_id in the config. Only when
 * all of that holds are the objects committed, then the refs written (layers, then the
 * image), then the name: at every point before the last the image is absent, after it
 * complete. What a crash leaves is staging, which the next command clears, or a ref
 * without a name, which prune removes.
 */
#include "image/import.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/io.h"
#include "base/json.h"
#include "base/path.h"
#include "base/thread.h"
#include "store/sha256.h"

/* What skopeo writes besides layers: documents, and caches of its own. */
#define OTHER_FILES_MAX ((uint64_t)1 << 30)

/* What may arrive besides layers: a config, a manifest, an index. */
#define DOCUMENTS_MAX (CONFIG_MAX + 2 * MANIFEST_MAX)

int import_begin(struct images *is, const char *blobs, struct import *im,
		 struct volt_error *e)
{
	int r;

	*im = (struct import)IMPORT_INIT;
	im->images = is;
	r = staging_open(is, &im->staging, e);
	if (r == 0)
		r = ingest_begin(is->store, &im->ingest, e);
	if (r < 0)
		return r;
	im->blobs = mkdir_beneath(im->staging.dir, blobs, 0700);
	if (im->blobs < 0)
		return fail_code(e, im->blobs, "make a directory to fetch into");
	return unpack_new(im->ingest, im->blobs, &layer_limits_default, &im->unpack, e);
}

/* The held layer before layer @i that is the same one, or NULL. */
static struct layer *find_same(const struct import *im, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (im->held[k] && digest_equal(&im->layers[k].blob, &im->layers[i].blob))
			return im->trees[k];
	return NULL;
}

void import_end(struct import *im)
{
	for (size_t i = 0; im->trees && im->held && i < im->manifest->n_layers; i++)
		if (im->held[i] && !find_same(im, i))
			layer_free(im->trees[i]);
	free(im->trees);
	free(im->held);
	free(im->layers);
	unpack_free(im->unpack);
	ingest_end(im->ingest);
	manifest_free(im->manifest);
	image_config_free(im->config);
	free(im->manifest_text);
	free(im->config_text);
	closep(&im->blobs);
	staging_close(&im->staging);
	*im = (struct import)IMPORT_INIT;
}

/* --- documents --- */

/* The tree of a layer that was here before; no error where it was not. */
static int load_held(struct import *im, size_t i, uint64_t size, struct volt_error *e)
{
	struct image_layer *l = &im->layers[i];
	const struct digest blob = l->blob;

	if (layer_ref_read(im->images, &blob, l, NULL) < 0 || l->size != size)
		return 0;
	im->trees[i] = find_same(im, i);
	if (im->trees[i]) {
		im->held[i] = true;
		return 0;
	}
	if (layer_load(im->images->store, &l->tree, &im->trees[i], NULL) < 0)
		return 0;
	im->held[i] = true;
	return unpack_count_held(im->unpack, im->trees[i], e);
}

static int find_held(struct import *im, struct volt_error *e)
{
	const struct manifest *m = im->manifest;

	im->layers = calloc(m->n_layers + 1, sizeof(*im->layers));
	im->trees = calloc(m->n_layers + 1, sizeof(struct layer *));
	im->held = calloc(m->n_layers + 1, sizeof(*im->held));
	if (!im->layers || !im->trees || !im->held)
		return fail_oom(e);
	for (size_t i = 0; i < m->n_layers; i++) {
		struct image_layer *l = &im->layers[i];
		const struct descriptor *d = &m->layers[i];
		int r;

		l->blob = d->digest;
		r = load_held(im, i, d->size, e);
		if (r < 0)
			return r;
		l->size = d->size;
		l->media_type = d->media_type;
	}
	return 0;
}

int import_set_manifest(struct import *im, char *text, size_t size, struct volt_error *e)
{
	int r;

	im->manifest_text = text;
	im->manifest_size = size;
	if (sha256_bytes(text, size, &im->digest) < 0)
		return fail_oom(e);
	r = manifest_parse(text, size, &im->manifest, e);
	return r < 0 ? r : find_held(im, e);
}

int import_set_config(struct import *im, char *text, size_t size, struct volt_error *e)
{
	struct digest d;
	int r;

	im->config_text = text;
	im->config_size = size;
	if (sha256_bytes(text, size, &d) < 0)
		return fail_oom(e);
	if (!digest_equal(&d, &im->manifest->config.digest))
		return fail(
			e, EBADMSG,
			"config: its content has another digest than the manifest says");
	r = image_config_parse(text, size, &im->config, e);
	if (r < 0)
		return r;
	if (im->config->n_diff_ids != im->manifest->n_layers)
		return fail(e, EBADMSG, "the manifest has %zu layers, the config %zu",
			    im->manifest->n_layers, im->config->n_diff_ids);
	return 0;
}

/* The config, from the store or from what arrived; -ENOENT without a message. */
static int find_config(struct import *im, struct volt_error *e)
{
	const struct descriptor *d = &im->manifest->config;
	char hex[DIGEST_HEX_SIZE], *text;
	size_t size;
	int r;

	if (im->config)
		return 0;
	r = read_file_at(im->blobs, digest_hex(&d->digest, hex), CONFIG_MAX, &text,
			 &size);
	if (r == -ENOENT && store_has(im->images->store, &d->digest, OBJECT_PLAIN)) {
		r = store_read(im->images->store, &d->digest, CONFIG_MAX, &text, &size,
			       e);
		if (r < 0)
			return r;
	}
	if (r == -ENOENT)
		return r;
	if (r < 0)
		return fail_code(e, r, "read config");
	return import_set_config(im, text, size, e);
}

/* --- layers --- */

int import_link_held(struct import *im, struct volt_error *e)
{
	bool all = true;

	for (size_t i = 0; i < im->manifest->n_layers; i++) {
		char hex[DIGEST_HEX_SIZE];
		int r;

		if (!im->held[i]) {
			all = false;
			continue;
		}
		r = store_link(im->images->store, &im->layers[i].blob, OBJECT_PLAIN,
			       im->blobs, digest_hex(&im->layers[i].blob, hex), e);
		if (r < 0 && r != -EEXIST)
			return r;
	}
	return all ? 1 : 0;
}

/* A layer that is to come: not held, and not one more time what came before. */
static bool is_missing(const struct import *im, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (digest_equal(&im->layers[k].blob, &im->layers[i].blob))
			return false;
	return !im->held[i];
}

/* What is to come, by the manifest. That is refused where the disk cannot take it, and
 * skopeo may not write a larger file than that: a registry might go on for ever. */
static int count_missing(const struct import *im, struct fetch *f, struct volt_error *e)
{
	struct statvfs v;
	uint64_t room;

	if (fstatvfs(im->blobs, &v) < 0)
		return fail_errno(e, "look how full the disk is");
	room = v.f_bavail * v.f_frsize;
	room -= room < layer_limits_default.min_free_disk
			? room
			: layer_limits_default.min_free_disk;
	f->max = OTHER_FILES_MAX;
	for (size_t i = 0; i < im->manifest->n_layers; i++) {
		uint64_t size = im->layers[i].size;

		if (!is_missing(im, i))
			continue;
		if (size > room - f->total)
			return fail(
				e, ENOSPC,
				"its layers are larger than what is free on the disk, %llu bytes",
				(unsigned long long)room);
		f->total += size;
		f->layers++;
		f->max = size > f->max ? size : f->max;
	}
	f->max_total = f->total + DOCUMENTS_MAX;
	return 0;
}

static int read_manifest(struct import *im, struct volt_error *e)
{
	char *text;
	size_t size;
	int r = read_file_at(im->blobs, "manifest.json", MANIFEST_MAX, &text, &size);

	if (r < 0)
		return fail_code(e, r, "read the manifest that skopeo wrote");
	return import_set_manifest(im, text, size, e);
}

/* Starts on every layer that is not held and has not been started. */
static int add_rest(struct import *im, struct volt_error *e)
{
	for (size_t i = 0; i < im->manifest->n_layers; i++) {
		int r = im->held[i] ? 0 : unpack_add(im->unpack, &im->layers[i].blob, e);

		if (r < 0)
			return r;
	}
	return 0;
}

int import_copy(struct import *im, const struct strv *args, struct volt_error *e)
{
	struct fetch f = { .images = im->images,
			   .staging = &im->staging,
			   .unpack = im->unpack,
			   .blobs = im->blobs,
			   .manifest = im->manifest };
	int r = im->manifest ? count_missing(im, &f, e) : 0;

	if (r == 0)
		r = fetch_copy(&f, args, e);
	if (r == 0 && !im->manifest)
		r = read_manifest(im, e);
	if (r == 0)
		r = add_rest(im, e);
	return r < 0 ? r : fetch_wait(&f, e);
}

int import_unpack(struct import *im, const struct digest *blob, struct blob_sums *ret,
		  struct volt_error *e)
{
	int r = unpack_add(im->unpack, blob, e);

	if (r == 0)
		r = unpack_wait(im->unpack, e);
	if (r == 0)
		*ret = unpack_find(im->unpack, blob)->sums;
	return r;
}

/* What the manifest and the config promised, against what there is. */
static int check_layer(struct import *im, size_t i, struct volt_error *e)
{
	struct image_layer *l = &im->layers[i];
	const struct unpacked *u = im->held[i] ? NULL : unpack_find(im->unpack, &l->blob);
	char hex[DIGEST_HEX_SIZE];

	(void)digest_hex(&l->blob, hex);
	if (!im->held[i]) {
		if (!u)
			return fail(e, ENOENT, "layer 'sha256:%s' did not arrive", hex);
		if (u->sums.blob_size != l->size)
			return fail(e, EBADMSG,
				    "layer 'sha256:%s' has %llu bytes, not %llu", hex,
				    (unsigned long long)u->sums.blob_size,
				    (unsigned long long)l->size);
		l->diff = u->sums.diff;
		l->tree = u->tree;
		l->list = u->list;
		im->trees[i] = u->layer;
	}
	if (!digest_equal(&l->diff, &im->config->diff_ids[i]))
		return fail(e, EBADMSG,
			    "layer 'sha256:%s' inflated is not what the config says",
			    hex);
	return 0;
}

/* --- the end --- */

static int check_platform(const struct import *im, struct volt_error *e)
{
	const struct platform *is = im->config->platform;

	if (im->wanted && is && strcmp(is->oci_arch, im->wanted->oci_arch) != 0)
		return fail(e, ENOENT, "the image is for %s, not for %s", is->arch,
			    im->wanted->arch);
	return 0;
}

static uint64_t content_size(const struct tree *t)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < t->n; i++)
		if (S_ISREG(t->v[i].mode) && t->v[i].hardlink == TREE_NONE)
			sum += t->v[i].size;
	return sum;
}

static int store_tree(struct import *im, struct image_ref *ref, struct volt_error *e)
{
	_cleanup_(tree_freep) struct tree *t = NULL;
	int r;

	r = layer_merge(im->trees, im->manifest->n_layers,
			layer_limits_default.max_entries, &t, e);
	if (r < 0)
		return r;
	ref->size = content_size(t);
	return tree_store(im->ingest, t, &ref->tree, &ref->list, e);
}

static int store_blobs(struct import *im, struct volt_error *e)
{
	struct digest d;
	int r;

	r = ingest_add(im->ingest, im->manifest_text, im->manifest_size, OBJECT_PLAIN, &d,
		       e);
	if (r == 0)
		r = ingest_add(im->ingest, im->config_text, im->config_size, OBJECT_PLAIN,
			       &d, e);
	for (size_t i = 0; r == 0 && i < im->manifest->n_layers; i++) {
		char hex[DIGEST_HEX_SIZE];

		(void)digest_hex(&im->layers[i].blob, hex);
		/* A layer may be there twice; the first time it was taken. */
		if (!im->held[i] && faccessat(im->blobs, hex, F_OK, 0) == 0)
			r = ingest_adopt(im->ingest, im->blobs, hex, &im->layers[i].blob,
					 e);
	}
	return r;
}

static int write_refs(struct import *im, struct image_ref *ref, struct volt_error *e)
{
	for (size_t i = 0; i < im->manifest->n_layers; i++) {
		int r = im->held[i] ? 0 : layer_ref_write(im->images, &im->layers[i], e);

		if (r < 0)
			return r;
	}
	ref->manifest = im->digest;
	ref->config = im->manifest->config.digest;
	ref->layers = im->layers;
	ref->n_layers = im->manifest->n_layers;
	ref->arch = im->config->platform ? im->config->platform->arch : "";
	ref->created = im->config->created;
	return image_ref_write(im->images, ref, e);
}

static int commit(struct import *im, struct image_ref *ref, const char *name,
		  const struct digest *index, struct volt_error *e)
{
	_cleanup_close_ int lock = -1;
	int r = ingest_commit(im->ingest, e);

	/* Between its ref and its name it must not look like one that nobody wants. */
	if (r == 0)
		r = lock = names_lock(im->images, LOCK_SHARED, e);
	if (r >= 0)
		r = write_refs(im, ref, e);
	if (r == 0 && name)
		r = name_write(im->images, name, &im->digest, index, e);
	return r;
}

/* Something else to do while the disk is waited for. */
struct head_start {
	const struct image_head_start *h;
	struct store *view;
	const struct digest *tree;
};

static void *head_start_run(void *data)
{
	const struct head_start *s = data;

	s->h->begin(s->h->data, s->view, s->tree);
	return NULL;
}

static int commit_beside(struct import *im, struct image_ref *ref, const char *name,
			 const struct digest *index, struct volt_error *e)
{
	struct head_start s = { &im->images->head_start, ingest_view(im->ingest),
				&ref->tree };
	pthread_t thread;
	int r;

	if (!s.h->begin || thread_start(&thread, head_start_run, &s) < 0)
		return commit(im, ref, name, index, e);
	r = commit(im, ref, name, index, e);
	(void)pthread_join(thread, NULL);
	if (r < 0)
		s.h->undo(s.h->data, &ref->tree);
	return r;
}

int import_finish(struct import *im, const char *name, const struct digest *index,
		  struct image **ret, struct volt_error *e)
{
	struct image_ref ref = { 0 };
	int r = find_config(im, e);

	if (r == -ENOENT)
		return fail(e, ENOENT, "its config did not arrive");
	if (r == 0)
		r = check_platform(im, e);
	for (size_t i = 0; r == 0 && i < im->manifest->n_layers; i++)
		r = check_layer(im, i, e);
	if (r == 0)
		r = store_tree(im, &ref, e);
	if (r == 0)
		r = store_blobs(im, e);
	if (r == 0)
		r = commit_beside(im, &ref, name, index, e);
	if (r < 0)
		return r;
	return image_load_ref(im->images, &im->digest, name, ret, e);
}
