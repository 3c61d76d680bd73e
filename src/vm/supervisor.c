/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: the supervisor of one machine
 *
 *	created ──► starting ──► running ⇄ paused
 *	               ▲  │         │        │
 *	               │  └────┬────┴────────┘
 *	               │       ▼
 *	               └── stopping ──► exited
 *	         (restart)     └──────► failed
 *
 * It holds the machine's lock from its first act to its last: that is what "alive" means,
 * to everybody. Before anything is made outside the machine's directory, state.json says
 * so (st.undo); when a run ends, however it ends, the same undo_run() takes it back that
 * the next volt command uses after this process was killed. QEMU and its helpers die with
 * this process (PDEATHSIG, and sockets that close).
 *
 * The order at the end matters to those who watch: undo, then the final state, then (--rm)
 * the machine's directory, then the answers to who waits, then the lock, by exiting.
 *
 * One event loop, no threads, nothing waits: a slow client, a full disk or a stuck QEMU
 * each have a limit or a timer, never the loop.
 */

#include "vm/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/io.h"
#include "base/path.h"
#include "vm/internal.h"
#include "vm/sup.h"

#define RETRY_S     1
#define FINAL_TRIES 60
#define BACKOFF_MIN 100u
#define BACKOFF_MAX 60000u
#define STABLE_NS   10000000000ll /* a run that long was a good one */
#define FAREWELL_MS 10000         /* for attached clients to read the last of it */
#define EXIT_VOLT   125

/* --- state on disk --- */

static int on_retry(sd_event_source *source, uint64_t usec, void *data)
{
	sup_save(data);
	return 0;
}

void sup_save(struct sup *s)
{
	struct volt_error why;

	s->retry = sd_event_source_disable_unref(s->retry);
	if (state_write(s->m->dirfd, &s->st, &why) == 0)
		return;
	console_say(s->console, "volt: ", why.msg, strlen(why.msg));
	(void)sd_event_add_time_relative(s->ev, &s->retry, CLOCK_BOOTTIME,
					 RETRY_S * 1000000ull, 0, on_retry, s);
}

/* The last state is not given up lightly: without it the next command would have to call
 * this machine dead. */
static void save_final(struct sup *s)
{
	for (int i = 0; i < FINAL_TRIES; i++) {
		int r = state_write(s->m->dirfd, &s->st, NULL);

		if (r != -ENOSPC && r != -EDQUOT)
			break;
		(void)sleep(RETRY_S);
	}
}

static int set_text(char **to, const char *text)
{
	char *copy = *text ? strdup(text) : NULL;

	if (*text && !copy)
		return -ENOMEM;
	free(*to);
	*to = copy;
	return 0;
}

/* --- the caller --- */

static void report(struct sup *s, const struct start_report *r)
{
	if (s->reported)
		return;
	s->reported = true;
	s->caller = sd_event_source_disable_unref(s->caller);
	if (s->o->status_fd < 0)
		return;
	(void)write_all(s->o->status_fd, r, sizeof(*r));
	(void)close(s->o->status_fd);
}

void sup_notify(const struct sup *s, const char *what, const char *status)
{
	if (s->o->foreground)
		(void)sd_notifyf(0, "%s\nMAINPID=%d\nSTATUS=%s", what, (int)getpid(),
				 status);
}

void sup_report_started(struct sup *s)
{
	const struct start_report ok = { .e = { .code = 0 } };

	report(s, &ok);
	sup_notify(s, "READY=1", "running");
}

/* The reading end is closed: whoever started the machine is gone, before it ran. */
static int on_caller_gone(sd_event_source *source, int fd, uint32_t events, void *data)
{
	struct sup *s = data;

	s->caller = sd_event_source_disable_unref(s->caller);
	s->stop_wanted = true;
	run_broken(s, "the start was given up: the command that asked for it is gone");
	if (run_is_up(s))
		stop_begin(s, RUNG_SHUTDOWN, 0);
	return 0;
}

/* --- the end of a run --- */

