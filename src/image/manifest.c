/* SPDX-License-Identifier: Apache-2.0 */
#include "image/manifest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"

#define DOCKER_INDEX  "application/vnd.docker.distribution.manifest.list.v2+json"
#define DOCKER_CONFIG "application/vnd.docker.container.image.v1+json"

/* The first parts of the media types of layers; what follows says the compression, which
 * the bytes say better. */
static const char *const layer_types[] = {
	"application/vnd.oci.image.layer.v1.tar",
	"application/vnd.oci.image.layer.nondistributable.v1.tar",
	"application/vnd.docker.image.rootfs.diff.tar",
	"application/vnd.docker.image.rootfs.foreign.diff.tar",
};

void manifest_free(struct manifest *m)
{
	if (!m)
		return;
	free(m->layers);
	json_decref(m->json);
	free(m);
}

void image_config_free(struct image_config *c)
{
	if (!c)
		return;
	free(c->diff_ids);
	json_decref(c->json);
	free(c);
}

static int get_digest(const char *text, const char *what, struct digest *ret,
		      struct volt_error *e)
{
	int r = text ? digest_parse_oci(text, ret) : -EINVAL;

	if (r == -ENOTSUP)
		return fail(e, ENOTSUP, "%s: digest '%.80s': only sha256 is known", what,
			    text);
	if (r < 0)
		return fail(e, EBADMSG, "%s: no sha256 digest", what);
	return 0;
}

static int get_descriptor(const json_t *j, const char *what, struct descriptor *ret,
			  struct volt_error *e)
{
	struct descriptor d = { .media_type = "" };
	const char *digest = NULL;
	int64_t size = -1;
	int r;

	if (!json_is_object(j))
		return fail(e, EBADMSG, "%s: no descriptor", what);
	r = json_get_string(j, "digest", &digest, e);
	if (r == 0)
		r = json_get_string(j, "mediaType", &d.media_type, e);
	if (r == 0)
		r = json_get_int(j, "size", 0, INT64_MAX, &size, e);
	if (r < 0)
		return fail_in(e, r, "%s", what);
	if (size < 0)
		return fail(e, EBADMSG, "%s: no size", what);
	r = get_digest(digest, what, &d.digest, e);
	if (r < 0)
		return r;
	d.size = (uint64_t)size;
	*ret = d;
	return 0;
}

static bool is_layer_type(const char *type)
{
	if (*type == '\0')
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(layer_types); i++)
		if (strncmp(type, layer_types[i], strlen(layer_types[i])) == 0)
			return !strstr(type, "encrypted");
	return false;
}

static int get_layers(struct manifest *m, struct volt_error *e)
{
	json_t *layers = NULL, *v;
	size_t i;
	int r;

	r = json_get_array(m->json, "layers", &layers, e);
	if (r < 0)
		return r;
	if (json_array_size(layers) > LAYERS_MAX)
		return fail(e, E2BIG, "manifest: more than %u layers", LAYERS_MAX);
	m->layers = calloc(json_array_size(layers) + 1, sizeof(*m->layers));
	if (!m->layers)
		return fail_oom(e);
	json_array_foreach(layers, i, v) {
		char what[48];

		(void)snprintf(what, sizeof(what), "manifest: layer %zu", i + 1);
		r = get_descriptor(v, what, &m->layers[i], e);
		if (r < 0)
			return r;
		if (!is_layer_type(m->layers[i].media_type))
			return fail(
				e, ENOTSUP,
				"%s has the type '%.100s', which is no file system layer",
				what, m->layers[i].media_type);
	}
	m->n_layers = json_array_size(layers);
	return 0;
}

/* An artifact (a chart, a signature) is told from an image by its config. */
static int check_config_type(const struct manifest *m, struct volt_error *e)
{
	const char *type = m->config.media_type;

	if (*type == '\0' || strcmp(type, MEDIA_OCI_CONFIG) == 0 ||
	    strcmp(type, DOCKER_CONFIG) == 0)
		return 0;
	return fail(e, ENOTSUP, "it is no image but an artifact of type '%.100s'", type);
}

