/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: one QEMU, from its helpers to its exit status
 *
 * What is open towards it: QMP, the agent's port and the serial console, each a socket
 * pair, and its stderr. Nothing that comes from any of them ends a run; they only leave a
 * reason behind (run_broken()) and, where there is no sense in going on, kill QEMU. The
 * run ends in one place: when QEMU's pidfd says that it has ended, by itself or by us.
 * That event has the lowest priority of all, and everything is drained first, so that what
 * QEMU passed on with its last breath still counts.
 *
 * Nothing may stay silent for ever either: until init's HELLO, and from CONFIG until
 * STARTED, there is a limit.
 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/io.h"
#include "base/spawn.h"
#include "guest/kernel.h"
#include "vm/config.h"
#include "vm/internal.h"
#include "vm/jail.h"
#include "vm/signals.h"
#include "vm/sup.h"

/* Generous: twenty machines on two emulating cores boot one after the other, in effect. */
#define BOOT_LIMIT_S     180
#define KVM_LIMIT_S      15 /* for HELLO, where TCG can be tried instead */
#define START_LIMIT_S    120
#define LOST_AFTER_S     3
#define BACKLOG_LOW      65536u
#define EXIT_SIGNAL_BASE 128
#define PRIORITY_EXIT    1000

void run_broken(struct sup *s, const char *fmt, ...)
{
	struct run *r = &s->run;
	va_list ap;

	if (r->outcome != OUTCOME_NONE)
		return;
	r->outcome = OUTCOME_BROKEN;
	r->code = 125;
	va_start(ap, fmt);
	(void)vsnprintf(r->reason, sizeof(r->reason), fmt, ap);
	va_end(ap);
	/* It goes into state.json, to clients, to a terminal. */
	make_printable(r->reason);
}

void run_reached(struct sup *s, enum phase p)
{
	if (!s->st.phase[p])
		s->st.phase[p] = clock_monotonic();
}

/* The last phase that was reached, for a failure's message. */
static const char *how_far(const struct sup *s)
{
	int p = PHASE_MAX - 1;

	while (p > 0 && !s->st.phase[p])
		p--;
	return phase_text((enum phase)p);
}

/* --- patience --- */

static bool can_fall_back(const struct sup *s)
{
	return s->accel == ACCEL_KVM && s->spec->accel == ACCEL_AUTO && s->given.emulate;
}

static int on_impatience(sd_event_source *source, uint64_t usec, void *data)
{
	struct sup *s = data;

	if (s->run.agent && agent_state(s->run.agent) != AGENT_WAIT_HELLO)
		run_broken(s, "init did not start the workload within %d s",
			   START_LIMIT_S);
	else if (can_fall_back(s))
		s->force_emulate = true;
	else
		run_broken(s, "the guest did not boot within %d s", BOOT_LIMIT_S);
	stop_qemu_now(s);
	return 0;
}

static void be_patient(struct sup *s, unsigned int seconds)
{
	s->run.patience = sd_event_source_disable_unref(s->run.patience);
	if (seconds)
		(void)sd_event_add_time_relative(s->ev, &s->run.patience, CLOCK_BOOTTIME,
						 seconds * 1000000ull, 0, on_impatience,
						 s);
}

/* --- the agent says --- */

static void on_config(void *data, struct wire_out *out)
{
	struct sup *s = data;
	struct config c = { .spec = s->spec,
			    .link = s->run.link.kind ? &s->run.link : NULL,
			    .shares = &s->shares,
			    .by_virtiofs = s->shares.by_virtiofs,
			    .upper_disk = s->o->upper_fd >= 0,
			    .rows = s->rows,
			    .columns = s->columns };

	config_write(&c, out);
}

static void on_hello(void *data, const struct wire_message *m)
{
	run_reached(data, PHASE_KERNEL);
	be_patient(data, START_LIMIT_S);
}

