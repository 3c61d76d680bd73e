/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation
 *
 * An image goes in this order: its names, its ref, the refs of layers that no image has
 * any more, then, by gc, the objects. A crash in between leaves an image without a name
 * or objects without a ref, and prune takes both. A pull that runs meanwhile and counts
 * on a layer whose ref goes here still has the objects: its ingest keeps gc out until its
 * own ref names them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "base/json.h"
#include "image/find.h"
#include "store/gc.h"
#include "store/ref.h"

void image_removed_done(struct image_removed *r)
{
	strv_done(&r->untagged);
	strv_done(&r->deleted);
	free(r->trees);
	*r = (struct image_removed){ 0 };
}

/* --- names --- */

int image_tag(struct images *is, const char *image, const char *name,
	      struct volt_error *e)
{
	_cleanup_(image_freep) struct image *img = NULL;
	_cleanup_free_ char *full = NULL;
	int r = image_find(is, image, &img, e);

	if (r == 0)
		r = image_name_to_give(name, &full, e);
	return r < 0 ? r : name_write(is, full, &img->manifest, NULL, e);
}

static bool has_name(const struct image *img, const char *name)
{
	for (size_t i = 0; i < img->names.n; i++)
		if (strcmp(img->names.v[i], name) == 0)
			return true;
	return false;
}

static int remove_names(struct images *is, const struct image *img,
			struct image_removed *done, struct volt_error *e)
{
	for (size_t i = 0; i < img->names.n; i++) {
		int r = name_remove(is, img->names.v[i], e);

		if (r < 0 && r != -ENOENT)
			return r;
		if (done && strv_add(&done->untagged, img->names.v[i]) < 0)
			return fail_oom(e);
	}
	return 0;
}

int image_untag(struct images *is, const char *image, const char *name,
		struct volt_error *e)
{
	_cleanup_(image_freep) struct image *img = NULL;
	char *names[2] = { NULL, NULL };
	int r = image_find_bare(is, image, &img, e);

	if (r < 0)
		return r;
	if (!name)
		return remove_names(is, img, NULL, e);
	r = find_candidates(name, names, e);
	if (r < 0)
		return r;
	r = fail(e, ENOENT, "image '%s' does not have the name '%s'", image, name);
	for (int i = 0; i < 2 && names[i]; i++) {
		if (has_name(img, names[i])) {
			r = name_remove(is, names[i], e);
			break;
		}
	}
	free(names[0]);
	free(names[1]);
	return r;
}

/* --- who uses it --- */

static bool ref_holds(const json_t *ref, const char *digest)
{
	json_t *objects = json_object_get(ref, "objects"), *v;
	const char *key;

	json_object_foreach(objects, key, v) {
		if (json_is_string(v) && strcmp(json_string_value(v), digest) == 0)
			return true;
	}
	return false;
}

/* The name of a machine that uses the image; *@ret stays NULL if there is none. */
static int find_user(struct images *is, const struct image *img, char **ret,
		     struct volt_error *e)
{
	_cleanup_strv_ struct strv machines = { 0 };
	char digest[DIGEST_HEX_SIZE];
	int r = ref_list(is->store, REF_MACHINES, &machines, e);

	(void)digest_hex(&img->manifest, digest);
	for (size_t i = 0; r == 0 && i < machines.n && !*ret; i++) {
		json_auto_t *j = NULL;
		const char *name = machines.v[i];

		r = ref_read(is->store, REF_MACHINES, name, &j, e);
		if (r == -ENOENT) {
			r = 0;
		} else if (r == 0 && ref_holds(j, digest)) {
			(void)json_get_string(j, "name", &name, NULL);
			*ret = strdup(name);
			r = *ret ? 0 : fail_oom(e);
		}
	}
	return r;
}

static int check_unused(struct images *is, const struct image *img, const char *what,
			struct volt_error *e)
{
	_cleanup_free_ char *user = NULL;
	int r = find_user(is, img, &user, e);

