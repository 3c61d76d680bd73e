/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/cmd.h"
#include "cli/select.h"

/* What --all means would fail for machines that are in that state already. */
static struct selection running = { .command = "pause",
				    .all_status = "status=running",
				    .print_names = true };
static struct selection paused = { .command = "unpause",
				   .all_status = "status=paused",
				   .print_names = true };

static const struct poptOption pause_options[] = {
	OPTION_ALL(running, "Every machine that runs"),
	OPTION_CIDFILE(running),
	OPTION_FILTER(running),
	OPTION_LATEST(running),
	POPT_TABLEEND,
};

static const struct poptOption unpause_options[] = {
	OPTION_ALL(paused, "Every machine that is paused"),
	OPTION_CIDFILE(paused),
	OPTION_FILTER(paused),
	OPTION_LATEST(paused),
	POPT_TABLEEND,
};

static int pause_one(struct volt_machine *m, const char *name, void *data,
		     struct volt_error *e)
{
	return volt_machine_pause(m, data == &running, e);
}

static int run_pause(struct volt_ctx *ctx, int argc, const char **argv,
		     struct volt_error *e)
{
	return select_each(ctx, &running, argv, pause_one, &running, e);
}

static int run_unpause(struct volt_ctx *ctx, int argc, const char **argv,
		       struct volt_error *e)
{
	return select_each(ctx, &paused, argv, pause_one, &paused, e);
}

const struct cmd cmd_pause = {
	.name = "pause",
	.alias = { "machine pause" },
	.args = "[MACHINE...]",
	.help = "Stop the processors of machines for a while",
	.options = pause_options,
	.max_args = -1,
	.words = WORD_MACHINE,
	.run = run_pause,
};

const struct cmd cmd_unpause = {
	.name = "unpause",
	.alias = { "machine unpause" },
	.args = "[MACHINE...]",
	.help = "Let paused machines go on",
	.options = unpause_options,
	.max_args = -1,
	.words = WORD_MACHINE,
	.run = run_unpause,
};
