/* SPDX-License-Identifier: Apache-2.0 */

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/strv.h"
#include "lib/internal.h"
#include "lib/summary.h"

/* --- filters: several of one key are alternatives, different keys must all hold --- */

enum filter_key {
	BY_NAME,
	BY_ID,
	BY_LABEL,
	BY_STATUS,
	BY_ANCESTOR,
	BY_EXITED
};
static const char *const filter_keys[] = {
	[BY_NAME] = "name",         [BY_ID] = "id",
	[BY_LABEL] = "label",       [BY_STATUS] = "status",
	[BY_ANCESTOR] = "ancestor", [BY_EXITED] = "exited",
};
#define FILTERS_MAX 64

struct filter {
	enum filter_key key;
	const char *value;
};

struct filters {
	struct filter v[FILTERS_MAX];
	size_t n;
};

static int filter_parse(const char *text, struct filter *ret, struct volt_error *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(filter_keys); i++) {
		size_t n = strlen(filter_keys[i]);

		if (strncmp(text, filter_keys[i], n) != 0 || text[n] != '=')
			continue;
		ret->key = (enum filter_key)i;
		ret->value = text + n + 1;
		return 0;
	}
	return fail(
		e, EINVAL,
		"filter '%s' is none of name=, id=, label=, status=, ancestor=, exited=",
		text);
}

/* "key" or "key=value" */
static bool has_label(const struct strv *labels, const char *wanted)
{
	size_t n = strlen(wanted);

	strv_foreach(l, labels->v)
		if (strncmp(*l, wanted, n) == 0 &&
		    ((*l)[n] == '\0' || (!strchr(wanted, '=') && (*l)[n] == '=')))
			return true;
	return false;
}

/* A whole name, one without registry or tag, or without either. */
static bool is_image(const char *name, const char *wanted)
{
	size_t n = strlen(name), w = strlen(wanted);
	const char *at;

	if (w == 0) /* strstr() would find it even behind the end */
		return false;
	for (at = strstr(name, wanted); at; at = strstr(at + 1, wanted)) {
		bool begins = at == name || at[-1] == '/';
		bool ends = at + w == name + n || (at[w] == ':' && !strchr(at + w, '/'));

		if (begins && ends)
			return true;
	}
	return false;
}

static bool is_status(const struct state *st, const char *wanted)
{
	const char *status = status_text(st->status);

	return strcmp(status, wanted) == 0 ||
	       (strcmp(wanted, "configured") == 0 && st->status == STATUS_CREATED);
}

static bool matches(const struct filter *f, const struct state *st)
{
	char code[16];

	switch (f->key) {
	case BY_NAME:
		return strstr(st->name, f->value) != NULL;
	case BY_ID:
		return strncmp(st->id, f->value, strlen(f->value)) == 0;
	case BY_LABEL:
		return has_label(&st->labels, f->value);
	case BY_STATUS:
		return is_status(st, f->value);
	case BY_ANCESTOR:
		return is_image(st->image, f->value);
	case BY_EXITED:
		(void)snprintf(code, sizeof(code), "%d", st->exit_code);
		return (st->status == STATUS_EXITED || st->status == STATUS_FAILED) &&
		       strcmp(code, f->value) == 0;
	}
	return false;
}

static bool passes(const struct filters *filters, const struct state *st)
{
	unsigned int asked = 0, held = 0;

	for (size_t i = 0; i < filters->n; i++) {
		asked |= 1u << filters->v[i].key;
		if (matches(&filters->v[i], st))
			held |= 1u << filters->v[i].key;
	}
	return asked == held;
}

/* --- listing --- */

static int filters_parse(const json_t *options, bool *all, struct filters *ret,
			 struct volt_error *e)
{
	json_t *list = NULL, *item;
	size_t i;
	int r;

	if ((r = json_get_bool(options, "all", all, e)) < 0 ||
	    (r = json_get_array(options, "filters", &list, e)) < 0)
		return r;
	if (json_array_size(list) > FILTERS_MAX)
		return fail(e, EINVAL, "more than %d filters", FILTERS_MAX);
	json_array_foreach(list, i, item) {
		const char *text = json_string_value(item);

		r = filter_parse(text ? text : "", &ret->v[ret->n++], e);
		if (r < 0)
			return r;
		/* To ask for those that have ended is to ask for all. */
		*all |= ret->v[i].key == BY_STATUS || ret->v[i].key == BY_EXITED;
	}
	return 0;
}

static void write_list(FILE *f, const struct machine_list *l, bool all,
		       const struct filters *filters)
{
	const char *separator = "";

	(void)putc_unlocked('[', f);
	for (size_t i = 0; i < l->n; i++) {
		if ((!all && !status_is_up(l->v[i].status)) || !passes(filters, &l->v[i]))
			continue;
		(void)fputs(separator, f);
		summary_write(f, &l->v[i]);
		separator = ",";
	}
	(void)putc_unlocked(']', f);
}

int volt_machine_list(struct volt_ctx *ctx, const char *options, char **ret,
		      struct volt_error *e)
{
	static const char *const known[] = { "all", "filters", NULL };
	_cleanup_(machine_list_done) struct machine_list l = { 0 };
	_cleanup_free_ char *text = NULL;
	struct filters filters = { .n = 0 };
	json_auto_t *o = NULL;
	bool all = false;
	size_t size;
	FILE *f;
	int r;

	if ((r = document_parse(options, known, &o, e)) < 0 ||
	    (r = filters_parse(o, &all, &filters, e)) < 0 ||
	    (r = machine_list(ctx_env(ctx), &l, e)) < 0)
		return r;
	f = open_memstream(&text, &size);
	if (!f)
		return fail_oom(e);
	write_list(f, &l, all, &filters);
	if (fclose(f) != 0)
		return fail_oom(e);
	*ret = TAKE_PTR(text);
	return 0;
}

int volt_machine_prune(struct volt_ctx *ctx, char **ret, struct volt_error *e)
{
	_cleanup_(machine_list_done) struct machine_list l = { 0 };
	json_auto_t *gone = json_array();
	int r = machine_list(ctx_env(ctx), &l, e);

	for (size_t i = 0; r == 0 && i < l.n; i++) {
		_cleanup_(machine_closep) struct machine *m = NULL;

		if (status_is_up(l.v[i].status) ||
		    machine_open(ctx_env(ctx), l.v[i].id, &m, NULL) < 0)
			continue;
		r = machine_remove(m, false, e);
		if (r == 0 && json_array_append_new(gone, json_string(l.v[i].id)) < 0)
			r = fail_oom(e);
		if (r == -EBUSY) /* somebody has just started it */
			r = 0;
	}
	return r < 0 ? r : answer(0, TAKE_PTR(gone), ret, e);
}
