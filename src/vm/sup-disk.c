/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest that boots a disk by UEFI. Nothing of volt runs in it, so what is known of it is
 * what QEMU tells: it runs once QEMU answers, it ends when QEMU says that it powered itself
 * off, and a reset is its own affair. What it writes to its serial port is its output, what
 * an attached client types is typed there, and it is asked to end by its power button.
 *
 * The disk's lock belongs to the open file that QEMU has too. QEMU takes it when it starts
 * and lets it go when it ends, so it is taken before each run.
 */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>

#include "base/error.h"
#include "base/json.h"
#include "base/path.h"
#include "vm/internal.h"
#include "vm/jail.h"
#include "vm/sup.h"
#include "vm/tpm.h"
#include "vm/uefi-vars.h"

#define ANSWER_MS  180000u /* until QEMU has made its machine, however busy the host is */
#define BUTTON_MS  5000u
#define UNREAD_MAX (256u << 10) /* by an attached client, who misses what follows */

/* --- its serial port --- */

static void on_output(void *data, const char *bytes, size_t size)
{
	struct sup *s = data;

	run_reached(s, PHASE_WORKLOAD);
	/* A client that does not read must not stop a whole system; the log has it all. */
	if (server_backlog(s->server) <= UNREAD_MAX)
		server_broadcast(s->server, ATTACH_FRAME_STDOUT, bytes, size);
}

static void on_room(void *data)
{
	struct sup *s = data;

	server_resume(s->server);
}

static const struct console_tap tap = { .output = on_output, .room = on_room };

/* A serial port knows no end of file. */
static bool input_disk(struct sup *s, const char *bytes, size_t size)
{
	if (!run_is_up(s))
		return false;
	return size == 0 || console_write(s->console, bytes, size) != -EAGAIN;
}

/* --- its beginning --- */

static int set_up_disk(struct sup *s, struct volt_error *e)
{
	console_tap(s->console, &tap, s);
	return vnc_open(s->o->env.runfd, s->m->id, s->ev, &s->vnc, e);
}

struct parts {
	int code, vars, tpm;
};

static void parts_done(struct parts *p)
{
	closep(&p->code);
	closep(&p->vars);
	closep(&p->tpm);
}

/* Of the profile's tree, or the host's own. */
static int open_firmware(const struct profile *p, const char *path, struct volt_error *e)
{
	int fd = p->root >= 0 ? open_beneath(p->root, path, O_RDONLY | O_CLOEXEC, 0)
			      : open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return fail_code(e, p->root >= 0 ? fd : -errno, "open UEFI firmware '%s'",
				 path);
	return fd;
}

/* Its own end is no news then, nor is that of what ends with it. */
static bool qemu_has_ended(const struct sup *s)
{
	struct pollfd p = { .fd = s->run.qemu_pidfd, .events = POLLIN };

	return !run_is_up(s) || poll(&p, 1, 0) != 0;
}

static int on_tpm_exit(sd_event_source *source, const siginfo_t *si, void *data)
{
	static const char text[] = "the TPM has ended";
	struct sup *s = data;

	if (!qemu_has_ended(s) && s->run.outcome == OUTCOME_NONE && !s->stop_wanted)
		console_say(s->console, "volt: ", text, sizeof(text) - 1);
	return 0;
}

static int start_tpm(struct sup *s, const struct channels *c, int *ret,
		     struct volt_error *e)
{
	const struct profile *p = s->run.profile;
	struct jail_user user = jail_helper(run_user(s));
	struct tpm_with with = { .dirfd = s->m->dirfd,
				 .uid = user.uid,
				 .gid = user.gid,
				 .errors = c->theirs[CHANNEL_ERRORS],
				 .undo = &s->st.undo,
				 .ev = s->ev,
				 .ended = on_tpm_exit,
				 .data = s };

	if (s->spec->disk.no_tpm)
		return 0;
	if (!(p->capabilities & PROFILE_CAN_TPM))
		return fail(e, ENOTSUP, "profile '%s' has no TPM: use --no-tpm", p->name);
	return tpm_start(&with, ret, &s->run.tpm, e);
}

int run_firmware(struct sup *s, int *ret_code, int *ret_vars, struct volt_error *e)
{
	const struct profile *from = s->run.profile;
	_cleanup_close_ int template = open_firmware(from, from->uefi_vars, e), code = -1;

	if (template <0)
		return template;
	code = open_firmware(from, from->uefi_code, e);
	if (code < 0)
		return code;
	TRY(uefi_vars_open(s->m->dirfd, template, ret_vars, e));
	*ret_code = TAKE_FD(code);
	return 0;
}

static int start_disk(struct sup *s, const struct channels *c, struct volt_error *e)
{
	_cleanup_(parts_done) struct parts parts = { -1, -1, -1 };
	struct qemu_config q = run_config(s, c);
	struct qemu_uefi uefi = { .generic = s->spec->disk.generic };

	TRY(disk_lock(s->o->root_fd, s->spec->disk.path, s->spec->read_only, e));
	TRY(qemu_uefi_machine(s->run.profile->arch->name, &q.machine, e));
	TRY(run_firmware(s, &parts.code, &parts.vars, e));
	TRY(start_tpm(s, c, &parts.tpm, e));
	uefi.code = parts.code;
	uefi.vars = parts.vars;
	uefi.tpm = parts.tpm;
	q.uefi = &uefi;
	q.disks[q.n_disks++] =
		(struct qemu_disk){ "disk", s->o->root_fd, s->spec->read_only,
				    s->spec->disk.format };
	return run_spawn(s, c, &q, e);
}

static void on_answer(void *data, const json_t *result, const struct volt_error *error)
{
	struct sup *s = data;

	/* Without an answer it is on its way out, which says why. */
	if (!result)
		return;
	run_reached(s, PHASE_INIT);
	run_started(s);
}

/* QEMU greets before it has made the machine, and answers after. */
static void ready_disk(struct sup *s)
{
	vnc_serve(s->vnc, s->run.qmp);
	server_resume(s->server); /* what was typed while there was no QEMU */
	(void)qmp_call(s->run.qmp, "query-status", NULL, ANSWER_MS, on_answer, s);
}

/* --- its end --- */

static void event_disk(struct sup *s, const char *name, const json_t *info)
{
	struct run *r = &s->run;

	/* By itself; what was asked of QEMU is no word of the guest's. */
	if (strcmp(name, "SHUTDOWN") != 0 ||
	    !json_is_true(json_object_get(info, "guest")) || r->outcome != OUTCOME_NONE)
		return;
	r->outcome = OUTCOME_EXITED;
	r->code = 0;
	stop_expect_exit(s);
}

bool run_press_button(struct sup *s)
{
	return s->run.qmp && qmp_is_ready(s->run.qmp) &&
	       qmp_call(s->run.qmp, "system_powerdown", NULL, BUTTON_MS, NULL, NULL) == 0;
}

bool run_means_button(int number)
{
	return number == SIGTERM || number == SIGINT || number == SIGPWR;
}

static bool signal_disk(struct sup *s, int number)
{
	return run_means_button(number) && run_press_button(s);
}

const struct guest_ops disk_guest = {
	.set_up = set_up_disk,
	.start = start_disk,
	.ready = ready_disk,
	.event = event_disk,
	.signal = signal_disk,
	.button = run_press_button,
	.input = input_disk,
};
