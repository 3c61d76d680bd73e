/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "vm/sup.h"

#define QMP_WAIT_MS   5000
#define KILL_WAIT_S   3
#define STOP_TIME_MAX (86400 * 365)

static void refuse(struct client *c, int code, const char *text)
{
	struct volt_error why;

	(void)fail(&why, code, "%s", text);
	client_refuse(c, &why);
}

/* In the back-off between two runs there is nothing to stop but the next one. */
static void end_backoff(struct sup *s)
{
	if (s->restart_timer) {
		s->restart_timer = sd_event_source_disable_unref(s->restart_timer);
		sup_run_over(s);
	}
}

static void do_stop(struct sup *s, struct client *c, const json_t *j)
{
	int64_t timeout = s->spec->stop_timeout;
	struct volt_error why;

	if (json_get_int(j, "timeout", 0, STOP_TIME_MAX, &timeout, &why) < 0) {
		client_refuse(c, &why);
		return;
	}
	s->stop_wanted = true;
	client_defer(c);
	if (run_is_up(s))
		stop_begin(s, timeout ? RUNG_SIGNAL : RUNG_SHUTDOWN,
			   (unsigned int)timeout);
	else
		end_backoff(s);
}

static int on_kill_timeout(sd_event_source *source, uint64_t usec, void *data)
{
	stop_qemu_now(data);
	return 0;
}

/* SIGKILL goes to the workload, so that what else it wrote is flushed; a guest that does
 * not obey loses its QEMU. */
static void kill_hard(struct sup *s)
{
	s->stop_wanted = true;
	if (!run_is_up(s)) {
		end_backoff(s);
		return;
	}
	s->st.rung = RUNG_KILL;
	if (!s->run.agent || s->st.status == STATUS_PAUSED ||
	    agent_signal(s->run.agent, SIGKILL) < 0) {
		stop_qemu_now(s);
		return;
	}
	s->st.status = STATUS_STOPPING;
	sup_save(s);
	s->run.patience = sd_event_source_disable_unref(s->run.patience);
	(void)sd_event_add_time_relative(s->ev, &s->run.patience, CLOCK_BOOTTIME,
					 KILL_WAIT_S * 1000000ull, 0, on_kill_timeout, s);
}

static void do_kill(struct sup *s, struct client *c, const json_t *j)
{
	struct volt_error why;
	int64_t signal = SIGKILL;

	if (json_get_int(j, "signal", 1, 64, &signal, &why) < 0) {
		client_refuse(c, &why);
		return;
	}
	if (signal == SIGKILL) {
		kill_hard(s);
	} else if (!s->guest->signal(s, (int)signal)) {
		refuse(c, s->guest->has_agent ? ESRCH : EOPNOTSUPP,
		       s->guest->has_agent
			       ? "the workload does not run (yet)"
			       : "its guest has a power button only: INT, PWR and TERM "
				 "press it, KILL ends it");
		return;
	}
	client_reply(c, control_reply(NULL));
}

static void do_pause(struct sup *s, struct client *c, bool on)
{
	enum status from = on ? STATUS_RUNNING : STATUS_PAUSED;

	if (s->st.status != from) {
		refuse(c, EINVAL,
		       on ? "only a running machine can be paused"
			  : "the machine is not paused");
		return;
	}
	s->st.status = on ? STATUS_PAUSED : STATUS_RUNNING;
	sup_save(s);
	if (qmp_call(s->run.qmp, on ? "stop" : "cont", NULL, QMP_WAIT_MS, NULL, NULL) <
	    0) {
		refuse(c, EPIPE, "QEMU does not answer");
		return;
	}
	client_reply(c, control_reply(NULL));
}

static void do_attach(struct sup *s, struct client *c, const json_t *j)
{
	struct volt_error why;
	bool with_stdin = false;

	if (json_get_bool(j, "stdin", &with_stdin, &why) < 0) {
		client_refuse(c, &why);
		return;
	}
	if (client_attach(c, with_stdin && s->spec->open_stdin) == -EBUSY)
		refuse(c, EBUSY, "another client has its standard input");
}

static void on_request(void *data, struct client *c, const char *command, const json_t *j)
{
	struct sup *s = data;

	if (strcmp(command, "stop") == 0)
		do_stop(s, c, j);
	else if (strcmp(command, "kill") == 0)
		do_kill(s, c, j);
	else if (strcmp(command, "wait") == 0)
		client_defer(c);
	else if (strcmp(command, "pause") == 0)
		do_pause(s, c, true);
	else if (strcmp(command, "resume") == 0)
		do_pause(s, c, false);
	else if (strcmp(command, "attach") == 0)
		do_attach(s, c, j);
	else
		refuse(c, EOPNOTSUPP, "unknown command");
}

static bool take_stdin(struct sup *s, struct client *c, const char *bytes, size_t size)
{
	/* Without it, as written to a closed pipe nobody looks at. */
	return !client_has_stdin(c) || s->guest->input(s, bytes, size);
}

static void take_resize(struct sup *s, const char *bytes, size_t size)
{
	struct attach_size z;

	if (size != sizeof(z) || !s->run.agent)
		return;
	memcpy(&z, bytes, sizeof(z));
	s->rows = z.rows;
	s->columns = z.columns;
	(void)agent_resize(s->run.agent, z.rows, z.columns);
}

static bool on_frame(void *data, struct client *c, enum attach_type type,
		     const char *bytes, size_t size)
{
	struct sup *s = data;

	switch (type) {
	case ATTACH_FRAME_STDIN:
		return take_stdin(s, c, bytes, size);
	case ATTACH_FRAME_RESIZE:
		take_resize(s, bytes, size);
		return true;
	default:
		return true;
	}
}

static void on_drained(void *data)
{
	struct sup *s = data;

	run_give_credit(s);
	if (s->guest->drained)
		s->guest->drained(s);
}

const struct server_ops sup_server_ops = {
	.request = on_request,
	.frame = on_frame,
	.drained = on_drained,
};
