/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest that is one program on a Nanos kernel. Nothing of volt's runs in it. What it writes,
 * to stdout, to stderr or from its kernel, comes out of its serial port and is its output; a
 * client that does not read makes the program wait, as a pipe would.
 *
 * QEMU is started stopped and told to go on when its monitor answers: from then on, and not
 * before, how it ends is the guest's word. The kernel writes the program's status to a debug
 * port, and QEMU ends with twice that and one: seven bits of it. A status other than 0, and
 * the end of its console, are also in an area of the disk, which the kernel writes before it
 * goes. It is read before and after a run, for it keeps what an earlier one left.
 *
 * To be asked to end is its power button, which Nanos makes a SIGTERM of.
 */

#include "vm/sup-nanos.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "guest/kernel.h"
#include "rootfs/nanos-klog.h"
#include "rootfs/overlay.h"
#include "rootfs/tfs-read.h"
#include "vm/internal.h"
#include "vm/sup.h"

#define ANSWER_MS        180000u /* until QEMU has made its machine, however busy the host is */
#define UNREAD_MAX       (256u << 10) /* by an attached client; then the guest waits */
#define KERNEL_SAYS      8192u /* bytes of output in which the kernel gives up at once */
#define SILENCE_MS       3000ull
#define EXIT_NOT_RUN     126
#define EXIT_SIGNAL_BASE 128
#define LAST_LINES       3
#define AGAIN_MS         500ull
#define BOOT_NS          10000000000ll
#define FIRMWARE_NS      30000000000ll /* with a firmware before it */
#define OBEY_S           35 /* where no time is set: more than the kernel gives its program */

/* --- its button --- */

static void press_again_later(struct sup *s);

/* Until its kernel hears the button it is pressed in vain. That it does hear is seen by its
 * first output; a program that writes nothing is taken to be there after a while. */
static bool may_be_deaf(const struct sup *s)
{
	return s->run.seen == 0 &&
	       clock_monotonic() - s->run.workload_began <
		       (s->spec->nanos.boot == BOOT_UEFI ? FIRMWARE_NS : BOOT_NS);
}

static int on_again(sd_event_source *source, uint64_t usec, void *data)
{
	struct sup *s = data;

	s->run.again = sd_event_source_disable_unref(s->run.again);
	if (run_press_button(s))
		press_again_later(s);
	return 0;
}

static void press_again_later(struct sup *s)
{
	if (!s->run.again && may_be_deaf(s))
		(void)sd_event_add_time_relative(s->ev, &s->run.again, CLOCK_BOOTTIME,
						 AGAIN_MS * 1000, 0, on_again, s);
}

static bool press_nanos(struct sup *s)
{
	if (!run_press_button(s))
		return false;
	press_again_later(s);
	return true;
}

