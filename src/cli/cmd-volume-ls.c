/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/cmd.h"
#include "cli/print.h"

static const char *format;
static int no_heading, quiet;

static const struct poptOption options[] = { OPTION_FORMAT(&format),
					     OPTION_NO_HEADING('n', &no_heading),
					     { "quiet", 'q', POPT_ARG_NONE, &quiet, 0,
					       "Only the names", NULL },
					     POPT_TABLEEND };

/* podman's columns; volt has one driver, which is what podman calls its own. */
static int add_row(struct table *t, const json_t *v, int64_t now)
{
	int r = table_add(t, "local");

	return r < 0 ? r : table_add(t, member(v, "name"));
}

static int run(struct volt_ctx *ctx, int argc, const char **argv, struct volt_error *e)
{
	static const char *const titles[] = { "DRIVER", "VOLUME NAME" };
	struct listing how = {
		.quiet = quiet,
		.no_heading = no_heading,
		.word = "name",
		.add_rows = add_row,
		.titles = titles,
		.n_titles = ARRAY_SIZE(titles),
	};

	return show_list(ctx, format, volt_volume_list, &how, e);
}

const struct cmd cmd_volume_ls = {
	.name = "volume ls",
	.alias = { "volume list" },
	.args = "",
	.help = "List volumes",
	.options = options,
	.run = run,
};
