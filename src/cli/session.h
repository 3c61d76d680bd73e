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
	void (*first_output)(void *data); /* called once, also when there is none; may be
					   * NULL */
	void *data;
};

#define SESSION_DETACHED 256 /* not an exit status: the machine goes on */

/* Until the machine has ended or the detach keys were typed: the exit status or
 * SESSION_DETACHED. */
int session_run(const struct session *s, struct volt_error *e);
