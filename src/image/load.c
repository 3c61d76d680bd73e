/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "image/pull.h"

/* Number @i; *@last is the image before it, and then this one. */
static int load_one(struct images *is, const char *path, const struct contents *c,
		    size_t i, struct image **last, struct volt_error *e)
{
	static const struct image_pull plain;
	const char *name = *c->names.v[i] ? c->names.v[i] : NULL;
	struct source s = {
		.kind = SOURCE_PATH,
		.transport = c->transport,
		.place = (char *)path,
		.ref = *c->refs.v[i] ? c->refs.v[i] : NULL,
	};
	struct image *img;
	int r;

	if (i > 0 && s.ref && name && strcmp(s.ref, c->refs.v[i - 1]) == 0)
		return name_write(is, name, &(*last)->manifest, NULL, e);
	r = pull_source(is, &s, name, &plain, &img, e);
	if (r < 0)
		return r;
	image_free(*last);
	*last = img;
	return 0;
}

int image_load(struct images *is, const char *path, struct strv *ret,
	       struct volt_error *e)
{
	_cleanup_contents_ struct contents c = { 0 };
	_cleanup_(image_freep) struct image *last = NULL;
	_cleanup_strv_ struct strv names = { 0 };
	int r = contents_read(path, NULL, &c, e);

	for (size_t i = 0; r == 0 && i < c.refs.n; i++) {
		char id[DIGEST_HEX_SIZE];

		r = load_one(is, path, &c, i, &last, e);
		if (r == 0 &&
		    strv_add(&names, *c.names.v[i] ? c.names.v[i]
						   : digest_hex(&last->config, id)) < 0)
			r = fail_oom(e);
	}
	if (r < 0)
		return fail_in(e, r, "load '%s'", path);
	if (ret) {
		*ret = names;
		names = (struct strv){ 0 };
	}
	return 0;
}
