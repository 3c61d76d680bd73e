/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <stdio.h>

#include "base/error.h"
#include "cli/cmd.h"
#include "cli/select.h"

static struct selection sel = { .command = "restart", .at_once = true };
static int timeout = -1, running;

static const struct poptOption options[] = {
	OPTION_ALL(sel, "Restart every machine"),
	OPTION_CIDFILE(sel),
	OPTION_FILTER(sel),
	OPTION_LATEST(sel),
	{ "running", 0, POPT_ARG_NONE, &running, 0, "Restart every machine that runs",
	  NULL },
	{ "time", 't', POPT_ARG_INT, &timeout, 0,
	  "Seconds before force is used; else the machine's own", "SECONDS" },
	POPT_TABLEEND
};

static int restart(struct volt_machine *m, const char *name, void *data,
		   struct volt_error *e)
{
	int r = volt_machine_restart(m, timeout, e);

	if (r == 0)
		(void)puts(name);
	return r;
}

static int run(struct volt_ctx *ctx, int argc, const char **argv, struct volt_error *e)
{
	if (timeout < -1)
		return fail(e, EINVAL, "option '--time': %d is less than 0", timeout);
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
