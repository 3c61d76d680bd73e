/* SPDX-License-Identifier: Apache-2.0 */

#include <stdio.h>
#include <string.h>

#include "cli/cmd.h"
#include "cli/print.h"

static const char *format;

static const struct poptOption options[] = { OPTION_FORMAT(&format), POPT_TABLEEND };

/* Most reasons name what they are about. */
static void print_finding(const json_t *finding)
{
	const char *what = member(finding, "what"), *why = member(finding, "why");

	if (strstr(why, what))
		(void)puts(why);
	else
		(void)printf("%s: %s\n", what, why);
}

static int run(struct volt_ctx *ctx, int argc, const char **argv, struct volt_error *e)
{
	json_auto_t *list = NULL;
	int json = format_is_json(format, e), n, r;
	const struct listing how = { .json = json > 0,
				     .quiet = true,
				     .print_word = print_finding };
	char *text;

	if (json < 0)
		return json;
	n = volt_store_verify(ctx, &text, e);
	if (n < 0)
		return n;
	r = parse_answer(text, &list, e);
	if (r == 0)
		r = print_list(list, &how, e);
	return r < 0 ? r : n > 0;
}

const struct cmd cmd_cas_verify = {
	.name = "cas verify",
	.alias = { "cas check" },
	.args = "",
	.help = "Read all of the store and compare it with its digests",
	.options = options,
	.run = run,
};
