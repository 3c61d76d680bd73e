/* SPDX-License-Identifier: Apache-2.0 */

#include <stdio.h>

#include "cli/ask.h"
#include "cli/cmd.h"
#include "cli/print.h"
#include "cli/prune.h"

static int force;

static const struct poptOption options[] = { OPTION_FORCE(&force), POPT_TABLEEND };

int prune_machines(struct volt_ctx *ctx, struct volt_error *e)
{
	json_auto_t *ids = NULL;
	json_t *id;
	char *text;
	size_t i;
	int r;

	r = volt_machine_prune(ctx, &text, e);
	if (r == 0)
		r = parse_answer(text, &ids, e);
	if (r < 0)
		return r;
	json_array_foreach(ids, i, id)
		(void)puts(json_string_value(id));
	return 0;
}

static int run(struct volt_ctx *ctx, int argc, const char **argv, struct volt_error *e)
{
	int r = ask(force, "Remove every machine that does not run?", e);

	return r <= 0 ? r : prune_machines(ctx, e);
}

const struct cmd cmd_machine_prune = {
	.name = "machine prune",
	.args = "",
	.help = "Remove every machine that has ended",
	.options = options,
	.run = run,
};
