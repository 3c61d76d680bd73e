/* SPDX-License-Identifier: Apache-2.0 */
/* A Containerfile is buildah's business. It builds into its own storage, leaves the image in
 * an OCI layout in our staging directory, and from there it comes in as any other. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/spawn.h"
#include "image/build.h"
#include "image/pull.h"

#define LAYOUT "built"

static int add_args(struct strv *args, const struct image_context *c, const char *file,
		    const struct platform *p)
{
	int r = strv_add(args, "buildah");

	if (r == 0)
		r = strv_add(args, "build");
	if (r == 0)
		r = strv_add(args, "--quiet");
	if (r == 0)
		r = strv_add(args, "--format=oci");
	if (r == 0 && file)
		r = strv_addf(args, "--file=%s", file);
	if (r == 0 && c->target)
		r = strv_addf(args, "--target=%s", c->target);
	if (r == 0 && p)
		r = strv_addf(args, "--platform=linux/%s%s%s", p->oci_arch,
			      p->oci_variant ? "/" : "",
			      p->oci_variant ? p->oci_variant : "");
	for (const char *const *v = c->build_args; r == 0 && v && *v; v++)
		r = strv_addf(args, "--build-arg=%s", *v);
	return r;
}

static int run_buildah(const struct strv *args, int cwd, struct volt_error *e)
{
	struct spawn s = SPAWN_INIT;
	int r;

	s.argv = (const char *const *)args->v;
	s.cwd = cwd;
	s.die_with_parent = true;
	r = spawn_run(&s, 0, NULL, e);
	if (r == -ENOENT)
		return fail(e, ENOENT, "buildah is not installed (apt install buildah)");
	return r;
}

static int take(struct images *is, const struct staging *st, const char *name,
		struct image **ret, struct volt_error *e)
{
	static const struct image_pull plain;
	struct source s = { .kind = SOURCE_PATH, .transport = "oci:" };
	int r;

	if (asprintf(&s.place, "%s/" LAYOUT, st->path) < 0)
		return fail_oom(e);
	r = pull_source(is, &s, name, &plain, ret, e);
	free(s.place);
	return r;
}

static int build(struct images *is, const struct image_context *c, const char *directory,
		 const char *name, struct image **ret, struct volt_error *e)
{
	_cleanup_staging_ struct staging st = { .lock = -1, .dir = -1 };
	_cleanup_strv_ struct strv args = { 0 };
	_cleanup_free_ char *file = NULL;
	const struct platform *p = c->arch ? platform_find(c->arch) : NULL;
	int r;

	if (c->arch && !p)
		return fail(e, EINVAL, "architecture '%s' is not known", c->arch);
	if (c->containerfile && !(file = realpath(c->containerfile, NULL)))
		return fail_errno(e, "'%s'", c->containerfile);
	r = staging_open(is, &st, e);
	if (r < 0)
		return r;
	if (add_args(&args, c, file, p) < 0 || strv_add(&args, "--tag=oci:" LAYOUT) < 0 ||
	    strv_add(&args, "--") < 0 || strv_add(&args, directory) < 0)
		return fail_oom(e);
	r = run_buildah(&args, st.dir, e);
	return r < 0 ? r : take(is, &st, name, ret, e);
}

int image_build_context(struct images *is, const struct image_context *c,
			const char *name, struct image **ret, struct volt_error *e)
{
	_cleanup_free_ char *directory = realpath(c->directory, NULL), *full = NULL;
	int r = 0;

	if (!directory)
		return fail_errno(e, "'%s'", c->directory);
	if (name)
		r = image_name_to_give(name, &full, e);
	if (r == 0)
		r = build(is, c, directory, full, ret, e);
	return r < 0 ? fail_in(e, r, "build '%s'", c->directory) : 0;
}