void run_started(struct sup *s)
{
	be_patient(s, 0);
	s->run.workload_began = clock_monotonic();
	if (s->st.status == STATUS_STARTING) {
		s->st.status = STATUS_RUNNING;
		s->st.started_at = clock_wall();
		sup_save(s);
	}
	sup_report_started(s);
}

static void on_started(void *data)
{
	run_reached(data, PHASE_INIT);
	run_started(data);
}

void run_give_credit(struct sup *s)
{
	if (!s->run.agent || server_backlog(s->server) > BACKLOG_LOW)
		return;
	for (int i = AGENT_STDOUT; i <= AGENT_STDERR; i++) {
		agent_consumed(s->run.agent, (enum agent_stream)i, s->run.owed[i]);
		s->run.owed[i] = 0;
	}
}

static void on_output(void *data, enum agent_stream stream, const char *bytes,
		      size_t size)
{
	struct sup *s = data;
	bool out = stream == AGENT_STDOUT;

	run_reached(s, PHASE_WORKLOAD);
	outlog_write(s->output, out ? LOG_STDOUT : LOG_STDERR, bytes, size);
	server_broadcast(s->server, out ? ATTACH_FRAME_STDOUT : ATTACH_FRAME_STDERR,
			 bytes, size);
	s->run.owed[stream] += size;
	run_give_credit(s);
}

static void on_failed(void *data, int code, const char *text)
{
	struct sup *s = data;
	struct run *r = &s->run;

	be_patient(s, 0);
	if (r->outcome == OUTCOME_NONE) {
		r->outcome = OUTCOME_REFUSED;
		r->code = code;
		(void)snprintf(r->reason, sizeof(r->reason), "%s", text);
		make_printable(r->reason);
	}
	stop_expect_exit(s);
}

static void on_exited(void *data, int code, int signal, bool oom)
{
	struct sup *s = data;
	struct run *r = &s->run;

	be_patient(s, 0);
	if (r->outcome == OUTCOME_NONE) {
		r->outcome = OUTCOME_EXITED;
		r->code = signal ? EXIT_SIGNAL_BASE + signal : code;
		r->oom = oom;
	}
	stop_expect_exit(s);
}

static void on_log(void *data, const char *text, size_t size)
{
	struct sup *s = data;

	console_say(s->console, "init: ", text, size);
}

static void on_room(void *data)
{
	struct sup *s = data;

	server_resume(s->server);
}

static void on_agent_gone(void *data, const struct volt_error *why)
{
	struct sup *s = data;

	if (!why)
		return; /* closed: QEMU is on its way out */
	run_broken(s, "%s", why->msg);
	stop_qemu_now(s);
}

static const struct agent_ops agent_ops = {
	.config = on_config,
	.hello = on_hello,
	.started = on_started,
	.output = on_output,
	.failed = on_failed,
	.exited = on_exited,
	.log = on_log,
	.room = on_room,
	.gone = on_agent_gone,
};

/* --- the monitor says --- */

static void on_qmp_ready(void *data)
{
	struct sup *s = data;

	run_reached(s, PHASE_QEMU);
	if (s->guest->ready)
		s->guest->ready(s);
}

static void on_qmp_event(void *data, const char *name, const json_t *info)
{
	struct sup *s = data;

	if (strcmp(name, "GUEST_PANICKED") == 0)
		run_broken(s, "the guest's kernel panicked");
	else if (strcmp(name, "BLOCK_IO_ERROR") == 0)
		console_say(s->console, "qemu: ", "a disk reports an error", 23);
	else if (s->guest->event)
		s->guest->event(s, name, info);
}

static void on_qmp_gone(void *data, const struct volt_error *why)
{
	struct sup *s = data;

	if (why->code == EPIPE)
		return; /* closed: QEMU is on its way out */
	run_broken(s, "%s", why->msg);
	stop_qemu_now(s);
}

static const struct qmp_ops qmp_ops = {
	.ready = on_qmp_ready,
	.event = on_qmp_event,
	.gone = on_qmp_gone,
};

