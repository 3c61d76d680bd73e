/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <stdio.h>

#include "base/error.h"
#include "base/strv.h"
#include "cli/cmd.h"
#include "cli/print.h"

static int all, force;

static const struct poptOption options[] = {
	{ "all", 'a', POPT_ARG_NONE, &all, 0, "Remove every volume", NULL },
	{ "force", 'f', POPT_ARG_NONE, &force, 0,
	  "With the machines that use them; say nothing of volumes that do not exist",
	  NULL },
	POPT_TABLEEND
};

static int add_all(struct volt_ctx *ctx, struct strv *names, struct volt_error *e)
{
	json_auto_t *list = NULL;
	json_t *v;
	size_t i;
	int r = ask_list(ctx, volt_volume_list, &list, e);

	if (r < 0)
		return r;
	json_array_foreach(list, i, v)
		if (strv_add(names, member(v, "name")) < 0)
			return fail_oom(e);
	return 0;
}

/* podman's: 1 not there, 2 in use, 125 anything else. */
static int rm(struct volt_ctx *ctx, const char *name, struct volt_error *e)
{
	int r = volt_volume_remove(ctx, name, force, e);

	if (r == 0) {
		(void)puts(name);
		return 0;
	}
	if (r == -ENOENT && (all || force))
		return 0;
	(void)fprintf(stderr, "volt volume rm: %s\n", e->msg);
	return r == -ENOENT ? 1 : r == -EBUSY ? 2 : EXIT_VOLT;
}

static int run(struct volt_ctx *ctx, int argc, const char **argv, struct volt_error *e)
{
	_cleanup_strv_ struct strv names = { 0 };
	int status = 0, r = 0;

	if (all == (argc > 0))
		return fail(e, EINVAL, "name volumes, or '--all'");
	for (int i = 0; i < argc; i++)
		if (strv_add(&names, argv[i]) < 0)
			return fail_oom(e);
	if (all)
		r = add_all(ctx, &names, e);
	if (r < 0)
		return r;
	strv_foreach(name, names.v) {
		r = rm(ctx, *name, e);
		status = r ? r : status;
	}
	return status;
}

const struct cmd cmd_volume_rm = {
	.name = "volume rm",
	.alias = { "volume remove" },
	.args = "[VOLUME...]",
	.help = "Remove volumes and all that is in them",
	.options = options,
	.max_args = -1,
	.words = WORD_VOLUME,
	.run = run,
};
