/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/io.h"
#include "base/spawn.h"
#include "image/name.h"
#include "image/skopeo.h"

/* skopeo takes a registry and perhaps a part of a repository: what an image name has. */
static int check_registry(const char *registry, struct volt_error *e)
{
	_cleanup_(image_name_freep) struct image_name *n = NULL;
	_cleanup_free_ char *name = NULL;

	if (asprintf(&name, "%s%s", registry, strchr(registry, '/') ? "" : "/x") < 0) {
		name = NULL;
		return fail_oom(e);
	}
	if (image_name_parse(name, &n, NULL) < 0 || n->has_digest || n->short_name)
		return fail(e, EINVAL, "'%s' is no registry", registry);
	return 0;
}

static int add_common(struct strv *args, const struct image_transport *t)
{
	int r = 0;

	if (t && t->authfile)
		r = strv_addf(args, "--authfile=%s", t->authfile);
	if (r == 0 && t && t->tls_verify)
		r = strv_addf(args, "--tls-verify=%s", t->tls_verify);
	return r;
}

/* Runs with the password on stdin. */
static int run_with(const struct strv *args, const char *secret, struct volt_error *e)
{
	_cleanup_close_ int in = memfd_create("password", MFD_CLOEXEC);
	struct spawn s = SPAWN_INIT;
	struct volt_error why = { 0 };
	int r;

	if (in < 0)
		return fail_errno(e, "make a file in memory");
	r = pwrite_all(in, secret, strlen(secret), 0);
	if (r < 0)
		return fail_code(e, r, "pass the password on");
	s.argv = (const char *const *)args->v;
	s.in = in;
	s.die_with_parent = true;
	r = spawn_run(&s, 4096, NULL, &why);
	if (r == -EIO)
		return skopeo_explain(why.msg, e);
	if (r < 0 && e)
		*e = why;
	return r;
}

int image_login(const char *registry, const char *user, const char *password,
		const struct image_transport *t, struct volt_error *e)
{
	_cleanup_strv_ struct strv args = { 0 };
	int r = check_registry(registry, e);

	if (r < 0)
		return r;
	if (strv_add(&args, "skopeo") < 0 || strv_add(&args, "login") < 0 ||
	    strv_addf(&args, "--username=%s", user) < 0 ||
	    strv_add(&args, "--password-stdin") < 0 || add_common(&args, t) < 0 ||
	    strv_add(&args, "--") < 0 || strv_add(&args, registry) < 0)
		return fail_oom(e);
	r = run_with(&args, password, e);
	return r < 0 ? fail_in(e, r, "log in to '%s'", registry) : 0;
}

int image_logout(const char *registry, const struct image_transport *t,
		 struct volt_error *e)
{
	_cleanup_strv_ struct strv args = { 0 };
	struct image_transport only = { .authfile = t ? t->authfile : NULL };
	int r = registry ? check_registry(registry, e) : 0;

	if (r < 0)
		return r;
	if (strv_add(&args, "skopeo") < 0 || strv_add(&args, "logout") < 0 ||
	    add_common(&args, &only) < 0 || (!registry && strv_add(&args, "--all") < 0) ||
	    strv_add(&args, "--") < 0 || (registry && strv_add(&args, registry) < 0))
		return fail_oom(e);
	r = skopeo_run(-1, &args, 4096, NULL, e);
	return r < 0 ? fail_in(e, r, "log out of '%s'",
			       registry ? registry : "all registries")
		     : 0;
}
