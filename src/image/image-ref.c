/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "base/json.h"
#include "image/images-internal.h"
#include "store/ref.h"

void image_free(struct image *img)
{
	if (!img)
		return;
	free(img->name);
	strv_done(&img->names);
	json_decref(img->config_json);
	free(img);
}

void image_array_done(struct image_array *a)
{
	for (size_t i = 0; i < a->n; i++)
		image_free(a->v[i]);
	free(a->v);
	*a = (struct image_array){ 0 };
}

/* --- layers --- */

int layer_ref_write(struct images *is, const struct image_layer *l, struct volt_error *e)
{
	char blob[DIGEST_HEX_SIZE], tree[DIGEST_HEX_SIZE], list[DIGEST_HEX_SIZE];
	char diff[DIGEST_OCI_SIZE];
	json_auto_t *j = NULL;

	(void)digest_hex(&l->blob, blob);
	j = json_pack("{s:i, s:s, s:I, s:{s:s, s:s}, s:[s]}", "version", 1, "diff_id",
		      digest_oci(&l->diff, diff), "size", (json_int_t)l->size, "objects",
		      "blob", blob, "tree", digest_hex(&l->tree, tree), "lists",
		      digest_hex(&l->list, list));
	if (!j)
		return fail_oom(e);
	return ref_write(is->store, REF_LAYERS, blob, j, e);
}

int layer_ref_read(struct images *is, const struct digest *blob, struct image_layer *ret,
		   struct volt_error *e)
{
	char hex[DIGEST_HEX_SIZE];
	struct image_layer l = { .blob = *blob, .media_type = "" };
	const char *diff, *tree, *list;
	json_auto_t *j = NULL;
	json_int_t size;
	int r;

	r = ref_read(is->store, REF_LAYERS, digest_hex(blob, hex), &j, e);
	if (r < 0)
		return r;
	if (json_unpack(j, "{s:s, s:I, s:{s:s}, s:[s]}", "diff_id", &diff, "size", &size,
			"objects", "tree", &tree, "lists", &list) < 0 ||
	    digest_parse_oci(diff, &l.diff) < 0 || digest_parse(tree, &l.tree) < 0 ||
	    digest_parse(list, &l.list) < 0 || size < 0)
		return fail(e, EBADMSG, "the ref of layer '%s' is broken", hex);
	if (!store_has(is->store, &l.tree, OBJECT_PLAIN) ||
	    !store_has(is->store, blob, OBJECT_PLAIN))
		return fail(e, ENOENT, "layer '%s' is not complete", hex);
	l.size = (uint64_t)size;
	*ret = l;
	return 0;
}

/* --- images --- */

static json_t *layers_json(const struct image_ref *ref, json_t *objects)
{
	json_t *layers = json_array();

	for (size_t i = 0; layers && i < ref->n_layers; i++) {
		const struct image_layer *l = &ref->layers[i];
		char key[32], hex[DIGEST_HEX_SIZE];
		char blob[DIGEST_OCI_SIZE], diff[DIGEST_OCI_SIZE];

		(void)snprintf(key, sizeof(key), "layer%zu", i);
		if (json_object_set_new(objects, key,
					json_string(digest_hex(&l->blob, hex))) < 0 ||
		    json_array_append_new(layers,
					  json_pack("{s:s, s:s, s:I, s:s}", "digest",
						    digest_oci(&l->blob, blob), "diff_id",
						    digest_oci(&l->diff, diff), "size",
						    (json_int_t)l->size, "media_type",
						    l->media_type)) < 0) {
			json_decref(layers);
			return NULL;
		}
	}
	return layers;
}

int image_ref_write(struct images *is, const struct image_ref *ref, struct volt_error *e)
{
	char name[DIGEST_HEX_SIZE], hex[DIGEST_HEX_SIZE], config[DIGEST_HEX_SIZE];
	json_auto_t *objects = json_object();
	json_auto_t *j = NULL;
	json_t *layers = objects ? layers_json(ref, objects) : NULL;

	(void)digest_hex(&ref->manifest, name);
	if (!layers)
		return fail_oom(e);
	if (json_object_set_new(objects, "manifest", json_string(name)) < 0 ||
	    json_object_set_new(objects, "config",
				json_string(digest_hex(&ref->config, config))) < 0 ||
	    json_object_set_new(objects, "tree",
				json_string(digest_hex(&ref->tree, hex))) < 0) {
		json_decref(layers);
		return fail_oom(e);
	}
	j = json_pack("{s:i, s:s, s:I, s:I, s:O, s:[s], s:o}", "version", 1, "arch",
		      ref->arch, "created", (json_int_t)ref->created, "size",
		      (json_int_t)ref->size, "objects", objects, "lists",
		      digest_hex(&ref->list, hex), "layers", layers);
	if (!j)
		return fail_oom(e);
	return ref_write(is->store, REF_IMAGES, name, j, e);
}

