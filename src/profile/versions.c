/* SPDX-License-Identifier: Apache-2.0 */
#include "profile/versions.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "base/strv.h"
#include "profile/assemble.h"
#include "store/ref.h"

#define HASH8  8
#define HASH12 12

int profile_read(const struct profiles *ps, const char *ref,
		 struct profile_manifest **ret, struct volt_error *e)
{
	_cleanup_(profile_manifest_freep) struct profile_manifest *m = NULL;
	_cleanup_free_ char *label = profile_ref_label(ref);
	json_t *j;
	int r;

	if (!label)
		return fail(e, EINVAL, "'%s' is not the name of a profile's version",
			    ref);
	r = ref_read(ps->store, NULL, ref, &j, e);
	if (r >= 0)
		r = profile_manifest_from_json(j, ref, &m, e);
	if (r == -EBADMSG)
		return fail_in(e, r, "profile '%s' is broken", ref);
	if (r < 0)
		return r;
	free(m->name);
	m->name = TAKE_PTR(label);
	*ret = TAKE_PTR(m);
	return 0;
}

/* -- finding ----------------------------------------------------------------------- */

/* Exactly: "kvm-linux-debug-0a1b2c3d" is no version of "kvm-linux". */
static bool is_version(const char *ref, const char *name)
{
	_cleanup_free_ char *label = profile_ref_label(ref);

	return label && strcmp(label, name) == 0;
}

/* When it was made, as far as it says so in a way volt understands. */
static int64_t age(const struct profile_manifest *m)
{
	int64_t t;

	return clock_parse(m->created_at, &t) < 0 ? 0 : t;
}

/* One that cannot be read is named, with @why, and the others are no worse for it. */
static int read_or_name(const struct profiles *ps, const char *ref,
			struct profile_manifest **ret, struct volt_error *why)
{
	int r = profile_read(ps, ref, ret, why);

	if (r < 0 && r != -ENOMEM)
		log_line(ps->log, 4, "profile '%s' is left out: %s", ref, why->msg);
	return r;
}

/* The one made last, among refs that no tag chooses from: of a store written by others. */
static int find_newest(const struct profiles *ps, const char *name,
		       const struct strv *refs, char **ret, struct volt_error *e)
{
	_cleanup_free_ char *best = NULL;
	struct volt_error why = { 0 };
	int64_t when = 0;
	int r = 0;

	for (size_t i = 0; i < refs->n && r != -ENOMEM; i++) {
		_cleanup_(profile_manifest_freep) struct profile_manifest *m = NULL;

		if (!is_version(refs->v[i], name))
			continue;
		r = read_or_name(ps, refs->v[i], &m, &why);
		if (!m || (best && age(m) <= when))
			continue;
		free(best);
		best = strdup(refs->v[i]);
		when = age(m);
		if (!best)
			r = -ENOMEM;
	}
	if (r == -ENOMEM)
		return fail_oom(e);
	if (!best && why.code)
		return fail(e, why.code, "%s", why.msg);
	if (!best)
		return fail(e, ENOENT, "no profile '%s' in the store", name);
	*ret = TAKE_PTR(best);
	return 0;
}

/* By the digits of its ref's name or by the first 12 of its digest. */
static int find_version(const struct profiles *ps, const char *who, const char *label,
			const struct strv *refs, char **ret, struct volt_error *e)
{
	char tree[PROFILE_TREE_SIZE];
	int r;

	for (size_t i = 0; i < refs->n; i++) {
		_cleanup_(profile_manifest_freep) struct profile_manifest *m = NULL;

		if (!is_version(refs->v[i], label))
			continue;
		if (strcmp(refs->v[i], who) != 0) {
			r = profile_read(ps, refs->v[i], &m, e);
			if (r < 0)
				return r;
			if (strcmp(profile_tree_name(m, tree), who) != 0)
				continue;
		}
		*ret = strdup(refs->v[i]);
		return *ret ? 0 : fail_oom(e);
	}
	return fail(e, ENOENT, "no version '%s' of profile '%s' in the store", who,
		    label);
}

static int find_tagged(const struct profiles *ps, const char *name, char **ret,
		       struct volt_error *e)
{
	_cleanup_free_ char *ref = NULL;
	int r = ref_tag_read(ps->store, name, &ref, e);

	if (r < 0)
		return r;
	if (!is_version(ref, name))
		return fail(e, EBADMSG, "tag '%s' names '%s', no version of this profile",
			    name, ref);
	*ret = TAKE_PTR(ref);
	return 0;
}

int profile_find(const struct profiles *ps, const char *who, char **ret_ref,
		 struct volt_error *e)
{
	_cleanup_free_ char *label = profile_ref_label(who);
	_cleanup_strv_ struct strv refs = { 0 };
	int r;

	if (!label && !profile_label_is_valid(who))
		return fail(e, EINVAL, "'%s' is not a valid name for a profile", who);
	r = label ? -ENOENT : find_tagged(ps, who, ret_ref, e);
	if (r != -ENOENT)
		return r;
	r = ref_list(ps->store, NULL, &refs, e);
	if (r < 0)
		return r;
	return label ? find_version(ps, who, label, &refs, ret_ref, e)
		     : find_newest(ps, who, &refs, ret_ref, e);
}

/* -- recording --------------------------------------------------------------------- */

/* A tree is named by twelve digits of a digest. Two profiles that have them in common were
 * made so, in seconds: one of them would run in place of the other. */
static int check_tree(const struct profiles *ps, const struct profile_manifest *m,
		      struct volt_error *e)
{
	char tree[PROFILE_TREE_SIZE], other[PROFILE_TREE_SIZE];
	struct profiles quiet = *ps;
	struct profile_list l = { 0 };
	int r;