/* What a program that waits for children would have reaped. */
static void reap_orphans(void)
{
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

/* All but the runtime directory, which lives as long as we do. */
static void undo_run_only(struct sup *s)
{
	struct undo_where w = { s->o->env.runfd, s->m->id, false };
	struct undo rest = s->st.undo;
	struct volt_error why;

	if (rest.n == 0)
		return;
	rest.n--;
	memmove(&rest.v[0], &rest.v[1], rest.n * sizeof(*rest.v));
	if (undo_run(&rest, &w, &why) < 0)
		console_say(s->console, "volt: ", why.msg, strlen(why.msg));
	memcpy(&s->st.undo.v[1], &rest.v[0], rest.n * sizeof(*rest.v));
	s->st.undo.n = rest.n + 1;
	reap_orphans();
}

static void record_outcome(struct sup *s)
{
	const struct run *r = &s->run;

	s->st.exit_code = r->code;
	s->st.oom = r->oom;
	s->st.qemu = 0;
	s->st.finished_at = clock_wall();
	(void)set_text(&s->st.reason, r->outcome == OUTCOME_EXITED ? "" : r->reason);
}

static bool wants_restart(const struct sup *s)
{
	const struct run *r = &s->run;

	if (s->stop_wanted || !s->reported)
		return false;
	switch (s->spec->restart) {
	case RESTART_NO:
		return false;
	case RESTART_ON_FAILURE:
		if (r->outcome == OUTCOME_EXITED && r->code == 0)
			return false;
		return !s->spec->max_retries || s->failures <= s->spec->max_retries;
	default:
		return true;
	}
}

static void begin(struct sup *s);

static int on_restart(sd_event_source *source, uint64_t usec, void *data)
{
	struct sup *s = data;

	s->restart_timer = sd_event_source_disable_unref(s->restart_timer);
	s->st.restarts++;
	begin(s);
	return 0;
}

static void restart_later(struct sup *s, uint64_t ms)
{
	s->st.status = STATUS_STARTING;
	sup_save(s);
	sup_notify(s, "", s->st.reason ?: "restarting");
	if (sd_event_add_time_relative(s->ev, &s->restart_timer, CLOCK_BOOTTIME,
				       ms * 1000, 0, on_restart, s) < 0)
		(void)sd_event_exit(s->ev, 0);
}

/* 100 ms, doubling to a minute; a run of ten seconds starts afresh. */
static void back_off(struct sup *s)
{
	bool stable = s->run.workload_began &&
		      clock_monotonic() - s->run.workload_began >= STABLE_NS;

	if (stable || !s->backoff_ms) {
		s->backoff_ms = BACKOFF_MIN;
		s->failures = 0;
	} else if (s->backoff_ms < BACKOFF_MAX) {
		s->backoff_ms *= 2;
	}
	if (s->backoff_ms > BACKOFF_MAX)
		s->backoff_ms = BACKOFF_MAX;
	s->failures++;
}

static void emulate_instead(struct sup *s)
{
	s->force_emulate = false;
	s->accel = ACCEL_TCG;
	s->st.accel = ACCEL_TCG;
	(void)set_text(&s->st.accel_note,
		       "KVM started but the guest did not boot under it: emulating");
	run_free(s);
	begin(s);
}

void sup_run_over(struct sup *s)
{
	undo_run_only(s);
	if (s->force_emulate && !s->stop_wanted) {
		emulate_instead(s);
		return;
	}
	/* From the back-off there is no run to record. */
	if (s->run.outcome != OUTCOME_NONE) {
		s->report.e.code = EIO;
		record_outcome(s);
		back_off(s);
	}
	if (wants_restart(s)) {
		run_free(s);
		restart_later(s, s->backoff_ms);
		return;
	}
	s->st.status = STATUS_STOPPING;
	(void)sd_event_exit(s->ev, 0);
}

/* --- the beginning of a run --- */

static void begin(struct sup *s)
{
	struct volt_error why = { 0 };

	/* The next run has phases of its own. */
	if (s->st.restarts) {
		memset(s->st.phase, 0, sizeof(s->st.phase));
		s->st.phase[PHASE_BEGIN] = clock_monotonic();
		s->st.phase[PHASE_RESOLVE] = s->st.phase[PHASE_BEGIN];
		s->st.phase[PHASE_ROOTFS] = s->st.phase[PHASE_BEGIN];
	}
	s->st.rung = RUNG_NONE;
	if (run_begin(s, &why) == 0)
		return;
	s->report.e.code = why.code;
	run_broken(s, "%s", why.msg);
	if (run_is_up(s)) {
		stop_qemu_now(s); /* its exit ends the run */
		return;
	}
	sup_run_over(s);
}

/* --- the whole --- */

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *si,
		     void *data)
{
	struct sup *s = data;

	s->stop_wanted = true;
	if (run_is_up(s))
		stop_begin(s, RUNG_SIGNAL, s->spec->stop_timeout);
	else if (s->restart_timer)
		(void)sd_event_exit(s->ev, 0);
	return 0;
}

static int prepare_process(struct sup *s, struct volt_error *e)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP };
	sigset_t set;
	int r;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGCHLD);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		(void)sigaddset(&set, signals[i]);
	(void)signal(SIGPIPE, SIG_IGN);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0 ||
	    prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		return fail_errno(e, "prepare the supervisor");
	r = sd_event_new(&s->ev);
	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(signals); i++)
		r = sd_event_add_signal(s->ev, NULL, signals[i], on_signal, s);
	return r < 0 ? fail_code(e, r, "make an event loop") : 0;
}

