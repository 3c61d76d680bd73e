/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "store/internal.h"
#include "store/ref.h"

struct walk {
	const struct store *store;
	struct reach *reach;
	struct volt_error *e;
	const char *ref; /* being read, for messages */
};

static void report(const struct walk *w, const char *what, const char *why)
{
	w->reach->bad(w->reach->data, what, why);
}

/* 1: it was not known yet. */
static int add(const struct walk *w, const struct digest *d)
{
	char hex[DIGEST_HEX_SIZE], why[REF_NAME_SIZE + 64];
	int r = digest_set_add(&w->reach->set, d);

	if (r < 0)
		return fail_oom(w->e);
	if (r == 0 || !w->reach->bad || store_has(w->store, d, OBJECT_PLAIN) ||
	    store_has(w->store, d, OBJECT_EXEC))
		return r;
	(void)snprintf(why, sizeof(why), "missing, though ref '%s' needs it", w->ref);
	report(w, digest_hex(d, hex), why);
	return r;
}

static int add_list(const struct walk *w, const struct digest *list)
{
	_cleanup_free_ struct digest *v = NULL;
	struct volt_error why = { 0 };
	size_t i, n;
	int r;

	r = add(w, list);
	if (r <= 0)
		return r;
	r = object_list_read(w->store, list, &v, &n, &why);
	if (r < 0 && r != -ENOMEM && w->reach->bad) {
		if (r != -ENOENT) /* add() has said so */
			report(w, w->ref, why.msg);
		return 0;
	}
	if (r < 0)
		return fail(w->e, -r, "ref '%s': %s", w->ref, why.msg);
	for (i = 0; i < n && r >= 0; i++)
		r = add(w, &v[i]);
	return r;
}

int reach_add(const struct store *s, struct reach *reach, const char *ref,
	      const json_t *j, struct volt_error *e)
{
	const struct walk w = { .store = s, .reach = reach, .e = e, .ref = ref };
	struct digest d;
	const char *key;
	json_t *value;
	size_t i;
	int r = 0;

	json_object_foreach(json_object_get(j, "objects"), key, value) {
		(void)digest_parse(json_string_value(value), &d);
		if (r >= 0)
			r = add(&w, &d);
	}
	json_array_foreach(json_object_get(j, "lists"), i, value) {
		(void)digest_parse(json_string_value(value), &d);
		if (r >= 0)
			r = add_list(&w, &d);
	}
	return r < 0 ? r : 0;
}

struct collect {
	const struct store *store;
	struct reach *reach;
};

static int collect_ref(void *data, const char *ref, const json_t *j, struct volt_error *e)
{
	const struct collect *c = data;

	return reach_add(c->store, c->reach, ref, j, e);
}

static void collect_bad(void *data, const char *what, const char *why)
{
	const struct collect *c = data;

	c->reach->bad(c->reach->data, what, why);
}

int reach_collect(const struct store *s, struct reach *ret, struct volt_error *e)
{
	struct collect c = { .store = s, .reach = ret };
	const struct ref_walk w = { .ref = collect_ref,
				    .bad = ret->bad ? collect_bad : NULL,
				    .data = &c };

	return refs_walk(s, &w, e);
}

void reach_done(struct reach *r)
{
	digest_set_done(&r->set);
}
