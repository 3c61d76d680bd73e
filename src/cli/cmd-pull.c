/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "cli/cmd.h"
#include "cli/progress.h"
#include "cli/registry.h"
#include "cli/wish-parse.h"

static struct registry registry = { .tls_verify = -1 };
static const char *arch, *platform, *policy;

static const struct poptOption options[] = {
	{ "arch", 0, POPT_ARG_STRING, &arch, 0,
	  "Take the image for this architecture instead of the host's", "ARCH" },
	OPTION_AUTHFILE(registry),
	OPTION_CREDS(registry),
	{ "platform", 0, POPT_ARG_STRING, &platform, 0,
	  "Take the image for this platform instead of the host's", "[linux/]ARCH" },
	{ "policy", 0, POPT_ARG_STRING, &policy, 0,
	  "When: always (default), missing, newer or never", "POLICY" },
	OPTION_NO_PROGRESS(&registry.quiet),
	OPTION_TLS_VERIFY(registry),
	POPT_TABLEEND
};

static int begin(struct volt_ctx *ctx, char **ret, struct volt_error *e)
{
	json_auto_t *j = json_object();
	int r;

	if (arch && platform)
		return fail(e, EINVAL, "'--arch' and '--platform' exclude each other");
	if (platform && !(arch = platform_arch(platform, e)))
		return -EINVAL;
	r = put_registry(j, &registry);
	if (r == 0)
		r = put_word(j, "arch", arch);
	if (r == 0)
		r = put_word(j, "policy", policy);
	return transfer_begin(ctx, &registry, j, r, ret, e);
}

static int run(struct volt_ctx *ctx, int argc, const char **argv, struct volt_error *e)
{
	_cleanup_free_ char *text = NULL;
	int r, status = 0;

	r = begin(ctx, &text, e);
	if (r < 0)
		return r;
	for (int i = 0; i < argc; i++) {
		_cleanup_free_ char *digest = NULL;

		r = volt_pull(ctx, argv[i], text, &digest, e);
		if (transfer_end(r, digest) == 0)
			continue;
		(void)fprintf(stderr, "volt pull: %s\n", e->msg);
		status = EXIT_VOLT;
	}
	return status;
}

const struct cmd cmd_pull = {
	.name = "pull",
	.alias = { "image pull" },
	.args = "IMAGE...",
	.help = "Fetch images and make them ready to boot",
	.options = options,
	.min_args = 1,
	.max_args = -1,
	.words = WORD_IMAGE,
	.run = run,
};
