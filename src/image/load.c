/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "image/pull.h"

static int load_one(struct images *is, const char *path, const struct contents *c,
		    size_t i, struct strv *ret, struct volt_error *e)
{
	static const struct image_pull plain;
	_cleanup_(image_freep) struct image *img = NULL;
	const char *name = *c->names.v[i] ? c->names.v[i] : NULL;
	struct source s = {
		.kind = SOURCE_PATH,
		.transport = c->transport,
		.place = (char *)path,
		.ref = *c->refs.v[i] ? c->refs.v[i] : NULL,
	};
	char id[DIGEST_HEX_SIZE];
	int r = pull_source(is, &s, name, &plain, &img, e);

	if (r < 0)
		return r;
	return strv_add(ret, name ? name : digest_hex(&img->config, id)) < 0 ? fail_oom(e)
									     : 0;
}

int image_load(struct images *is, const char *path, struct strv *ret,
	       struct volt_error *e)
{
	_cleanup_contents_ struct contents c = { 0 };
	_cleanup_strv_ struct strv names = { 0 };
	int r = contents_read(path, NULL, &c, e);

	for (size_t i = 0; r == 0 && i < c.refs.n; i++)
		r = load_one(is, path, &c, i, &names, e);
	if (r < 0)
		return fail_in(e, r, "load '%s'", path);
	if (ret) {
		*ret = names;
		names = (struct strv){ 0 };
	}
	return 0;
}
