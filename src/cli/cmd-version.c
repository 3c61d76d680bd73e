/* SPDX-License-Identifier: Apache-2.0 */

#include <jansson.h>
#include <stdio.h>

#include "cli/cmd.h"
#include "cli/print.h"

static const char *format;

static const struct poptOption options[] = { OPTION_FORMAT(&format), POPT_TABLEEND };

static int run(struct volt_ctx *ctx, int argc, const char **argv, struct volt_error *e)
{
	json_auto_t *j = NULL;
	int json = format_is_json(format, e);

	if (json < 0)
		return json;
	if (!json) {
		(void)printf("volt %s\n", volt_version());
		return 0;
	}
	j = json_pack("{s:s}", "version", volt_version());
	return print_json(j, e);
}

const struct cmd cmd_version = {
	.name = "version",
	.args = "",
	.help = "Show the version",
	.options = options,
	.standalone = true,
	.run = run,
};
