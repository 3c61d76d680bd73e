/* SPDX-License-Identifier: Apache-2.0 */

#include <stdio.h>

#include "base/error.h"
#include "cli/cmd.h"
#include "cli/print.h"

static const char *format;
static int no_repair;

static const struct poptOption options[] = { OPTION_FORMAT(&format),
					     { "no-repair", 0, POPT_ARG_NONE, &no_repair,
					       0, "Only look", NULL },
					     POPT_TABLEEND };

static void print_damage(const json_t *d)
{
	bool repaired = json_is_true(json_object_get(d, "repaired"));
	const char *how = member(d, "how");

	if (!*member(d, "path")) { /* the reason names the profile */
		(void)puts(member(d, "why"));
		return;
	}
	(void)printf("%s: %s: %s%s%s\n", member(d, "profile"), member(d, "path"),
		     member(d, "why"),
		     repaired ? "; repaired from "
		     : *how   ? "; "
			      : "",
		     how);
}

/* Adds what was found to @all. Returns how much remains broken. */
static int verify(struct volt_ctx *ctx, const char *profile, json_t *all,
		  struct volt_error *e)
{
	json_auto_t *list = NULL;
	char *text;
	int n, r;

	n = volt_profile_verify(ctx, profile, no_repair ? VOLT_PROFILE_NO_REPAIR : 0,
				&text, e);
	if (n < 0)
		return n;
	r = parse_answer(text, &list, e);
	if (r == 0 && json_array_extend(all, list) < 0)
		r = fail_oom(e);
	return r < 0 ? r : n;
}

static int run(struct volt_ctx *ctx, int argc, const char **argv, struct volt_error *e)
{
	json_auto_t *all = json_array();
	int json = format_is_json(format, e), broken = 0, r = 0;
	const struct listing how = { .json = json > 0,
				     .quiet = true,
				     .print_word = print_damage };

	if (json < 0)
		return json;
	for (int i = 0; r >= 0 && (i < argc || (i == 0 && argc == 0)); i++) {
		r = verify(ctx, argc > 0 ? argv[i] : NULL, all, e);
		broken |= r > 0;
	}
	if (r >= 0)
		r = print_list(all, &how, e);
	return r < 0 ? r : broken;
}

const struct cmd cmd_qemu_verify = {
	.name = "qemu verify",
	.alias = { "qemu check" },
	.args = "[PROFILE...]",
	.help = "Look at all files of profiles and mend what is wrong",
	.options = options,
	.max_args = -1,
	.words = WORD_PROFILE,
	.run = run,
};
