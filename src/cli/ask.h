/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

#include "volt.h"

/* 1: @force, or yes on the terminal; 0: no; -EINVAL where there is nobody to ask. */
int ask(bool force, const char *question, struct volt_error *e);

/* A line from stdin, without its newline; on a terminal after @prompt and, with @hidden,
 * not shown. The caller frees. */
int ask_line(const char *prompt, bool hidden, char **ret, struct volt_error *e);
