/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <errno.h>

#include "base/error.h"
#include "vm/machine.h"

/* What the files behind machine.h share, and the supervisor. */
struct machine {
	const struct vm_env *env;
	char id[DIGEST_HEX_SIZE];
	char who[132];     /* as it was asked for, for messages */
	int dirfd;         /* its directory */
	int machines;      /* the directory that holds it */
	struct spec *spec; /* NULL until asked for */
};

#define MACHINE_LOCK "lock" /* in its directory; held: a supervisor lives */

/* The directory machines/; made if it is missing. */
int machines_open(const struct vm_env *env, struct volt_error *e);

/* By its whole id. -EIDRM where it is gone. */
int machine_open_id(const struct vm_env *env, const char *id, struct machine **ret,
		    struct volt_error *e);

/* Ends a machine's existence; its lock is held by the caller. Of @st, what is known of it. */
int machine_erase(struct machine *m, const struct state *st, struct volt_error *e);

/* -EALREADY where a supervisor lives. One whose machine has ended is waited for: it says
 * so before it lets go of the lock. */
int machine_check_stopped(struct machine *m, struct volt_error *e);

/* machine_repair() for one whose lock the caller has. */
int machine_finish_dead(struct machine *m, struct volt_error *e);

/* --- machine-gone.c --- */

bool machine_is_there(const struct machine *m);

/* What it comes to that something failed (@r): -EIDRM where the machine is gone. Others than
 * failures pass. */
static inline int machine_verdict(const struct machine *m, int r, struct volt_error *e)
{
	if (r >= 0 || machine_is_there(m))
		return r;
	return fail(e, EIDRM, "no machine '%s'", m->who);
}

/* Its lock. -EAGAIN (without a message) where somebody has it, -EIDRM. */
int machine_lock(struct machine *m, bool wait, struct volt_error *e);

/* The exit status for who waits while the machine is removed: a descriptor, to be had before
 * anything is asked, and what was left there, -ENOENT for nothing. */
void machine_leave_status(struct machine *m, const struct state *st);
int machine_watch_status(struct machine *m);
int machine_left_status(int watch);

/* --- names.c --- */

/* "brave_turing"-like; 10,000 and more of them, and @attempt adds a number. */
void name_make(char name[static 64], unsigned int attempt);
