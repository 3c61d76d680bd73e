/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <stdio.h>

#include "cli/cmd.h"
#include "cli/print.h"

#define LIST_SHOWN 12

static const char *format;

static const struct poptOption options[] = { OPTION_FORMAT(&format), POPT_TABLEEND };

static int add_row(struct table *t, const json_t *ref, int64_t now)
{
	const char *list = member(ref, "list");
	int r = table_add(t, member(ref, "ref"));

	if (r < 0)
		return r;
	return *list ? table_addf(t, "list %.*s", LIST_SHOWN, list)
		     : table_add(t, member(ref, "path"));
}

static int run(struct volt_ctx *ctx, int argc, const char **argv, struct volt_error *e)
{
	static const char *const titles[] = { "REF", "AS" };
	json_auto_t *j = NULL;
	const struct listing how = { .add_rows = add_row,
				     .titles = titles,
				     .n_titles = ARRAY_SIZE(titles) };
	int json = format_is_json(format, e), n, r;
	char *text;

	if (json < 0)
		return json;
	n = volt_store_why(ctx, argv[0], &text, e);
	if (n < 0)
		return n;
	r = parse_answer(text, &j, e);
	if (r == 0 && json)
		r = print_json(j, e);
	else if (r == 0 && n > 0)
		r = print_list(json_object_get(j, "refs"), &how, e);
	if (r == 0 && n == 0)
		(void)fprintf(stderr, "volt cas why: nothing needs object '%s'\n",
			      member(j, "hash"));
	return r < 0 ? r : n == 0;
}

const struct cmd cmd_cas_why = {
	.name = "cas why",
	.args = "HASH",
	.help = "Show what keeps an object alive",
	.options = options,
	.min_args = 1,
	.max_args = 1,
	.words = WORD_OBJECT,
	.run = run,
};
