/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <popt.h>
#include <stdio.h>

/* The options of a table and of those it includes, sorted, within 80 columns. */
void usage_options(FILE *f, const struct poptOption *options);

/* @text, wrapped to 80 columns, each line after the first indented. */
void usage_text(FILE *f, const char *text, int column, int indent);