	quiet.log = NULL; /* what cannot be read has no tree */
	(void)profile_tree_name(m, tree);
	r = profile_list(&quiet, &l, e);
	for (size_t i = 0; i < l.n && r >= 0; i++)
		if (strcmp(profile_tree_name(l.v[i].m, other), tree) == 0 &&
		    !digest_equal(&l.v[i].m->digest, &m->digest))
			r = fail(e, EEXIST,
				 "it is not '%s', whose digest begins like its own: "
				 "remove that one, or give it another name",
				 l.v[i].ref);
	profile_list_done(&l);
	return r;
}

/* Eight digits of the digest, unless they are taken by another profile of that name. */
static int choose_ref(const struct profiles *ps, const struct profile_manifest *m,
		      char **ret, struct volt_error *e)
{
	_cleanup_(profile_manifest_freep) struct profile_manifest *other = NULL;
	char tree[PROFILE_TREE_SIZE];
	size_t n;
	int r;

	n = strlen(profile_tree_name(m, tree));
	*ret = strndup(tree, n - (HASH12 - HASH8));
	if (!*ret)
		return fail_oom(e);
	r = profile_read(ps, *ret, &other, NULL);
	if (r < 0 || digest_equal(&other->digest, &m->digest))
		return 0;
	free(*ret);
	*ret = strdup(tree);
	return *ret ? 0 : fail_oom(e);
}

int profile_make_current(const struct profiles *ps, const char *ref, struct volt_error *e)
{
	_cleanup_free_ char *label = profile_ref_label(ref);

	if (!label)
		return fail(e, EINVAL, "'%s' is not the name of a profile's version",
			    ref);
	return ref_tag_write(ps->store, label, ref, e);
}

int profile_record(const struct profiles *ps, const struct profile_manifest *m,
		   char **ret_ref, struct volt_error *e)
{
	_cleanup_free_ char *ref = NULL;
	int r;

	r = check_tree(ps, m, e);
	if (r >= 0)
		r = choose_ref(ps, m, &ref, e);
	if (r >= 0)
		r = ref_write(ps->store, NULL, ref, m->j, e);
	if (r >= 0)
		r = profile_make_current(ps, ref, e);
	if (r < 0)
		return r;
	if (ret_ref)
		*ret_ref = TAKE_PTR(ref);
	return 0;
}

/* -- listing ----------------------------------------------------------------------- */

static int by_age(const void *a, const void *b)
{
	const struct profile_version_entry *x = a, *y = b;
	int r = strcmp(x->m->name, y->m->name);

	if (r == 0)
		r = (age(y->m) > age(x->m)) - (age(y->m) < age(x->m));
	return r ? r : strcmp(x->ref, y->ref);
}

static int list_one(const struct profiles *ps, const char *ref, struct profile_list *l)
{
	struct profile_version_entry *v = &l->v[l->n];
	_cleanup_free_ char *label = profile_ref_label(ref), *current = NULL;
	struct volt_error why;
	int r;

	if (!label)
		return 0;
	r = read_or_name(ps, ref, &v->m, &why);
	if (r < 0)
		return r == -ENOMEM ? r : 0;
	l->n++;
	v->ref = strdup(ref);
	if (!v->ref)
		return -ENOMEM;
	(void)profile_find(ps, label, &current, NULL);
	v->current = current && strcmp(current, ref) == 0;
	v->assembled = profile_is_assembled(ps, v->m);
	return 0;
}

int profile_list(const struct profiles *ps, struct profile_list *ret,
		 struct volt_error *e)
{
	_cleanup_strv_ struct strv refs = { 0 };
	struct profile_list l = { 0 };
	int r;

	r = ref_list(ps->store, NULL, &refs, e);
	if (r < 0)
		return r;
	l.v = calloc(refs.n + 1, sizeof(*l.v));
	if (!l.v)
		return fail_oom(e);
	for (size_t i = 0; i < refs.n && r >= 0; i++)
		r = list_one(ps, refs.v[i], &l);
	if (r < 0) {
		profile_list_done(&l);
		return fail_oom(e);
	}
	qsort(l.v, l.n, sizeof(*l.v), by_age);
	*ret = l;
	return 0;
}

void profile_list_done(struct profile_list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->v[i].ref);
		profile_manifest_free(l->v[i].m);
	}
	free(l->v);
	*l = (struct profile_list){ 0 };
}

/* -- removing ---------------------------------------------------------------------- */

static int remove_ref(const struct profiles *ps, const char *name, const char *ref,
		      struct volt_error *e)
{
	_cleanup_free_ char *tagged = NULL;
	int r = 0;

	if (ref_tag_read(ps->store, name, &tagged, NULL) == 0 && strcmp(tagged, ref) == 0)
		r = ref_tag_remove(ps->store, name, e);
	return r < 0 ? r : ref_remove(ps->store, NULL, ref, e);
}

/* The order matters to whoever comes after a crash: what is left without the tag, the tree
 * or both is a version that can still be found, assembled and removed. The tree's lock is
 * held to the end, and who gets it then looks for the ref (resolve.c): otherwise a start in
 * between would leave a tree of nobody's. */
int profile_remove(const struct profiles *ps, const char *ref, bool force,
		   struct volt_error *e)
{
	_cleanup_(profile_manifest_freep) struct profile_manifest *m = NULL;
	struct disassembled d = DISASSEMBLED_INIT;
	int r;

	r = profile_read(ps, ref, &m, e);
	if (r >= 0)
		r = profile_disassemble(ps, m, force, &d, e);
	if (r < 0)
		return r;
	r = remove_ref(ps, m->name, ref, e);
	profile_disassembled(&d, m);
	return r;
}
