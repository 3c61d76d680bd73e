/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "cli/cmd.h"

/* The command that @argv begins with, by name or alias; *@ret_words (1 or 2) says how
 * many words named it. -ENOENT, with a guess at what was meant. */
int cmd_find(int argc, const char *const *argv, const struct cmd **ret, int *ret_words,
	     struct volt_error *e);

/* Is @word the first of two-word commands ("image")? */
bool cmd_is_group(const char *word);
