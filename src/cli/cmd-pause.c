/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/cmd.h"
#include "cli/select.h"

static struct selection sel = { .command = "pause",
				.running_only = true,
				.print_names = true };

static const struct poptOption options[] = {
	OPTION_ALL(sel, "Every machine that runs"),
	OPTION_LATEST(sel),
	POPT_TABLEEND,
};

static int pause_one(struct volt_machine *m, const char *name, void *data,
		     struct volt_error *e)
{
	return volt_machine_pause(m, data != NULL, e);
}

static int run_pause(struct volt_ctx *ctx, int argc, const char **argv,
		     struct volt_error *e)
{
	return select_each(ctx, &sel, argv, pause_one, &sel, e);
}

static int run_unpause(struct volt_ctx *ctx, int argc, const char **argv,
		       struct volt_error *e)
{
	sel.command = "unpause";
	return select_each(ctx, &sel, argv, pause_one, NULL, e);
}

const struct cmd cmd_pause = {
	.name = "pause",
	.alias = { "machine pause" },
	.args = "[MACHINE...]",
	.help = "Stop the processors of machines for a while",
	.options = options,
	.max_args = -1,
	.words = WORD_MACHINE,
	.run = run_pause,
};

const struct cmd cmd_unpause = {
	.name = "unpause",
	.alias = { "machine unpause" },
	.args = "[MACHINE...]",
	.help = "Let paused machines go on",
	.options = options,
	.max_args = -1,
	.words = WORD_MACHINE,
	.run = run_unpause,
};