/* --- the end --- */

/* What the console said last, without what every QEMU says in a root without /dev/null. */
static void last_on_console(const struct sup *s, char tail[static CONSOLE_TAIL_SIZE])
{
	char *at, *end;

	console_tail(s->console, tail);
	at = strstr(tail, "qemu: Failed to open /dev/null for OFD lock probing");
	if (!at)
		return;
	end = strstr(at, " | ");
	if (end)
		memmove(at, end + 3, strlen(end + 3) + 1);
	else
		at[at - tail >= 3 ? -3 : 0] = '\0';
}

static void describe_exit(struct sup *s, const siginfo_t *si)
{
	const char *panic = console_panic(s->console);
	char tail[CONSOLE_TAIL_SIZE];

	if (s->run.outcome != OUTCOME_NONE || (s->force_emulate && !s->stop_wanted))
		return;
	last_on_console(s, tail);
	if (s->stop_wanted) {
		/* QEMU went before its workload had a say. */
		s->run.outcome = OUTCOME_EXITED;
		s->run.code = EXIT_SIGNAL_BASE + SIGKILL;
	} else if (panic) {
		run_broken(s, "the guest's kernel panicked: %s", panic);
	} else if (si->si_code != CLD_EXITED) {
		run_broken(s, "QEMU was killed by %s (reached: %s)%s%s",
			   signal_name(si->si_status) ?: "a signal", how_far(s),
			   *tail ? "; last on the console: " : "", tail);
	} else {
		run_broken(s, "QEMU ended with status %d (reached: %s)%s%s",
			   si->si_status, how_far(s),
			   *tail ? "; last on the console: " : "", tail);
	}
}

/* A failed boot shows what the console said last. */
static void add_tail(struct sup *s)
{
	struct run *r = &s->run;
	size_t n = strlen(r->reason);
	char tail[CONSOLE_TAIL_SIZE];

	last_on_console(s, tail);
	if (r->outcome == OUTCOME_BROKEN && *tail && !strstr(r->reason, "console:"))
		(void)snprintf(r->reason + n, sizeof(r->reason) - n,
			       " (reached: %s); last on the console: %s", how_far(s),
			       tail);
	make_printable(r->reason);
}

/* Until init has spoken (or what has no agent is up), KVM is on trial where it may be given up: there are hosts whose KVM
 * refuses a register, and QEMU aborts. */
static bool ended_by_kvm(const struct sup *s)
{
	return can_fall_back(s) && !s->st.phase[PHASE_KERNEL] && !s->run.workload_began &&
	       s->run.outcome == OUTCOME_NONE && !console_panic(s->console);
}

static int on_qemu_exit(sd_event_source *source, const siginfo_t *si, void *data)
{
	struct sup *s = data;

	s->run.qemu = 0;
	agent_drain(s->run.agent);
	console_drain(s->console);
	if (s->st.rung == RUNG_NONE && s->stop_wanted)
		s->st.rung = s->rung;
	stop_cancel(s);
	s->force_emulate |= ended_by_kvm(s);
	if (s->guest->ended && !s->force_emulate)
		s->guest->ended(s, si);
	describe_exit(s, si);
	add_tail(s);
	sup_run_over(s);
	return 0;
}

void run_free(struct sup *s)
{
	struct run *r = &s->run;

	r->patience = sd_event_source_disable_unref(r->patience);
	r->qemu_exit = sd_event_source_disable_unref(r->qemu_exit);
	r->passt = sd_event_source_disable_unref(r->passt);
	r->tpm = sd_event_source_disable_unref(r->tpm);
	r->again = sd_event_source_disable_unref(r->again);
	r->silence = sd_event_source_disable_unref(r->silence);
	r->pressed = sd_event_source_disable_unref(r->pressed);
	if (s->vnc)
		vnc_serve(s->vnc, NULL);
	qmp_free(r->qmp);
	agent_free(r->agent);
	net_link_done(&r->link);
	closep(&r->qemu_pidfd);
	r->volume_lost = sd_event_source_disable_unref(r->volume_lost);
	shares_unwatch(&s->shares);
	console_reset(s->console);
	*r = (struct run){ .link = NET_LINK_INIT, .qemu_pidfd = -1 };
}

