/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/cmd.h"
#include "cli/select.h"

static struct selection sel = { .command = "kill",
				.running_only = true,
				.print_names = true };
static const char *signal_name = "KILL";

static const struct poptOption options[] = {
	OPTION_ALL(sel, "Signal every machine that runs"),
	OPTION_CIDFILE(sel),
	OPTION_LATEST(sel),
	{ "signal", 's', POPT_ARG_STRING, &signal_name, 0,
	  "Signal to send to the workload (KILL, which ends the machine)", "SIGNAL" },
	POPT_TABLEEND
};

static int kill_one(struct volt_machine *m, const char *name, void *data,
		    struct volt_error *e)
{
	return volt_machine_kill(m, signal_name, e);
}

static int run(struct volt_ctx *ctx, int argc, const char **argv, struct volt_error *e)
{
	return select_each(ctx, &sel, argv, kill_one, NULL, e);
}

const struct cmd cmd_kill = {
	.name = "kill",
	.alias = { "machine kill" },
	.args = "[MACHINE...]",
	.help = "Send a signal to what runs in machines",
	.options = options,
	.max_args = -1,
	.words = WORD_MACHINE,
	.run = run,
};