static int parse_ref(const json_t *j, struct image *img)
{
	const char *config, *manifest, *tree, *arch;
	json_int_t created, size;
	const struct platform *p;

	if (json_unpack((json_t *)j, "{s:s, s:I, s:I, s:{s:s, s:s, s:s}}", "arch", &arch,
			"created", &created, "size", &size, "objects", "config", &config,
			"manifest", &manifest, "tree", &tree) < 0 ||
	    digest_parse(config, &img->config) < 0 ||
	    digest_parse(manifest, &img->manifest) < 0 ||
	    digest_parse(tree, &img->tree) < 0)
		return -EBADMSG;
	p = *arch ? platform_find(arch) : NULL;
	img->arch = p ? p->arch : "";
	img->created = created;
	img->size = (uint64_t)size;
	return 0;
}

int image_load_config(struct images *is, struct image *img, struct volt_error *e)
{
	char hex[DIGEST_HEX_SIZE];
	_cleanup_free_ char *text = NULL;
	size_t size;
	int r;

	r = store_read(is->store, &img->config, CONFIG_MAX, &text, &size, e);
	if (r == 0)
		r = json_parse(text, size, "config", &img->config_json, e);
	return r < 0 ? fail_in(e, r, "image '%s'", digest_hex(&img->manifest, hex)) : 0;
}

static int read_ref(struct images *is, const char *hex, struct image **ret,
		    struct volt_error *e)
{
	_cleanup_(image_freep) struct image *img = calloc(1, sizeof(*img));
	json_auto_t *j = NULL;
	int r;

	if (!img)
		return fail_oom(e);
	r = ref_read(is->store, REF_IMAGES, hex, &j, e);
	if (r < 0)
		return r;
	if (parse_ref(j, img) < 0)
		return fail(e, EBADMSG, "the ref of image '%s' is broken", hex);
	*ret = TAKE_PTR(img);
	return 0;
}

static int add_names(struct image *img, const struct name_records *t,
		     struct volt_error *e)
{
	for (size_t i = 0; i < t->n; i++)
		if (digest_equal(&t->v[i].manifest, &img->manifest) &&
		    strv_add(&img->names, t->v[i].name) < 0)
			return fail_oom(e);
	return 0;
}

int image_load_bare(struct images *is, const struct digest *manifest, const char *name,
		    struct image **ret, struct volt_error *e)
{
	_cleanup_(image_freep) struct image *img = NULL;
	_cleanup_(name_records_done) struct name_records t = { 0 };
	char hex[DIGEST_HEX_SIZE];
	int r;

	r = read_ref(is, digest_hex(manifest, hex), &img, e);
	if (r < 0)
		return r;
	r = names_load(is, &t, e);
	if (r == 0)
		r = add_names(img, &t, e);
	if (r < 0)
		return r;
	if (name && !(img->name = strdup(name)))
		return fail_oom(e);
	*ret = TAKE_PTR(img);
	return 0;
}

int image_load_ref(struct images *is, const struct digest *manifest, const char *name,
		   struct image **ret, struct volt_error *e)
{
	_cleanup_(image_freep) struct image *img = NULL;
	int r = image_load_bare(is, manifest, name, &img, e);

	if (r == 0)
		r = image_load_config(is, img, e);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(img);
	return 0;
}

int images_load(struct images *is, struct image_array *ret, struct volt_error *e)
{
	_cleanup_(image_array_done) struct image_array a = { 0 };
	_cleanup_(name_records_done) struct name_records t = { 0 };
	_cleanup_strv_ struct strv refs = { 0 };
	struct volt_error why;
	int r;

	r = ref_list(is->store, REF_IMAGES, &refs, e);
	if (r == 0)
		r = names_load(is, &t, e);
	if (r < 0)
		return r;
	a.v = calloc(refs.n + 1, sizeof(struct image *));
	if (!a.v)
		return fail_oom(e);
	for (size_t i = 0; i < refs.n; i++) {
		r = read_ref(is, refs.v[i], &a.v[a.n], &why);
		if (r == 0)
			r = add_names(a.v[a.n++], &t, &why);
		else if (r != -ENOENT)
			log_line(&is->log, LOG_WARNING, "%s", why.msg);
		if (r == -ENOMEM)
			return fail_oom(e);
	}
	*ret = a;
	a = (struct image_array){ 0 };
	return 0;
}

int image_manifest(struct images *is, const struct digest *digest, char **ret_text,
		   size_t *ret_size, struct manifest **ret, struct volt_error *e)
{
	_cleanup_free_ char *text = NULL;
	size_t size;
	int r;

	r = store_read(is->store, digest, MANIFEST_MAX, &text, &size, e);
	if (r == 0 && ret)
		r = manifest_parse(text, size, ret, e);
	if (r < 0)
		return r;
	if (ret_size)
		*ret_size = size;
	if (ret_text)
		*ret_text = TAKE_PTR(text);
	return 0;
}
