/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The whole unit test framework: TAP on stdout, read by `meson test`. A test is a static
 * function named after the rule it proves; RUN() runs it and reports one TAP line. */
static int tap_n, tap_bad;

#define CHECK(cond)                                                               \
	do {                                                                      \
		if (!(cond)) {                                                    \
			printf("# %s:%d: %s: %s\n", __FILE__, __LINE__, __func__, \
			       #cond);                                            \
			tap_bad = 1;                                              \
			return;                                                   \
		}                                                                 \
	} while (0)
#define CHECK_INT(a, b)                                                       \
	do {                                                                  \
		long long a_ = (long long)(a), b_ = (long long)(b);           \
		if (a_ != b_)                                                 \
			printf("# %s is %lld, %s is %lld\n", #a, a_, #b, b_); \
		CHECK(a_ == b_);                                              \
	} while (0)
#define CHECK_STR(a, b)                                                                \
	do {                                                                           \
		const char *a_ = (a), *b_ = (b);                                       \
		if (!a_ || !b_ || strcmp(a_, b_) != 0)                                 \
			printf("# %s is \"%s\", not \"%s\"\n", #a, a_ ? a_ : "(null)", \
			       b_ ? b_ : "(null)");                                    \
		CHECK(a_ &&b_ &&strcmp(a_, b_) == 0);                                  \
	} while (0)
#define RUN(test)                                                                \
	do {                                                                     \
		tap_bad = 0;                                                     \
		test();                                                          \
		printf("%sok %d - %s\n", tap_bad ? "not " : "", ++tap_n, #test); \
		(void)fflush(stdout);                                            \
	} while (0)

static inline int tap_done(void)
{
	printf("1..%d\n", tap_n);
	return 0;
}
