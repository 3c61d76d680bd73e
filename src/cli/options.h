/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/strv.h"
#include "cli/cmd.h"

/* An option's include table, for tables that share options. */
#define OPTIONS_INCLUDE(table)                                                        \
	{                                                                             \
		NULL, 0, POPT_ARG_INCLUDE_TABLE, (void *)(uintptr_t)(table), 0, NULL, \
			NULL                                                          \
	}

/* Words after the options; freed with what they live in. */
struct words {
	poptContext context;
	struct strv shown; /* what the parser was shown, where that was not @argv */
	int n;
	const char **v;
	bool help; /* --help was among them */
};
void words_done(struct words *w);

/* Parses options (argv[0] is the program's title) into the variables that @options names,
 * up to "--" and, unless they may be @mixed with them, the first word that is none. A flag
 * may be followed by "=true" or "=false". */
int options_parse(const struct poptOption *options, bool mixed, int argc,
		  const char **argv, struct words *ret, struct volt_error *e);

/* Calls @fn for each option, also in included tables; stops at its first result that is
 * not 0 and returns it. */
int options_each(const struct poptOption *options,
		 int (*fn)(void *data, const struct poptOption *opt), void *data);

/* Does it take a value? */
bool option_takes_value(const struct poptOption *opt);

/* The letter of --help: 'h', or none where another option has that. */
char help_letter(const struct poptOption *options);
