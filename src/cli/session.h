/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

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

#define SESSION_DETACHED 256 /* not an exit status: the machine goes on */

/* Until the machine has ended or the detach keys were typed: the exit status or
 * SESSION_DETACHED. */
int session_run(const struct session *s, struct volt_error *e);
