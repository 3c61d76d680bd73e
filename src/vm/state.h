/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/digest.h"
#include "net/port.h"
#include "vm/pins.h"
#include "vm/spec.h"
#include "vm/undo.h"

/* A machine's fact: state.json. It also carries what `volt ps` shows, so that a list of
 * machines opens one small file each. Written only by the one who holds the machine's
 * lock (or who just made the machine), always before what it announces is done. */

enum status {
	STATUS_CREATED,  /* never started: no lock, no process, nothing to undo */
	STATUS_STARTING, /* supervisor holds the lock; any part may exist. Also between two
			  * runs of a machine that restarts */
	STATUS_RUNNING,  /* the workload has started */
	STATUS_PAUSED,   /* QEMU's CPUs are stopped */
	STATUS_STOPPING, /* the stop ladder is being walked, or the undoing done */
	STATUS_EXITED,   /* the workload ended by itself or was stopped; all is undone */
	STATUS_FAILED    /* volt, QEMU, the kernel or the host failed it; all is undone */
};

/* Moments of the last start, in nanoseconds of CLOCK_BOOTTIME; 0: not reached. */
enum phase {
	PHASE_BEGIN,    /* the caller's own start, handed down */
	PHASE_RESOLVE,  /* image, kernel and QEMU found */
	PHASE_ROOTFS,   /* root file system ready */
	PHASE_NETWORK,  /* helpers up, ports bound */
	PHASE_QEMU,     /* QMP answers */
	PHASE_KERNEL,   /* init says HELLO */
	PHASE_INIT,     /* workload started */
	PHASE_WORKLOAD, /* its first output */
	PHASE_MAX
};

enum stop_rung {
	RUNG_NONE,     /* it ended by itself */
	RUNG_SIGNAL,   /* the workload ended after its stop signal */
	RUNG_BUTTON,   /* … after its power button was pressed */
	RUNG_SHUTDOWN, /* init was told to power off */
	RUNG_QUIT,     /* QMP quit */
	RUNG_KILL      /* SIGKILL */
};

struct state {
	char id[DIGEST_HEX_SIZE];
	char *name;
	char *image;   /* name as shown */
	char *command; /* one line, shortened */
	int64_t created_at;
	struct strv labels;
	struct ports ports; /* with the chosen host ports once running */
	bool rm;

	enum status status;
	char boot_id[BOOT_ID_SIZE]; /* of the host, when last started */
	pid_t supervisor, qemu;     /* for people; liveness is the lock */
	uid_t qemu_uid;             /* whom QEMU runs as, 0: as the supervisor */
	bool jailed;                /* QEMU runs in an empty root */
	char *jail_note;            /* why it does not, or NULL */
	struct pins pins;           /* what the last run ran on */
	char *reason;               /* why FAILED, one line */
	char *last_console; /* how a Nanos guest's output ended, unless with status 0 */
	int exit_code;      /* valid in EXITED and FAILED */
	bool oom;
	enum stop_rung rung;
	int64_t started_at, finished_at; /* wall clock; 0: never */
	unsigned int restarts;
	enum accel accel;   /* in use */
	char *accel_note;   /* why not KVM */
	char *network;      /* "passt", "slirp", "none" */
	char *network_note; /* what it cannot do, or NULL */
	struct undo undo;   /* newest last */
	int64_t phase[PHASE_MAX];
};

/* Fills the summary from a complete spec, status CREATED. */
int state_init(struct state *st, const struct spec *s, struct volt_error *e);
void state_done(struct state *st);

/* state.json below @dirfd, a machine's directory. */
int state_read(int dirfd, struct state *ret, struct volt_error *e);
int state_write(int dirfd, const struct state *st, struct volt_error *e);

int state_parse(const json_t *j, struct state *ret, struct volt_error *e);
json_t *state_to_json(const struct state *st);

const char *status_text(enum status s);
bool status_is_up(enum status s); /* it has a supervisor, or had one that died */
const char *phase_text(enum phase p);
const char *rung_text(enum stop_rung r);
