/* SPDX-License-Identifier: Apache-2.0 */

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cmd.h"
#include "cli/print.h"

static const char *format;

static const struct poptOption options[] = { OPTION_FORMAT(&format), POPT_TABLEEND };

static const char *mark(const char *status)
{
	bool color = isatty(STDOUT_FILENO);

	if (strcmp(status, "ok") == 0)
		return color ? "\033[32m ok \033[0m" : " ok ";
	if (strcmp(status, "warning") == 0)
		return color ? "\033[33mwarn\033[0m" : "warn";
	return color ? "\033[31mFAIL\033[0m" : "FAIL";
}

static void print_checks(const json_t *checks)
{
	json_t *c;
	size_t i;

	json_array_foreach(checks, i, c) {
		(void)printf("%s  %-16s %s\n", mark(member(c, "status")),
			     member(c, "check"), member(c, "found"));
		if (*member(c, "advice"))
			(void)printf("      %-16s -> %s\n", "", member(c, "advice"));
	}
}

static int run(struct volt_ctx *ctx, int argc, const char **argv, struct volt_error *e)
{
	json_auto_t *checks = NULL;
	int json = format_is_json(format, e), errors, r;
	char *text;

	if (json < 0)
		return json;
	errors = volt_doctor(ctx, &text, e);
	if (errors < 0)
		return errors;
	r = parse_answer(text, &checks, e);
	if (r == 0 && json)
		r = print_json(checks, e);
	else if (r == 0)
		print_checks(checks);
	return r < 0 ? r : errors > 0;
}

const struct cmd cmd_doctor = {
	.name = "doctor",
	.alias = { "system check" },
	.args = "",
	.help = "Look at all that running a machine needs",
	.options = options,
	.run = run,
};