/* --- the beginning --- */

static int on_passt_exit(sd_event_source *source, const siginfo_t *si, void *data)
{
	struct sup *s = data;
	char reason[200];

	/* It ends with QEMU; before that, the machine has lost its network. */
	if (s->run.qemu && s->run.outcome == OUTCOME_NONE && !s->stop_wanted) {
		net_passt_reason(&s->run.link, reason, sizeof(reason));
		run_broken(s, "%s", reason);
		stop_qemu_now(s);
	}
	return 0;
}

static int on_volume_lost(sd_event_source *source, uint64_t usec, void *data)
{
	struct sup *s = data;

	if (s->run.qemu && s->run.outcome == OUTCOME_NONE && !s->stop_wanted) {
		run_broken(s, "virtiofsd ended: a volume is lost");
		stop_qemu_now(s);
	}
	return 0;
}

/* It ends with QEMU, which lets go of it first and may take a moment for the rest. */
static int on_virtiofsd_exit(sd_event_source *source, const siginfo_t *si, void *data)
{
	struct sup *s = data;

	if (!s->run.volume_lost)
		(void)sd_event_add_time_relative(
			s->ev, &s->run.volume_lost, CLOCK_BOOTTIME,
			LOST_AFTER_S * 1000000ull, 0, on_volume_lost, s);
	return 0;
}

static int start_network(struct sup *s, struct volt_error *e)
{
	static const char *const names[] = { "none", "passt", "slirp" };
	struct net_link *l = &s->run.link;
	int r;

	if (s->spec->network == NET_USER) {
		TRY(net_user_start(&s->st.ports, s->m->id, l, e));
		free(s->st.network_note);
		s->st.network_note = l->note[0] ? strdup(l->note) : NULL;
	}
	if (l->kind == NET_PASST) {
		r = undo_add_process(&s->st.undo, l->pid);
		if (r == 0)
			r = sd_event_add_child_pidfd(s->ev, &s->run.passt, l->pidfd,
						     WEXITED, on_passt_exit, s);
		if (r >= 0)
			r = sd_event_source_set_priority(s->run.passt, PRIORITY_EXIT + 1);
		if (r < 0)
			return fail_code(e, r, "watch passt");
	}
	free(s->st.network);
	s->st.network = strdup(names[l->kind]);
	run_reached(s, PHASE_NETWORK);
	return s->st.network ? 0 : fail_oom(e);
}

/* What runs is on record, also where another machine would get another by now. */
static int find_qemu(struct sup *s, struct volt_error *e)
{
	const struct profile *p = handover_profile(&s->given, s->accel);

	if (!p)
		return fail(e, ENOENT, "no QEMU for '%s' was handed over",
			    s->accel == ACCEL_KVM ? "kvm" : "tcg");
	s->run.profile = p;
	if (handover_pin(&s->given, p) < 0 || pins_copy(&s->given.pins, &s->st.pins) < 0)
		return fail_oom(e);
	return 0;
}

static void channels_done(struct channels *c)
{
	for (int i = 0; i < CHANNEL_MAX; i++) {
		closep(&c->own[i]);
		closep(&c->theirs[i]);
	}
}

static int open_channels(struct channels *c, struct volt_error *e)
{
	int fds[2];

	for (int i = 0; i < CHANNEL_MAX; i++) {
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
			return fail_errno(e, "make a socket pair for QEMU");
		c->own[i] = fds[0];
		c->theirs[i] = fds[1];
	}
	return 0;
}

