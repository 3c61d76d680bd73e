/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/io.h"
#include "base/spawn.h"
#include "vm/attach-internal.h"
#include "vm/internal.h"
#include "vm/machine-internal.h"
#include "vm/prepare.h"
#include "vm/supervisor.h"

#ifndef SUPERVISOR_PATH
#define SUPERVISOR_PATH "/usr/libexec/volt/volt-supervisor"
#endif

#define EXIT_VOLT 125

struct starting {
	int status_read, status_write;
	int attach_own, attach_theirs;
	int errors, handover;
	struct prepared prepared;
};

#define STARTING_INIT                                                    \
	{                                                                \
		.status_read = -1, .status_write = -1, .attach_own = -1, \
		.attach_theirs = -1, .errors = -1, .handover = -1,       \
		.prepared = PREPARED_INIT                                \
	}

struct keep {
	int v[16 + VOLUME_DISKS_MAX];
	size_t n;
};

static void starting_done(struct starting *s)
{
	closep(&s->status_read);
	closep(&s->status_write);
	closep(&s->attach_own);
	closep(&s->attach_theirs);
	closep(&s->errors);
	closep(&s->handover);
	prepared_done(&s->prepared);
}

static int open_ends(struct machine *m, const struct start_options *o, struct starting *s,
		     struct volt_error *e)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return fail_errno(e, "make a pipe");
	s->status_read = fds[0];
	s->status_write = fds[1];
	if (o->attach) {
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
			return fail_errno(e, "make a socket pair");
		s->attach_own = fds[0];
		s->attach_theirs = fds[1];
	}
	/* What a supervisor or a library below it has to say when all else failed. */
	s->errors = openat(m->dirfd, "supervisor.err",
			   O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	return s->errors < 0 ? fail_errno(e, "open 'supervisor.err'") : 0;
}

/* "--NAME=FD" where there is one, and it is kept open in the child. */
static int pass_fd(struct strv *a, struct keep *k, const char *name, int fd)
{
	if (fd < 0)
		return 0;
	k->v[k->n++] = fd;
	return strv_addf(a, "--%s-fd=%d", name, fd);
}

/* What the document that is handed over speaks of. */
static void keep_profile(struct keep *k, const struct profile *p)
{
	if (p && p->root >= 0)
		k->v[k->n++] = p->root;
	if (p && p->lock >= 0)
		k->v[k->n++] = p->lock;
}

static void keep_volumes(struct keep *k, const struct volume_disks *d)
{
	for (size_t i = 0; i < d->n; i++)
		k->v[k->n++] = d->v[i].fd;
}

static int command_line(struct machine *m, const struct start_options *o,
			const struct starting *s, struct strv *a, struct keep *k)
{
	const char *program = m->env->supervisor;
	int r = strv_add(a, program ? program : SUPERVISOR_PATH);

	r = r ?: pass_fd(a, k, "root", m->env->rootfd);
	r = r ?: pass_fd(a, k, "run", m->env->runfd);
	r = r ?: pass_fd(a, k, "status", s->status_write);
	r = r ?: pass_fd(a, k, "attach", s->attach_theirs);
	r = r ?: pass_fd(a, k, "kernel", s->prepared.kernel);
	r = r ?: pass_fd(a, k, "initramfs", s->prepared.initramfs);
	r = r ?: pass_fd(a, k, "rootdisk", s->prepared.root);
	r = r ?: pass_fd(a, k, "upperdisk", s->prepared.upper);
	r = r ?: pass_fd(a, k, "handover", s->handover);
	keep_profile(k, s->prepared.given.kvm);
	keep_profile(k, s->prepared.given.emulate);
	keep_volumes(k, &s->prepared.given.volumes);
	r = r ?: strv_addf(a, "--abilities=%u", s->prepared.abilities);
	r = r ?: strv_addf(a, "--rootfs=%lld", (long long)s->prepared.rootfs);
	if (o->attach_stdin)
		r = r ?: strv_add(a, "--attach-stdin");
	if (o->remove_on_failure)
		r = r ?: strv_add(a, "--remove-on-failure");
	if (o->foreground)
		r = r ?: strv_add(a, "--foreground");
	if (o->begun)
		r = r ?: strv_addf(a, "--begun=%lld", (long long)o->begun);
	if (o->resolved)
		r = r ?: strv_addf(a, "--resolved=%lld", (long long)o->resolved);
	return r ?: strv_add(a, m->id);
}

/* The supervisor leaves a copy of itself behind and exits, so there is a child to wait
 * for, and none afterwards. */
