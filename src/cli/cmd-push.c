/* SPDX-License-Identifier: Apache-2.0 */

#include <stdlib.h>

#include "base/error.h"
#include "cli/cmd.h"
#include "cli/progress.h"
#include "cli/registry.h"

static struct registry registry = { .tls_verify = -1 };
static int quiet;

static const struct poptOption options[] = {
	OPTION_AUTHFILE(registry),
	OPTION_CREDS(registry),
	{ "quiet", 'q', POPT_ARG_NONE, &quiet, 0, "Show no progress", NULL },
	OPTION_TLS_VERIFY(registry),
	POPT_TABLEEND,
};

static int run(struct volt_ctx *ctx, int argc, const char **argv, struct volt_error *e)
{
	json_auto_t *j = json_object();
	_cleanup_free_ char *text = NULL;
	int r = options_text(j, put_registry(j, &registry), &text, e);

	if (r < 0)
		return r;
	if (!quiet)
		progress_show(ctx);
	return volt_push(ctx, argv[0], argc > 1 ? argv[1] : NULL, text, e);
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
