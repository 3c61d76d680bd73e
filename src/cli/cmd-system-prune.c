/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/ask.h"
#include "cli/cmd.h"
#include "cli/prune.h"

static int all, force;

static const struct poptOption options[] = { OPTION_PRUNE_ALL(&all), OPTION_FORCE(&force),
					     POPT_TABLEEND };

static int run(struct volt_ctx *ctx, int argc, const char **argv, struct volt_error *e)
{
	int r = ask(force,
		    all ? "Remove all that does not run: machines and images?"
			: "Remove machines that do not run, and images without a name?",
		    e);

	if (r <= 0)
		return r;
	r = prune_machines(ctx, e);
	return r < 0 ? r : prune_images(ctx, all, e);
}

const struct cmd cmd_system_prune = {
	.name = "system prune",
	.args = "",
	.help = "Remove machines that have ended, and images that nothing needs",
	.options = options,
	.run = run,
};