static int take_lock(struct sup *s, struct volt_error *e)
{
	s->lock = machine_lock(s->m, false, e);
	if (s->lock == -EAGAIN)
		return fail(e, EALREADY, "machine '%.12s' is already running", s->m->id);
	if (s->lock < 0)
		return s->lock;
	/* Another supervisor may have died since the caller looked. */
	return machine_finish_dead(s->m, e);
}

static void reset_state(struct sup *s)
{
	struct state *st = &s->st;

	st->status = STATUS_STARTING;
	st->supervisor = getpid();
	st->qemu = 0;
	st->exit_code = 0;
	st->oom = false;
	st->restarts = 0;
	st->rung = RUNG_NONE;
	st->started_at = st->finished_at = 0;
	st->undo.n = 0;
	(void)set_text(&st->reason, "");
	(void)set_text(&st->last_console, "");
	(void)boot_id(st->boot_id);
	memset(st->phase, 0, sizeof(st->phase));
	st->phase[PHASE_RESOLVE] = s->o->resolved ?: clock_monotonic();
	st->phase[PHASE_BEGIN] = s->o->begun ?: st->phase[PHASE_RESOLVE];
	st->phase[PHASE_ROOTFS] = s->o->rootfs ?: clock_monotonic();
}

static int choose_accel(struct sup *s, struct volt_error *e)
{
	TRY(accel_choose(s->spec->accel, s->spec->arch, s->o->env.runfd, &s->accel,
			 s->accel_note, e));
	s->st.accel = s->accel;
	return set_text(&s->st.accel_note, s->accel_note) < 0 ? fail_oom(e) : 0;
}

static int enter_state(struct sup *s, struct volt_error *e)
{
	const struct undo_item runtime = { .kind = UNDO_RUNTIME };

	TRY(state_read(s->m->dirfd, &s->st, e));
	/* Ports of the last run may have been chosen then: back to the wish. */
	ports_done(&s->st.ports);
	for (size_t i = 0; i < s->spec->ports.n; i++)
		TRY(ports_add(&s->st.ports, &s->spec->ports.v[i], e));
	reset_state(s);
	TRY(choose_accel(s, e));
	if (undo_add(&s->st.undo, &runtime) < 0)
		return fail(e, ENOSPC, "too much to undo");
	TRY(state_write(s->m->dirfd, &s->st, e));
	s->runtime = mkdir_beneath(s->o->env.runfd, s->m->id, 0700);
	return s->runtime < 0 ? fail_code(e, s->runtime, "make the runtime directory")
			      : 0;
}

static int open_logs(struct sup *s, struct volt_error *e)
{
	uint64_t size = s->spec->log_max_size;
	unsigned int files = s->spec->log_max_files;
	int r;

	r = outlog_open(s->m->dirfd, "output", size, files, &s->output);
	if (r == 0)
		r = outlog_open(s->m->dirfd, "console", size, files, &s->console_log);
	if (r < 0)
		return fail_code(e, r, "open the logs");
	return console_new(s->ev, s->console_log, &s->console, e);
}

static int open_doors(struct sup *s, struct volt_error *e)
{
	int fd, r = 0;

	fd = control_listen(s->o->env.runfd, s->m->id, e);
	if (fd < 0)
		return fd;
	TRY(server_new(fd, s->ev, &sup_server_ops, s, &s->server, e));
	if (s->o->attach_fd >= 0)
		r = server_adopt(s->server, s->o->attach_fd,
				 s->o->attach_stdin && s->spec->open_stdin);
	if (r == 0 && s->o->status_fd >= 0)
		r = sd_event_add_io(s->ev, &s->caller, s->o->status_fd, 0, on_caller_gone,
				    s);
	return r < 0 ? fail_code(e, r, "watch the caller") : 0;
}

static const struct guest_ops *const guests[] = {
	[GUEST_LINUX] = &linux_guest,
	[GUEST_DISK] = &disk_guest,
	[GUEST_NANOS] = &nanos_guest,
};

static int read_wish(struct sup *s, struct volt_error *e)
{
	TRY(machine_spec(s->m, &s->spec, e));
	s->guest = guests[s->spec->guest];
	return s->o->handover_fd >= 0 ? handover_read(s->o->handover_fd, &s->given, e)
				      : 0;
}

