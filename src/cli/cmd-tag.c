/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/cmd.h"

static const struct poptOption options[] = { POPT_TABLEEND };

static int run(struct volt_ctx *ctx, int argc, const char **argv, struct volt_error *e)
{
	int r = 0;

	for (int i = 1; r == 0 && i < argc; i++)
		r = volt_image_tag(ctx, argv[0], argv[i], e);
	return r;
}

const struct cmd cmd_tag = {
	.name = "tag",
	.alias = { "image tag" },
	.args = "IMAGE NAME...",
	.help = "Give an image more names",
	.options = options,
	.min_args = 2,
	.max_args = -1,
	.words = WORD_IMAGE,
	.run = run,
};
