/* SPDX-License-Identifier: Apache-2.0 */

#include "base/log.h"

#include <stdio.h>

#include "base/error.h"

void log_line(const struct log *l, int level, const char *fmt, ...)
{
	char line[1024];
	va_list ap;

	if (!l || !l->fn)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	make_printable(line);
	l->fn(l->data, level, line);
}
