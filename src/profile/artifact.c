/* SPDX-License-Identifier: Apache-2.0 */
#include "profile/artifact.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "image/manifest.h"
#include "store/sha256.h"

/* The two documents of a profile in a registry. Whoever can write there can write anything
 * into them: each path, digest and size is checked before anything is fetched, and the config
 * has to name exactly the files that the manifest has blobs for. */

#define FILES_MAX 16384
#define BYTES_MAX ((uint64_t)64 << 30)

void artifact_free(struct artifact *a)
{
	if (!a)
		return;
	free(a->v);
	json_decref(a->j);
	free(a);
}

/* -- parsing ----------------------------------------------------------------------- */

static int broken(const char *why, struct volt_error *e)
{
	return fail(e, EBADMSG, "the profile's manifest %s", why);
}

/* A string member, "" where there is none. */
static const char *word(const json_t *j, const char *key)
{
	const char *text = json_string_value(json_object_get(j, key));

	return text ? text : "";
}

static int parse_blob(const json_t *j, const char *type, struct digest *ret_digest,
		      uint64_t *ret_size, struct volt_error *e)
{
	const json_t *size = json_object_get(j, "size");

	if (strcmp(word(j, "mediaType"), type) != 0)
		return fail(e, ENOTSUP,
			    "there is a blob of type '%.100s' in it, where '%s' belongs",
			    word(j, "mediaType"), type);
	if (digest_parse_oci(word(j, "digest"), ret_digest) < 0)
		return fail(e, EBADMSG, "'%.100s' is not a sha256 digest",
			    word(j, "digest"));
	if (!json_is_integer(size) || json_integer_value(size) < 0)
		return broken("has a blob without a size", e);
	*ret_size = (uint64_t)json_integer_value(size);
	if (*ret_size > BYTES_MAX)
		return fail(e, EFBIG, "a blob of %llu bytes is more than a profile has",
			    (unsigned long long)*ret_size);
	return 0;
}

static int parse_file(const json_t *j, struct artifact_file *ret, struct volt_error *e)
{
	int r = parse_blob(j, ARTIFACT_FILE_TYPE, &ret->digest, &ret->size, e);

	if (r < 0)
		return r;
	ret->path = word(json_object_get(j, "annotations"), ARTIFACT_TITLE);
	if (!profile_path_is_valid(ret->path))
		return fail(e, EBADMSG,
			    "'%.200s' is not a path below bin/, lib/ or firmware/",
			    ret->path);
	return 0;
}

static int by_path(const void *a, const void *b)
{
	const struct artifact_file *x = a, *y = b;

	return strcmp(x->path, y->path);
}

static int parse_files(struct artifact *a, struct volt_error *e)
{
	const json_t *layers = json_object_get(a->j, "layers");
	uint64_t total = 0;

	if (json_array_size(layers) == 0 || json_array_size(layers) > FILES_MAX)
		return fail(e, EBADMSG, "it has %zu files, not 1 to %d",
			    json_array_size(layers), FILES_MAX);
	a->v = calloc(json_array_size(layers), sizeof(*a->v));
	if (!a->v)
		return fail_oom(e);
	for (; a->n < json_array_size(layers); a->n++) {
		int r = parse_file(json_array_get(layers, a->n), &a->v[a->n], e);

		if (r < 0)
			return r;
		total += a->v[a->n].size; /* of 16384 times 64 GiB: no overflow */
	}
	if (total > BYTES_MAX)
		return fail(e, EFBIG,
			    "its files of %llu bytes are more than a profile has",
			    (unsigned long long)total);
	qsort(a->v, a->n, sizeof(*a->v), by_path);
	for (size_t i = 1; i < a->n; i++)
		if (strcmp(a->v[i - 1].path, a->v[i].path) == 0)
			return fail(e, EBADMSG, "'%s' comes twice", a->v[i].path);
	return 0;
}

