/* SPDX-License-Identifier: Apache-2.0 */

#include <stdio.h>

#include "cli/cmd.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/wish.h"

static const struct poptOption options[] = { OPTIONS_INCLUDE(wish_options),
					     POPT_TABLEEND };

static int run(struct volt_ctx *ctx, int argc, const char **argv, struct volt_error *e)
{
	struct volt_machine *m = NULL;
	json_auto_t *spec = NULL;
	int r;

	r = wish_spec(argc, argv, &spec, e);
	if (r < 0)
		return r;
	r = wish_create(ctx, spec, false, &m, e);
	if (r < 0)
		return r;
	progress_clear();
	(void)puts(volt_machine_id(m));
	volt_machine_free(m);
	return 0;
}

const struct cmd cmd_create = {
	.name = "create",
	.alias = { "machine create" },
	.args = "IMAGE [COMMAND [ARG...]]",
	.help = "Create a machine from an image, to be started later",
	.options = options,
	.min_args = 1,
	.max_args = -1,
	.words = WORD_IMAGE_FIRST,
	.run = run,
};