static int set_up(struct sup *s, struct volt_error *e)
{
	s->tsc = tsc_sample();
	TRY(machine_open_id(&s->o->env, s->o->id, &s->m, e));
	TRY(take_lock(s, e));
	TRY(read_wish(s, e));
	TRY(prepare_process(s, e));
	TRY(enter_state(s, e));
	TRY(open_logs(s, e));
	TRY(open_doors(s, e));
	if (s->guest->set_up)
		TRY(s->guest->set_up(s, e));
	return shares_open(s->spec, s->runtime, &s->shares, e);
}

/* --- the end of the whole --- */

/* Lets everybody read what is meant for them, for a while. */
static void say_farewell(struct sup *s, int code, const char *reason)
{
	json_auto_t *reply = control_reply(NULL);

	if (!s->server || !reply ||
	    json_object_set_new(reply, "exit_code", json_integer(code)) < 0)
		return;
	server_end(s->server, code, reason, reply);
	server_drain(s->server, FAREWELL_MS);
}

static enum status final_status(const struct sup *s)
{
	return s->run.outcome == OUTCOME_BROKEN || s->run.outcome == OUTCOME_REFUSED
		       ? STATUS_FAILED
		       : STATUS_EXITED;
}

static bool is_to_be_removed(const struct sup *s)
{
	return s->spec->rm || (!s->reported && s->o->remove_on_failure);
}

/* After set_up() got as far as the state: everything is taken back and recorded. */
static void finish(struct sup *s)
{
	struct undo_where w = { s->o->env.runfd, s->m->id, false };
	struct volt_error why = { 0 };
	bool remove = is_to_be_removed(s);

	sup_notify(s, "STOPPING=1", s->st.reason ?: "ended");
	shares_done(&s->shares);
	if (undo_run(&s->st.undo, &w, &why) < 0 && s->console)
		console_say(s->console, "volt: ", why.msg, strlen(why.msg));
	s->st.status = final_status(s);
	s->st.supervisor = 0;
	save_final(s);
	if (remove)
		(void)machine_erase(s->m, &s->st, NULL);
}

static void sup_free(struct sup *s)
{
	if (s->console)
		run_free(s);
	sd_event_source_disable_unref(s->caller);
	sd_event_source_disable_unref(s->retry);
	sd_event_source_disable_unref(s->rung_timer);
	sd_event_source_disable_unref(s->restart_timer);
	vnc_free(s->vnc);
	server_free(s->server);
	console_free(s->console);
	outlog_close(s->output);
	outlog_close(s->console_log);
	shares_done(&s->shares);
	state_done(&s->st);
	handover_done(&s->given);
	closep(&s->runtime);
	machine_close(s->m);
	sd_event_unref(s->ev);
	closep(&s->lock);
}

/* Only where it never ran. */
static void report_failure(struct sup *s)
{
	struct start_report r = { .exit_status = s->run.code ?: EXIT_VOLT };

	(void)fail(&r.e, s->report.e.code ?: EIO, "%s", s->run.reason);
	if (s->run.outcome == OUTCOME_EXITED)
		(void)fail(&r.e, ECANCELED, "the machine was stopped before it ran");
	report(s, &r);
}

/* For the one who waits for this process: what it says and how it exits. A machine that
 * ends because it was asked to has not failed, whatever its workload made of the signal. */
static int conclude(const struct sup *s, bool entered, struct volt_error *e)
{
	const char *reason = entered ? s->st.reason : s->run.reason;
	int code = entered ? s->st.exit_code : s->run.code ?: EXIT_VOLT;

	if (reason && *reason)
		(void)fail(e, EIO, "%s", reason);
	return s->stop_wanted ? 0 : code;
}

int supervise(const struct supervise *o, struct volt_error *e)
{
	struct sup s = { .o = o,
			 .lock = -1,
			 .runtime = -1,
			 .shares = SHARES_INIT,
			 .run = { .link = NET_LINK_INIT, .qemu_pidfd = -1 } };
	bool entered;
	int r;

	r = set_up(&s, e);
	entered = s.st.undo.n > 0;
	if (r < 0) {
		s.report.e.code = -r;
		run_broken(&s, "%s", e->msg);
		record_outcome(&s);
	} else {
		begin(&s);
		r = sd_event_loop(s.ev);
		if (r < 0) {
			run_broken(&s, "the supervisor cannot go on: %s",
				   strerrordesc_np(-r));
			record_outcome(&s);
		}
		stop_qemu_now(&s); /* where it still runs */
	}
	if (entered) {
		finish(&s);
		/* Of the last run, which in the back-off is not there any more. */
		say_farewell(&s, s.st.exit_code, s.st.reason ?: "");
	}
	report_failure(&s);
	r = conclude(&s, entered, e);
	sup_free(&s);
	return r;
}