/* Old registries and tools drop artifactType; the config's type says the same. */
static int check_type(const json_t *j, struct volt_error *e)
{
	const char *type = word(j, "artifactType"),
		   *config = word(json_object_get(j, "config"), "mediaType");

	if (json_integer_value(json_object_get(j, "schemaVersion")) != 2)
		return broken("is of another schema than 2", e);
	if (*word(j, "mediaType") &&
	    strcmp(word(j, "mediaType"), MEDIA_OCI_MANIFEST) != 0)
		return fail(e, ENOTSUP, "it is no profile, but of type '%.100s'",
			    word(j, "mediaType"));
	if (strcmp(config, MEDIA_OCI_CONFIG) == 0)
		return fail(e, ENOTSUP,
			    "it is an image, not a profile: 'volt pull' takes those");
	if ((*type && strcmp(type, ARTIFACT_TYPE) != 0) ||
	    strcmp(config, ARTIFACT_CONFIG_TYPE) != 0)
		return fail(e, ENOTSUP, "it is no profile, but of type '%.100s'",
			    *type ? type : config);
	return 0;
}

static int parse_content(struct artifact *a, struct volt_error *e)
{
	const char *text = word(json_object_get(a->j, "annotations"), ARTIFACT_CONTENT);

	a->has_content = *text != '\0';
	if (a->has_content && digest_parse_oci(text, &a->content) < 0)
		return fail(e, EBADMSG, "'%.100s' is not a sha256 digest", text);
	return 0;
}

int artifact_parse(const char *text, size_t size, struct artifact **ret,
		   struct volt_error *e)
{
	_cleanup_(artifact_freep) struct artifact *a = calloc(1, sizeof(*a));
	int r;

	if (!a)
		return fail_oom(e);
	if (size > MANIFEST_MAX)
		return broken("is too large", e);
	r = json_parse(text, size, "the profile's manifest", &a->j, e);
	if (r == 0 && !json_is_object(a->j))
		r = broken("is no object", e);
	if (r == 0)
		r = check_type(a->j, e);
	if (r == 0)
		r = parse_blob(json_object_get(a->j, "config"), ARTIFACT_CONFIG_TYPE,
			       &a->config, &a->config_size, e);
	if (r == 0 && a->config_size > CONFIG_MAX)
		r = broken("has a config that is too large", e);
	if (r == 0)
		r = parse_content(a, e);
	if (r == 0)
		r = parse_files(a, e);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(a);
	return 0;
}

/* -- the profile's manifest -------------------------------------------------------- */

/* Two sorted lists. */
static int compare(const struct artifact *a, const struct profile_manifest *m,
		   struct volt_error *e)
{
	for (size_t i = 0; i < a->n || i < m->n; i++) {
		int order = i >= a->n   ? 1
			    : i >= m->n ? -1
					: strcmp(a->v[i].path, m->v[i].path);

		if (order != 0)
			return fail(e, EBADMSG, "only its %s says anything of '%.200s'",
				    order < 0 ? "manifest" : "config",
				    order < 0 ? a->v[i].path : m->v[i].path);
		if (!digest_equal(&a->v[i].digest, &m->v[i].digest))
			return fail(e, EBADMSG,
				    "'%.200s' has one digest in its manifest and another "
				    "in its config",
				    a->v[i].path);
	}
	if (a->has_content && !digest_equal(&a->content, &m->digest))
		return fail(e, EBADMSG,
			    "its files are not the profile that its manifest says");
	return 0;
}

/* What another host's paths would mean here is nothing. */
static int adapt(json_t *j, const char *name, struct volt_error *e)
{
	(void)json_object_del(j, "sources");
	if (!name)
		return 0;
	if (json_object_set_new(j, "name", json_string(name)) < 0 ||
	    json_object_set_new(j, "profile", json_string(name)) < 0)
		return fail_oom(e);
	return 0;
}

int artifact_config_parse(const struct artifact *a, const char *text, size_t size,
			  const char *name, struct profile_manifest **ret,
			  struct volt_error *e)
{
	_cleanup_(profile_manifest_freep) struct profile_manifest *m = NULL;
	struct digest d;
	json_t *j = NULL;
	int r;

