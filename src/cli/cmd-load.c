/* SPDX-License-Identifier: Apache-2.0 */

#include <stdio.h>

#include "cli/cmd.h"
#include "cli/print.h"
#include "cli/progress.h"

static const char *input;
static int quiet;

static const struct poptOption options[] = {
	{ "input", 'i', POPT_ARG_STRING, &input, 0,
	  "An OCI or docker archive, or an OCI layout directory; else stdin", "FILE" },
	OPTION_NO_PROGRESS(&quiet),
	POPT_TABLEEND
};

static int run(struct volt_ctx *ctx, int argc, const char **argv, struct volt_error *e)
{
	json_auto_t *names = NULL;
	json_t *name;
	char *text;
	size_t i;
	int r;

	if (!quiet)
		progress_show(ctx);
	r = volt_image_load(ctx, input ? input : "/dev/stdin", &text, e);
	progress_clear();
	if (r == 0)
		r = parse_answer(text, &names, e);
	if (r < 0)
		return r;
	json_array_foreach(names, i, name)
		(void)printf("Loaded image: %s\n", json_string_value(name));
	return 0;
}

const struct cmd cmd_load = {
	.name = "load",
	.alias = { "image load" },
	.args = "",
	.help = "Take images from an archive or a directory",
	.options = options,
	.run = run,
};
