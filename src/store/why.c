/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "store/internal.h"
#include "store/query.h"
#include "store/ref.h"

struct why {
	const struct store *store;
	const struct digest *digest;
	const struct store_asker *to;
};

static int by_value(const void *a, const void *b)
{
	return digest_compare(a, b);
}

static void bad(void *data, const char *what, const char *reason)
{
	const struct why *w = data;

	if (w->to->bad)
		w->to->bad(w->to->data, what, reason);
}

/* 1: the list names it. */
static int list_has(struct why *w, const char *ref, const struct digest *list,
		    struct volt_error *e)
{
	_cleanup_free_ struct digest *v = NULL;
	struct volt_error reason = { 0 };
	size_t n;
	int r;

	if (digest_equal(list, w->digest))
		return 1;
	r = object_list_read(w->store, list, &v, &n, &reason);
	if (r == -ENOMEM)
		return fail_oom(e);
	if (r < 0) {
		bad(w, ref, reason.msg);
		return 0;
	}
	return n > 0 && bsearch(w->digest, v, n, sizeof(*v), by_value) != NULL;
}

static bool names_it(const struct why *w, const json_t *value, struct digest *ret)
{
	return digest_parse(json_string_value(value), ret) == 0 &&
	       digest_equal(ret, w->digest);
}

static int look_at(void *data, const char *file, const json_t *j, struct volt_error *e)
{
	struct store_reason reason = { 0 };
	char ref[REF_NAME_SIZE];
	struct why *w = data;
	struct digest d;
	const char *key;
	json_t *value;
	size_t i;
	int r = 0;

	(void)snprintf(ref, sizeof(ref), "%.*s", (int)(strlen(file) - strlen(".json")),
		       file);
	reason.ref = ref;
	json_object_foreach(json_object_get(j, "objects"), key, value) {
		reason.path = key;
		if (r == 0 && names_it(w, value, &d))
			r = w->to->reason(w->to->data, &reason);
	}
	reason.path = NULL;
	json_array_foreach(json_object_get(j, "lists"), i, value) {
		if (r != 0)
			break;
		(void)digest_parse(json_string_value(value), &d);
		reason.list = &d;
		r = list_has(w, ref, &d, e);
		if (r > 0)
			r = w->to->reason(w->to->data, &reason);
	}
	return r;
}

int store_why(struct store *s, const struct digest *d, const struct store_asker *to,
	      struct volt_error *e)
{
	struct why w = { .store = s, .digest = d, .to = to };
	const struct ref_walk walk = { .ref = look_at, .bad = bad, .data = &w };

	return refs_walk(s, &walk, e);
}
