/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verbs on a machine. What a living supervisor must do it is asked to, over its
 * control socket; what has none is dealt with here, under its lock.
 *
 * A connection may fail although the lock is held: the supervisor is about to listen, or
 * is ending, and then holds the lock until its clients have read the last of it. So a
 * failure to connect is answered by looking again, for a bounded time.
 */

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/lock.h"
#include "vm/control.h"
#include "vm/internal.h"
#include "vm/machine-internal.h"

#define LOOK_TRIES   1500 /* longer than a supervisor waits for its clients */
#define LOOK_WAIT_MS 10
#define EXIT_VOLT    125

/* --- repairing --- */

static bool is_of_another_boot(const struct state *st)
{
	char boot[BOOT_ID_SIZE];

	return st->boot_id[0] && boot_id(boot) == 0 && strcmp(boot, st->boot_id) != 0;
}

static bool has_ended(const struct state *st)
{
	return st->status == STATUS_EXITED || st->status == STATUS_FAILED;
}

int machine_finish_dead(struct machine *m, struct volt_error *e)
{
	struct undo_where w = { m->env->runfd, m->id, false };
	_cleanup_(state_done) struct state st = { 0 };
	bool ended;

	TRY(state_read(m->dirfd, &st, e));
	ended = has_ended(&st);
	if (st.status == STATUS_CREATED || (ended && !st.rm))
		return 0;
	w.rebooted = is_of_another_boot(&st);
	TRY(undo_run(&st.undo, &w, e));
	if (!ended) {
		st.status = STATUS_FAILED;
		st.exit_code = EXIT_VOLT;
		st.finished_at = clock_wall();
		free(st.reason);
		st.reason = strdup(w.rebooted ? "the host was restarted while it ran"
					      : "its supervisor was killed");
		TRY(state_write(m->dirfd, &st, e));
	}
	return st.rm ? machine_erase(m, &st, e) : 0;
}

int machine_repair(struct machine *m, struct volt_error *e)
{
	_cleanup_close_ int lock = machine_lock(m, false, e);

	if (lock == -EAGAIN || lock == -EIDRM)
		return 0; /* somebody lives, or has just removed it */
	return lock < 0 ? lock : machine_finish_dead(m, e);
}

/* --- asking the supervisor --- */

/* A connection, or -ESRCH when there is no supervisor. */
static int reach(struct machine *m, struct volt_error *e)
{
	int fd = -1;

	for (int i = 0; i < LOOK_TRIES; i++) {
		fd = control_connect(m->env->runfd, m->id);
		if (fd >= 0)
			return fd;
		if (lock_test(m->dirfd, MACHINE_LOCK) != 1)
			return -ESRCH;
		if (fd != -ENOENT && fd != -ECONNREFUSED && fd != -EAGAIN)
			break;
		(void)poll(NULL, 0, LOOK_WAIT_MS);
	}
	return fail_code(e, fd, "reach the supervisor of machine '%.12s'", m->id);
}

/* A connection was closed without an answer: the supervisor has died, or lives on and has
 * turned us away, which must not look like success. */
static int await_death(struct machine *m, struct volt_error *e)
{
	for (int i = 0; i < LOOK_TRIES; i++) {
		if (lock_test(m->dirfd, MACHINE_LOCK) != 1)
			return -ESRCH;
		(void)poll(NULL, 0, LOOK_WAIT_MS);
	}
	return fail(e, ETIMEDOUT, "the supervisor of machine '%.12s' does not answer",
		    m->id);
}

int machine_check_stopped(struct machine *m, struct volt_error *e)
{
	_cleanup_(state_done) struct state st = { 0 };

	for (int i = 0; i < LOOK_TRIES; i++) {
		state_done(&st);
		TRY(machine_state(m, &st, e));
		if (lock_test(m->dirfd, MACHINE_LOCK) != 1)
			return 0;
		if (!has_ended(&st))
			break;
		(void)poll(NULL, 0, LOOK_WAIT_MS);
	}
	return fail(e, EALREADY, "machine '%s' is already %s", st.name,
		    status_text(st.status));
}

/* One request. -ESRCH (without a message) when no supervisor is there or it dies before
 * it answers. */
