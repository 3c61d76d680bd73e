/* SPDX-License-Identifier: Apache-2.0 */

#include <stdlib.h>

#include "base/macro.h"
#include "cli/cmd.h"
#include "cli/progress.h"
#include "cli/registry.h"

static struct registry registry = { .tls_verify = -1 };

static const struct poptOption options[] = {
	OPTION_AUTHFILE(registry),
	OPTION_CREDS(registry),
	OPTION_NO_PROGRESS(&registry.quiet),
	OPTION_TLS_VERIFY(registry),
	POPT_TABLEEND,
};

static int run(struct volt_ctx *ctx, int argc, const char **argv, struct volt_error *e)
{
	json_auto_t *j = json_object();
	_cleanup_free_ char *text = NULL;
	int r = transfer_begin(ctx, &registry, j, put_registry(j, &registry), &text, e);

	return r < 0 ? r : volt_push(ctx, argv[0], argc > 1 ? argv[1] : NULL, text, e);
}

const struct cmd cmd_push = {
	.name = "push",
	.alias = { "image push" },
	.args = "IMAGE [DESTINATION]",
	.help = "Send an image to a registry or a place",
	.options = options,
	.min_args = 1,
	.max_args = 2,
	.words = WORD_IMAGE,
	.run = run,
};
