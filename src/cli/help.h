/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdio.h>

#include "cli/cmd.h"

/* The list of commands. Returns 0. */
int help_commands(FILE *f);

/* The commands that begin with @word. Returns 0. */
int help_group(FILE *f, const char *word);

/* How one command is used. Returns 0. */
int help_command(const struct cmd *c);
