/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "cli/cmd.h"
#include "cli/nanos-disk.h"
#include "cli/print.h"

static struct {
	const char *base, *format;
	int bootfs, details, recursive;
} o;

static const struct poptOption options[] = {
	OPTION_BASE(&o.base),
	OPTION_BOOTFS(&o.bootfs),
	OPTION_FORMAT(&o.format),
	{ "long", 'l', POPT_ARG_NONE, &o.details, 0,
	  "Type, names, bytes and time of each, and where links lead", NULL },
	{ "recursive", 'R', POPT_ARG_NONE, &o.recursive, 0,
	  "All that is below, by whole paths", NULL },
	POPT_TABLEEND
};

/* Where the files go: one of them. */
struct lister {
	json_t *list;
	struct table *table;
	struct volt_error *e;
};

static const char *shown_name(const struct volt_nanos_file *f)
{
	const char *slash = strrchr(f->path, '/');

	return o.recursive || !slash ? f->path : slash + 1;
}

static int add_json(struct lister *l, const struct volt_nanos_file *f)
{
	char when[CLOCK_TEXT_SIZE];
	json_t *j = json_pack("{s:o, s:s, s:I, s:I, s:I}", "path",
			      json_bytes(f->path, strlen(f->path)), "type", f->type,
			      "size", (json_int_t)f->size, "allocated",
			      (json_int_t)f->allocated, "links", (json_int_t)f->links);
	int r = 0;

	if (j && f->mtime)
		r = json_object_set_new(
			j, "modified_at",
			json_string(clock_text(f->mtime * 1000000000, when)));
	if (j && f->target && r == 0)
		r = json_object_set_new(j, "target",
					json_bytes(f->target, strlen(f->target)));
	if (!j || json_array_append_new(l->list, j) < 0 || r < 0)
		return fail_oom(l->e);
	return 0;
}

static int add_row(struct lister *l, const struct volt_nanos_file *f)
{
	const char type[] = { strcmp(f->type, "file") == 0 ? '-' : f->type[0], '\0' };
	char when[CLOCK_TEXT_SIZE] = "-";
	struct table *t = l->table;

	if (f->mtime)
		(void)clock_text(f->mtime * 1000000000, when);
	if (f->mtime)
		memcpy(when + strlen("2026-01-02T03:04:05"), "Z", 2);
	if (table_add(t, type) < 0 || table_addf(t, "%u", f->links) < 0 ||
	    table_addf(t, "%llu", (unsigned long long)f->size) < 0 ||
	    table_add(t, when) < 0 ||
	    table_addf(t, "%s%s%s", shown_name(f), f->target ? " -> " : "",
		       f->target ? f->target : "") < 0)
		return fail_oom(l->e);
	return 0;
}

static int add(void *data, const struct volt_nanos_file *f)
{
	struct lister *l = data;

	if (l->list)
		return add_json(l, f);
	if (l->table)
		return add_row(l, f);
	print_name(stdout, shown_name(f));
	(void)putchar('\n');
	return 0;
}

static int run(struct volt_ctx *ctx, int argc, const char **argv, struct volt_error *e)
{
	static const char *const titles[] = { "", "", "", "", "" };
	_cleanup_(volt_nanos_freep) struct volt_nanos *d = NULL;
	_cleanup_(table_freep) struct table *table = NULL;
	json_auto_t *list = NULL;
	struct lister l = { .e = e };
	int r = format_is_json(o.format, e);

	if (r < 0)
		return r;
	if (r > 0)
		l.list = list = json_array();
	else if (o.details && table_new(titles, ARRAY_SIZE(titles), &table) < 0)
		return fail_oom(e);
	l.table = table;
	r = open_nanos_disk(ctx, argv[0], o.base, o.bootfs, &d, e);
	if (r == 0)
		r = volt_nanos_list(d, argc > 1 ? argv[1] : "/", o.recursive, add, &l, e);
	if (r == 0 && list)
		return print_json(list, e);
	if (r == 0 && table)
		table_print(table, false, stdout);
	return r;
}

const struct cmd cmd_nanos_ls = {
	.name = "nanos ls",
	.alias = { "nanos list" },
	.args = "DISK [PATH]",
	.help = "List files on a disk of Nanos",
	.options = options,
	.min_args = 1,
	.max_args = 2,
	.words = WORD_FILE,
	.run = run,
};
