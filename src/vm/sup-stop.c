/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stop ladder. Each rung is tried, given its time, and followed by the next; what
 * cannot work (no agent, no button, no monitor) is stepped over at once. QEMU's end ends it.
 *
 *	signal    the workload gets its stop signal    stop_timeout
 *	button    the guest's power button             stop_timeout
 *	shutdown  init kills, syncs, powers off        SHUTDOWN_MS
 *	quit      QMP quit: disks are flushed          QUIT_MS
 *	kill      SIGKILL
 */

#include <signal.h>
#include <sys/pidfd.h>

#include "vm/sup.h"

#define SHUTDOWN_MS 5000u
#define QUIT_MS     2000u
#define LINGER_MS   10000u /* from the workload's end to QEMU's */

static void climb(struct sup *s, unsigned int timeout_s);

void stop_qemu_now(struct sup *s)
{
	if (run_is_up(s))
		(void)pidfd_send_signal(s->run.qemu_pidfd, SIGKILL, NULL, 0);
}

void stop_cancel(struct sup *s)
{
	s->rung = RUNG_NONE;
	s->rung_timer = sd_event_source_disable_unref(s->rung_timer);
}

static int on_rung_timeout(sd_event_source *source, uint64_t usec, void *data)
{
	struct sup *s = data;

	if (s->rung < RUNG_KILL) {
		s->rung++;
		climb(s, 0);
	}
	return 0;
}

static void arm(struct sup *s, uint64_t ms)
{
	s->rung_timer = sd_event_source_disable_unref(s->rung_timer);
	(void)sd_event_add_time_relative(s->ev, &s->rung_timer, CLOCK_BOOTTIME, ms * 1000,
					 0, on_rung_timeout, s);
}

/* Does what the rung is; false if it cannot be done. */
static bool try_rung(struct sup *s)
{
	struct run *r = &s->run;

	switch (s->rung) {
	case RUNG_SIGNAL:
		return s->guest->has_agent &&
		       s->guest->signal(s, s->spec->process.stop_signal);
	case RUNG_BUTTON:
		return s->guest->button && s->guest->button(s);
	case RUNG_SHUTDOWN:
		return r->agent && agent_shutdown(r->agent) == 0;
	case RUNG_QUIT:
		return r->qmp && qmp_is_ready(r->qmp) &&
		       qmp_call(r->qmp, "quit", NULL, QUIT_MS, NULL, NULL) == 0;
	default:
		stop_qemu_now(s);
		return true;
	}
}

static void climb(struct sup *s, unsigned int timeout_s)
{
	while (!try_rung(s))
		s->rung++;
	if (s->rung == RUNG_SIGNAL || s->rung == RUNG_BUTTON)
		arm(s, timeout_s * 1000ull);
	else if (s->rung == RUNG_SHUTDOWN)
		arm(s, SHUTDOWN_MS);
	else if (s->rung == RUNG_QUIT)
		arm(s, QUIT_MS);
}

void stop_begin(struct sup *s, enum stop_rung from, unsigned int timeout_s)
{
	/* Asked again while climbing: only ever further up. */
	if (s->rung >= from)
		return;
	if (s->st.status == STATUS_PAUSED && s->run.qmp)
		(void)qmp_call(s->run.qmp, "cont", NULL, QUIT_MS, NULL, NULL);
	s->st.status = STATUS_STOPPING;
	sup_save(s);
	sup_notify(s, "STOPPING=1", "stopping");
	s->rung = from;
	climb(s, timeout_s);
}

void stop_expect_exit(struct sup *s)
{
	/* What made it end is recorded; from here on it is only about QEMU. */
	if (s->st.rung == RUNG_NONE)
		s->st.rung = s->rung;
	s->rung = RUNG_SHUTDOWN;
	arm(s, LINGER_MS);
}
