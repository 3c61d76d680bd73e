/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/cmd.h"
#include "cli/select.h"

static struct selection sel = { .command = "stop",
				.at_once = true,
				.running_only = true,
				.print_names = true,
				.time = -1 };

static const struct poptOption options[] = {
	OPTION_ALL(sel, "Stop every machine that runs"),
	OPTION_CIDFILE(sel),
	OPTION_FILTER(sel),
	OPTION_IGNORE(sel),
	OPTION_LATEST(sel),
	OPTION_TIME(sel, "Seconds before force is used; else the machine's own"),
	POPT_TABLEEND
};

static int stop(struct volt_machine *m, const char *name, void *data,
		struct volt_error *e)
{
	return volt_machine_stop(m, sel.time, e);
}

static int run(struct volt_ctx *ctx, int argc, const char **argv, struct volt_error *e)
{
	return select_each(ctx, &sel, argv, stop, NULL, e);
}

const struct cmd cmd_stop = {
	.name = "stop",
	.alias = { "machine stop" },
	.args = "[MACHINE...]",
	.help = "Stop machines: by their signal, then by force",
	.options = options,
	.max_args = -1,
	.words = WORD_MACHINE,
	.run = run,
};
