/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/find.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"

#define NAME_SIZE 64

static bool answers_to(const struct cmd *c, const char *name)
{
	if (strcmp(c->name, name) == 0)
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(c->alias) && c->alias[i]; i++)
		if (strcmp(c->alias[i], name) == 0)
			return true;
	return false;
}

static const struct cmd *by_name(const char *name)
{
	for (const struct cmd *const *c = cmds; *c; c++)
		if (answers_to(*c, name))
			return *c;
	return NULL;
}

bool cmd_is_group(const char *word)
{
	size_t n = strlen(word);

	for (const struct cmd *const *c = cmds; *c; c++)
		if (strncmp((*c)->name, word, n) == 0 && (*c)->name[n] == ' ')
			return true;
	return false;
}

/* Letters to add, drop, change or swap to make @b of @a (optimal string alignment). */
static unsigned int distance(const char *a, const char *b)
{
	unsigned int d[NAME_SIZE][NAME_SIZE];
	size_t la = strnlen(a, NAME_SIZE - 1), lb = strnlen(b, NAME_SIZE - 1);

	for (size_t i = 0; i <= la; i++)
		d[i][0] = (unsigned int)i;
	for (size_t j = 0; j <= lb; j++)
		d[0][j] = (unsigned int)j;
	for (size_t i = 1; i <= la; i++) {
		for (size_t j = 1; j <= lb; j++) {
			unsigned int best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);

			if (d[i - 1][j] + 1 < best)
				best = d[i - 1][j] + 1;
			if (d[i][j - 1] + 1 < best)
				best = d[i][j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1] && d[i - 2][j - 2] + 1 < best)
				best = d[i - 2][j - 2] + 1;
			d[i][j] = best;
		}
	}
	return d[la][lb];
}

static const char *nearest(const char *name)
{
	unsigned int best = strlen(name) > 4 ? 3 : 2; /* more is no typing error */
	const char *found = NULL;

	for (const struct cmd *const *c = cmds; *c; c++) {
		unsigned int n = distance(name, (*c)->name);

		if (n < best) {
			best = n;
			found = (*c)->name;
		}
	}
	return found;
}

int cmd_find(int argc, const char *const *argv, const struct cmd **ret, int *ret_words,
	     struct volt_error *e)
{
	char name[NAME_SIZE];
	const struct cmd *c = by_name(argv[0]);
	const char *guess;
	bool group = cmd_is_group(argv[0]);
	int n = 1;

	(void)snprintf(name, sizeof(name), "%s", argv[0]);
	if (!c && group && argc > 1 && argv[1][0] == '-')
		return fail(e, EINVAL, "unknown option '%s'; see 'volt %s --help'",
			    argv[1], name);
	if (!c && argc > 1) {
		(void)snprintf(name, sizeof(name), "%s %s", argv[0], argv[1]);
		c = by_name(name);
		n = 2;
	}
	if (c) {
		*ret = c;
		*ret_words = n;
		return 0;
	}
	if (!group)
		(void)snprintf(name, sizeof(name), "%s", argv[0]);
	guess = nearest(name);
	if (guess)
		return fail(e, ENOENT,
			    "no command '%s'; did you mean '%s'? see 'volt help'", name,
			    guess);
	return fail(e, ENOENT, "no command '%s'; see 'volt help'", name);
}
