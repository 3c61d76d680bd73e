/* SPDX-License-Identifier: Apache-2.0 */

#include <stdio.h>

#include "base/error.h"
#include "cli/cmd.h"
#include "cli/print.h"

static const char *format;

static const struct poptOption options[] = { OPTION_FORMAT(&format), POPT_TABLEEND };

static int add_sizes(struct table *t, int64_t objects, int64_t allocated)
{
	char text[HUMAN_SIZE];
	int r = table_addf(t, "%lld", (long long)objects);

	return r < 0 ? r : table_add(t, human_size((uint64_t)allocated, text));
}

static int add_kind(struct table *t, const json_t *k)
{
	int r = table_add(t, member(k, "kind"));

	if (r == 0)
		r = table_addf(t, "%lld", (long long)member_int(k, "refs"));
	return r < 0 ? r
		     : add_sizes(t, member_int(k, "objects"), member_int(k, "allocated"));
}

/* What no ref needs, and all of it: two rows that are no kinds. */
static int add_totals(struct table *t, const json_t *j)
{
	int r;

	if ((r = table_add(t, "(unused)")) < 0 || (r = table_add(t, "")) < 0 ||
	    (r = add_sizes(t, member_int(j, "unreferenced"),
			   member_int(j, "unreferenced_bytes"))) < 0 ||
	    (r = table_add(t, "(all)")) < 0 || (r = table_add(t, "")) < 0)
		return r;
	return add_sizes(t, member_int(j, "objects"), member_int(j, "allocated"));
}

static int print_table(const json_t *j, struct volt_error *e)
{
	static const char *const titles[] = { "NEEDED BY", "REFS", "OBJECTS", "ON DISK" };
	_cleanup_(table_freep) struct table *t = NULL;
	json_t *k;
	size_t i;
	int r = table_new(titles, ARRAY_SIZE(titles), &t);

	json_array_foreach(json_object_get(j, "kinds"), i, k)
		if (r == 0)
			r = add_kind(t, k);
	if (r == 0)
		r = add_totals(t, j);
	if (r < 0)
		return fail_oom(e);
	table_print(t, true, stdout);
	return 0;
}

static int run(struct volt_ctx *ctx, int argc, const char **argv, struct volt_error *e)
{
	json_auto_t *j = NULL;
	int json = format_is_json(format, e), r;

	if (json < 0)
		return json;
	r = ask_list(ctx, volt_store_usage, &j, e);
	if (r < 0)
		return r;
	return json ? print_json(j, e) : print_table(j, e);
}

const struct cmd cmd_cas_usage = {
	.name = "cas usage",
	.alias = { "cas df" },
	.args = "",
	.help = "Show what the store holds, and for what",
	.options = options,
	.run = run,
};
