/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/strv.h"
#include "lib/profile.h"
#include "profile/assemble.h"
#include "profile/build.h"
#include "profile/source.h"
#include "profile/verify.h"
#include "profile/versions.h"
#include "store/ref.h"

/* -- making ---------------------------------------------------------------------- */

/* Makes the tree, too; *@ret is the name of the version that @m is. */
static int finish(const struct profiles *ps, const struct profile_manifest *m, char **ret,
		  struct volt_error *e)
{
	_cleanup_free_ char *ref = NULL;
	int r = profile_assemble_new(ps, m, &ref, e);

	if (r == 0 && ret)
		*ret = TAKE_PTR(ref);
	return r;
}

static int build_source(const struct profiles *ps, enum profile_name name,
			const json_t *j, struct profile_manifest **ret,
			struct volt_error *e)
{
	_cleanup_free_ char *recipe = NULL;
	struct profile_source o = { 0 };
	int64_t jobs = 0;
	int r;

	if ((r = json_get_string(j, "source", &o.source, e)) < 0 ||
	    (r = json_get_int(j, "jobs", 1, 1024, &jobs, e)) < 0 ||
	    (r = find_recipe(profile_name_text(name), &recipe, e)) < 0)
		return r;
	o.jobs = (unsigned int)jobs;
	o.recipe = recipe;
	return profile_build_source(ps, name, &o, ret, e);
}

static int build_host(const struct profiles *ps, enum profile_name name, const json_t *j,
		      struct profile_manifest **ret, struct volt_error *e)
{
	static const char *const others[] = { "source", "jobs" };

	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		if (json_object_get(j, others[i]))
			return fail(e, EINVAL,
				    "'%s' is for profiles that are built from 'source'",
				    others[i]);
	return profile_build_host(ps, name, ret, e);
}

int volt_profile_build(struct volt_ctx *ctx, const char *options, char **ret,
		       struct volt_error *e)
{
	static const char *const known[] = { "profile", "from", "source", "jobs", NULL };
	_cleanup_(profile_manifest_freep) struct profile_manifest *m = NULL;
	const char *word = NULL, *from = "host";
	json_auto_t *j = NULL;
	enum profile_name name;
	struct profiles ps;
	bool source;
	int r;

	if ((r = document_parse(options, known, &j, e)) < 0 ||
	    (r = json_get_string(j, "profile", &word, e)) < 0 ||
	    (r = json_get_string(j, "from", &from, e)) < 0 ||
	    (r = profile_name_parse(word, &name, e)) < 0)
		return r;
	source = strcmp(from, "source") == 0;
	if (!source && strcmp(from, "host") != 0)
		return fail(e, EINVAL,
			    "a profile is not built from '%s': use 'host' or 'source'",
			    from);
	r = ctx_profiles(ctx, &ps, e);
	if (r == 0)
		r = (source ? build_source : build_host)(&ps, name, j, &m, e);
	return r < 0 ? r : finish(&ps, m, ret, e);
}

int volt_profile_store(struct volt_ctx *ctx, const char *directory, const char *name,
		       char **ret, struct volt_error *e)
{
	const struct profile_about about = { .name = name };
	_cleanup_(profile_manifest_freep) struct profile_manifest *m = NULL;
	_cleanup_free_ char *path = realpath(directory, NULL);
	_cleanup_close_ int fd = -1;
	struct profiles ps;
	int r;

	if (!path)
		return fail_errno(e, "open directory '%s'", directory);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return fail_errno(e, "open directory '%s'", directory);
	r = ctx_profiles(ctx, &ps, e);
	if (r == 0)
		r = profile_store_directory(&ps, &about, fd, path, &m, e);
	return r < 0 ? r : finish(&ps, m, ret, e);
}

/* -- verifying ------------------------------------------------------------------- */

static void add_damage(void *data, const struct profile_damage *d)
{
	(void)json_array_append_new(
		data, json_pack("{s:s, s:s, s:s, s:s, s:b, s:s}", "profile", d->profiles,
				"path", d->path, "hash", d->object, "why", d->why,
				"repaired", d->repaired, "how", d->from ? d->from : ""));
}

/* Manifests that cannot be read: whatever they name, nobody can look at it. */
static int find_unreadable(const struct profiles *ps, json_t *list, uint64_t *n,
			   struct volt_error *e)
{
	_cleanup_strv_ struct strv refs = { 0 };
	int r = ref_list(ps->store, NULL, &refs, e);

	if (r < 0)
		return r;
	for (size_t i = 0; i < refs.n && r >= 0; i++) {
		_cleanup_(profile_manifest_freep) struct profile_manifest *m = NULL;
		struct volt_error why = { 0 };

		r = profile_read(ps, refs.v[i], &m, &why);
		if (r == -EINVAL || r == -ENOENT) /* another's, or removed since */
			r = 0;
		if (r >= 0)
			continue;
		(*n)++;
		r = json_array_append_new(
			list, json_pack("{s:s, s:s, s:s, s:s, s:b, s:s}", "profile",
					refs.v[i], "path", "", "hash", "", "why", why.msg,
					"repaired", false, "how", ""));
	}
	return r < 0 ? fail_oom(e) : 0;
}

int volt_profile_verify(struct volt_ctx *ctx, const char *profile, unsigned int flags,
			char **ret, struct volt_error *e)
{
	bool repair = !(flags & VOLT_PROFILE_NO_REPAIR);
	_cleanup_free_ char *ref = NULL;
	json_auto_t *list = json_array();
	struct profile_check n = { 0 };
	const struct profile_listener listener = { add_damage, list };
	struct profiles ps;
	uint64_t unreadable = 0;
	int r;

	if (flags & ~VOLT_PROFILE_NO_REPAIR)
		return fail(e, EINVAL, "verify profiles: there are no flags %#x", flags);
	r = ctx_profiles(ctx, &ps, e);
	if (r == 0 && profile)
		r = profile_find(&ps, profile, &ref, e);
	if (r == 0)
		r = profile_verify(&ps, ref, repair, &listener, &n, e);
	if (r == 0 && json_array_size(list) != n.bad)
		return fail_oom(e);
	if (r == 0 && !profile)
		r = find_unreadable(&ps, list, &unreadable, e);
	return answer(r < 0 ? r : (int)(n.bad - n.repaired + unreadable), TAKE_PTR(list),
		      ret, e);
}
