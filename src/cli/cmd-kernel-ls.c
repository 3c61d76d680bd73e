/* SPDX-License-Identifier: Apache-2.0 */

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
	int r;

	if ((r = table_add(t, member(k, "name"))) < 0 ||
	    (r = table_add(t, member(k, "guest"))) < 0 ||
	    (r = table_add(t, member(k, "arch"))) < 0 ||
	    (r = table_add(t, member(k, "version"))) < 0 ||
	    (r = table_add_age(t, k, now)) < 0 || (r = table_add_size(t, k)) < 0)
		return r;
	return table_add(t, json_is_true(json_object_get(k, "default")) ? "yes" : "");
}

static int run(struct volt_ctx *ctx, int argc, const char **argv, struct volt_error *e)
{
	static const char *const titles[] = { "NAME",    "GUEST", "ARCH",   "VERSION",
					      "CREATED", "SIZE",  "DEFAULT" };
	struct listing how = {
		.quiet = quiet,
		.word = "name",
		.add_rows = add_row,
		.titles = titles,
		.n_titles = ARRAY_SIZE(titles),
	};

	return show_list(ctx, format, volt_kernel_list, &how, e);
}

const struct cmd cmd_kernel_ls = {
	.name = "kernel ls",
	.alias = { "kernel list", "kernels" },
	.args = "",
	.help = "List the kernels that machines can boot",
	.options = options,
	.run = run,
};