	if (r == 0 && user)
		return fail(e, EBUSY, "image '%s' is used by machine '%s'", what, user);
	return r;
}

int image_pin(struct images *is, const struct image *img, json_t *ref,
	      struct volt_error *e)
{
	char name[DIGEST_HEX_SIZE], config[DIGEST_HEX_SIZE], tree[DIGEST_HEX_SIZE];
	json_auto_t *j = NULL;
	json_t *objects = json_object_get(ref, "objects"), *lists, *own;
	size_t i;
	json_t *v;
	int r = ref_read(is->store, REF_IMAGES, digest_hex(&img->manifest, name), &j, e);

	if (r < 0)
		return r;
	if (!objects && json_object_set_new(ref, "objects", objects = json_object()) < 0)
		return fail_oom(e);
	lists = json_object_get(ref, "lists");
	if (!lists && json_object_set_new(ref, "lists", lists = json_array()) < 0)
		return fail_oom(e);
	own = json_object_get(j, "lists");
	json_array_foreach(own, i, v) {
		if (json_array_append(lists, v) < 0)
			return fail_oom(e);
	}
	if (json_object_set_new(objects, "image.manifest", json_string(name)) < 0 ||
	    json_object_set_new(objects, "image.config",
				json_string(digest_hex(&img->config, config))) < 0 ||
	    json_object_set_new(objects, "image.tree",
				json_string(digest_hex(&img->tree, tree))) < 0)
		return fail_oom(e);
	return 0;
}

/* --- removing --- */

static int delete_image(struct images *is, const struct image *img,
			struct image_removed *ret, struct volt_error *e)
{
	char hex[DIGEST_HEX_SIZE];
	struct digest *trees;
	int r = remove_names(is, img, ret, e);

	if (r < 0)
		return r;
	r = ref_remove(is->store, REF_IMAGES, digest_hex(&img->manifest, hex), e);
	if (r < 0 && r != -ENOENT)
		return r;
	trees = reallocarray(ret->trees, ret->n_trees + 1, sizeof(*trees));
	if (!trees)
		return fail_oom(e);
	ret->trees = trees;
	ret->trees[ret->n_trees++] = img->tree;
	return strv_add(&ret->deleted, digest_hex(&img->config, hex)) < 0 ? fail_oom(e)
									  : 0;
}

/* The blobs of all layers that images have, as an object's keys. */
static int used_layers(struct images *is, json_t *used, struct volt_error *e)
{
	_cleanup_strv_ struct strv names = { 0 };
	int r = ref_list(is->store, REF_IMAGES, &names, e);

	for (size_t i = 0; r == 0 && i < names.n; i++) {
		json_auto_t *j = NULL;
		const char *key;
		json_t *v;

		r = ref_read(is->store, REF_IMAGES, names.v[i], &j, e);
		json_object_foreach(json_object_get(j, "objects"), key, v) {
			if (strncmp(key, "layer", 5) == 0 && json_is_string(v) &&
			    json_object_set_new(used, json_string_value(v), json_true()) <
				    0)
				return fail_oom(e);
		}
		r = r == -ENOENT ? 0 : r;
	}
	return r;
}

static int remove_layers(struct images *is, struct volt_error *e)
{
	_cleanup_strv_ struct strv layers = { 0 };
	json_auto_t *used = json_object();
	int r;

	if (!used)
		return fail_oom(e);
	r = used_layers(is, used, e);
	if (r == 0)
		r = ref_list(is->store, REF_LAYERS, &layers, e);
	for (size_t i = 0; r == 0 && i < layers.n; i++) {
		if (json_object_get(used, layers.v[i]))
			continue;
		r = ref_remove(is->store, REF_LAYERS, layers.v[i], e);
		r = r == -ENOENT ? 0 : r;
	}
	return r;
}

/* Leaves in @ret only the trees that no image has. */
static int drop_shared_trees(struct images *is, struct image_removed *ret,
			     struct volt_error *e)
{
	_cleanup_(image_array_done) struct image_array all = { 0 };
	size_t out = 0;
	int r = images_load(is, &all, e);