static int listen_to(struct sup *s, struct channels *c, struct volt_error *e)
{
	struct run *r = &s->run;
	int n;

	TRY(qmp_new(TAKE_FD(c->own[CHANNEL_QMP]), s->ev, &qmp_ops, s, &r->qmp, e));
	if (s->guest->has_agent)
		TRY(agent_new(TAKE_FD(c->own[CHANNEL_AGENT]), s->ev, &agent_ops, s,
			      &r->agent, e));
	n = console_watch(s->console, TAKE_FD(c->own[CHANNEL_CONSOLE]), "");
	if (n >= 0)
		n = console_watch(s->console, TAKE_FD(c->own[CHANNEL_ERRORS]), "qemu: ");
	return n < 0 ? fail_code(e, n, "watch the console") : 0;
}

static size_t fill_disks(const struct sup *s, struct qemu_disk disks[QEMU_DISKS_MAX])
{
	size_t n = 0;

	disks[n++] = (struct qemu_disk){ "root", s->o->root_fd, true };
	if (s->o->upper_fd >= 0)
		disks[n++] = (struct qemu_disk){ "upper", s->o->upper_fd, false };
	return n;
}

/* Its end is the run's. */
static int watch_qemu(struct sup *s, struct volt_error *e)
{
	int r = sd_event_add_child_pidfd(s->ev, &s->run.qemu_exit, s->run.qemu_pidfd,
					 WEXITED, on_qemu_exit, s);

	s->st.qemu = s->run.qemu;
	if (r >= 0)
		r = sd_event_source_set_priority(s->run.qemu_exit, PRIORITY_EXIT);
	if (r >= 0)
		return 0;
	/* Nobody would hear of its end. */
	stop_qemu_now(s);
	while (waitpid(s->run.qemu, NULL, 0) < 0 && errno == EINTR)
		;
	s->run.qemu = 0;
	return fail_code(e, r, "watch QEMU");
}

struct jail_user run_user(const struct sup *s)
{
	const struct profile *p = s->run.profile;

	/* What QEMU of no profile shares by 9p it reads and writes as the owner of the
	 * files. */
	if (p->root < 0 && s->shares.n && !s->shares.by_virtiofs)
		return (struct jail_user){ 0, 0 };
	return jail_user(s->m->id, s->accel, p->root < 0 ? p->qemu : NULL);
}

static int spawn_qemu(struct sup *s, const struct channels *c,
		      const struct qemu_config *config, struct volt_error *e)
{
	_cleanup_(jail_done) struct qemu_jail jail = { 0 };
	_cleanup_strv_ struct strv argv = { 0 }, env = { 0 };
	struct jail_user user = run_user(s);
	struct spawn spawn = SPAWN_INIT;
	struct qemu_fds fds = { 0 };

	TRY(qemu_args(config, &argv, &fds, e));
	TRY(qemu_environment(config, &env, e));
	if (config->jailed) {
		TRY(jail_make(config, &jail, e));
		spawn.jail = &jail.root;
	}
	spawn.argv = (const char *const *)argv.v;
	spawn.env = (const char *const *)env.v;
	spawn.out = spawn.err = c->theirs[CHANNEL_ERRORS];
	spawn.keep_fds = fds.v;
	spawn.n_keep_fds = fds.n;
	spawn.die_with_parent = true;
	spawn.uid = s->st.qemu_uid = user.uid;
	spawn.gid = user.gid;
	return spawn_start(&spawn, &s->run.qemu, &s->run.qemu_pidfd, e);
}

static int set_jail(struct sup *s, bool jailed, const char *note, struct volt_error *e)
{
	s->st.jailed = jailed;
	free(s->st.jail_note);
	s->st.jail_note = note ? strdup(note) : NULL;
	return note && !s->st.jail_note ? fail_oom(e) : 0;
}

/* An ordinary user cannot be sure to be given an empty root, and goes without it; for root
 * there is no reason not to have one. */
