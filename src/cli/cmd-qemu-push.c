/* SPDX-License-Identifier: Apache-2.0 */

#include <stdio.h>
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
	_cleanup_free_ char *text = NULL, *digest = NULL;
	json_auto_t *j = json_object();
	int r = options_text(j, put_registry(j, &registry), &text, e);

	if (r < 0)
		return r;
	if (!quiet)
		progress_show(ctx);
	r = volt_profile_push(ctx, argv[0], argv[1], text, &digest, e);
	progress_clear();
	if (r == 0)
		(void)puts(digest);
	return r;
}

const struct cmd cmd_qemu_push = {
	.name = "qemu push",
	.args = "PROFILE REGISTRY/NAME[:TAG]",
	.help = "Send a profile to a registry",
	.options = options,
	.min_args = 2,
	.max_args = 2,
	.words = WORD_PROFILE,
	.run = run,
};
