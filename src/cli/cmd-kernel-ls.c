/* SPDX-License-Identifier: Apache-2.0 */

#include <stdio.h>

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

static void print_name(const json_t *k)
{
	(void)puts(member(k, "name"));
}

static int run(struct volt_ctx *ctx, int argc, const char **argv, struct volt_error *e)
{
	static const char *const titles[] = { "NAME",    "ARCH", "VERSION",
					      "CREATED", "SIZE", "DEFAULT" };
	json_auto_t *list = NULL;
	int json = format_is_json(format, e), r;
	const struct listing how = {
		.json = json > 0,
		.quiet = quiet,
		.print_word = print_name,
		.add_rows = add_row,
		.titles = titles,
		.n_titles = ARRAY_SIZE(titles),
	};

	if (json < 0)
		return json;
	r = ask_list(ctx, volt_kernel_list, &list, e);
	return r < 0 ? r : print_list(list, &how, e);
}

const struct cmd cmd_kernel_ls = {
	.name = "kernel ls",
	.alias = { "kernel list", "kernels" },
	.args = "",
	.help = "List the kernels that machines can boot",
	.options = options,
	.run = run,
};
