/* SPDX-License-Identifier: Apache-2.0 */

#include "lib/profile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "profile/assemble.h"
#include "profile/versions.h"
#include "store/ref.h"

int ctx_profiles(struct volt_ctx *ctx, struct profiles *ret, struct volt_error *e)
{
	*ret = (struct profiles){ .rootfd = ctx->rootfd, .log = &ctx->log };
	return ctx_store(ctx, &ret->store, e);
}

/* QEMU's targets: those that the manifest names, or that its programs are for. */
static json_t *guests_json(const struct profile_manifest *m)
{
	static const char prefix[] = "bin/qemu-system-";
	json_t *j = json_object_get(m->j, "guests");

	if (json_is_array(j))
		return json_incref(j);
	j = json_array();
	for (size_t i = 0; i < m->n; i++)
		if (strncmp(m->v[i].path, prefix, strlen(prefix)) == 0)
			(void)json_array_append_new(
				j, json_string(m->v[i].path + strlen(prefix)));
	return j;
}

static json_t *capabilities_json(const struct profile_manifest *m)
{
	json_t *j = json_array();

	for (unsigned int bit = 1; bit && bit <= m->capabilities; bit <<= 1)
		if (m->capabilities & bit && profile_capability_text(bit))
			(void)json_array_append_new(
				j, json_string(profile_capability_text(bit)));
	return j;
}

static json_t *version_json(const struct profile_version_entry *v,
			    const struct profile_usage *u)
{
	const struct profile_manifest *m = v->m;
	char digest[DIGEST_OCI_SIZE];

	return json_pack("{s:s, s:s, s:s, s:b, s:b, s:s?, s:s?, s:o, s:o, s:I, s:s}",
			 "name", m->name, "ref", v->ref, "digest",
			 digest_oci(&m->digest, digest), "current", v->current,
			 "assembled", v->assembled, "qemu_version", m->version, "arch",
			 m->arch, "guests", guests_json(m), "capabilities",
			 capabilities_json(m), "size", (json_int_t)u->bytes, "created_at",
			 m->created_at);
}

int volt_profile_list(struct volt_ctx *ctx, char **ret, struct volt_error *e)
{
	_cleanup_(profile_list_done) struct profile_list l = { 0 };
	json_auto_t *list = json_array();
	struct profile_usage u;
	struct profiles ps;
	int r;

	r = ctx_profiles(ctx, &ps, e);
	if (r == 0)
		r = profile_list(&ps, &l, e);
	for (size_t i = 0; i < l.n && r == 0; i++) {
		r = profile_usage(&ps, l.v[i].ref, &u, e);
		if (r == 0 && json_array_append_new(list, version_json(&l.v[i], &u)) < 0)
			r = fail_oom(e);
	}
	return answer(r, TAKE_PTR(list), ret, e);
}

/* -- one of them ----------------------------------------------------------------- */

static int find_entry(const struct profiles *ps, const char *ref, struct profile_list *l,
		      const struct profile_version_entry **ret, struct volt_error *e)
{
	struct profile_manifest *m = NULL;
	int r = profile_list(ps, l, e);

	if (r < 0)
		return r;
	for (size_t i = 0; i < l->n; i++) {
		if (strcmp(l->v[i].ref, ref) != 0)
			continue;
		*ret = &l->v[i];
		return 0;
	}
	r = profile_read(ps, ref, &m, e); /* says what is wrong with it */
	profile_manifest_free(m);
	return r < 0 ? r : fail(e, ENOENT, "no profile '%s' in the store", ref);
}

static json_t *part_json(const struct profile_part *p)
{
	return json_pack("{s:I, s:I}", "files", (json_int_t)p->files, "bytes",
			 (json_int_t)p->bytes);
}

static int add_usage(json_t *j, const struct profile_usage *u, struct volt_error *e)
{
	json_auto_t *more = json_pack(
		"{s:o, s:o, s:o, s:I, s:I, s:I, s:I}", "binaries", part_json(&u->bin),
		"libraries", part_json(&u->lib), "firmware", part_json(&u->firmware),
		"own", (json_int_t)u->own, "shared", (json_int_t)u->shared, "linked",
		(json_int_t)u->linked, "copied", (json_int_t)u->copied);

	return more && json_object_update(j, more) == 0 ? 0 : fail_oom(e);
}

/* What the manifest says of where it came from, as far as it is text. */
static void add_origin(json_t *j, const struct profile_manifest *m)
{
	static const char *const members[] = { "source", "build_host", "build_date" };

	for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
		json_t *value = json_object_get(m->j, members[i]);

		if (json_is_string(value))
			(void)json_object_set(j, members[i], value);
	}
}

static int tree_path(struct volt_ctx *ctx, const struct profile_manifest *m, char **ret,
		     struct volt_error *e)
{
	_cleanup_free_ char *root = realpath(ctx->root, NULL);
	char tree[PROFILE_TREE_SIZE];

	if (!root)
		return fail_errno(e, "find '%s'", ctx->root);
	if (asprintf(ret, "%s/qemu/%s", root, profile_tree_name(m, tree)) < 0) {
		*ret = NULL;
		return fail_oom(e);
	}
	return 0;
}

