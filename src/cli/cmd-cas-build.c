/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <stdio.h>

#include "base/error.h"
#include "cli/cmd.h"

static const char *name;

static const struct poptOption options[] = { { "name", 0, POPT_ARG_STRING, &name, 0,
					       "What it will be called", "NAME" },
					     POPT_TABLEEND };

static int run(struct volt_ctx *ctx, int argc, const char **argv, struct volt_error *e)
{
	_cleanup_free_ char *ref = NULL;
	int r;

	if (!name)
		return fail(e, EINVAL, "a profile needs a name: --name NAME");
	r = volt_profile_store(ctx, argv[0], name, &ref, e);
	if (r == 0)
		(void)puts(ref);
	return r;
}

const struct cmd cmd_cas_build = {
	.name = "cas build",
	.args = "DIR",
	.help = "Make a profile of a directory with bin/, lib/ and firmware/",
	.options = options,
	.min_args = 1,
	.max_args = 1,
	.words = WORD_FILE,
	.run = run,
};
