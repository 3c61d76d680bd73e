/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/cmd.h"
#include "cli/print.h"

static const char *format;

static const struct poptOption options[] = { OPTION_FORMAT_JSON(&format), POPT_TABLEEND };

static int run(struct volt_ctx *ctx, int argc, const char **argv, struct volt_error *e)
{
	json_auto_t *j = NULL;
	char *text;
	int r;

	r = format_must_be_json(format, e);
	if (r < 0)
		return r;
	r = volt_info(ctx, &text, e);
	if (r == 0)
		r = parse_answer(text, &j, e);
	return r < 0 ? r : print_json(j, e);
}

const struct cmd cmd_info = {
	.name = "info",
	.alias = { "system info" },
	.args = "",
	.help = "Show what this installation is and holds",
	.options = options,
	.run = run,
};
