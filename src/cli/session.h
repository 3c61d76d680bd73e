/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <popt.h>

#include "volt.h"

/* A person's (or a pipe's) conversation with a running machine. */
struct session {
	struct volt_machine *machine;
	struct volt_attach *attach;
	bool tty;       /* the workload has a terminal */
	bool in;        /* send it our stdin */
	bool sig_proxy; /* send it our signals; else they end us, not it */
	const char *detach_keys;
	/* Called once: when it first prints something, or else (false) when all is over. May
	 * be NULL. */
	void (*first_output)(void *data, bool output);
	void *data;
};

#define OPTION_DETACH_KEYS(variable)                                         \
	{                                                                    \
		"detach-keys", 0, POPT_ARG_STRING, variable, 0,              \
			"Keys that leave it running (ctrl-p,ctrl-q)", "KEYS" \
	}
#define OPTION_SIG_PROXY(variable)                                               \
	{                                                                        \
		"sig-proxy", 0, POPT_ARG_NONE, variable, 0,                      \
			"Pass signals on to it (default); =false does not", NULL \
	}

/* What @m was made with decides what it can be sent: sets @tty and @in besides it. */
int session_init(struct session *s, struct volt_machine *m, struct volt_error *e);

#define SESSION_DETACHED 256 /* not an exit status: the machine goes on */

/* Until the machine has ended or the detach keys were typed: the exit status or
 * SESSION_DETACHED. */
int session_run(const struct session *s, struct volt_error *e);
