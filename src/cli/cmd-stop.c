/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <stdio.h>

#include "base/error.h"
#include "cli/cmd.h"
#include "cli/select.h"

static struct selection sel = { .command = "stop",
				.at_once = true,
				.running_only = true };
static int timeout = -1;

static const struct poptOption options[] = {
	OPTION_ALL(sel, "Stop every machine that runs"),
	OPTION_CIDFILE(sel),
	OPTION_FILTER(sel),
	OPTION_IGNORE(sel),
	OPTION_LATEST(sel),
	{ "time", 't', POPT_ARG_INT, &timeout, 0,
	  "Seconds before force is used; else the machine's own", "SECONDS" },
	POPT_TABLEEND
};

static int stop(struct volt_machine *m, const char *name, void *data,
		struct volt_error *e)
{
	int r = volt_machine_stop(m, timeout, e);

	if (r == 0)
		(void)puts(name);
	return r;
}

static int run(struct volt_ctx *ctx, int argc, const char **argv, struct volt_error *e)
{
	if (timeout < -1)
		return fail(e, EINVAL, "option '--time': %d is less than 0", timeout);
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
