/* SPDX-License-Identifier: Apache-2.0 */

#include <stdlib.h>

#include "base/macro.h"
#include "cli/cmd.h"
#include "cli/progress.h"
#include "cli/registry.h"

static struct registry registry = { .tls_verify = -1 };
static const char *name;

static const struct poptOption options[] = {
	OPTION_AUTHFILE(registry),
	OPTION_CREDS(registry),
	{ "name", 0, POPT_ARG_STRING, &name, 0, "Call the profile by another name here",
	  "NAME" },
	OPTION_NO_PROGRESS(&registry.quiet),
	OPTION_TLS_VERIFY(registry),
	POPT_TABLEEND,
};

static int run(struct volt_ctx *ctx, int argc, const char **argv, struct volt_error *e)
{
	_cleanup_free_ char *text = NULL, *digest = NULL;
	json_auto_t *j = json_object();
	int r = put_registry(j, &registry);

	if (r == 0)
		r = put_word(j, "name", name);
	r = transfer_begin(ctx, &registry, j, r, &text, e);
	if (r < 0)
		return r;
	r = volt_profile_pull(ctx, argv[0], text, &digest, e);
	return transfer_end(r, digest);
}

const struct cmd cmd_qemu_pull = {
	.name = "qemu pull",
	.args = "REGISTRY/NAME[:TAG|@DIGEST]",
	.help = "Fetch a profile from a registry",
	.options = options,
	.min_args = 1,
	.max_args = 1,
	.run = run,
};
