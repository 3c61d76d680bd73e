/* SPDX-License-Identifier: Apache-2.0 */

#include <stdio.h>

#include "cli/cmd.h"
#include "cli/print.h"

static const char *format;
static int dry_run;

static const struct poptOption options[] = { { "dry-run", 0, POPT_ARG_NONE, &dry_run, 0,
					       "Only say what would be removed", NULL },
					     OPTION_FORMAT(&format),
					     POPT_TABLEEND };

static void print_result(const json_t *j)
{
	char removed[HUMAN_SIZE], kept[HUMAN_SIZE];

	(void)printf("%s %lld objects, %s %s; %lld are needed, %s\n",
		     dry_run ? "would remove" : "removed",
		     (long long)member_int(j, "removed"), dry_run ? "free" : "freed",
		     human_size((uint64_t)member_int(j, "removed_bytes"), removed),
		     (long long)member_int(j, "kept"),
		     human_size((uint64_t)member_int(j, "kept_bytes"), kept));
}

static int run(struct volt_ctx *ctx, int argc, const char **argv, struct volt_error *e)
{
	json_auto_t *j = NULL;
	int json = format_is_json(format, e), r;
	char *text;

	if (json < 0)
		return json;
	r = volt_store_gc(ctx, dry_run, &text, e);
	if (r == 0)
		r = parse_answer(text, &j, e);
	if (r < 0)
		return r;
	if (json)
		return print_json(j, e);
	print_result(j);
	return 0;
}

const struct cmd cmd_cas_gc = {
	.name = "cas gc",
	.args = "",
	.help = "Remove objects that nothing needs any more",
	.options = options,
	.run = run,
};
