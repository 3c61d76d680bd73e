/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/usage.h"

#include <stdlib.h>
#include <string.h>

#include "cli/options.h"

#define LINE_MAX    79
#define TEXT_COLUMN 28
#define OPTIONS_MAX 128

struct entry {
	const struct poptOption *opt;
};

struct list {
	struct entry v[OPTIONS_MAX];
	size_t n;
};

static int collect(void *data, const struct poptOption *opt)
{
	struct list *l = data;

	if (!(opt->argInfo & POPT_ARGFLAG_DOC_HIDDEN) && l->n < OPTIONS_MAX)
		l->v[l->n++].opt = opt;
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	return strcmp(x->opt->longName, y->opt->longName);
}

void usage_text(FILE *f, const char *text, int column, int indent)
{
	for (bool first = true; *text; first = false) {
		int n = (int)strcspn(text, " ");

		if (!first && column + 1 + n > LINE_MAX)
			column = fprintf(f, "\n%*s", indent, "") - 1;
		else if (!first)
			column += fprintf(f, " ");
		column += fprintf(f, "%.*s", n, text);
		text += n + (text[n] == ' ');
	}
	(void)fputc('\n', f);
}

static void print_option(FILE *f, const struct poptOption *opt)
{
	const char *value = option_takes_value(opt) ? opt->argDescrip : NULL;
	int column = opt->shortName ? fprintf(f, "  -%c, ", opt->shortName)
				    : fprintf(f, "      ");

	column += fprintf(f, "--%s", opt->longName);
	if (value)
		column += fprintf(f, " %s", value);
	if (column + 2 > TEXT_COLUMN)
		(void)fprintf(f, "\n%*s", TEXT_COLUMN, "");
	else
		(void)fprintf(f, "%*s", TEXT_COLUMN - column, "");
	usage_text(f, opt->descrip, TEXT_COLUMN, TEXT_COLUMN);
}

void usage_options(FILE *f, const struct poptOption *options)
{
	const struct poptOption help = {
		"help", help_letter(options), POPT_ARG_NONE, NULL,
		0,      "Show this help",     NULL
	};
	struct list l = { .n = 0 };

	(void)options_each(options, collect, &l);
	qsort(l.v, l.n, sizeof(struct entry), compare);
	(void)fputs("Options:\n", f);
	for (size_t i = 0; i < l.n; i++)
		print_option(f, l.v[i].opt);
	print_option(f, &help);
}
