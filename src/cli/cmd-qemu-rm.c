/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <stdio.h>

#include "base/error.h"
#include "cli/cmd.h"
#include "cli/print.h"

static int all, force;

static const struct poptOption options[] = {
	{ "all", 'a', POPT_ARG_NONE, &all, 0, "Remove every version of every profile",
	  NULL },
	{ "force", 'f', POPT_ARG_NONE, &force, 0,
	  "Also while a machine runs from it, and nothing said of what is not there",
	  NULL },
	POPT_TABLEEND
};

/* As podman's. The first failure decides. */
static int remove_one(struct volt_ctx *ctx, const char *name, int status,
		      struct volt_error *e)
{
	_cleanup_free_ char *ref = NULL;
	int r = volt_profile_remove(ctx, name, force ? VOLT_PROFILE_FORCE : 0, &ref, e);

	if (r == 0)
		(void)puts(ref);
	if (r == 0 || (r == -ENOENT && force))
		return status;
	(void)fprintf(stderr, "volt qemu rm: %s\n", e->msg);
	if (status)
		return status;
	return r == -ENOENT ? 1 : r == -EBUSY ? 2 : EXIT_VOLT;
}

static int remove_all(struct volt_ctx *ctx, struct volt_error *e)
{
	json_auto_t *list = NULL;
	int status = 0, r;
	json_t *p;
	size_t i;

	r = ask_list(ctx, volt_profile_list, &list, e);
	if (r < 0)
		return r;
	json_array_foreach(list, i, p)
		status = remove_one(ctx, member(p, "ref"), status, e);
	return status;
}

static int run(struct volt_ctx *ctx, int argc, const char **argv, struct volt_error *e)
{
	int status = 0;

	if (all && argc > 0)
		return fail(e, EINVAL, "'--all' and '%s': say one of them", argv[0]);
	if (all)
		return remove_all(ctx, e);
	if (argc == 0)
		return fail(e, EINVAL, "which profile? name one, or use --all");
	for (int i = 0; i < argc; i++)
		status = remove_one(ctx, argv[i], status, e);
	return status;
}

const struct cmd cmd_qemu_rm = {
	.name = "qemu rm",
	.alias = { "qemu remove" },
	.args = "[PROFILE...]",
	.help = "Remove versions of profiles",
	.options = options,
	.max_args = -1,
	.words = WORD_PROFILE,
	.run = run,
};
