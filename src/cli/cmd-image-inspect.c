/* SPDX-License-Identifier: Apache-2.0 */

#include <stdio.h>

#include "base/error.h"
#include "cli/cmd.h"
#include "cli/print.h"
#include "cli/select.h"

static const char *format;

static const struct poptOption options[] = { OPTION_FORMAT_JSON(&format), POPT_TABLEEND };

static int inspect(struct volt_ctx *ctx, const char *image, json_t *all,
		   struct volt_error *e)
{
	json_t *j = NULL;
	int r = inspect_image(ctx, image, &j, e);

	if (r < 0)
		return r;
	return json_array_append_new(all, j) < 0 ? fail_oom(e) : 0;
}

static int run(struct volt_ctx *ctx, int argc, const char **argv, struct volt_error *e)
{
	json_auto_t *all = json_array();
	int status = 0, r = format_must_be_json(format, e);

	if (r < 0)
		return r;
	for (int i = 0; i < argc; i++) {
		if (inspect(ctx, argv[i], all, e) == 0)
			continue;
		(void)fprintf(stderr, "volt image inspect: %s\n", e->msg);
		status = EXIT_VOLT;
	}
	r = print_json(all, e);
	return r < 0 ? r : status;
}

const struct cmd cmd_image_inspect = {
	.name = "image inspect",
	.args = "IMAGE...",
	.help = "Show all about images",
	.options = options,
	.min_args = 1,
	.max_args = -1,
	.words = WORD_IMAGE,
	.run = run,
};