int volt_profile_inspect(struct volt_ctx *ctx, const char *profile, char **ret,
			 struct volt_error *e)
{
	_cleanup_(profile_list_done) struct profile_list l = { 0 };
	const struct profile_version_entry *v = NULL;
	_cleanup_free_ char *ref = NULL, *path = NULL;
	struct profile_usage u = { 0 };
	json_auto_t *j = NULL;
	struct profiles ps;
	int r;

	if ((r = ctx_profiles(ctx, &ps, e)) < 0 ||
	    (r = profile_find(&ps, profile, &ref, e)) < 0 ||
	    (r = find_entry(&ps, ref, &l, &v, e)) < 0 ||
	    (r = profile_usage(&ps, ref, &u, e)) < 0)
		return r;
	j = version_json(v, &u);
	if (!j)
		return fail_oom(e);
	add_origin(j, v->m);
	r = add_usage(j, &u, e);
	if (r == 0 && v->assembled)
		r = tree_path(ctx, v->m, &path, e);
	if (r == 0 && path && json_object_set_new(j, "path", json_string(path)) < 0)
		r = fail(e, EINVAL, "the path '%s' is not UTF-8", path);
	return answer(r, TAKE_PTR(j), ret, e);
}

int profile_arch_parse(const char *word, const struct profile_arch **ret,
		       struct volt_error *e)
{
	const struct profile_arch *arch = profile_arch_find(word);

	if (!arch)
		return fail(e, EINVAL, "architecture '%s' is not known",
			    word ? word : "of this host");
	*ret = arch;
	return 0;
}

/* A guest that every profile of this name is for. */
static const struct profile_arch *guest_of(enum profile_name name)
{
	const struct profile_arch *host = profile_arch_find(NULL);

	switch (name) {
	case PROFILE_KVM_LINUX:
	case PROFILE_KVM_UEFI:
		return host;
	case PROFILE_EMULATE_X86:
		return profile_arch_find("x86_64");
	case PROFILE_EMULATE_FOREIGN:
		break;
	}
	return profile_arch_find(host && strcmp(host->name, "arm64") == 0 ? "riscv64"
									  : "arm64");
}

/* Resolving by a name of volt's own makes what is not there. Whether it has the guest that
 * was asked for then is not of interest here. */
static int make_missing(const struct profiles *ps, const char *who, struct volt_error *e)
{
	_cleanup_(profile_freep) struct profile *p = NULL;
	_cleanup_free_ char *ref = NULL;
	struct profile_wish w = { 0 };
	int r = profile_find(ps, who, &ref, e);

	if (r != -ENOENT || profile_name_parse(who, &w.name, NULL) < 0)
		return r;
	w.arch = guest_of(w.name);
	r = profile_resolve(ps, &w, &p, e);
	return profile_find(ps, who, &ref, NULL) == 0 ? 0 : r;
}

int profile_open(struct volt_ctx *ctx, const char *who, const struct profile_arch *arch,
		 struct profile **ret, struct volt_error *e)
{
	const struct profile_wish w = { .given = who, .arch = arch };
	struct profiles ps;
	int r;

	r = ctx_profiles(ctx, &ps, e);
	if (r == 0)
		r = make_missing(&ps, who, e);
	return r < 0 ? r : profile_resolve(&ps, &w, ret, e);
}

int volt_profile_resolve(struct volt_ctx *ctx, const char *profile, char **ret,
			 struct volt_error *e)
{
	_cleanup_(profile_freep) struct profile *p = NULL;
	int r = profile_open(ctx, profile, NULL, &p, e);

	if (r == 0)
		*ret = TAKE_PTR(p->path);
	return r;
}

/* What its tree is called nobody can tell; the ref and the tag are what stands in the way of
 * everything else. */
static int remove_broken(const struct profiles *ps, const char *ref, struct volt_error *e)
{
	_cleanup_free_ char *name = profile_ref_label(ref), *tagged = NULL;
	int r = 0;

	if (name && ref_tag_read(ps->store, name, &tagged, NULL) == 0 &&
	    strcmp(tagged, ref) == 0)
		r = ref_tag_remove(ps->store, name, e);
	return r < 0 ? r : ref_remove(ps->store, NULL, ref, e);
}

int volt_profile_remove(struct volt_ctx *ctx, const char *profile, unsigned int flags,
			char **ret, struct volt_error *e)
{
	_cleanup_free_ char *ref = NULL;
	struct profiles ps;
	int r;

	if (flags & ~VOLT_PROFILE_FORCE)
		return fail(e, EINVAL, "remove '%s': there are no flags %#x", profile,
			    flags);
	if ((r = ctx_profiles(ctx, &ps, e)) < 0 ||
	    (r = profile_find(&ps, profile, &ref, e)) < 0)
		return r;
	r = profile_remove(&ps, ref, flags & VOLT_PROFILE_FORCE, e);
	if (r == -EBADMSG && (flags & VOLT_PROFILE_FORCE))
		r = remove_broken(&ps, ref, e);
	if (r < 0)
		return r;
	if (ret)
		*ret = TAKE_PTR(ref);
	return 0;
}
