/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/print.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/strv.h"

#define COLUMNS_MAX 16

int format_is_json(const char *format, struct volt_error *e)
{
	if (!format || strcmp(format, "table") == 0)
		return 0;
	if (strcmp(format, "json") == 0)
		return 1;
	return fail(e, EINVAL, "format '%s' is neither 'table' nor 'json'%s", format,
		    strstr(format, "{{") ? "; for a template take json and jq" : "");
}

int format_must_be_json(const char *format, struct volt_error *e)
{
	if (!format || strcmp(format, "json") == 0)
		return 0;
	return fail(e, EINVAL, "format '%s' is not 'json'%s", format,
		    strstr(format, "{{") ? "; for a template take that and jq" : "");
}

int print_json(const json_t *j, struct volt_error *e)
{
	if (!j)
		return fail_oom(e);
	if (json_dumpf(j, stdout, JSON_INDENT(2)) < 0)
		return fail(e, EIO, "write to stdout");
	(void)putchar('\n');
	return 0;
}

int parse_answer(char *text, json_t **ret, struct volt_error *e)
{
	_cleanup_free_ char *owned = text;
	json_error_t je;

	*ret = json_loads(owned, 0, &je);
	return *ret ? 0 : fail(e, EBADMSG, "the library's answer: %s", je.text);
}

int ask_list(struct volt_ctx *ctx,
	     int (*list)(struct volt_ctx *ctx, char **ret, struct volt_error *e),
	     json_t **ret, struct volt_error *e)
{
	char *text;
	int r = list(ctx, &text, e);

	return r < 0 ? r : parse_answer(text, ret, e);
}

struct table {
	size_t n_columns;
	struct strv cells; /* the titles first */
};

int table_new(const char *const *titles, size_t n, struct table **ret)
{
	struct table *t = calloc(1, sizeof(*t));
	int r = 0;

	assert(n > 0 && n <= COLUMNS_MAX);
	if (!t)
		return -ENOMEM;
	t->n_columns = n;
	for (size_t i = 0; i < n && r == 0; i++)
		r = table_add(t, titles[i]);
	if (r < 0) {
		table_free(t);
		return r;
	}
	*ret = t;
	return 0;
}

int table_add(struct table *t, const char *cell)
{
	char *copy = strdup(cell ? cell : "");

	if (copy)
		make_printable(copy);
	return copy ? strv_take(&t->cells, copy) : -ENOMEM;
}

int table_addf(struct table *t, const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (r < 0) {
		text = NULL;
		return -ENOMEM;
	}
	return table_add(t, text);
}

int table_add_size(struct table *t, const json_t *item)
{
	char text[HUMAN_SIZE];

	return table_add(t, human_size((uint64_t)member_int(item, "size"), text));
}

int table_add_age(struct table *t, const json_t *item, int64_t now)
{
	int64_t created = member_time(item, "created_at");
	char text[HUMAN_SIZE];

	return created ? table_addf(t, "%s ago", human_duration(now - created, text))
		       : table_add(t, "unknown");
}

