/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>

#include "base/error.h"
#include "cli/cmd.h"
#include "cli/print.h"
#include "cli/select.h"

static const char *format;

static int inspect(struct volt_machine *m, const char *name, void *data,
		   struct volt_error *e)
{
	json_t *all = data, *j = NULL;
	int r = inspect_machine(m, &j, e);

	if (r < 0)
		return r;
	return json_array_append_new(all, j) < 0 ? fail_oom(e) : 0;
}

/* As podman's: a name that no machine has may be an image's. */
static int inspect_other(struct volt_ctx *ctx, const char *name, void *data,
			 struct volt_error *e)
{
	json_t *all = data, *j = NULL;
	int r = inspect_image(ctx, name, &j, e);

	if (r == -ENOENT)
		return fail(e, ENOENT, "no machine or image '%s'", name);
	if (r < 0)
		return r;
	return json_array_append_new(all, j) < 0 ? fail_oom(e) : 0;
}

static struct selection sel = { .command = "inspect", .other = inspect_other };

static const struct poptOption options[] = { OPTION_FORMAT_JSON(&format),
					     OPTION_LATEST(sel), POPT_TABLEEND };

static int run(struct volt_ctx *ctx, int argc, const char **argv, struct volt_error *e)
{
	json_auto_t *all = json_array();
	int r, printed;

	r = format_must_be_json(format, e);
	if (r < 0)
		return r;
	r = select_each(ctx, &sel, argv, inspect, all, e);
	if (r < 0)
		return r;
	printed = print_json(all, e);
	return printed < 0 ? printed : r;
}

const struct cmd cmd_inspect = {
	.name = "inspect",
	.alias = { "machine inspect" },
	.args = "MACHINE|IMAGE...",
	.help = "Show all about machines, or images",
	.options = options,
	.max_args = -1,
	.words = WORD_MACHINE,
	.run = run,
};
