/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/cmd.h"

static const struct poptOption options[] = { POPT_TABLEEND };

static int run(struct volt_ctx *ctx, int argc, const char **argv, struct volt_error *e)
{
	int r = 0;

	if (argc == 1)
		return volt_image_untag(ctx, argv[0], NULL, e);
	for (int i = 1; r == 0 && i < argc; i++)
		r = volt_image_untag(ctx, argv[0], argv[i], e);
	return r;
}

const struct cmd cmd_untag = {
	.name = "untag",
	.alias = { "image untag" },
	.args = "IMAGE [NAME...]",
	.help = "Take names away from an image, all where none is given",
	.options = options,
	.min_args = 1,
	.max_args = -1,
	.words = WORD_IMAGE,
	.run = run,
};
