/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "cli/find.h"
#include "cli/global.h"
#include "cli/help.h"
#include "cli/options.h"
#include "cli/usage.h"

static struct {
	int dump;
} o;

static const struct poptOption options[] = {
	{ "dump", 0, POPT_ARG_NONE | POPT_ARGFLAG_DOC_HIDDEN, &o.dump, 0,
	  "Print all tables for programs", NULL },
	POPT_TABLEEND
};

static bool is_hidden(const struct cmd *c)
{
	return c == &cmd_complete;
}

static void print_line(FILE *f, const char *name, const struct cmd *c)
{
	(void)fprintf(f, "  %-15s %s\n", name, c->help);
}

int help_commands(FILE *f)
{
	(void)fputs("Usage: volt [OPTION...] COMMAND [ARG...]\n\n"
		    "Run OCI images as virtual machines. Commands:\n",
		    f);
	for (const struct cmd *const *c = cmds; *c; c++)
		if (!is_hidden(*c))
			print_line(f, (*c)->name, *c);
	(void)fputc('\n', f);
	usage_options(f, global_options);
	(void)fputs("\nSee 'volt COMMAND --help', volt-COMMAND(1) and volt(1).\n", f);
	return 0;
}

int help_command(const struct cmd *c)
{
	char head[64];
	int n = snprintf(head, sizeof(head), "Usage: volt %s ", c->name);

	(void)fputs(head, stdout);
	usage_text(stdout, c->args, n + printf(*c->args ? "[OPTION...] " : "[OPTION...]"),
		   n);
	(void)printf("\n%s.\n", c->help);
	for (size_t i = 0; i < ARRAY_SIZE(c->alias) && c->alias[i]; i++)
		(void)printf("%s%s", i == 0 ? "Also: volt " : ", volt ", c->alias[i]);
	(void)puts(c->alias[0] ? "\n" : "");
	usage_options(stdout, c->options);
	(void)printf("\nSee volt-");
	for (const char *p = c->name; *p; p++)
		(void)putchar(*p == ' ' ? '-' : *p);
	(void)puts("(1).");
	return 0;
}

/* For tools/check-man and the tests: one line each, fields separated by tabs. */
static int dump_option(void *data, const struct poptOption *opt)
{
	char letter[2] = { opt->shortName, '\0' };

	(void)printf("option\t%s\t%s\t%s\t%s\t%s\t%s\n", (const char *)data,
		     opt->longName ? opt->longName : "", letter,
		     option_takes_value(opt) && opt->argDescrip ? opt->argDescrip : "",
		     opt->argInfo & POPT_ARGFLAG_DOC_HIDDEN ? "hidden" : "shown",
		     opt->descrip);
	return 0;
}

static void dump(void)
{
	(void)options_each(global_options, dump_option, (char[]){ "" });
	for (const struct cmd *const *c = cmds; *c; c++) {
		(void)printf("command\t%s\t%s\t%s\t%s\n", (*c)->name, (*c)->args,
			     is_hidden(*c) ? "hidden" : "shown", (*c)->help);
		for (size_t i = 0; i < ARRAY_SIZE((*c)->alias) && (*c)->alias[i]; i++)
			(void)printf("alias\t%s\t%s\n", (*c)->name, (*c)->alias[i]);
		(void)options_each((*c)->options, dump_option,
				   (void *)(uintptr_t)(*c)->name);
	}
}

int help_group(FILE *f, const char *word)
{
	size_t n = strlen(word);

	(void)fprintf(f, "Usage: volt %s COMMAND [OPTION...] [ARG...]\n\nCommands:\n",
		      word);
	for (const struct cmd *const *c = cmds; *c; c++) {
		const char *const *alias = (*c)->alias;

		if (strncmp((*c)->name, word, n) == 0 && (*c)->name[n] == ' ')
			print_line(f, (*c)->name, *c);
		for (size_t i = 0; i < ARRAY_SIZE((*c)->alias) && alias[i]; i++)
			if (strncmp(alias[i], word, n) == 0 && alias[i][n] == ' ')
				print_line(f, alias[i], *c);
	}
	(void)fprintf(f, "\nSee 'volt %s COMMAND --help'.\n", word);
	return 0;
}

static int run(struct volt_ctx *ctx, int argc, const char **argv, struct volt_error *e)
{
	const struct cmd *c;
	int words, r;

	if (o.dump) {
		dump();
		return 0;
	}
	if (argc == 0)
		return help_commands(stdout);
	if (argc == 1 && cmd_is_group(argv[0]))
		return help_group(stdout, argv[0]);
	r = cmd_find(argc, argv, &c, &words, e);
	return r < 0 ? r : help_command(c);
}

const struct cmd cmd_help = {
	.name = "help",
	.args = "[COMMAND]",
	.help = "Show what there is, or how one command is used",
	.options = options,
	.max_args = 2,
	.words = WORD_COMMAND,
	.standalone = true,
	.run = run,
};
