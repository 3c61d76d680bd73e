/* SPDX-License-Identifier: Apache-2.0 */

#include <stdio.h>

#include "base/error.h"
#include "cli/cmd.h"
#include "cli/print.h"

static const char *format;

static const struct poptOption options[] = { OPTION_FORMAT_JSON(&format), POPT_TABLEEND };

static int inspect(struct volt_ctx *ctx, const char *name, json_t *all,
		   struct volt_error *e)
{
	json_t *j = NULL;
	char *text;
	int r = volt_volume_inspect(ctx, name, &text, e);

	if (r == 0)
		r = parse_answer(text, &j, e);
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
		(void)fprintf(stderr, "volt volume inspect: %s\n", e->msg);
		status = EXIT_VOLT;
	}
	r = print_json(all, e);
	return r < 0 ? r : status;
}

const struct cmd cmd_volume_inspect = {
	.name = "volume inspect",
	.args = "VOLUME...",
	.help = "Show all about volumes",
	.options = options,
	.min_args = 1,
	.max_args = -1,
	.words = WORD_VOLUME,
	.run = run,
};