static int again_in(sd_event_source *source, uint64_t ms)
{
	int r = sd_event_source_set_time_relative(source, ms * 1000);

	return r < 0 ? r : sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static uint64_t obey_ms(const struct sup *s)
{
	return 1000ull * (s->spec->stop_timeout ? s->spec->stop_timeout : OBEY_S);
}

/* The kernel itself ends a program that does not obey; one that hangs does not. */
static int on_disobeyed(sd_event_source *source, uint64_t usec, void *data)
{
	struct sup *s = data;

	if (s->st.status == STATUS_PAUSED)
		return again_in(source, obey_ms(s));
	/* Who is stopping it by now has a time of their own. */
	if (s->rung != RUNG_NONE)
		return 0;
	s->stop_wanted = true;
	stop_begin(s, RUNG_SHUTDOWN, 0);
	return 0;
}

static bool signal_nanos(struct sup *s, int number)
{
	if (!run_means_button(number) || !press_nanos(s))
		return false;
	if (!s->run.pressed)
		(void)sd_event_add_time_relative(s->ev, &s->run.pressed, CLOCK_BOOTTIME,
						 obey_ms(s) * 1000, 0, on_disobeyed, s);
	return true;
}

/* --- its output --- */

/* The end of it, however it was cut into pieces. */
static void remember(struct run *r, const char *bytes, size_t size)
{
	size_t max = sizeof(r->said) - 1, keep;

	if (size > max) {
		bytes += size - max;
		size = max;
	}
	keep = r->said_size < max - size ? r->said_size : max - size;
	memmove(r->said, r->said + r->said_size - keep, keep);
	for (size_t i = 0; i < size; i++)
		r->said[keep + i] = bytes[i] ? bytes[i] : '?';
	r->said_size = keep + size;
	r->said[r->said_size] = '\0';
}

/* What a firmware writes is not the kernel's. */
static size_t seen_of_kernel(const struct sup *s, size_t size)
{
	const struct run *r = &s->run;
	const char *from;

	if (s->spec->nanos.boot != BOOT_UEFI || r->seen > 0)
		return r->seen + size;
	from = said_handed_over(r->said);
	return from ? strlen(from) : 0;
}

static const char *broken(const struct sup *s)
{
	return said_broken(s->run.said, s->spec->nanos.boot == BOOT_UEFI);
}

static int on_silence(sd_event_source *source, uint64_t usec, void *data)
{
	struct sup *s = data;

	if (s->st.status == STATUS_PAUSED)
		return again_in(source, SILENCE_MS);
	run_broken(s, "%s", broken(s));
	stop_qemu_now(s);
	return 0;
}

/* A kernel that cannot open its disk hangs on some machines, as does a firmware that faults.
 * Neither says anything more. */
static void look_for_failure(struct sup *s)
{
	struct run *r = &s->run;

	r->silence = sd_event_source_disable_unref(r->silence);
	if (r->seen <= KERNEL_SAYS && broken(s))
		(void)sd_event_add_time_relative(s->ev, &r->silence, CLOCK_BOOTTIME,
						 SILENCE_MS * 1000, 0, on_silence, s);
}

static void on_output(void *data, const char *bytes, size_t size)
{
	struct sup *s = data;

	run_reached(s, PHASE_WORKLOAD);
	outlog_write(s->output, LOG_STDOUT, bytes, size);
	server_broadcast(s->server, ATTACH_FRAME_STDOUT, bytes, size);
	if (server_backlog(s->server) > UNREAD_MAX)
		console_hold(s->console, true);
	remember(&s->run, bytes, size);
	s->run.seen = seen_of_kernel(s, size);
	look_for_failure(s);
}

static void on_room(void *data)
{
}

static const struct console_tap tap = { .output = on_output, .room = on_room };

static void drained_nanos(struct sup *s)
{
	if (server_backlog(s->server) <= UNREAD_MAX / 4)
		console_hold(s->console, false);
}

/* --- what its kernel left on the disk --- */

/* False: nothing, or nothing that can be read. */
static bool read_klog(const struct sup *s, struct nanos_klog *ret)
{
	struct nanos_parts parts = { 0 };
	struct byte_source from;
	struct overlay o;

	if (overlay_open(s->o->upper_fd, s->o->root_fd, &o, NULL) < 0)
		return false;
	from = overlay_source(&o);
	return nanos_disk_find(&from, o.size, &parts, NULL) == 0 && parts.klog &&
	       nanos_klog_read(&from, parts.klog, ret, NULL) == 1;
}

/* Tells one from another: times are in the text. The boot's id, meant for that, is 0 on most
 * machines. */
static uint64_t fingerprint(const struct nanos_klog *k)
{
	uint64_t h = (0xcbf29ce484222325 ^ k->boot_id) * 0x100000001b3;

	h = (h ^ (uint32_t)k->code) * 0x100000001b3;
	for (const char *p = k->text; *p; p++)
		h = (h ^ (unsigned char)*p) * 0x100000001b3;
	return h;
}

/* Of this run. */
static bool read_new_klog(const struct sup *s, struct nanos_klog *ret)
{
	return read_klog(s, ret) && fingerprint(ret) != s->run.klog_before;
}

/* --- its beginning --- */

static int set_up_nanos(struct sup *s, struct volt_error *e)
{
	console_tap(s->console, &tap, s);
	return 0;
}

static int choose_machine(const struct sup *s, struct qemu_config *q,
			  struct volt_error *e)
{
	const struct profile *p = s->run.profile;
	/* rng and balloon besides */
	const struct qemu_size size = { .n_devices = q->n_disks + q->n_shares +
						     (q->link ? 1 : 0) + 2,
					.cpus = s->spec->cpus,
					.memory = s->spec->memory };

	if (s->spec->nanos.boot == BOOT_DIRECT)
		return qemu_nanos_machine(p, q->n_shares > 0, &size, &q->machine, e);
	q->machine = machine_row_find(p->arch->name, s->spec->nanos.boot == BOOT_UEFI
							     ? MACHINE_NANOS_UEFI
							     : MACHINE_NANOS_BIOS);
	return q->machine ? 0 : fail(e, ENOTSUP, "Nanos guests are for x86_64 only");
}

static void add_volumes(const struct volume_disks *d, struct qemu_config *q)
{
	static const char *const serials[VOLUME_DISKS_MAX] = {
		"volume0",  "volume1",  "volume2",  "volume3",  "volume4",  "volume5",
		"volume6",  "volume7",  "volume8",  "volume9",  "volume10", "volume11",
		"volume12", "volume13", "volume14", "volume15",
	};

	for (size_t i = 0; i < d->n; i++)
		q->disks[q->n_disks++] =
			(struct qemu_disk){ serials[i], d->v[i].fd, d->v[i].read_only };
}

/* Directories that it writes to: by 9p alone, which needs PCI. */
static int serve_nanos(struct sup *s, const struct channels *c, struct qemu_config *q,
		       struct qemu_share **shares, struct volt_error *e)
{
	const struct shares_with with = { .profile = s->run.profile,
					  .abilities = KERNEL_9P,
					  .runtime = s->runtime,
					  .errors = c->theirs[CHANNEL_ERRORS],
					  .undo = &s->st.undo,
					  .ev = s->ev,
					  .numbers = true };

	TRY(shares_serve(&s->shares, &with, shares, e));
	q->shares = *shares;
	q->n_shares = s->shares.n;
	return 0;
}

static int start_nanos(struct sup *s, const struct channels *c, struct volt_error *e)
{
	struct qemu_share *shares = NULL;
	const struct qemu_disk base = { "base", s->o->root_fd, true };
	struct qemu_config q = run_config(s, c);
	struct qemu_uefi uefi = { -1, -1, .tpm = -1 };
	struct nanos_klog before;
	int r;

	q.nanos = true;
	q.kernel = s->o->kernel_fd;
	q.disks[q.n_disks++] =
		(struct qemu_disk){ "root", s->o->upper_fd, false, DISK_QCOW2, &base };
	add_volumes(&s->given.volumes, &q);
	q.n_shares = s->shares.n;
	TRY(choose_machine(s, &q, e));
	if (s->spec->nanos.boot == BOOT_UEFI) {
		TRY(run_firmware(s, &uefi.code, &uefi.vars, e));
		q.uefi = &uefi;
	}
	s->run.klog_before = read_klog(s, &before) ? fingerprint(&before) : 0;
	r = serve_nanos(s, c, &q, &shares, e);
	if (r == 0)
		r = run_spawn(s, c, &q, e);
	shares_served(&s->shares, shares);
	closep(&uefi.code);
	closep(&uefi.vars);
	return r;
}

static void on_going(void *data, const json_t *result, const struct volt_error *error)
{
	struct sup *s = data;

	/* Without an answer it is on its way out, which says why. */
	if (result)
		run_started(s);
}

static void ready_nanos(struct sup *s)
{
	(void)qmp_call(s->run.qmp, "cont", NULL, ANSWER_MS, on_going, s);
}

/* --- its end --- */

static void event_nanos(struct sup *s, const char *name, const json_t *info)
{
	const char *reason = json_string_value(json_object_get(info, "reason"));

	if (strcmp(name, "SHUTDOWN") != 0 ||
	    !json_is_true(json_object_get(info, "guest")))
		return;
	s->run.guest_ended = true;
	s->run.guest_reset = reason && strcmp(reason, "guest-reset") == 0;
}

/* Where the last @n lines of @text begin; it ends with a newline or without. */
static const char *last_lines(const char *text, unsigned int n)
{
	const char *p = text + strlen(text);

	if (p > text && p[-1] == '\n')
		p--;
	while (p > text && (p[-1] != '\n' || --n > 0))
		p--;
	return p;
}

static void refused(struct sup *s, const char *line)
{
	struct run *r = &s->run;

	r->outcome = OUTCOME_REFUSED;
	r->code = EXIT_NOT_RUN;
	(void)snprintf(r->reason, sizeof(r->reason), "Nanos could not start it: %.*s",
		       (int)strcspn(line, "\r\n"), line);
	make_printable(r->reason);
}

/* @low: what came out by the port. @klog may be NULL. What the console says is only asked
 * where it goes with the status. */
static void exited(struct sup *s, int low, const struct nanos_klog *klog)
{
	struct run *r = &s->run;
	const char *line;

	r->code = klog && (klog->code & 0x7f) == low ? klog->code & 0xff : low;
	line = klog ? said_refused(klog->text, r->code) : NULL;
	line = line ?: said_refused(r->said, r->code);
	if (line) {
		refused(s, line);
		return;
	}
	r->outcome = OUTCOME_EXITED;
	if ((klog && said_signal(klog->text, r->code)) || said_signal(r->said, r->code))
		r->code += EXIT_SIGNAL_BASE;
}

/* Without a word by the port. A kernel that is told to reset takes any value for yes but
 * false, which is never written to the disk. */
static void went_off(struct sup *s, const struct nanos_klog *klog)
{
	const json_t *told = json_object_get(s->spec->nanos.attributes, "reboot_on_exit");
	const char *why = s->run.seen <= KERNEL_SAYS ? broken(s) : NULL;

	if (s->run.guest_reset && told && !json_is_false(told))
		exited(s, klog ? klog->code & 0x7f : 0, klog);
	else if (why)
		run_broken(s, "%s", why);
	else
		run_broken(s, "Nanos %s without a status of its program",
			   s->run.guest_reset ? "reset the machine" : "powered off");
}

static void keep_last_lines(struct sup *s, const char *text)
{
	char *copy = strdup(last_lines(text, LAST_LINES));
	size_t n;

	if (copy) {
		n = strlen(copy);
		if (n > 0 && copy[n - 1] == '\n')
			copy[n - 1] = '\0';
		for (char *p = copy; *p; p++)
			if (*p == '\n')
				*p = '|';
		make_printable(copy);
	}
	s->st.last_console = copy;
}

static void keep_last_console(struct sup *s, const struct nanos_klog *klog)
{
	free(s->st.last_console);
	s->st.last_console = NULL;
	if (s->run.outcome == OUTCOME_EXITED && s->run.code == 0)
		return;
	if (klog && *klog->text)
		keep_last_lines(s, klog->text);
	else if (*s->run.said)
		keep_last_lines(s, s->run.said);
}

static void ended_nanos(struct sup *s, const siginfo_t *si)
{
	struct nanos_klog *klog = calloc(1, sizeof(*klog));
	struct run *r = &s->run;
	bool said = si->si_code == CLD_EXITED && (si->si_status & 1) && r->workload_began;

	if (klog && !read_new_klog(s, klog)) {
		free(klog);
		klog = NULL;
	}
	if (r->outcome == OUTCOME_NONE && said)
		exited(s, si->si_status >> 1, klog);
	else if (r->outcome == OUTCOME_NONE && r->guest_ended)
		went_off(s, klog);
	keep_last_console(s, klog);
	free(klog);
}

const struct guest_ops nanos_guest = {
	.set_up = set_up_nanos,
	.start = start_nanos,
	.ready = ready_nanos,
	.event = event_nanos,
	.ended = ended_nanos,
	.signal = signal_nanos,
	.button = press_nanos,
	.drained = drained_nanos,
};
