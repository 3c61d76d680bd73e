/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/macro.h"

/* A growing, NULL-terminated array of owned strings, fit for execve(). Start with { 0 };
 * strv_done() frees everything. Functions return 0 or -ENOMEM. */
struct strv {
	char **v; /* NULL while empty */
	size_t n;
};

int strv_add(struct strv *s, const char *text);
int strv_addf(struct strv *s, const char *fmt, ...) _printf_(2, 3);
int strv_take(struct strv *s, char *text); /* takes ownership, also on failure */
void strv_done(struct strv *s);
#define _cleanup_strv_ _cleanup_(strv_done)

#define strv_foreach(i, list) for (char *const *i = (list); i && *i; i++)