	if (sha256_bytes(text, size, &d) < 0)
		return fail_oom(e);
	if (size != a->config_size || !digest_equal(&d, &a->config))
		return fail(e, EBADMSG, "its config is not the one its manifest names");
	if (name && !profile_label_is_valid(name))
		return fail(e, EINVAL, "'%s' is not a valid name for a profile", name);
	r = json_parse(text, size, "the profile's config", &j, e);
	if (r < 0)
		return r;
	r = adapt(j, name, e);
	if (r < 0) {
		json_decref(j);
		return r;
	}
	r = profile_manifest_from_json(j, "config", &m, e);
	if (r == 0)
		r = compare(a, m, e);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(m);
	return 0;
}

/* -- making ------------------------------------------------------------------------ */

static json_t *blob(const char *type, const struct digest *d, uint64_t size)
{
	char text[DIGEST_OCI_SIZE];

	return json_pack("{s:s, s:s, s:I}", "mediaType", type, "digest",
			 digest_oci(d, text), "size", (json_int_t)size);
}

static json_t *files(const struct profile_manifest *m, const uint64_t *sizes)
{
	json_t *list = json_array();
	bool bad = !list;

	for (size_t i = 0; i < m->n && !bad; i++) {
		json_t *j = blob(ARTIFACT_FILE_TYPE, &m->v[i].digest, sizes[i]);

		bad = json_object_set_new(
			      j, "annotations",
			      json_pack("{s:s}", ARTIFACT_TITLE, m->v[i].path)) < 0;
		bad |= json_array_append_new(list, j) < 0;
	}
	if (!bad)
		return list;
	json_decref(list);
	return NULL;
}

static char *sorted_text(const json_t *j)
{
	return j ? json_dumps(j, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
}

/* Without the name of the host that made it and the paths that its files had there, which
 * are nobody else's business. */
static char *make_config(const struct profile_manifest *m)
{
	json_auto_t *j = json_copy(m->j);

	(void)json_object_del(j, "sources");
	(void)json_object_del(j, "build_host");
	if (json_object_set_new(j, "name", json_string(m->name)) < 0 ||
	    json_object_set_new(j, "profile", json_string(m->name)) < 0)
		return NULL;
	return sorted_text(j);
}

static char *make_manifest(const struct profile_manifest *m, const uint64_t *sizes,
			   const struct digest *config, size_t config_size)
{
	char content[DIGEST_OCI_SIZE];
	json_auto_t *j = json_pack(
		"{s:i, s:s, s:s, s:o, s:o, s:{s:s, s:s, s:s*}}", "schemaVersion", 2,
		"mediaType", MEDIA_OCI_MANIFEST, "artifactType", ARTIFACT_TYPE, "config",
		blob(ARTIFACT_CONFIG_TYPE, config, config_size), "layers",
		files(m, sizes), "annotations", ARTIFACT_TITLE, m->name, ARTIFACT_CONTENT,
		digest_oci(&m->digest, content), "org.opencontainers.image.version",
		m->version);

	return sorted_text(j);
}

int artifact_make(const struct profile_manifest *m, const uint64_t *sizes,
		  char **ret_manifest, char **ret_config, struct volt_error *e)
{
	_cleanup_free_ char *config = make_config(m), *manifest = NULL;
	struct digest d;

	if (!config || sha256_bytes(config, strlen(config), &d) < 0)
		return fail_oom(e);
	manifest = make_manifest(m, sizes, &d, strlen(config));
	if (!manifest)
		return fail_oom(e);
	if (strlen(manifest) > MANIFEST_MAX || m->n > FILES_MAX)
		return fail(e, E2BIG, "a registry takes no manifest of %zu files", m->n);
	*ret_manifest = TAKE_PTR(manifest);
	*ret_config = TAKE_PTR(config);
	return 0;
}
