/* SPDX-License-Identifier: Apache-2.0 */

#include <stdio.h>

#include "cli/cmd.h"
#include "cli/print.h"

static struct {
	const char *format;
	int no_heading, quiet;
} o;

static const struct poptOption options[] = {
	OPTION_FORMAT(&o.format),
	{ "noheading", 'n', POPT_ARG_NONE, &o.no_heading, 0, "Leave the titles out",
	  NULL },
	{ "quiet", 'q', POPT_ARG_NONE, &o.quiet, 0, "Only the versions", NULL },
	POPT_TABLEEND
};

static int add_row(struct table *t, const json_t *p, int64_t now)
{
	int64_t created = member_time(p, "created_at");
	char text[HUMAN_SIZE];
	int r;

	if ((r = table_add(t, member(p, "name"))) < 0 ||
	    (r = table_add(t, member(p, "ref"))) < 0 ||
	    (r = table_add(t, json_is_true(json_object_get(p, "current")) ? "yes" : "")) <
		    0 ||
	    (r = table_add(t, member(p, "qemu_version"))) < 0)
		return r;
	r = created ? table_addf(t, "%s ago", human_duration(now - created, text))
		    : table_add(t, "unknown");
	return r < 0 ? r
		     : table_add(t, human_size((uint64_t)member_int(p, "size"), text));
}

static void print_ref(const json_t *p)
{
	(void)puts(member(p, "ref"));
}

static int run(struct volt_ctx *ctx, int argc, const char **argv, struct volt_error *e)
{
	static const char *const titles[] = { "PROFILE", "VERSION", "CURRENT",
					      "QEMU",    "CREATED", "SIZE" };
	json_auto_t *list = NULL;
	int json = format_is_json(o.format, e), r;
	const struct listing how = {
		.json = json > 0,
		.quiet = o.quiet,
		.no_heading = o.no_heading,
		.print_word = print_ref,
		.add_rows = add_row,
		.titles = titles,
		.n_titles = ARRAY_SIZE(titles),
	};

	if (json < 0)
		return json;
	r = ask_list(ctx, volt_profile_list, &list, e);
	return r < 0 ? r : print_list(list, &how, e);
}

const struct cmd cmd_qemu_ls = {
	.name = "qemu ls",
	.alias = { "qemu list" },
	.args = "",
	.help = "List the profiles that are here",
	.options = options,
	.run = run,
};
