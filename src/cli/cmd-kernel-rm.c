/* SPDX-License-Identifier: Apache-2.0 */

#include <stdio.h>

#include "cli/cmd.h"

static const struct poptOption options[] = { POPT_TABLEEND };

static int run(struct volt_ctx *ctx, int argc, const char **argv, struct volt_error *e)
{
	int status = 0;

	for (int i = 0; i < argc; i++) {
		if (volt_kernel_remove(ctx, argv[i], e) == 0) {
			(void)puts(argv[i]);
			continue;
		}
		(void)fprintf(stderr, "volt kernel rm: %s\n", e->msg);
		status = EXIT_VOLT;
	}
	return status;
}

const struct cmd cmd_kernel_rm = {
	.name = "kernel rm",
	.alias = { "kernel remove" },
	.args = "KERNEL...",
	.help = "Remove kernels",
	.options = options,
	.min_args = 1,
	.max_args = -1,
	.words = WORD_KERNEL,
	.run = run,
};
