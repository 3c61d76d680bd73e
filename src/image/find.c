/* SPDX-License-Identifier: Apache-2.0 */
#include "image/find.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#define ID_MIN 3 /* digits that may stand for an id */

int find_candidates(const char *text, char *ret[static 2], struct volt_error *e)
{
	_cleanup_(image_name_freep) struct image_name *n = NULL;
	struct image_name plain;
	int r = image_name_parse(text, &n, e);

	if (r < 0)
		return r;
	plain = *n;
	if (plain.has_digest)
		plain.tag = NULL; /* as they are named here */
	ret[0] = plain.short_name ? image_name_localhost(&plain) : NULL;
	ret[1] = image_name_text(&plain);
	if ((plain.short_name && !ret[0]) || !ret[1]) {
		free(ret[0]);
		free(ret[1]);
		return fail_oom(e);
	}
	if (!ret[0]) {
		ret[0] = ret[1];
		ret[1] = NULL;
	}
	return 0;
}

/* The part of a name before tag and digest. */
static size_t repository_length(const char *name)
{
	const char *at = strchr(name, '@');
	size_t n = at ? (size_t)(at - name) : strlen(name);
	const char *slash = memrchr(name, '/', n);
	const char *last = slash ? slash : name;
	const char *colon = memchr(last, ':', n - (size_t)(last - name));

	return colon ? (size_t)(colon - name) : n;
}

static bool same_repository(const char *a, const char *b)
{
	size_t n = repository_length(a);

	return n == repository_length(b) && memcmp(a, b, n) == 0;
}

/* REPOSITORY@DIGEST is also found where it was pulled by a tag. */
static int find_digest(struct images *is, const char *name, struct digest *ret,
		       struct volt_error *e)
{
	_cleanup_(name_records_done) struct name_records t = { 0 };
	const char *at = strchr(name, '@');
	struct digest d;
	int r;

	if (!at || digest_parse_oci(at + 1, &d) < 0)
		return -ENOENT;
	r = names_load(is, &t, e);
	if (r < 0)
		return r;
	for (size_t i = 0; i < t.n; i++) {
		const struct name_record *v = &t.v[i];

		if (!same_repository(v->name, name) ||
		    (!digest_equal(&v->manifest, &d) &&
		     !(v->has_index && digest_equal(&v->index, &d))))
			continue;
		*ret = v->manifest;
		return 0;
	}
	return -ENOENT;
}

static int find_one_name(struct images *is, const char *name, struct image **ret,
			 struct volt_error *e)
{
	struct name_record rec = { 0 };
	struct digest d;
	int r = name_read(is, name, &rec, e);

	d = rec.manifest;
	name_record_done(&rec);
	if (r == -ENOENT)
		r = find_digest(is, name, &d, e);
	return r < 0 ? r : image_load_bare(is, &d, name, ret, e);
}

static int find_name(struct images *is, const char *text, struct image **ret,
		     struct volt_error *e)
{
	char *names[2];
	int r = find_candidates(text, names, e);

	if (r < 0)
		return r;
	r = -ENOENT;
	for (int i = 0; i < 2 && r == -ENOENT && names[i]; i++)
		r = find_one_name(is, names[i], ret, e);
	free(names[0]);
	free(names[1]);
	return r;
}

static bool is_hex(const char *s)
{
	size_t n = strspn(s, "0123456789abcdef");

	return n >= ID_MIN && n < DIGEST_HEX_SIZE && s[n] == '\0';
}

/* By the beginning of an id, or by a whole manifest digest. */
static int find_id(struct images *is, const char *hex, struct image **ret,
		   struct volt_error *e)
{
	_cleanup_(image_array_done) struct image_array all = { 0 };
	size_t found = SIZE_MAX, n = strlen(hex);
	int r = images_load(is, &all, e);

	if (r < 0)
		return r;
	for (size_t i = 0; i < all.n; i++) {
		char id[DIGEST_HEX_SIZE], manifest[DIGEST_HEX_SIZE];

		(void)digest_hex(&all.v[i]->config, id);
		(void)digest_hex(&all.v[i]->manifest, manifest);
		if (strncmp(id, hex, n) != 0 && strcmp(manifest, hex) != 0)
			continue;
		if (found != SIZE_MAX &&
		    !digest_equal(&all.v[i]->config, &all.v[found]->config))
			return fail(e, EEXIST,
				    "several images have ids that begin with '%s'", hex);
		found = i;
	}
	if (found == SIZE_MAX)
		return -ENOENT;
	return image_load_bare(is, &all.v[found]->manifest, NULL, ret, e);
}

int image_find_bare(struct images *is, const char *text, struct image **ret,
		    struct volt_error *e)
{
	const char *hex = strncmp(text, "sha256:", 7) == 0 ? text + 7 : text;
	int r = -ENOENT;

	if (hex == text)
		r = find_name(is, text, ret, e);
	/* What looks like an id and is no name may be one. */
	if ((r == -ENOENT || r == -EINVAL) && is_hex(hex))
		r = find_id(is, hex, ret, e);
	if (r == -ENOENT)
		return fail(e, ENOENT, "image '%s' is not here", text);
	return r;
}

int image_find(struct images *is, const char *text, struct image **ret,
	       struct volt_error *e)
{
	_cleanup_(image_freep) struct image *img = NULL;
	int r = image_find_bare(is, text, &img, e);

	if (r == 0)
		r = image_load_config(is, img, e);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(img);
	return 0;
}
