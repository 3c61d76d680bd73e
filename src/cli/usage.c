/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/usage.h"

#include <stdio.h>
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

void usage_text(const char *text, int column, int indent)
{
	for (bool first = true; *text; first = false) {
		int n = (int)strcspn(text, " ");

		if (!first && column + 1 + n > LINE_MAX)
			column = printf("\n%*s", indent, "") - 1;
		else if (!first)
			column += printf(" ");
		column += printf("%.*s", n, text);
		text += n + (text[n] == ' ');
	}
	(void)putchar('\n');
}

static void print_option(const struct poptOption *opt)
{
	const char *value = option_takes_value(opt) ? opt->argDescrip : NULL;
	int column =
		opt->shortName ? printf("  -%c, ", opt->shortName) : printf("      ");

	column += printf("--%s", opt->longName);
	if (value)
		column += printf(" %s", value);
	if (column + 2 > TEXT_COLUMN)
		(void)printf("\n%*s", TEXT_COLUMN, "");
	else
		(void)printf("%*s", TEXT_COLUMN - column, "");
	usage_text(opt->descrip, TEXT_COLUMN, TEXT_COLUMN);
}

void usage_options(const struct poptOption *options)
{
	struct list l = { .n = 0 };

	(void)options_each(options, collect, &l);
	qsort(l.v, l.n, sizeof(struct entry), compare);
	(void)puts("Options:");
	for (size_t i = 0; i < l.n; i++)
		print_option(l.v[i].opt);
	(void)printf("%-*s%s\n", TEXT_COLUMN, "      --help", "Show this help");
}
