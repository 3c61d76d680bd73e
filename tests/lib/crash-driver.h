/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

#include "volt.h"

/* Runs a program that writes once for each of its calls that write, and lets it die, or
 * fail, at that call (crash-preload.c). After each: what is there must be sound, and doing
 * it again must succeed and end as a run that nothing has disturbed. */

struct crash_outcome {
	int status;    /* of waitpid() */
	char err[600]; /* the first line of its stderr */
	char call[64]; /* "17 renameat2"; "": it was over before that call */
};

/* Instead of the number of a call. */
#define CRASH_WATCH 0 /* nothing happens, but the order of syncs is watched */
#define CRASH_NEVER (-1)

/* @root is where it writes; two files are made there for the time it runs. At call @at it
 * does @how: "kill", "torn" (in the middle of it) or the number of an errno. */
bool crash_run(char *const *argv, const char *root, int at, const char *how,
	       struct crash_outcome *ret);

/* As above, with @published: the directories, divided by colons, to which nothing may be
 * renamed before it is synced. Prints what went wrong. */
bool crash_watch(char *const *argv, const char *root, const char *published);

struct crash_test {
	bool (*begin)(void); /* a new place to write to */
	void (*end)(void);
	bool (*run)(int at, const char *how, struct crash_outcome *ret);
	bool (*is_sound)(void);
	bool (*is_done)(void);
	const struct volt_error *e; /* why the two said no */
};

typedef bool (*crash_expected_fn)(const struct crash_outcome *o);

bool crash_was_killed(const struct crash_outcome *o);
bool crash_was_no_space(const struct crash_outcome *o); /* status 1, and that message */

/* At each call in turn. 1 when the program has gone through without reaching the next. */
int crash_try_all(const struct crash_test *t, const char *how,
		  crash_expected_fn expected);
