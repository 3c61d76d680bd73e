/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "vm/machine.h"

/* What the files behind machine.h share, and the supervisor. */
struct machine {
	const struct vm_env *env;
	char id[DIGEST_HEX_SIZE];
	int dirfd;         /* its directory */
	int machines;      /* the directory that holds it */
	struct spec *spec; /* NULL until asked for */
};

#define MACHINE_LOCK "lock" /* in its directory; held: a supervisor lives */

/* The directory machines/; made if it is missing. */
int machines_open(const struct vm_env *env, struct volt_error *e);

/* By its whole id. */
int machine_open_id(const struct vm_env *env, const char *id, struct machine **ret,
		    struct volt_error *e);

/* Ends a machine's existence; its lock is held by the caller. */
int machine_erase(struct machine *m, const char *name, struct volt_error *e);

/* -EALREADY where a supervisor lives. One whose machine has ended is waited for: it says
 * so before it lets go of the lock. */
int machine_check_stopped(struct machine *m, struct volt_error *e);

/* machine_repair() for one whose lock the caller has. */
int machine_finish_dead(struct machine *m, struct volt_error *e);

/* "brave_turing"-like; 10,000 and more of them, and @attempt adds a number. */
void name_make(char name[static 64], unsigned int attempt);