static int check_schema(const json_t *j, struct volt_error *e)
{
	int64_t version = 0;
	int r;

	if (!json_is_object(j))
		return fail(e, EBADMSG, "manifest: not a JSON object");
	r = json_get_int(j, "schemaVersion", INT64_MIN, INT64_MAX, &version, e);
	if (r < 0)
		return r;
	if (version == 1)
		return fail(
			e, ENOTSUP,
			"manifest: schema 1 is too old; the image must be pushed again by a current tool");
	if (version != 2)
		return fail(e, EBADMSG, "manifest: no schema version");
	return 0;
}

static int parse(const char *text, size_t size, json_t **ret, struct volt_error *e)
{
	json_auto_t *j = NULL;
	int r;

	if (size > MANIFEST_MAX)
		return fail(e, EFBIG, "manifest: more than %zu bytes", MANIFEST_MAX);
	r = json_parse(text, size, "manifest", &j, e);
	if (r == 0)
		r = check_schema(j, e);
	if (r == 0)
		*ret = TAKE_PTR(j);
	return r;
}

int manifest_parse(const char *text, size_t size, struct manifest **ret,
		   struct volt_error *e)
{
	_cleanup_(manifest_freep) struct manifest *m = calloc(1, sizeof(*m));
	const char *type = "";
	int r;

	if (!m)
		return fail_oom(e);
	r = parse(text, size, &m->json, e);
	if (r == 0)
		r = json_get_string(m->json, "mediaType", &type, e);
	if (r == 0)
		r = get_descriptor(json_object_get(m->json, "config"), "manifest: config",
				   &m->config, e);
	if (r == 0)
		r = check_config_type(m, e);
	if (r == 0)
		r = get_layers(m, e);
	if (r < 0)
		return r;
	m->docker = strcmp(type, MEDIA_DOCKER_MANIFEST) == 0;
	*ret = TAKE_PTR(m);
	return 0;
}

int manifest_is_index(const char *text, size_t size, struct volt_error *e)
{
	json_auto_t *j = NULL;
	const char *type = "";
	int r;

	r = parse(text, size, &j, e);
	if (r == 0)
		r = json_get_string(j, "mediaType", &type, e);
	if (r < 0)
		return r;
	return strcmp(type, MEDIA_OCI_INDEX) == 0 || strcmp(type, DOCKER_INDEX) == 0 ||
	       (*type == '\0' && json_object_get(j, "manifests"));
}

static const char *get(const json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));

	return s ? s : "";
}

/* How well an entry of an index fits: 0 not at all. An ARM processor runs what was made
 * for older ones; for the others a variant asks for a newer processor. */
static int rate(const json_t *entry, const struct platform *p)
{
	const json_t *platform = json_object_get(entry, "platform");
	const char *variant = get(platform, "variant");
	const char *wanted = p->oci_variant ? p->oci_variant : "";

	if (strcmp(get(platform, "os"), "linux") != 0 ||
	    strcmp(get(platform, "architecture"), p->oci_arch) != 0)
		return 0;
	if (strcmp(variant, wanted) == 0)
		return 100;
	if (*variant == '\0')
		return 90;
	if (strcmp(p->oci_arch, "arm") == 0)
		return strcmp(variant, wanted) < 0 ? variant[1] : 0;
	return 1;
}

