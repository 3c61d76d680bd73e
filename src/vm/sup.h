/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "guest/cmdline.h"
#include "net/user.h"
#include "profile/profile.h"
#include "vm/agent.h"
#include "vm/console.h"
#include "vm/handover.h"
#include "vm/machine-internal.h"
#include "vm/outlog.h"
#include "vm/qemu.h"
#include "vm/qmp.h"
#include "vm/server.h"
#include "vm/shares.h"
#include "vm/sup-guest.h"
#include "vm/supervisor.h"
#include "vm/vnc.h"

/* The supervisor's inside. supervisor.c has the life of the whole, sup-run.c that of one
 * QEMU, sup-disk.c what is particular about a guest that boots a disk, sup-nanos.c about one on a
 * Nanos kernel, sup-stop.c the ways to
 * end it, sup-control.c what clients may ask. */

/* How a run ended, as far as is known yet. */
enum outcome {
	OUTCOME_NONE,    /* it goes on, or QEMU vanished without a word */
	OUTCOME_EXITED,  /* the workload ended: code */
	OUTCOME_REFUSED, /* init could not start the workload: code, reason */
	OUTCOME_BROKEN   /* volt, QEMU or the guest failed it: reason */
};

struct run {
	const struct profile *profile; /* one of those handed over */
	struct net_link link;
	sd_event_source *passt, *tpm;
	pid_t qemu;
	int qemu_pidfd;
	sd_event_source *qemu_exit;
	struct qmp *qmp;
	struct agent *agent;
	sd_event_source *patience;    /* for the next sign of progress */
	sd_event_source *volume_lost; /* its server ended: QEMU has a while to follow */
	enum outcome outcome;
	int code;
	bool oom;
	char reason[400];
	int64_t workload_began;
	size_t owed[3]; /* by stream: output that is not given back to the guest */
	bool guest_ended, guest_reset; /* it said so itself */
	size_t seen;                   /* bytes of its output */
	sd_event_source *again;        /* a button pressed before anybody heard of it */
	uint64_t klog_before; /* what a Nanos disk told when the run began, as a number */
	char said[8192];      /* the end of its output, as text */
	size_t said_size;
	sd_event_source *silence,
		*pressed; /* since it said that it is broken; was asked to end */
};

struct sup {
	const struct supervise *o;
	struct machine *m;
	const struct spec *spec;
	const struct guest_ops *guest;
	struct handover given;
	struct state st;
	int lock, runtime; /* runtime: /run/volt/<id> */
	sd_event *ev;
	sd_event_source *caller; /* the one who waits for the report may go away */
	sd_event_source *retry;  /* of a state that could not be written */
	struct outlog *output, *console_log;
	struct console *console;
	struct server *server;
	struct shares shares;
	struct vnc *vnc; /* NULL: the guest has no screen */
	struct tsc_sample tsc;

	struct run run;
	enum accel accel;
	char accel_note[KVM_WHY_SIZE];
	bool reported;      /* the caller has its answer */
	bool stop_wanted;   /* somebody asked for the end: no restart */
	bool force_emulate; /* KVM was tried and did not boot */

	enum stop_rung rung; /* of the ladder being walked */
	sd_event_source *rung_timer;
	sd_event_source *restart_timer;
	uint64_t backoff_ms;
	uint16_t rows, columns; /* of the terminal last heard of, 0: none */
	unsigned int failures;  /* in a row, for on-failure:N */
	struct start_report report;
};

/* --- supervisor.c --- */

/* Writes state.json; what fails is tried again every second. */
void sup_save(struct sup *s);

/* A run has ended and is undone: restart, or the end of all. */
void sup_run_over(struct sup *s);

/* The workload runs: the caller may go. */
void sup_report_started(struct sup *s);

/* For the service manager, where one waits for this process: a state as in sd_notify(3) or
 * "", and a line for people. */
void sup_notify(const struct sup *s, const char *what, const char *status);

/* --- sup-run.c --- */

int run_begin(struct sup *s, struct volt_error *e);

/* Remembers the first reason why this run is no good. */
void run_broken(struct sup *s, const char *fmt, ...) _printf_(2, 3);
void run_free(struct sup *s);

/* What attached clients have read may be given back to the guest. */
void run_give_credit(struct sup *s);

static inline bool run_is_up(const struct sup *s)
{
	return s->run.qemu > 0;
}

/* --- sup-stop.c --- */

/* From @from upwards; each rung gets its time, the signal @timeout_s. */
void stop_begin(struct sup *s, enum stop_rung from, unsigned int timeout_s);

/* The workload has ended: QEMU has a while to follow, then it is helped. */
void stop_expect_exit(struct sup *s);
void stop_qemu_now(struct sup *s);
void stop_cancel(struct sup *s);

/* --- sup-control.c --- */

extern const struct server_ops sup_server_ops;
