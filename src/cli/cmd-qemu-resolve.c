/* SPDX-License-Identifier: Apache-2.0 */

#include <stdio.h>

#include "base/macro.h"
#include "cli/cmd.h"
#include "cli/progress.h"

static const struct poptOption options[] = { POPT_TABLEEND };

static int run(struct volt_ctx *ctx, int argc, const char **argv, struct volt_error *e)
{
	_cleanup_free_ char *path = NULL;
	int r;

	progress_steps(ctx);
	r = volt_profile_resolve(ctx, argv[0], &path, e);
	progress_clear();
	if (r == 0)
		(void)puts(path);
	return r;
}

const struct cmd cmd_qemu_resolve = {
	.name = "qemu resolve",
	.args = "PROFILE",
	.help = "Assemble a profile and print where it is",
	.options = options,
	.min_args = 1,
	.max_args = 1,
	.words = WORD_PROFILE,
	.run = run,
};
