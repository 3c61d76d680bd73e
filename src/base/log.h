/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdarg.h>

#include "base/macro.h"

/* Where library code reports what is not an error. Levels are syslog's. The function is
 * the caller's (volt_set_log()); without one nothing is written. */
struct log {
	void (*fn)(void *data, int level, const char *line);
	void *data;
};

/* One line, no newline, control bytes replaced as in errors. @l may be NULL. */
void log_line(const struct log *l, int level, const char *fmt, ...) _printf_(3, 4);
