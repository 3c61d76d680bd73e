/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>

#include "base/error.h"
#include "cli/cmd.h"
#include "cli/progress.h"

static const char *format = "docker-archive", *output;
static int quiet;

static const struct poptOption options[] = {
	{ "format", 0, POPT_ARG_STRING, &format, 0,
	  "docker-archive (default), oci-archive or oci-dir", "FORMAT" },
	{ "output", 'o', POPT_ARG_STRING, &output, 0, "Where to; it must not exist",
	  "FILE" },
	{ "quiet", 'q', POPT_ARG_NONE, &quiet, 0, "Show no progress", NULL },
	POPT_TABLEEND
};

static int run(struct volt_ctx *ctx, int argc, const char **argv, struct volt_error *e)
{
	if (!output)
		return fail(e, EINVAL, "where to? '--output FILE'");
	if (!quiet)
		progress_show(ctx);
	return volt_image_save(ctx, argv[0], output, format, e);
}

const struct cmd cmd_save = {
	.name = "save",
	.alias = { "image save" },
	.args = "IMAGE",
	.help = "Write an image to an archive or a directory",
	.options = options,
	.min_args = 1,
	.max_args = 1,
	.words = WORD_IMAGE,
	.run = run,
};
