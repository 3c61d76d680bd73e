/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/cmd.h"

static const struct poptOption options[] = { POPT_TABLEEND };

static int run(struct volt_ctx *ctx, int argc, const char **argv, struct volt_error *e)
{
	int r = volt_image_exists(ctx, argv[0], e);

	return r < 0 ? r : !r;
}

const struct cmd cmd_image_exists = {
	.name = "image exists",
	.args = "IMAGE",
	.help = "Succeed if an image is here, else exit with 1",
	.options = options,
	.min_args = 1,
	.max_args = 1,
	.words = WORD_IMAGE,
	.run = run,
};
