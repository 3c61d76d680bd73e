/* SPDX-License-Identifier: Apache-2.0 */

#include <stdio.h>

#include "cli/cmd.h"
#include "cli/progress.h"
#include "cli/registry.h"

static const char *from;
static int quiet;

static const struct poptOption options[] = {
	{ "from", 0, POPT_ARG_STRING, &from, 0,
	  "host (default): of the QEMU that is installed here", "WHAT" },
	{ "quiet", 'q', POPT_ARG_NONE, &quiet, 0, "Show no progress", NULL },
	POPT_TABLEEND
};

static int run(struct volt_ctx *ctx, int argc, const char **argv, struct volt_error *e)
{
	int status = 0;

	if (!quiet)
		progress_steps(ctx);
	for (int i = 0; i < argc; i++) {
		json_auto_t *j = json_object();
		int r = 0;

		if (put_word(j, "profile", argv[i]) < 0 || put_word(j, "from", from) < 0)
			r = -1;
		if (make_and_print(ctx, j, r, volt_profile_build, e) == 0)
			continue;
		(void)fprintf(stderr, "volt qemu build: %s\n", e->msg);
		status = EXIT_VOLT;
	}
	return status;
}

const struct cmd cmd_qemu_build = {
	.name = "qemu build",
	.args = "PROFILE...",
	.help = "Make profiles of the QEMU that is installed here",
	.options = options,
	.min_args = 1,
	.max_args = -1,
	.words = WORD_PROFILE_NAME,
	.run = run,
};
