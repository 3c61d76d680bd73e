/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>

#include "base/error.h"
#include "cli/cmd.h"
#include "cli/select.h"

/* As podman's. */
static int status(int r)
{
	return r == -ENOENT || r == -EIDRM ? 1 : r == -EBUSY ? 2 : EXIT_VOLT;
}

static struct selection sel = { .command = "rm",
				.at_once = true,
				.print_names = true,
				.status = status,
				.time = -1 };
static int force, volumes;

static const struct poptOption options[] = {
	OPTION_ALL(sel, "Remove every machine"),
	OPTION_CIDFILE(sel),
	{ "filter", 0, POPT_ARG_ARGV, &sel.filter, 0,
	  "Only machines with a name, id, label, status, ancestor or exited like this",
	  "KEY=VALUE" },
	{ "force", 'f', POPT_ARG_NONE, &force, 0, "Also those that run", NULL },
	OPTION_IGNORE(sel),
	OPTION_LATEST(sel),
	OPTION_TIME(sel, "Seconds a running one has to end by itself; needs --force"),
	{ "volumes", 'v', POPT_ARG_NONE, &volumes, 0,
	  "As podman's; a machine has no volumes of its own", NULL },
	POPT_TABLEEND
};

static int rm(struct volt_machine *m, const char *name, void *data, struct volt_error *e)
{
	int r = 0;

	if (force && sel.time > 0)
		r = volt_machine_stop(m, sel.time, e);
	return r < 0 ? r : volt_machine_remove(m, force, e);
}

static int run(struct volt_ctx *ctx, int argc, const char **argv, struct volt_error *e)
{
	if (sel.time >= 0 && !force)
		return fail(e, EINVAL, "'--time' needs '--force'");
	sel.ignore |= force; /* as podman and rm(1) */
	return select_each(ctx, &sel, argv, rm, NULL, e);
}

const struct cmd cmd_rm = {
	.name = "rm",
	.alias = { "machine rm" },
	.args = "[MACHINE...]",
	.help = "Remove machines and all they wrote",
	.options = options,
	.max_args = -1,
	.words = WORD_MACHINE,
	.run = run,
};
