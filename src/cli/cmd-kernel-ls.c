/* SPDX-License-Identifier: Apache-2.0 */

#include <stdio.h>

#include "base/clock.h"
#include "base/error.h"
#include "cli/cmd.h"
#include "cli/print.h"

static const char *format;
static int quiet;

static const struct poptOption options[] = { OPTION_FORMAT(&format),
					     { "quiet", 'q', POPT_ARG_NONE, &quiet, 0,
					       "Only the names", NULL },
					     POPT_TABLEEND };

static int add_row(struct table *t, const json_t *k, int64_t now)
{
	char text[HUMAN_SIZE];
	int r;

	if ((r = table_add(t, member(k, "name"))) < 0 ||
	    (r = table_add(t, member(k, "arch"))) < 0 ||
	    (r = table_add(t, member(k, "version"))) < 0 ||
	    (r = table_addf(t, "%s ago",
			    human_duration(now - member_time(k, "created_at"), text))) <
		    0 ||
	    (r = table_add(t, human_size((uint64_t)member_int(k, "size"), text))) < 0)
		return r;
	return table_add(t, json_is_true(json_object_get(k, "default")) ? "yes" : "");
}

static int print_table(const json_t *list, struct volt_error *e)
{
	static const char *const titles[] = { "NAME",    "ARCH", "VERSION",
					      "CREATED", "SIZE", "DEFAULT" };
	_cleanup_(table_freep) struct table *t = NULL;
	int64_t now = clock_wall();
	json_t *k;
	size_t i;
	int r;

	r = table_new(titles, ARRAY_SIZE(titles), &t);
	json_array_foreach(list, i, k)
		if (r == 0)
			r = add_row(t, k, now);
	if (r < 0)
		return fail_oom(e);
	table_print(t, true, stdout);
	return 0;
}

static int run(struct volt_ctx *ctx, int argc, const char **argv, struct volt_error *e)
{
	json_auto_t *list = NULL;
	int json = format_is_json(format, e), r;
	char *text;
	json_t *k;
	size_t i;

	if (json < 0)
		return json;
	r = volt_kernel_list(ctx, &text, e);
	if (r == 0)
		r = parse_answer(text, &list, e);
	if (r < 0)
		return r;
	if (json)
		return print_json(list, e);
	if (!quiet)
		return print_table(list, e);
	json_array_foreach(list, i, k)
		(void)puts(member(k, "name"));
	return 0;
}

const struct cmd cmd_kernel_ls = {
	.name = "kernel ls",
	.alias = { "kernel list", "kernels" },
	.args = "",
	.help = "List the kernels that machines can boot",
	.options = options,
	.run = run,
};
