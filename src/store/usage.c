/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "store/gc.h"
#include "store/internal.h"
#include "store/query.h"

static int count(const struct store *s, const struct object_file *f, bool reached,
		 struct store_usage *u)
{
	char name[OBJECT_NAME_SIZE];
	uint64_t on_disk;
	struct stat st;

	if (fstatat(s->objects, object_name(&f->digest, f->kind, name), &st,
		    AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	on_disk = (uint64_t)st.st_blocks * 512;
	u->objects++;
	u->bytes += (uint64_t)st.st_size;
	u->allocated += on_disk;
	if (!reached) {
		u->unreferenced++;
		u->unreferenced_bytes += on_disk;
	}
	return 0;
}

int store_usage(struct store *s, struct store_usage *ret, struct volt_error *e)
{
	_cleanup_(object_scan_done) struct object_scan scan = { 0 };
	_cleanup_(reach_done) struct reach reach = { 0 };
	struct store_usage u = { 0 };
	size_t i;
	int r;

	r = reach_collect(s, &reach, e);
	if (r < 0)
		return r;
	r = object_scan(s, &scan, NULL, NULL);
	for (i = 0; i < scan.n && r >= 0; i++)
		r = count(s, &scan.v[i], digest_set_has(&reach.set, &scan.v[i].digest),
			  &u);
	if (r < 0)
		return fail_code(e, r, "measure the store");
	*ret = u;
	return 0;
}

/* -- by kind --------------------------------------------------------------------- */

#define KINDS_MAX 32 /* volt has five; a newer one may have more */

struct kind {
	char name[NAME_MAX + 1];
	struct kind_usage usage;
	struct reach reach;
};

struct kinds {
	const struct store *store;
	struct kind v[KINDS_MAX];
	size_t n;
};

static void kinds_free(struct kinds *k)
{
	if (!k)
		return;
	for (size_t i = 0; i < k->n; i++)
		reach_done(&k->v[i].reach);
	free(k);
}
DEFINE_CLEANUP(struct kinds *, kinds_free)

/* The walk goes kind by kind. */
static struct kind *kind_of(struct kinds *k, const char *ref)
{
	const char *slash = strchr(ref, '/');
	const char *name = slash ? ref : "profiles";
	size_t n = slash ? (size_t)(slash - ref) : strlen(name);
	struct kind *last = k->n > 0 ? &k->v[k->n - 1] : NULL;

	if (last && strlen(last->name) == n && strncmp(last->name, name, n) == 0)
		return last;
	if (k->n == KINDS_MAX || n > NAME_MAX)
		return NULL;
	last = &k->v[k->n++];
	memcpy(last->name, name, n);
	last->usage.kind = last->name;
	return last;
}

static int add_ref(void *data, const char *ref, const json_t *j, struct volt_error *e)
{
	struct kinds *k = data;
	struct kind *kind = kind_of(k, ref);

	if (!kind)
		return fail(e, E2BIG, "measure ref '%s': more than %d kinds of refs", ref,
			    KINDS_MAX);
	kind->usage.refs++;
	return reach_add(k->store, &kind->reach, ref, j, e);
}

static void count_file(struct kinds *k, const struct object_file *f)
{
	char name[OBJECT_NAME_SIZE];
	struct stat st;

	if (fstatat(k->store->objects, object_name(&f->digest, f->kind, name), &st,
		    AT_SYMLINK_NOFOLLOW) < 0)
		return; /* gone meanwhile */
	for (size_t i = 0; i < k->n; i++) {
		struct kind *kind = &k->v[i];

		if (!digest_set_has(&kind->reach.set, &f->digest))
			continue;
		kind->usage.objects++;
		kind->usage.bytes += (uint64_t)st.st_size;
		kind->usage.allocated += (uint64_t)st.st_blocks * 512;
	}
}

int store_usage_kinds(struct store *s, int (*fn)(void *data, const struct kind_usage *u),
		      void *data, struct volt_error *e)
{
	_cleanup_(object_scan_done) struct object_scan scan = { 0 };
	_cleanup_(kinds_freep) struct kinds *k = calloc(1, sizeof(*k));
	const struct ref_walk walk = { .ref = add_ref, .data = k };
	int r;

	if (!k)
		return fail_oom(e);
	k->store = s;
	r = refs_walk(s, &walk, e);
	if (r < 0)
		return r;
	r = object_scan(s, &scan, NULL, NULL);
	if (r < 0)
		return fail_code(e, r, "measure the store");
	for (size_t i = 0; i < scan.n; i++)
		count_file(k, &scan.v[i]);
	for (size_t i = 0; i < k->n && r == 0; i++)
		r = fn(data, &k->v[i].usage);
	return r;
}
