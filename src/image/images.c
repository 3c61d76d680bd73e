/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/path.h"
#include "image/images-internal.h"

int images_open(int rootfd, struct store *s, struct images **ret, struct volt_error *e)
{
	_cleanup_(images_closep) struct images *is = calloc(1, sizeof(*is));

	if (!is)
		return fail_oom(e);
	is->dir = is->names = -1;
	is->store = s;
	is->root = fcntl(rootfd, F_DUPFD_CLOEXEC, 3);
	if (is->root < 0)
		return fail_errno(e, "duplicate the root");
	is->dir = mkdir_beneath(is->root, "images", 0755);
	if (is->dir < 0)
		return fail_code(e, is->dir, "open images/");
	is->names = mkdir_beneath(is->dir, "names", 0755);
	if (is->names < 0)
		return fail_code(e, is->names, "open images/names/");
	staging_clean(is);
	*ret = TAKE_PTR(is);
	return 0;
}

void images_close(struct images *is)
{
	if (!is)
		return;
	closep(&is->root);
	closep(&is->dir);
	closep(&is->names);
	free(is);
}

void images_set_log(struct images *is, const struct log *log)
{
	is->log = log ? *log : (struct log){ 0 };
}

void images_set_progress(struct images *is, volt_progress_fn fn, void *data)
{
	is->progress = fn;
	is->progress_data = data;
}

void images_set_head_start(struct images *is, const struct image_head_start *h)
{
	is->head_start = *h;
}

static int compare_created(const void *a, const void *b)
{
	const struct image *x = *(struct image *const *)a, *y = *(struct image *const *)b;

	if (x->created != y->created)
		return x->created < y->created ? 1 : -1;
	return digest_compare(&x->manifest, &y->manifest);
}

static json_t *strv_json(const struct strv *s)
{
	json_t *j = json_array();

	for (size_t i = 0; j && i < s->n; i++)
		(void)json_array_append_new(j, json_string(s->v[i]));
	return j;
}

static json_t *list_item(const struct image *img)
{
	char id[DIGEST_HEX_SIZE], digest[DIGEST_OCI_SIZE], created[CLOCK_TEXT_SIZE];

	return json_pack(
		"{s:s, s:s, s:o, s:s, s:I, s:s}", "id", digest_hex(&img->config, id),
		"digest", digest_oci(&img->manifest, digest), "names",
		strv_json(&img->names), "created_at", clock_text(img->created, created),
		"size", (json_int_t)img->size, "arch", img->arch);
}

int image_list(struct images *is, json_t **ret, struct volt_error *e)
{
	_cleanup_(image_array_done) struct image_array all = { 0 };
	json_auto_t *j = json_array();
	int r = images_load(is, &all, e);

	if (r < 0)
		return r;
	if (all.n > 0)
		qsort(all.v, all.n, sizeof(struct image *), compare_created);
	for (size_t i = 0; i < all.n; i++)
		if (json_array_append_new(j, list_item(all.v[i])) < 0)
			return fail_oom(e);
	if (!j)
		return fail_oom(e);
	*ret = TAKE_PTR(j);
	return 0;
}

/* --- inspect --- */

/* "repository@digest" for each name. */
static json_t *repo_digests(const struct image *img)
{
	json_t *j = json_array();
	char digest[DIGEST_OCI_SIZE];

	(void)digest_oci(&img->manifest, digest);
	for (size_t i = 0; j && i < img->names.n; i++) {
		_cleanup_(image_name_freep) struct image_name *n = NULL;
		json_t *text;

		if (image_name_parse(img->names.v[i], &n, NULL) < 0)
			continue;
		text = json_sprintf("%s/%s@%s", n->registry, n->repository, digest);
		(void)json_array_append_new(j, text);
	}
	return j;
}

static json_t *repo_tags(const struct image *img)
{
	json_t *j = json_array();

	for (size_t i = 0; j && i < img->names.n; i++)
		if (!strchr(img->names.v[i], '@'))
			(void)json_array_append_new(j, json_string(img->names.v[i]));
	return j;
}

static json_t *member_or(const json_t *j, const char *key, json_t *otherwise)
{
	json_t *v = json_object_get(j, key);

	if (!v || json_is_null(v))
		return otherwise;
	json_decref(otherwise);
	return json_incref(v);
}

static json_t *root_fs(const struct image *img)
{
	const json_t *rootfs = json_object_get(img->config_json, "rootfs");

	return json_pack("{s:s, s:o}", "Type", "layers", "Layers",
			 member_or(rootfs, "diff_ids", json_array()));
}

static json_t *volt_part(const struct image *img, const struct manifest *m)
{
	char tree[DIGEST_HEX_SIZE];
	json_t *layers = json_array();

	for (size_t i = 0; layers && i < m->n_layers; i++) {
		char d[DIGEST_OCI_SIZE];

		(void)json_array_append_new(
			layers, json_pack("{s:s, s:I, s:s}", "digest",
					  digest_oci(&m->layers[i].digest, d), "size",
					  (json_int_t)m->layers[i].size, "media_type",
					  m->layers[i].media_type));
	}
	return json_pack("{s:s, s:O, s:o}", "tree", digest_hex(&img->tree, tree),
			 "manifest", m->json, "layers", layers);
}

int image_inspect(struct images *is, const struct image *img, json_t **ret,
		  struct volt_error *e)
{
	_cleanup_(manifest_freep) struct manifest *m = NULL;
	char id[DIGEST_HEX_SIZE], digest[DIGEST_OCI_SIZE], created[CLOCK_TEXT_SIZE];
	const json_t *c = img->config_json;
	json_t *config, *j;
	int r = image_manifest(is, &img->manifest, NULL, NULL, &m, e);

	if (r < 0)
		return r;
	config = member_or(c, "config", json_object());
	j = json_pack(
		"{s:s, s:s, s:o, s:o, s:s, s:o, s:o, s:o, s:I, s:I, s:O, s:o, s:o, s:o, s:s, s:o}",
		"Id", digest_hex(&img->config, id), "Digest",
		digest_oci(&img->manifest, digest), "RepoTags", repo_tags(img),
		"RepoDigests", repo_digests(img), "Created",
		clock_text(img->created, created), "Author",
		member_or(c, "author", json_string("")), "Architecture",
		member_or(c, "architecture", json_string("")), "Os",
		member_or(c, "os", json_string("")), "Size", (json_int_t)img->size,
		"VirtualSize", (json_int_t)img->size, "Config", config, "Labels",
		member_or(config, "Labels", json_null()), "RootFS", root_fs(img),
		"History", member_or(c, "history", json_array()), "ManifestType",
		m->docker ? MEDIA_DOCKER_MANIFEST : MEDIA_OCI_MANIFEST, "Volt",
		volt_part(img, m));
	json_decref(config);
	if (!j)
		return fail_oom(e);
	*ret = j;
	return 0;
}
