/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/cmd.h"
#include "cli/print.h"

static struct {
	const char *format;
	int no_heading, quiet;
} o;

static const struct poptOption options[] = { OPTION_FORMAT(&o.format),
					     OPTION_NO_HEADING('n', &o.no_heading),
					     { "quiet", 'q', POPT_ARG_NONE, &o.quiet, 0,
					       "Only the versions", NULL },
					     POPT_TABLEEND };

static int add_row(struct table *t, const json_t *p, int64_t now)
{
	int r;

	if ((r = table_add(t, member(p, "name"))) < 0 ||
	    (r = table_add(t, member(p, "ref"))) < 0 ||
	    (r = table_add(t, json_is_true(json_object_get(p, "current")) ? "yes" : "")) <
		    0 ||
	    (r = table_add(t, member(p, "qemu_version"))) < 0 ||
	    (r = table_add_age(t, p, now)) < 0)
		return r;
	return table_add_size(t, p);
}

static int run(struct volt_ctx *ctx, int argc, const char **argv, struct volt_error *e)
{
	static const char *const titles[] = { "PROFILE", "VERSION", "CURRENT",
					      "QEMU",    "CREATED", "SIZE" };
	struct listing how = {
		.quiet = o.quiet,
		.no_heading = o.no_heading,
		.word = "ref",
		.add_rows = add_row,
		.titles = titles,
		.n_titles = ARRAY_SIZE(titles),
	};

	return show_list(ctx, o.format, volt_profile_list, &how, e);
}

const struct cmd cmd_qemu_ls = {
	.name = "qemu ls",
	.alias = { "qemu list" },
	.args = "",
	.help = "List the profiles that are here",
	.options = options,
	.run = run,
};
