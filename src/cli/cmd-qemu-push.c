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
	_cleanup_free_ char *text = NULL, *digest = NULL;
	json_auto_t *j = json_object();
	int r = transfer_begin(ctx, &registry, j, put_registry(j, &registry), &text, e);

	if (r < 0)
		return r;
	r = volt_profile_push(ctx, argv[0], argv[1], text, &digest, e);
	return transfer_end(r, digest);
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
