/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "volt.h"

#include "base/jail.h"

/* Starting programs: by argv, never through a shell, with a clean environment. */
struct spawn {
	const char *const
		*argv;          /* argv[0] without a slash is looked up in a fixed PATH */
	const char *const *env; /* NULL: a fixed PATH and LANG, and of the caller's what
				 * is_passed_on() lets through: HOME, proxies, … */
	int in, out, err;       /* -1: /dev/null, for err: kept for the error message */
	const int *keep_fds;    /* stay open in the child, at the same numbers */
	size_t n_keep_fds;
	int cwd;              /* directory descriptor, or -1 */
	bool die_with_parent; /* PR_SET_PDEATHSIG(SIGKILL) */
	bool own_group;       /* a process group of its own: no signal of a terminal's */
	uid_t uid;            /* become this user, without other groups; 0: stay */
	gid_t gid;            /* with @uid */
	/* A system call (SYS_…) that succeeds there and does nothing; programs that are
	 * set-uid gain nothing then. 0: none. */
	long ignored_call;
	/* NULL: none. argv[0] is a path in it, @uid and @gid its user, @cwd is not for it: a
	 * directory from outside would be a way out, as would be one among @keep_fds. */
	const struct jail *jail;
	/* Bytes of any file that it, or what it starts, writes (RLIMIT_FSIZE); 0: no limit. */
	uint64_t max_file;
	/* spawn_run() calls it whenever @watched, a descriptor, can be read; below 0 ends the
	 * program and is what spawn_run() returns. NULL: nothing is watched. */
	int (*watch)(void *data, struct volt_error *e);
	void *watch_data;
	int watched;
};
#define SPAWN_INIT                                        \
	{                                                 \
		.in = -1, .out = -1, .err = -1, .cwd = -1 \
	}

/* Starts it; *@ret_pidfd (may be NULL) is a pidfd the caller closes. All other
 * descriptors are closed in the child, signals are at their defaults and unblocked.
 * -ENOENT: no such program, with a message that names it. -ENOTSUP: there is no having an
 * empty root here, for nobody (see jail_fail()). */
int spawn_start(const struct spawn *s, pid_t *ret_pid, int *ret_pidfd,
		struct volt_error *e);

/* Starts it and waits. Success only if it exits with 0: otherwise -EIO (or -ENOENT …)
 * and a message with its last line of stderr (bounded, credentials in URLs removed).
 * *@ret_out (may be NULL): its stdout, at most @max_out bytes, owned by the caller. */
int spawn_run(const struct spawn *s, size_t max_out, char **ret_out,
	      struct volt_error *e);

/* "scheme://user:secret@host" in @s loses what stands before the '@'. */
void redact_urls(char *s);
