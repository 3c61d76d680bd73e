/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "cli/cmd.h"
#include "cli/registry.h"

static struct registry registry = { .tls_verify = -1 };
static int all;

static const struct poptOption options[] = {
	{ "all", 'a', POPT_ARG_NONE, &all, 0, "Forget all credentials", NULL },
	OPTION_AUTHFILE(registry),
	POPT_TABLEEND,
};

static int run(struct volt_ctx *ctx, int argc, const char **argv, struct volt_error *e)
{
	json_auto_t *j = json_object();
	_cleanup_free_ char *text = NULL;
	int r;

	if (all == (argc > 0))
		return fail(e, EINVAL, "name a registry, or '--all'");
	r = put_registry(j, &registry);
	if (r == 0)
		r = put_word(j, "registry", argc > 0 ? argv[0] : NULL);
	if (r == 0)
		r = json_object_set_new(j, "all", json_boolean(all));
	r = options_text(j, r, &text, e);
	if (r == 0)
		r = volt_logout(ctx, text, e);
	if (r == 0 && all)
		(void)puts("Removed all login credentials");
	else if (r == 0)
		(void)printf("Removed login credentials for %s\n", argv[0]);
	return r;
}

const struct cmd cmd_logout = {
	.name = "logout",
	.args = "[REGISTRY]",
	.help = "Forget credentials for a registry",
	.options = options,
	.max_args = 1,
	.run = run,
};