/* "linux/amd64, linux/arm/v7" of all entries, to go into a message. */
static char *list_platforms(const json_t *manifests)
{
	char *text = NULL;
	size_t size, i;
	FILE *f = open_memstream(&text, &size);
	const char *comma = "";
	json_t *v;

	if (!f)
		return NULL;
	json_array_foreach(manifests, i, v) {
		const json_t *p = json_object_get(v, "platform");
		const char *variant = get(p, "variant");

		if (*get(p, "os") == '\0' || strcmp(get(p, "os"), "unknown") == 0)
			continue;
		(void)fprintf(f, "%s%.20s/%.20s%s%.20s", comma, get(p, "os"),
			      get(p, "architecture"), *variant ? "/" : "", variant);
		comma = ", ";
	}
	if (fclose(f) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

int index_choose(const char *text, size_t size, const struct platform *p,
		 struct descriptor *ret, struct volt_error *e)
{
	_cleanup_free_ char *there = NULL;
	json_auto_t *j = NULL;
	json_t *manifests = NULL, *v, *best = NULL;
	int best_rate = 0, r;
	size_t i;

	r = parse(text, size, &j, e);
	if (r == 0)
		r = json_get_array(j, "manifests", &manifests, e);
	if (r < 0)
		return r;
	json_array_foreach(manifests, i, v) {
		int rating = rate(v, p);

		if (rating > best_rate) {
			best_rate = rating;
			best = v;
		}
	}
	/* A single image needs no platform. */
	v = json_array_get(manifests, 0);
	if (!best && json_array_size(manifests) == 1 && !json_object_get(v, "platform"))
		best = v;
	if (!best) {
		there = list_platforms(manifests);
		return fail(e, ENOENT, "there is no image for %s, only for: %s", p->arch,
			    there && *there ? there : "nothing");
	}
	r = get_descriptor(best, "index", ret, e);
	if (r == 0)
		ret->media_type = ""; /* it goes with the document */
	return r;
}

/* --- config --- */

static int get_diff_ids(struct image_config *c, struct volt_error *e)
{
	json_t *rootfs = NULL, *ids = NULL, *v;
	size_t i;
	int r;

	r = json_get_object(c->json, "rootfs", &rootfs, e);
	if (r == 0 && rootfs)
		r = json_get_array(rootfs, "diff_ids", &ids, e);
	if (r < 0)
		return r;
	if (!ids)
		return fail(e, EBADMSG, "config: no rootfs.diff_ids");
	if (json_array_size(ids) > LAYERS_MAX)
		return fail(e, E2BIG, "config: more than %u layers", LAYERS_MAX);
	c->diff_ids = calloc(json_array_size(ids) + 1, sizeof(*c->diff_ids));
	if (!c->diff_ids)
		return fail_oom(e);
	json_array_foreach(ids, i, v) {
		r = get_digest(json_string_value(v), "config: diff_id", &c->diff_ids[i],
			       e);
		if (r < 0)
			return r;
	}
	c->n_diff_ids = json_array_size(ids);
	return 0;
}

/* The members that volt itself reads must have the right type, once and for all. */
static int check_members(const json_t *j, struct volt_error *e)
{
	static const char *const strings[] = { "User", "WorkingDir", "StopSignal" };
	static const char *const arrays[] = { "Env", "Entrypoint", "Cmd" };
	json_t *config = json_object_get(j, "config"), *v, *s;
	size_t i;

	if (!config || json_is_null(config))
		return 0;
	if (!json_is_object(config))
		return fail(e, EBADMSG, "config: 'config' is not an object");
	for (i = 0; i < ARRAY_SIZE(strings); i++) {
		v = json_object_get(config, strings[i]);
		if (v && !json_is_string(v) && !json_is_null(v))
			return fail(e, EBADMSG, "config: '%s' is not a string",
				    strings[i]);
	}
	for (size_t k = 0; k < ARRAY_SIZE(arrays); k++) {
		v = json_object_get(config, arrays[k]);
		if (v && !json_is_array(v) && !json_is_null(v))
			return fail(e, EBADMSG, "config: '%s' is not an array",
				    arrays[k]);
		json_array_foreach(v, i, s) {
			if (!json_is_string(s))
				return fail(e, EBADMSG,
					    "config: '%s' has more than strings",
					    arrays[k]);
		}
	}
	return 0;
}

int image_config_parse(const char *text, size_t size, struct image_config **ret,
		       struct volt_error *e)
{
	_cleanup_(image_config_freep) struct image_config *c = calloc(1, sizeof(*c));
	const char *variant;
	int r;

	if (!c)
		return fail_oom(e);
	if (size > CONFIG_MAX)
		return fail(e, EFBIG, "config: more than %zu bytes", CONFIG_MAX);
	r = json_parse(text, size, "config", &c->json, e);
	if (r < 0)
		return r;
	if (!json_is_object(c->json))
		return fail(e, EBADMSG, "config: not a JSON object");
	r = get_diff_ids(c, e);
	if (r == 0)
		r = check_members(c->json, e);
	if (r < 0)
		return r;
	variant = get(c->json, "variant");
	c->platform = platform_from_oci(get(c->json, "architecture"),
					*variant ? variant : NULL);
	if (clock_parse(get(c->json, "created"), &c->created) < 0)
		c->created = 0;
	*ret = TAKE_PTR(c);
	return 0;
}