	if (r < 0)
		return r;
	for (size_t i = 0; i < ret->n_trees; i++) {
		bool shared = false;

		for (size_t k = 0; k < all.n; k++)
			shared |= digest_equal(&all.v[k]->tree, &ret->trees[i]);
		if (!shared)
			ret->trees[out++] = ret->trees[i];
	}
	ret->n_trees = out;
	return 0;
}

/* Somebody else at work in the store keeps gc out; the next one takes it all. */
static int sweep(struct images *is, struct image_removed *ret, struct volt_error *e)
{
	struct gc_result gc = { 0 };
	int r = remove_layers(is, e);

	names_clean(is);
	if (r == 0)
		r = drop_shared_trees(is, ret, e);
	if (r < 0)
		return r;
	r = store_gc(is->store, false, false, &gc, e);
	ret->bytes = gc.removed_bytes;
	if (r != -EAGAIN)
		return r;
	log_line(&is->log, LOG_INFO,
		 "the store is in use: what nothing refers to any more goes next time");
	return 0;
}

static int several_names(const struct image *img, const char *text, struct volt_error *e)
{
	return fail(
		e, EBUSY,
		"image '%s' has several names ('%s', '%s'%s): remove them, or use force",
		text, img->names.v[0], img->names.v[1], img->names.n > 2 ? ", …" : "");
}

/* Returns 1 if the image went, 0 if one of its names did. */
static int remove_found(struct images *is, const char *image, unsigned int flags,
			struct image_removed *done, struct volt_error *e)
{
	const bool force = flags & VOLT_REMOVE_FORCE, whole = flags & VOLT_REMOVE_WHOLE;
	_cleanup_close_ int lock = names_lock(is, LOCK_EXCLUSIVE, e);
	_cleanup_(image_freep) struct image *img = NULL;
	int r = lock < 0 ? lock : image_find_bare(is, image, &img, e);

	if (r < 0)
		return r;
	if (img->names.n > 1 && !whole && img->name && has_name(img, img->name)) {
		r = name_remove(is, img->name, e);
		if (r == 0 && strv_add(&done->untagged, img->name) < 0)
			r = fail_oom(e);
		return r;
	}
	if (img->names.n > 1 && !whole && !force)
		return several_names(img, image, e);
	r = force ? 0 : check_unused(is, img, image, e);
	if (r == 0)
		r = delete_image(is, img, done, e);
	return r < 0 ? r : 1;
}

int image_remove(struct images *is, const char *image, unsigned int flags,
		 struct image_removed *ret, struct volt_error *e)
{
	_cleanup_(image_removed_done) struct image_removed done = { 0 };
	int r = remove_found(is, image, flags, &done, e);

	if (r > 0)
		r = sweep(is, &done, e);
	if (r < 0)
		return r;
	*ret = done;
	done = (struct image_removed){ 0 };
	return 0;
}

static int remove_unused(struct images *is, bool all, struct image_removed *done,
			 struct volt_error *e)
{
	_cleanup_close_ int lock = names_lock(is, LOCK_EXCLUSIVE, e);
	_cleanup_(image_array_done) struct image_array a = { 0 };
	int r = lock < 0 ? lock : images_load(is, &a, e);

	for (size_t i = 0; r == 0 && i < a.n; i++) {
		_cleanup_free_ char *user = NULL;

		if (a.v[i]->names.n > 0 && !all)
			continue;
		r = find_user(is, a.v[i], &user, e);
		if (r == 0 && !user)
			r = delete_image(is, a.v[i], done, e);
	}
	return r;
}

int image_prune(struct images *is, bool all, struct image_removed *ret,
		struct volt_error *e)
{
	_cleanup_(image_removed_done) struct image_removed done = { 0 };
	int r = remove_unused(is, all, &done, e);

	if (r == 0)
		r = sweep(is, &done, e);
	if (r < 0)
		return r;
	*ret = done;
	done = (struct image_removed){ 0 };
	return 0;
}
