/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/cmd.h"

static const struct poptOption options[] = { POPT_TABLEEND };

static int run(struct volt_ctx *ctx, int argc, const char **argv, struct volt_error *e)
{
	return volt_kernel_default(ctx, argv[0], e);
}

const struct cmd cmd_kernel_default = {
	.name = "kernel default",
	.args = "KERNEL",
	.help = "Choose the kernel of machines that name none",
	.options = options,
	.min_args = 1,
	.max_args = 1,
	.words = WORD_KERNEL,
	.run = run,
};
