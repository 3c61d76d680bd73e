/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "volt.h"

/* Compilers and the like: programs that run for minutes and say much, of which one line is
 * what somebody wants to read when they fail. */
struct tool {
	const char *const *argv; /* as spawn's; so is the environment */
	int cwd;                 /* directory descriptor, or -1 */
	int dirfd;               /* where what it says is appended to @log_name */
	const char *log_name;
	void (*line)(void *data, const char *line); /* may be NULL; for each line */
	void *data;
};

/* Runs it to its end. -EIO with the line that says what went wrong, -ENOSPC where that is a
 * full disk. A signal that the caller holds back (SIGHUP, SIGINT, SIGQUIT, SIGTERM, blocked)
 * ends it early when it comes, with -EINTR, and stays pending. */
int tool_run(const struct tool *t, struct volt_error *e);
