/* SPDX-License-Identifier: Apache-2.0 */
#include "store/query.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "store/internal.h"

static int by_digest(const void *a, const void *b)
{
	const struct object_file *x = a, *y = b;
	int r = digest_compare(&x->digest, &y->digest);

	return r ? r : (int)x->kind - (int)y->kind;
}

/* Adds one of an object's files. False: it is gone. */
static bool add_file(const struct store *s, const struct object_file *f,
		     struct object_info *o)
{
	char name[OBJECT_NAME_SIZE];
	struct stat st;

	if (fstatat(s->objects, object_name(&f->digest, f->kind, name), &st,
		    AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	o->digest = f->digest;
	o->size = (uint64_t)st.st_size;
	o->allocated += (uint64_t)st.st_blocks * 512;
	o->links += (uint64_t)st.st_nlink - 1;
	if (f->kind == OBJECT_EXEC)
		o->exec = true;
	else
		o->plain = true;
	return true;
}

static int list_objects(const struct store *s, const struct object_scan *scan,
			const struct digest_set *reached,
			int (*fn)(void *data, const struct object_info *o), void *data)
{
	size_t i = 0;
	int r = 0;

	while (i < scan->n && r == 0) {
		struct object_info o = { 0 };
		size_t first = i;
		bool here = false;

		for (; i < scan->n &&
		       digest_equal(&scan->v[i].digest, &scan->v[first].digest);
		     i++)
			here |= add_file(s, &scan->v[i], &o);
		o.kept = digest_set_has(reached, &o.digest);
		if (here)
			r = fn(data, &o);
	}
	return r;
}

static int scan_sorted(const struct store *s, struct object_scan *ret,
		       struct volt_error *e)
{
	int r = object_scan(s, ret, NULL, NULL);

	if (r < 0)
		return fail_code(e, r, "list the store's objects");
	if (ret->n > 0)
		qsort(ret->v, ret->n, sizeof(*ret->v), by_digest);
	return 0;
}

int store_list(struct store *s, int (*fn)(void *data, const struct object_info *o),
	       void *data, struct volt_error *e)
{
	_cleanup_(object_scan_done) struct object_scan scan = { 0 };
	_cleanup_(reach_done) struct reach reach = { 0 };
	int r;

	r = reach_collect(s, &reach, e);
	if (r == 0)
		r = scan_sorted(s, &scan, e);
	return r < 0 ? r : list_objects(s, &scan, &reach.set, fn, data);
}

/* -- by the first digits of a digest --------------------------------------------- */

struct match {
	const char *prefix;
	size_t length, found;
	struct digest digest;
};

static void look_at(struct match *m, const struct digest *d)
{
	char hex[DIGEST_HEX_SIZE];

	if (strncmp(digest_hex(d, hex), m->prefix, m->length) != 0 ||
	    (m->found > 0 && digest_equal(d, &m->digest)))
		return;
	m->digest = *d;
	m->found++;
}

static int prefix_check(const char *text, const char **ret, struct volt_error *e)
{
	const char *p = strncmp(text, "sha256:", 7) == 0 ? text + 7 : text;
	size_t n = strlen(p);

	if (n == 0 || n >= DIGEST_HEX_SIZE || strspn(p, "0123456789abcdef") != n)
		return fail(e, EINVAL,
			    "'%s' is not a digest or the beginning of one: up to 64 of "
			    "the digits 0-9 and a-f",
			    text);
	*ret = p;
	return 0;
}

static void ignore(void *data, const char *what, const char *why)
{
}

int store_find(struct store *s, const char *prefix, struct digest *ret,
	       struct volt_error *e)
{
	_cleanup_(object_scan_done) struct object_scan scan = { 0 };
	_cleanup_(reach_done) struct reach reach = { .bad = ignore };
	struct match m = { 0 };
	size_t i;
	int r;

	r = prefix_check(prefix, &m.prefix, e);
	if (r < 0)
		return r;
	m.length = strlen(m.prefix);
	r = reach_collect(s, &reach, e);
	if (r == 0)
		r = scan_sorted(s, &scan, e);
	if (r < 0)
		return r;
	for (i = 0; i < scan.n; i++) /* sorted: the same ones follow each other */
		look_at(&m, &scan.v[i].digest);
	for (i = 0; i < reach.set.room; i++)
		if (reach.set.used[i] && !store_has(s, &reach.set.v[i], OBJECT_PLAIN) &&
		    !store_has(s, &reach.set.v[i], OBJECT_EXEC))
			look_at(&m, &reach.set.v[i]);
	if (m.found == 0)
		return fail(e, ENOENT, "no object '%s' in the store, nor in any ref",
			    prefix);
	if (m.found > 1)
		return fail(e, EEXIST,
			    "%zu objects have digests that begin with '%s': give more "
			    "digits",
			    m.found, prefix);
	*ret = m.digest;
	return 0;
}
