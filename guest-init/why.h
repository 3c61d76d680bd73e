/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Why a step failed: one line for the user. because() appends the text of -@r (unless it
 * is 0) and returns @r, or -EINVAL for 0, so that a failure is one statement. */
struct why {
	char text[512];
};
int because(struct why *w, int r, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