int run_spawn(struct sup *s, const struct channels *c, struct qemu_config *config,
	      struct volt_error *e)
{
	struct volt_error why = { 0 };
	int r;

	config->jailed = s->run.profile->root >= 0;
	TRY(set_jail(s, config->jailed,
		     config->jailed ? NULL : "this QEMU is no profile's", e));
	r = spawn_qemu(s, c, config, &why);
	if (r == -ENOTSUP && config->jailed && geteuid() != 0) {
		config->jailed = false;
		TRY(set_jail(s, false, why.msg, e));
		r = spawn_qemu(s, c, config, &why);
	}
	return r < 0 ? fail(e, why.code, "%s", why.msg) : watch_qemu(s, e);
}

struct qemu_config run_config(struct sup *s, const struct channels *c)
{
	return (struct qemu_config){
		.profile = s->run.profile,
		.name = s->spec->name,
		.accel = s->accel,
		.cpus = s->spec->cpus,
		.memory = s->spec->memory,
		.kernel = -1,
		.initramfs = -1,
		.qmp = c->theirs[CHANNEL_QMP],
		.agent = c->theirs[CHANNEL_AGENT],
		.console = c->theirs[CHANNEL_CONSOLE],
		.link = s->run.link.kind ? &s->run.link : NULL,
		.ports = &s->st.ports,
	};
}

static int start_linux(struct sup *s, const struct channels *c, struct volt_error *e)
{
	struct qemu_share *shares = NULL;
	char cmdline[CMDLINE_SIZE];
	struct qemu_config q = run_config(s, c);
	struct shares_with with = { .profile = s->run.profile,
				    .abilities = s->o->abilities,
				    .runtime = s->runtime,
				    .errors = c->theirs[CHANNEL_ERRORS],
				    .undo = &s->st.undo,
				    .ev = s->ev,
				    .ended = on_virtiofsd_exit,
				    .data = s };
	struct qemu_size size = { .cpus = s->spec->cpus, .memory = s->spec->memory };
	bool emulated = s->accel != ACCEL_KVM;
	int r;

	q.cmdline = cmdline;
	q.kernel = s->o->kernel_fd;
	q.initramfs = s->o->initramfs_fd;
	q.n_disks = fill_disks(s, q.disks);
	q.n_shares = s->shares.n;
	/* serial port, rng, balloon besides */
	size.n_devices = q.n_disks + q.n_shares + (q.link ? 1 : 0) + 3;
	TRY(qemu_machine(s->run.profile, s->o->abilities, &size, &q.machine, e));
	(void)kernel_cmdline(q.machine, emulated, emulated ? tsc_khz(&s->tsc) : 0,
			     cmdline);
	TRY(shares_serve(&s->shares, &with, &shares, e));
	q.shares = shares;
	r = run_spawn(s, c, &q, e);
	shares_served(&s->shares, shares);
	return r;
}

static bool signal_linux(struct sup *s, int number)
{
	return s->run.agent && agent_signal(s->run.agent, number) == 0;
}

static bool input_linux(struct sup *s, const char *bytes, size_t size)
{
	int r;

	if (!s->run.agent)
		return false;
	r = size ? agent_stdin(s->run.agent, bytes, size) : agent_stdin_eof(s->run.agent);
	return r != -EAGAIN;
}

const struct guest_ops linux_guest = {
	.has_agent = true,
	.start = start_linux,
	.signal = signal_linux,
	.input = input_linux,
};

int run_begin(struct sup *s, struct volt_error *e)
{
	_cleanup_(channels_done) struct channels c = { { -1, -1, -1, -1 },
						       { -1, -1, -1, -1 } };

	TRY(start_network(s, e));
	TRY(find_qemu(s, e));
	TRY(open_channels(&c, e));
	TRY(s->guest->start(s, &c, e));
	TRY(listen_to(s, &c, e));
	be_patient(s, can_fall_back(s) ? KVM_LIMIT_S : BOOT_LIMIT_S);
	return 0;
}
