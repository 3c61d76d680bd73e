/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "volt.h"

#include "base/macro.h"

/* Each returns the negative errno it recorded, so that a failure is one statement:
 *
 *	if (fd < 0)
 *		return fail_errno(e, "open '%s'", path);
 *
 * @e may be NULL where the caller only wants the code. Control bytes in the text (it may
 * quote hostile input) are replaced by '?', so a message is always one printable line. */
int fail(struct volt_error *e, int code, const char *fmt, ...) _printf_(3, 4);
int fail_errno(struct volt_error *e, const char *fmt, ...) _printf_(2, 3);

/* The same for a negative errno held in a variable: "…: No such file or directory". */
int fail_code(struct volt_error *e, int r, const char *fmt, ...) _printf_(3, 4);

/* Put context in front of an error a callee already recorded: "pull 'x': <its text>". */
int fail_in(struct volt_error *e, int r, const char *fmt, ...) _printf_(3, 4);

int fail_oom(struct volt_error *e);

/* What all of them, and log_line(), do to their text: messages quote names from images,
 * manifests and guests, and none of those may move the cursor or end the line. It becomes
 * UTF-8, so that JSON takes it: control characters and bytes that are no character become
 * '?', a character that was cut at the end goes. */
void make_printable(char *text);

#if defined(__clang_analyzer__) && !defined(DEFINES_FAIL)
/* The analyzer sees one file at a time and would follow paths on which these return
 * success. */
static inline int negative_(int r)
{
	if (r >= 0)
		__builtin_unreachable();
	return r;
}
#define fail(...)       negative_(fail(__VA_ARGS__))
#define fail_errno(...) negative_(fail_errno(__VA_ARGS__))
#define fail_code(...)  negative_(fail_code(__VA_ARGS__))
#define fail_in(...)    negative_(fail_in(__VA_ARGS__))
#define fail_oom(...)   negative_(fail_oom(__VA_ARGS__))
#endif
