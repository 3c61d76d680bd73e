/* SPDX-License-Identifier: Apache-2.0 */

#include <stdio.h>

#include "cli/ask.h"
#include "cli/cmd.h"
#include "cli/print.h"
#include "cli/prune.h"

static int force;

static const struct poptOption options[] = { OPTION_FORCE(&force), POPT_TABLEEND };

static int run(struct volt_ctx *ctx, int argc, const char **argv, struct volt_error *e)
{
	json_auto_t *names = NULL;
	json_t *name;
	char *text;
	size_t i;
	int r = ask(force, "Remove every volume that no machine uses?", e);

	if (r <= 0)
		return r;
	r = volt_volume_prune(ctx, &text, e);
	if (r == 0)
		r = parse_answer(text, &names, e);
	if (r < 0)
		return r;
	json_array_foreach(names, i, name)
		(void)puts(json_string_value(name));
	return 0;
}

const struct cmd cmd_volume_prune = {
	.name = "volume prune",
	.args = "",
	.help = "Remove every volume that no machine uses",
	.options = options,
	.run = run,
};
