/* SPDX-License-Identifier: Apache-2.0 */
/* What a wish for a Nanos guest comes to, without making anything of it. */
#include "guest/nanos-plan.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "image/image.h"
#include "image/platform.h"
#include "image/transfer.h"
#include "lib/internal.h"
#include "net/user.h"
#include "vm/spec.h"

static int set_arch(struct spec *s, const struct image *img, struct volt_error *e)
{
	const struct platform *p = platform_find(s->arch      ? s->arch
						 : *img->arch ? img->arch
							      : NULL);

	if (!p)
		return fail(e, EINVAL, "architecture '%s' is not known",
			    s->arch ? s->arch : img->arch);
	free(s->arch);
	s->arch = strdup(p->arch);
	return s->arch ? 0 : fail_oom(e);
}

static int make_plan(struct volt_ctx *ctx, const struct spec *s, const struct image *img,
		     struct nanos_plan **ret, struct volt_error *e)
{
	_cleanup_close_ int lease = lease_take(ctx->store, e);
	_cleanup_(tree_freep) struct tree *t = NULL;
	_cleanup_strv_ struct strv servers = { 0 }, mounts = { 0 };
	struct nanos_wish w = { .args = &s->process.args,
				.env = &s->process.env,
				.cwd = s->process.cwd,
				.full = s->nanos.full,
				.mount_points = &mounts,
				.arch = s->arch,
				.hostname = s->hostname,
				.nameservers = &servers };
	int r = lease < 0 ? lease : tree_load(ctx->store, &img->tree, &t, e);

	if (r < 0)
		return r;
	if (s->network == NET_USER && strv_add(&servers, NET_RESOLVER) < 0)
		return fail_oom(e);
	for (size_t i = 0; i < s->n_volumes; i++)
		if (strv_add(&mounts, s->volumes[i].target) < 0)
			return fail_oom(e);
	return nanos_plan_make(t, ctx->store, &w, ret, e);
}

static int plan(struct volt_ctx *ctx, struct spec *s, bool files, json_t **ret,
		struct volt_error *e)
{
	struct image_pull pull = { .arch = s->arch, .policy = IMAGE_PULL_MISSING };
	_cleanup_(nanos_plan_freep) struct nanos_plan *p = NULL;
	_cleanup_(image_freep) struct image *img = NULL;
	struct images *is;
	int r = ctx_images(ctx, &is, e);

	if (r < 0 || (r = image_pull(is, s->image.ref, &pull, &img, e)) < 0 ||
	    (r = set_arch(s, img, e)) < 0 || (r = process_make(s, img, e)) < 0)
		return r;
	r = make_plan(ctx, s, img, &p, e);
	if (r < 0)
		return fail_in(e, r, "image '%s'", s->image.ref);
	*ret = nanos_plan_json(p, files);
	return *ret ? 0 : fail_oom(e);
}

int volt_nanos_plan(struct volt_ctx *ctx, const char *spec, const char *options,
		    char **ret, struct volt_error *e)
{
	static const char *const known[] = { "files", NULL };
	_cleanup_(spec_freep) struct spec *s = NULL;
	json_auto_t *wish = NULL, *o = NULL;
	json_t *j = NULL;
	bool files = false;
	int r;

	if ((r = json_parse(spec, strlen(spec), "the spec", &wish, e)) < 0 ||
	    (r = document_parse(options, known, &o, e)) < 0 ||
	    (r = json_get_bool(o, "files", &files, e)) < 0 ||
	    (r = spec_parse(wish, SPEC_WISH, &s, e)) < 0)
		return r;
	if (s->guest != GUEST_NANOS)
		return fail(e, EINVAL, "only machines of guest 'nanos' have a plan");
	r = plan(ctx, s, files, &j, e);
	return answer(r, j, ret, e);
}