static int spawn_supervisor(struct machine *m, const struct start_options *o,
			    const struct starting *s, struct volt_error *e)
{
	struct keep keep = { 0 };
	_cleanup_strv_ struct strv argv = { 0 };
	struct spawn spawn = SPAWN_INIT;
	pid_t pid;

	if (command_line(m, o, s, &argv, &keep) < 0)
		return fail_oom(e);
	spawn.argv = (const char *const *)argv.v;
	spawn.err = s->errors;
	spawn.keep_fds = keep.v;
	spawn.n_keep_fds = keep.n;
	TRY(spawn_start(&spawn, &pid, NULL, e));
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return 0;
}

/* The last line of supervisor.err, for when there is no better word. */
static int say_how_it_died(struct machine *m, struct volt_error *e)
{
	_cleanup_free_ char *text = NULL;
	size_t size = 0;
	char *line;

	if (read_file_at(m->dirfd, "supervisor.err", 1u << 20, &text, &size) < 0 || !size)
		return fail(e, EPIPE, "the supervisor died before the machine ran");
	while (size && text[size - 1] == '\n')
		text[--size] = '\0';
	line = strrchr(text, '\n');
	return fail(e, EPIPE, "the supervisor died before the machine ran: %.300s",
		    line ? line + 1 : text);
}

static int read_report(struct machine *m, int fd, int *ret_status, struct volt_error *e)
{
	struct start_report report;
	ssize_t n = read_full(fd, &report, sizeof(report));

	if (n != sizeof(report)) {
		int r = say_how_it_died(m, e);

		(void)machine_repair(m, NULL);
		return r;
	}
	report.e.msg[sizeof(report.e.msg) - 1] = '\0';
	if (report.e.code == 0)
		return 0;
	if (ret_status)
		*ret_status = report.exit_status;
	(void)fail(e, report.e.code, "%s", report.e.msg);
	/* What it says of others it says by their ids. */
	return report.e.code == EIDRM ? machine_verdict(m, -EIDRM, e) : -report.e.code;
}

static int prepare(struct machine *m, struct starting *s, struct volt_error *e)
{
	TRY(machine_prepare(m, &s->prepared, e));
	s->handover = handover_write(&s->prepared.given, e);
	return s->handover < 0 ? s->handover : 0;
}

static int launch(struct machine *m, const struct start_options *o, struct starting *s,
		  struct volt_error *e)
{
	TRY(prepare(m, s, e));
	TRY(open_ends(m, o, s, e));
	return spawn_supervisor(m, o, s, e);
}

static int try_start(struct machine *m, const struct start_options *o, int *ret_status,
		     struct volt_error *e)
{
	_cleanup_(starting_done) struct starting s = STARTING_INIT;
	int r = launch(m, o, &s, e);

	/* From here on its supervisor knows: one that is gone may have been removed by that. */
	if (r < 0)
		return machine_verdict(m, r, e);
	(void)close(TAKE_FD(s.status_write));
	if (s.attach_theirs >= 0)
		(void)close(TAKE_FD(s.attach_theirs));
	r = read_report(m, s.status_read, ret_status, e);
	if (r < 0)
		return r;
	return o->attach ? attach_new(TAKE_FD(s.attach_own), o->attach, e) : 0;
}

int machine_start(struct machine *m, const struct start_options *o, int *ret_status,
		  struct volt_error *e)
{
	int r;

	if (ret_status)
		*ret_status = EXIT_VOLT;
	TRY(machine_check_stopped(m, e));
	r = try_start(m, o, ret_status, e);
	/* The supervisor does that itself, where it came so far. */
	if (r < 0 && o->remove_on_failure)
		(void)machine_remove(m, false, NULL);
	return r;
}

/* --- in this process --- */

static int set_cloexec(const struct keep *k, int flag)
{
	for (size_t i = 0; i < k->n; i++)
		if (fcntl(k->v[i], F_SETFD, flag) < 0)
			return -errno;
	return 0;
}

static int try_become(struct machine *m, const struct start_options *o,
		      struct volt_error *e)
{
	_cleanup_(starting_done) struct starting s = STARTING_INIT;
	_cleanup_strv_ struct strv argv = { 0 };
	struct start_options own = *o;
	struct keep keep = { 0 };
	int r;

	own.foreground = true;
	r = prepare(m, &s, e);
	if (r < 0)
		return machine_verdict(m, r, e);
	if (command_line(m, &own, &s, &argv, &keep) < 0)
		return fail_oom(e);
	r = set_cloexec(&keep, 0);
	if (r == 0) {
		(void)execve(argv.v[0], argv.v, environ);
		r = -errno;
	}
	(void)set_cloexec(&keep, FD_CLOEXEC);
	return fail_code(e, r, "start '%s'", argv.v[0]);
}

int machine_become(struct machine *m, const struct start_options *o, struct volt_error *e)
{
	int r;

	TRY(machine_check_stopped(m, e));
	r = try_become(m, o, e);
	if (o->remove_on_failure)
		(void)machine_remove(m, false, NULL);
	return r;
}