static int ask(struct machine *m, json_t *request, json_t **ret, struct volt_error *e)
{
	_cleanup_close_ int fd = -1;
	json_auto_t *own = request;
	int r;

	if (!own)
		return fail_oom(e);
	fd = reach(m, e);
	if (fd < 0)
		return fd;
	r = control_call(fd, own, ret, e);
	return r == -EPIPE ? await_death(m, e) : r;
}

static json_t *request_with(const char *command, const char *key, json_int_t value)
{
	json_t *j = control_request(command);

	if (j && json_object_set_new(j, key, json_integer(value)) < 0)
		json_decref(TAKE_PTR(j));
	return j;
}

int machine_stop(struct machine *m, int timeout, struct volt_error *e)
{
	json_t *request = timeout < 0 ? control_request("stop")
				      : request_with("stop", "timeout", timeout);
	int r = ask(m, request, NULL, e);

	return r == -ESRCH ? machine_repair(m, e) : r;
}

static int not_running(struct machine *m, struct volt_error *e)
{
	_cleanup_(state_done) struct state st = { 0 };

	int r;

	TRY(machine_repair(m, e));
	r = machine_state(m, &st, e);
	if (r < 0)
		return r == -EIDRM
			       ? r
			       : fail(e, ESRCH, "machine '%.12s' is not running", m->id);
	return fail(e, ESRCH, "machine '%s' is not running: it is %s", st.name,
		    status_text(st.status));
}

int machine_kill(struct machine *m, int signal, struct volt_error *e)
{
	int r = ask(m, request_with("kill", "signal", signal), NULL, e);

	return r == -ESRCH ? not_running(m, e) : r;
}

int machine_pause(struct machine *m, bool on, struct volt_error *e)
{
	int r = ask(m, control_request(on ? "pause" : "resume"), NULL, e);

	return r == -ESRCH ? not_running(m, e) : r;
}

/* Of a machine that nobody supervises: its record has it, or what was left by who removed
 * that. */
static int read_exit_code(struct machine *m, int watch, int64_t *ret,
			  struct volt_error *e)
{
	_cleanup_(state_done) struct state st = { 0 };
	int r = machine_state(m, &st, e), left = machine_left_status(watch);

	if (r == -EIDRM && left >= 0)
		r = 0;
	else
		left = st.exit_code;
	if (r == 0)
		*ret = left;
	return r;
}

int machine_wait(struct machine *m, int *ret_code, struct volt_error *e)
{
	_cleanup_close_ int watch = machine_watch_status(m);
	json_auto_t *reply = NULL;
	int64_t code = 0;
	int r;

	r = ask(m, control_request("wait"), &reply, e);
	if (r == 0)
		r = json_get_int(reply, "exit_code", 0, 255, &code, e);
	if (r == -ESRCH)
		r = read_exit_code(m, watch, &code, e);
	if (r == 0)
		*ret_code = (int)code;
	return r;
}

/* --- removing --- */

/* Its lock is ours; @before is what was known when it may yet have run. */
static int erase_dead(struct machine *m, const struct state *before, struct volt_error *e)
{
	_cleanup_(state_done) struct state st = { 0 };

	(void)machine_finish_dead(m, NULL);
	return machine_erase(m, state_read(m->dirfd, &st, NULL) < 0 ? before : &st, e);
}

int machine_remove(struct machine *m, bool force, struct volt_error *e)
{
	_cleanup_(state_done) struct state st = { 0 };
	_cleanup_close_ int lock = -1;
	int r;

	r = state_read(m->dirfd, &st, e);
	if (r < 0 && !machine_is_there(m))
		return 0; /* another was faster */
	if (r < 0 && !force)
		return fail_in(e, r, "remove machine '%.12s'", m->id);
	lock = machine_lock(m, r == 0 && has_ended(&st), e);
	if (lock == -EAGAIN && !force)
		return fail(e, EBUSY,
			    "machine '%s' is %s: stop it before removing it, or force it",
			    st.name, status_text(st.status));
	if (lock == -EAGAIN) {
		r = machine_kill(m, SIGKILL, e);
		/* Without that it would go on, and we would wait, for ever. */
		if (r < 0 && r != -ESRCH && r != -EIDRM)
			return r;
		lock = machine_lock(m, true, e);
	}
	if (lock < 0)
		return lock == -EIDRM ? 0 : lock;
	return erase_dead(m, &st, e);
}