/* Characters, not bytes: UTF-8's continuation bytes take no room. */
static size_t width_of(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

static size_t column_width(const struct table *t, size_t column, size_t first)
{
	size_t widest = 0;

	for (size_t i = first + column; i < t->cells.n; i += t->n_columns) {
		size_t n = width_of(t->cells.v[i]);

		if (n > widest)
			widest = n;
	}
	return widest;
}

void table_print(const struct table *t, bool titles, FILE *f)
{
	size_t first = titles ? 0 : t->n_columns, width[COLUMNS_MAX] = { 0 };
	size_t last = t->n_columns - 1;

	for (size_t c = 0; c < last; c++)
		width[c] = column_width(t, c, first);
	for (size_t i = first; i + last < t->cells.n; i += t->n_columns) {
		for (size_t c = 0; c < last; c++) {
			const char *cell = t->cells.v[i + c];
			size_t pad = width[c] - width_of(cell) + 2;

			(void)fprintf(f, "%s%*s", cell, (int)pad, "");
		}
		(void)fprintf(f, "%s\n", t->cells.v[i + last]);
	}
}

void table_free(struct table *t)
{
	if (!t)
		return;
	strv_done(&t->cells);
	free(t);
}

static int fill_table(struct table *t, const json_t *list, const struct listing *how)
{
	int64_t now = clock_wall();
	json_t *item;
	size_t i;
	int r = 0;

	json_array_foreach(list, i, item)
		if (r == 0)
			r = how->add_rows(t, item, now);
	return r;
}

static void print_words(const json_t *list, const struct listing *how)
{
	json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
		if (how->print_word)
			how->print_word(item);
		else
			(void)puts(member(item, how->word));
}

int print_list(const json_t *list, const struct listing *how, struct volt_error *e)
{
	_cleanup_(table_freep) struct table *t = NULL;

	if (how->json)
		return print_json(list, e);
	if (how->quiet) {
		print_words(list, how);
		return 0;
	}
	if (table_new(how->titles, how->n_titles, &t) < 0 || fill_table(t, list, how) < 0)
		return fail_oom(e);
	table_print(t, !how->no_heading, stdout);
	return 0;
}

int show_list(struct volt_ctx *ctx, const char *format,
	      int (*list)(struct volt_ctx *ctx, char **ret, struct volt_error *e),
	      struct listing *how, struct volt_error *e)
{
	json_auto_t *j = NULL;
	int r = format_is_json(format, e);

	if (r < 0)
		return r;
	how->json = r > 0;
	r = ask_list(ctx, list, &j, e);
	if (r < 0)
		return r;
	if (how->keep)
		how->keep(j);
	return print_list(j, how, e);
}

const char *human_size(uint64_t bytes, char text[static HUMAN_SIZE])
{
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB", "PB", "EB" };
	double value = (double)bytes;
	size_t unit = 0;

	/* not 1000: three digits of what is just below would be "1e+03" */
	while (value >= 999.5 && unit + 1 < ARRAY_SIZE(units)) {
		value /= 1000;
		unit++;
	}
	(void)snprintf(text, HUMAN_SIZE, "%.3g %s", value, units[unit]);
	return text;
}

const char *human_duration(int64_t ns, char text[static HUMAN_SIZE])
{
	static const struct {
		int64_t below; /* in seconds */
		int64_t unit;
		const char *name;
	} steps[] = {
		{ 60, 1, "second" },
		{ 46 * 60, 60, "minute" },
		{ 48 * 3600, 3600, "hour" },
		{ 14 * 86400, 86400, "day" },
		{ 60 * 86400, 7 * 86400, "week" },
		{ 2 * 365 * 86400, 30 * 86400, "month" },
		{ INT64_MAX, 365 * 86400, "year" },
	};
	int64_t s = ns / 1000000000, n;
	size_t i = 0;

	if (s < 1) {
		(void)snprintf(text, HUMAN_SIZE, "Less than a second");
		return text;
	}
	if (s >= 60 && s < 120) {
		(void)snprintf(text, HUMAN_SIZE, "About a minute");
		return text;
	}
	if (s >= 46 * 60 && s < 90 * 60) {
		(void)snprintf(text, HUMAN_SIZE, "About an hour");
		return text;
	}
	while (s >= steps[i].below)
		i++;
	n = (s + steps[i].unit / 2 * (steps[i].unit == 3600)) / steps[i].unit;
	(void)snprintf(text, HUMAN_SIZE, "%lld %s%s", (long long)n, steps[i].name,
		       n == 1 ? "" : "s");
	return text;
}

const char *member(const json_t *j, const char *key)
{
	const char *text = json_string_value(json_object_get(j, key));

	return text ? text : "";
}

int64_t member_int(const json_t *j, const char *key)
{
	return json_integer_value(json_object_get(j, key));
}

int64_t member_time(const json_t *j, const char *key)
{
	int64_t ns = 0;

	if (clock_parse(member(j, key), &ns) < 0)
		return 0;
	return ns;
}
