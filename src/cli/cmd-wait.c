/* SPDX-License-Identifier: Apache-2.0 */

#include <stdio.h>

#include "cli/cmd.h"
#include "cli/select.h"

static struct selection sel = { .command = "wait" };

static const struct poptOption options[] = { OPTION_LATEST(sel), POPT_TABLEEND };

static int wait_one(struct volt_machine *m, const char *name, void *data,
		    struct volt_error *e)
{
	int status = 0, r = volt_machine_wait(m, &status, e);

	if (r < 0)
		return r;
	(void)printf("%d\n", status);
	(void)fflush(stdout); /* the next one may take long */
	return 0;
}

static int run(struct volt_ctx *ctx, int argc, const char **argv, struct volt_error *e)
{
	return select_each(ctx, &sel, argv, wait_one, NULL, e);
}

const struct cmd cmd_wait = {
	.name = "wait",
	.alias = { "machine wait" },
	.args = "[MACHINE...]",
	.help = "Wait until machines have ended and print their exit statuses",
	.options = options,
	.max_args = -1,
	.words = WORD_MACHINE,
	.run = run,
};
