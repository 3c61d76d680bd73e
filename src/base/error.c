/* SPDX-License-Identifier: Apache-2.0 */

#define DEFINES_FAIL
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* How long a UTF-8 sequence that begins with @lead is; 0: none does. */
static size_t sequence_size(unsigned char lead)
{
	if (lead < 0x80)
		return 1;
	if (lead < 0xc2 || lead > 0xf4)
		return 0;
	return lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

/* Whether a sequence of @size bytes, all there, is a character and does not control. */
static bool is_printable(const unsigned char *s, size_t size)
{
	switch (s[0]) {
	case 0xc2: /* C1 */
	case 0xe0: /* a shorter sequence says the same */
		return s[1] >= 0xa0;
	case 0xed: /* surrogates */
		return s[1] < 0xa0;
	case 0xf0: /* as 0xe0 */
		return s[1] >= 0x90;
	case 0xf4: /* beyond the last one */
		return s[1] < 0x90;
	default:
		return size > 1 || (s[0] >= 0x20 && s[0] != 0x7f);
	}
}

void make_printable(char *text)
{
	unsigned char *s = (unsigned char *)text;

	while (*s) {
		size_t size = sequence_size(*s), have = 1;

		while (have < size && (s[have] & 0xc0) == 0x80)
			have++;
		if (have < size && !s[have]) {
			*s = 0; /* cut */
		} else if (have < size || size == 0 || !is_printable(s, size)) {
			*s++ = '?';
		} else {
			s += size;
		}
	}
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
