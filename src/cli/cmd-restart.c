/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/cmd.h"
#include "cli/select.h"

static struct selection sel = {
	.command = "restart", .at_once = true, .print_names = true, .time = -1
};
static int running;

static const struct poptOption options[] = {
	OPTION_ALL(sel, "Restart every machine"),
	OPTION_CIDFILE(sel),
	OPTION_FILTER(sel),
	OPTION_LATEST(sel),
	{ "running", 0, POPT_ARG_NONE, &running, 0, "Restart every machine that runs",
	  NULL },
	OPTION_TIME(sel, "Seconds before force is used; else the machine's own"),
	POPT_TABLEEND
};

static int restart(struct volt_machine *m, const char *name, void *data,
		   struct volt_error *e)
{
	return volt_machine_restart(m, sel.time, e);
}

static int run(struct volt_ctx *ctx, int argc, const char **argv, struct volt_error *e)
{
	sel.all |= running;
	sel.running_only = running;
	return select_each(ctx, &sel, argv, restart, NULL, e);
}

const struct cmd cmd_restart = {
	.name = "restart",
	.alias = { "machine restart" },
	.args = "[MACHINE...]",
	.help = "Stop machines and start them again",
	.options = options,
	.max_args = -1,
	.words = WORD_MACHINE,
	.run = run,
};
