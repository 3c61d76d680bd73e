/* SPDX-License-Identifier: Apache-2.0 */

#define DEFINES_FAIL
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* U+0080 to U+009F: some terminals take U+009B for what ESC [ is. */
static bool is_c1(const char *s)
{
	return (unsigned char)s[0] == 0xc2 && (s[1] & 0xe0) == 0x80;
}

void make_printable(char *s)
{
	char *last = s;

	for (; *s; s++) {
		if (is_c1(s))
			s[0] = s[1] = '?';
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			*s = '?';
		if ((*s & 0xc0) != 0x80)
			last = s;
	}
	unsigned char lead = *last;
	size_t want = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;

	if ((size_t)(s - last) < want && s != last)
		*last = 0;
}

/* Writes "text" or "text: detail". When both do not fit, the text gives way: the detail is
 * the innermost cause, which a person needs most. */
static void _printf_(4, 0) record(struct volt_error *e, int code, const char *detail,
				  const char *fmt, va_list ap)
{
	struct volt_error fresh = { .code = code };
	size_t room = sizeof(fresh.msg), n;

	if (!e)
		return;
	if (detail)
		room -= 2 + strnlen(detail, room - 3);
	(void)vsnprintf(fresh.msg, room, fmt, ap);
	n = strlen(fresh.msg);
	if (detail)
		(void)snprintf(fresh.msg + n, sizeof(fresh.msg) - n, ": %s", detail);
	make_printable(fresh.msg);
	*e = fresh;
}

int fail(struct volt_error *e, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	record(e, code, NULL, fmt, ap);
	va_end(ap);
	return -code;
}

int fail_errno(struct volt_error *e, const char *fmt, ...)
{
	int code = errno;
	va_list ap;

	va_start(ap, fmt);
	record(e, code, strerrordesc_np(code), fmt, ap);
	va_end(ap);
	return -code;
}

int fail_code(struct volt_error *e, int r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	record(e, -r, strerrordesc_np(-r), fmt, ap);
	va_end(ap);
	return r;
}

int fail_in(struct volt_error *e, int r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	record(e, -r, e ? e->msg : NULL, fmt, ap);
	va_end(ap);
	return r;
}

int fail_oom(struct volt_error *e)
{
	return fail(e, ENOMEM, "out of memory");
}
