/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"
#include "store/store.h"
#include "vm/spec.h"
#include "vm/state.h"

/* Machines as the rest of volt sees them: a directory each below machines/, a claimed
 * name, and, while one runs, a supervisor that holds its lock.
 *
 * Every function that finds a machine whose supervisor died first finishes what that
 * supervisor left (machine_repair()), so callers only ever see consistent machines.
 *
 * A machine may be removed while it is open. What is asked of it then fails with -EIDRM, as
 * what was asked just later would with -ENOENT; to stop and to remove it succeeds. */

struct vm_env {
	int rootfd;             /* volt's root */
	int runfd;              /* volt's runtime directory */
	const char *supervisor; /* the program; NULL: the installed one */
	const char *qemu_dir;   /* for profile_resolve(); NULL: profiles in the store */
	struct store *store;    /* for starting a machine; else may be NULL */
	const char *init;       /* likewise: volt's init, as in guest/kernel.h */
	const struct log *log;
};

struct machine;

/* Claims an id and the name and writes machine.json and state.json. @s is complete but
 * for id, name and created_at, which are filled in where empty. -EEXIST: name in use. */
int machine_create(const struct vm_env *env, struct spec *s, struct machine **ret,
		   struct volt_error *e);

/* By name, whole id or unique beginning of an id. -ENOENT, -ENOTUNIQ. */
int machine_open(const struct vm_env *env, const char *who, struct machine **ret,
		 struct volt_error *e);
void machine_close(struct machine *m);
DEFINE_CLEANUP(struct machine *, machine_close)

const char *machine_id(const struct machine *m);
int machine_spec(struct machine *m, const struct spec **ret, struct volt_error *e);
int machine_state(struct machine *m, struct state *ret, struct volt_error *e);

/* {"spec": machine.json, "state": state.json, "isolation": "hardware"|"emulated",
 * "digests": {"image", "rootfs", "kernel", "initramfs", "profile"}, "vnc": path of the socket
 * while it has a screen}. */
int machine_inspect(struct machine *m, json_t **ret, struct volt_error *e);

/* All machines, newest first. One that vanishes meanwhile is left out; one that cannot be
 * read is logged and left out. */
struct machine_list {
	struct state *v;
	size_t n;
};
int machine_list(const struct vm_env *env, struct machine_list *ret,
		 struct volt_error *e);
void machine_list_done(struct machine_list *l);

struct start_options {
	int64_t begun;          /* CLOCK_BOOTTIME when the user's command began, or 0 */
	int64_t resolved;       /* likewise, when the image had been found, or 0 */
	bool remove_on_failure; /* a machine that does not start is removed */
	struct attach **attach; /* not NULL: attached from the first byte */
	bool attach_stdin;
	bool foreground; /* of machine_become() */
};

/* Starts the supervisor and returns when the workload has started. Fails with -EALREADY
 * if it runs; -ENOENT (127) and -ENOEXEC or -EACCES (126) come from the guest and are told
 * apart by *@ret_status, the exit status podman would give (may be NULL). The caller may
 * die while it waits: the start is then given up. */
int machine_start(struct machine *m, const struct start_options *o, int *ret_status,
		  struct volt_error *e);

/* Starts it in this process, which becomes its supervisor by execve() and keeps its pid,
 * environment, stdout and stderr. Returns on failure only, and as if never called. Of @o it
 * takes no streams. */
int machine_become(struct machine *m, const struct start_options *o,
		   struct volt_error *e);

/* The stop ladder; @timeout in seconds, negative: the spec's. Not running: 0 too. */
int machine_stop(struct machine *m, int timeout, struct volt_error *e);

/* Sends @signal to the workload. SIGKILL ends QEMU. -ESRCH when it does not run. */
int machine_kill(struct machine *m, int signal, struct volt_error *e);

int machine_pause(struct machine *m, bool on, struct volt_error *e);

/* Waits until it has ended for good (no restart to come). The code as podman's, also of one
 * that is removed meanwhile. */
int machine_wait(struct machine *m, int *ret_code, struct volt_error *e);

/* Removes it and all it wrote. Running: -EBUSY unless @force, which kills it first. */
int machine_remove(struct machine *m, bool force, struct volt_error *e);

/* Undoes what a dead supervisor left and records the end. Called by all of the above. */
int machine_repair(struct machine *m, struct volt_error *e);
