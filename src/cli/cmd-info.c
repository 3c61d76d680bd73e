/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>

#include "base/error.h"
#include "cli/cmd.h"
#include "cli/print.h"

static const char *format;

static const struct poptOption options[] = { { "format", 'f', POPT_ARG_STRING, &format, 0,
					       "json, the only one there is", "FORMAT" },
					     POPT_TABLEEND };

static int run(struct volt_ctx *ctx, int argc, const char **argv, struct volt_error *e)
{
	json_auto_t *j = NULL;
	char *text;
	int r;

	if (format && format_is_json(format, e) != 1)
		return fail(e, EINVAL, "format '%s' is not 'json'", format);
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
