/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a machine, and what is left of it. */
#include "supervisor-lib.h"

/* --- the life of a machine --- */

static void output_and_exit_code_arrive(void)
{
	_cleanup_(machine_closep) struct machine *m =
		make("plain", "", "out:hello err:oops out:bye exit:3");
	_cleanup_(state_done) struct state st = { 0 };
	int code = -1;

	CHECK(m);
	CHECK_INT(run(m), 0);
	CHECK_INT(machine_wait(m, &code, NULL), 0);
	CHECK_INT(code, 3);
	CHECK_INT(machine_state(m, &st, NULL), 0);
	CHECK_INT(st.status, STATUS_EXITED);
	CHECK_INT(st.exit_code, 3);
	CHECK_INT(st.rung, RUNG_NONE);
	CHECK(st.phase[PHASE_WORKLOAD] >= st.phase[PHASE_KERNEL]);
	CHECK_STR(log_text(m, OUTPUT), "hello\nE:oops\nbye\n");
	CHECK(nothing_is_left());
	CHECK_INT(machine_remove(m, false, NULL), 0);
}

static void a_workload_that_does_not_start_is_told_apart(void)
{
	_cleanup_(machine_closep) struct machine *m = make("refused", "", "fail:127");
	_cleanup_(state_done) struct state st = { 0 };
	struct started s;

	CHECK(m);
	CHECK_INT(start(m, NULL, &s, false), 0);
	CHECK(report(&s) < 0);
	CHECK_INT(s.report.exit_status, 127);
	CHECK_INT(machine_state(m, &st, NULL), 0);
	CHECK_INT(st.status, STATUS_FAILED);
	CHECK_INT(st.exit_code, 127);
	CHECK(nothing_is_left());
	CHECK_INT(machine_remove(m, false, NULL), 0);
}

static void a_start_that_comes_to_nothing_is_recorded(void)
{
	_cleanup_(machine_closep) struct machine *m =
		make("novolume",
		     "\"volumes\":[{\"source\":\"/nonexistent\",\"target\":\"/x\"}]",
		     "exit:0");
	_cleanup_(state_done) struct state st = { 0 };
	struct started s;

	CHECK_INT(start(m, NULL, &s, false), 0);
	CHECK_INT(report(&s), -ENOENT);
	CHECK(strstr(s.report.e.msg, "'/nonexistent'"));
	CHECK_INT(machine_state(m, &st, NULL), 0);
	CHECK_INT(st.status, STATUS_FAILED);
	CHECK_INT(st.exit_code, 125);
	CHECK_STR(st.reason, s.report.e.msg);
	CHECK(st.finished_at > 0);
	CHECK(nothing_is_left());
	CHECK_INT(machine_remove(m, false, NULL), 0);
}

/* What the guest gives as its reason is on disk afterwards, or nothing would be. */
static void a_reason_that_is_no_text_is_recorded_as_one(void)
{
	_cleanup_(machine_closep) struct machine *m =
		make("fault-bad-text", "", "fail:126");
	_cleanup_(state_done) struct state st = { 0 };
	struct started s;

	CHECK(m);
	CHECK_INT(start(m, NULL, &s, false), 0);
	CHECK(report(&s) < 0);
	CHECK_INT(s.report.exit_status, 126);
	CHECK_INT(machine_state(m, &st, NULL), 0);
	CHECK_INT(st.status, STATUS_FAILED);
	CHECK_INT(st.exit_code, 126);
	CHECK_STR(st.reason, "caf? ??[31m");
	CHECK_INT(machine_remove(m, false, NULL), 0);
}

/* --- ways to end --- */

static void the_stop_signal_is_the_first_rung(void)
{
	_cleanup_(machine_closep) struct machine *m = make("trap", "", "trap");
	_cleanup_(state_done) struct state st = { 0 };

	CHECK_INT(run(m), 0);
	CHECK_INT(machine_stop(m, -1, NULL), 0);
	CHECK_INT(ended(m, &st), 0);
	CHECK_INT(st.status, STATUS_EXITED);
	CHECK_INT(st.rung, RUNG_SIGNAL);
	CHECK(strstr(log_text(m, OUTPUT), "cleaned up"));
	CHECK(nothing_is_left());
	CHECK_INT(machine_remove(m, false, NULL), 0);
}

static void a_workload_that_ignores_it_is_shut_down(void)
{
	_cleanup_(machine_closep) struct machine *m = make("deafear", "", "ignore");
	_cleanup_(state_done) struct state st = { 0 };

	CHECK_INT(run(m), 0);
	CHECK_INT(machine_stop(m, 1, NULL), 0);
	CHECK_INT(ended(m, &st), 137);
	CHECK_INT(st.rung, RUNG_SHUTDOWN);
	CHECK(nothing_is_left());
	CHECK_INT(machine_remove(m, false, NULL), 0);
}

static void a_deaf_guest_is_quit(void)
{
	_cleanup_(machine_closep) struct machine *m = make("deaf", "", "deaf ignore");
	_cleanup_(state_done) struct state st = { 0 };

	CHECK_INT(run(m), 0);
	CHECK_INT(machine_stop(m, 0, NULL), 0);
	CHECK_INT(ended(m, &st), 137);
	CHECK_INT(st.rung, RUNG_QUIT);
	CHECK_INT(machine_remove(m, false, NULL), 0);
}

static void kill_ends_with_137(void)
{
	_cleanup_(machine_closep) struct machine *m = make("kill", "", "ignore");
	_cleanup_(state_done) struct state st = { 0 };

	CHECK_INT(run(m), 0);
	CHECK_INT(machine_kill(m, SIGKILL, NULL), 0);
	CHECK_INT(ended(m, &st), 137);
	CHECK_INT(st.rung, RUNG_KILL);
	CHECK_INT(machine_kill(m, SIGTERM, NULL), -ESRCH);
	CHECK_INT(machine_remove(m, false, NULL), 0);
}

static void other_signals_reach_the_workload(void)
{
	_cleanup_(machine_closep) struct machine *m = make("usr1", "", "hang");
	_cleanup_(state_done) struct state st = { 0 };

	CHECK_INT(run(m), 0);
	CHECK_INT(machine_kill(m, SIGUSR1, NULL), 0);
	CHECK_INT(ended(m, &st), 128 + SIGUSR1);
	CHECK_INT(st.rung, RUNG_NONE);
	CHECK_INT(machine_remove(m, false, NULL), 0);
}

static void force_removes_what_runs(void)
{
	_cleanup_(machine_closep) struct machine *m = make("force", "", "ignore"),
						 *n = NULL;
	struct volt_error e = { 0 };

	CHECK_INT(run(m), 0);
	CHECK_INT(machine_remove(m, false, &e), -EBUSY);
	CHECK_INT(machine_remove(m, true, &e), 0);
	CHECK_INT(machine_open(&env, "force", &n, &e), -ENOENT);
	CHECK(nothing_is_left());
}

static void a_second_start_is_refused(void)
{
	_cleanup_(machine_closep) struct machine *m = make("twice", "", "hang");
	_cleanup_(state_done) struct state st = { 0 };

	CHECK_INT(run(m), 0);
	CHECK_INT(run(m), -EALREADY);
	CHECK_INT(machine_state(m, &st, NULL), 0);
	CHECK_INT(st.status, STATUS_RUNNING);
	CHECK_INT(machine_remove(m, true, NULL), 0);
}

static void pausing_is_a_state(void)
{
	_cleanup_(machine_closep) struct machine *m = make("pause", "", "hang");
	_cleanup_(state_done) struct state st = { 0 };

	CHECK_INT(run(m), 0);
	CHECK_INT(machine_pause(m, true, NULL), 0);
	CHECK_INT(machine_state(m, &st, NULL), 0);
	CHECK_INT(st.status, STATUS_PAUSED);
	CHECK_INT(machine_pause(m, true, NULL), -EINVAL);
	CHECK_INT(machine_pause(m, false, NULL), 0);
	state_done(&st);
	CHECK_INT(machine_state(m, &st, NULL), 0);
	CHECK_INT(st.status, STATUS_RUNNING);
	CHECK_INT(machine_remove(m, true, NULL), 0);
}

static void the_log_of_a_machine_that_runs_is_there(void)
{
	_cleanup_(machine_closep) struct machine *m =
		make("console", "", "console:hello out:x exit:0");
	int code;

	CHECK_INT(run(m), 0);
	CHECK_INT(machine_wait(m, &code, NULL), 0);
	CHECK(strstr(log_text(m, LOG_CONSOLE), "hello"));
	CHECK_INT(machine_remove(m, false, NULL), 0);
}

/* --- failures of QEMU and the guest --- */

struct failure {
	const char *name, *script, *says;
};

static void each_failure_is_named_and_undone(void)
{
	static const struct failure failures[] = {
		{ "fault-exit-early", "", "QEMU ended with status 1" },
		{ "fault-qmp-garbage", "hang", "QEMU broke the protocol of its monitor" },
		{ "fault-panic", "", "kernel panicked" },
		{ "fault-bad-version", "", "version" },
		{ "fault-bad-frame", "", "broke the agent protocol" },
		{ "garbage", "out:a garbage", "broke the agent protocol" },
		{ "vanish", "out:a vanish", "QEMU ended with status 0" },
		{ "abort", "out:a abort", "QEMU was killed by SIGABRT" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(failures); i++) {
		_cleanup_(machine_closep) struct machine *m =
			make(failures[i].name, "", failures[i].script);
		_cleanup_(state_done) struct state st = { 0 };

		CHECK(m);
		(void)run(m);
		(void)ended(m, &st);
		if (!st.reason || !strstr(st.reason, failures[i].says))
			printf("# %s: %s, %s\n", failures[i].name, status_text(st.status),
			       st.reason);
		CHECK_INT(st.status, STATUS_FAILED);
		CHECK_INT(st.exit_code, 125);
		CHECK(strstr(st.reason, failures[i].says));
		CHECK(nothing_is_left());
		CHECK_INT(machine_remove(m, false, NULL), 0);
	}
}

static void a_supervisor_that_cannot_go_on_is_recorded(void)
{
	_cleanup_(machine_closep) struct machine *m = make("loop", "", "hang");
	_cleanup_(state_done) struct state st = { 0 };
	char path[64], breaks[96];
	const char *const broken_env[] = { "LD_PRELOAD=" LOOP_PRELOAD,
					   "ASAN_OPTIONS=verify_asan_link_order=0",
					   breaks, NULL };
	int fd;

	(void)snprintf(path, sizeof(path), "%s/break", top);
	(void)snprintf(breaks, sizeof(breaks), "VOLT_LOOP_BREAKS=%s", path);
	supervisor_env = broken_env;
	CHECK_INT(run(m), 0);
	supervisor_env = NULL;
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	CHECK(fd >= 0);
	/* To be asked is the event after which it breaks. */
	CHECK_INT(ended(m, &st), 125);
	CHECK_INT(st.status, STATUS_FAILED);
	CHECK_INT(st.exit_code, 125);
	CHECK(st.reason && strstr(st.reason, "the supervisor cannot go on"));
	CHECK(st.finished_at > 0);
	CHECK(nothing_is_left());
	closep(&fd);
	CHECK_INT(unlink(path), 0);
	CHECK_INT(machine_remove(m, false, NULL), 0);
}

/* --- what remains --- */

static void rm_removes_the_machine(void)
{
	_cleanup_(machine_closep) struct machine *m = make("gone", "\"rm\":true",
							   "out:x exit:4"),
						 *n = NULL;
	int code = -1;

	CHECK_INT(run(m), 0);
	(void)machine_wait(m, &code, NULL);
	CHECK_INT(machine_open(&env, "gone", &n, NULL), -ENOENT);
	CHECK(nothing_is_left());
}

static void a_failed_start_can_remove_the_machine(void)
{
	static const char *const options[] = { "--remove-on-failure", NULL };
	_cleanup_(machine_closep) struct machine *m = make("nostart", "", "fail:126"),
						 *n = NULL;
	struct started s;

	CHECK_INT(start(m, options, &s, false), 0);
	CHECK(report(&s) < 0);
	CHECK_INT(s.report.exit_status, 126);
	CHECK_INT(machine_open(&env, "nostart", &n, NULL), -ENOENT);
	CHECK(nothing_is_left());
}

/* One that nobody has reaped yet is dead. */
static bool is_alive(pid_t pid)
{
	_cleanup_free_ char *text = NULL;
	char path[32];

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	return pid > 0 && read_file_at(-1, path, 4096, &text, NULL) == 0 &&
	       !strstr(text, ") Z ");
}

/* Waits until @pid is no more; it is not our child. */
static void await_end(pid_t pid)
{
	for (int i = 0; i < 500 && is_alive(pid); i++)
		(void)poll(NULL, 0, 10);
}

static void qemu_dies_with_its_supervisor(void)
{
	_cleanup_(machine_closep) struct machine *m = make("orphan", "", "ignore");
	_cleanup_(state_done) struct state st = { 0 }, after = { 0 };

	CHECK_INT(run(m), 0);
	CHECK_INT(machine_state(m, &st, NULL), 0);
	CHECK(is_alive(st.qemu));
	CHECK_INT(kill(st.supervisor, SIGKILL), 0);
	await_end(st.supervisor);
	await_end(st.qemu);
	CHECK(!is_alive(st.qemu));
	CHECK_INT(machine_state(m, &after, NULL), 0);
	CHECK_INT(after.status, STATUS_FAILED);
	CHECK_STR(after.reason, "its supervisor was killed");
	CHECK(nothing_is_left());
	CHECK_INT(run(m), 0);
	CHECK_INT(machine_remove(m, true, NULL), 0);
}

static void a_killed_supervisor_leaves_a_consistent_machine(void)
{
	for (int i = 0; i < 40; i++) {
		_cleanup_(machine_closep) struct machine *m =
			make("hurt", "", "out:x trap");
		_cleanup_(state_done) struct state st = { 0 };
		struct started s;

		CHECK(m);
		CHECK_INT(start(m, NULL, &s, false), 0);
		(void)poll(NULL, 0, i);
		(void)state_read(m->dirfd, &st, NULL);
		if (st.supervisor > 0) {
			(void)kill(st.supervisor, SIGKILL);
			await_end(st.supervisor);
		}
		(void)report(&s);
		state_done(&st);
		CHECK_INT(machine_state(m, &st, NULL), 0);
		if (st.status == STATUS_FAILED)
			CHECK(nothing_is_left());
		CHECK_INT(machine_remove(m, true, NULL), 0);
		CHECK(nothing_is_left());
	}
}

static void a_start_whose_caller_dies_is_given_up(void)
{
	static const char *const options[] = { "--remove-on-failure", NULL };
	_cleanup_(machine_closep) struct machine *m = make("fault-no-hello", "", "hang"),
						 *n = NULL;
	struct started s;
	int r = 0;

	CHECK_INT(start(m, options, &s, false), 0);
	(void)poll(NULL, 0, 50);
	(void)close(s.status_fd);
	/* It may not even have begun by then. */
	for (int i = 0; i < 6000 && r == 0; i++) {
		machine_close(TAKE_PTR(n));
		r = machine_open(&env, "fault-no-hello", &n, NULL);
		(void)poll(NULL, 0, r == 0 ? 10 : 0);
	}
	CHECK_INT(r, -ENOENT);
	CHECK(nothing_is_left());
}

/* --- restarting --- */

static void on_failure_restarts_so_often(void)
{
	_cleanup_(machine_closep) struct machine *m =
		make("again", "\"restart\":{\"policy\":\"on-failure\",\"max_retries\":2}",
		     "out:run exit:1");
	_cleanup_(state_done) struct state st = { 0 };

	CHECK_INT(run(m), 0);
	CHECK_INT(ended(m, &st), 1);
	CHECK_INT(st.restarts, 2);
	CHECK_STR(log_text(m, OUTPUT), "run\nrun\nrun\n");
	CHECK_INT(machine_remove(m, false, NULL), 0);
}

static void success_is_not_restarted_on_failure(void)
{
	_cleanup_(machine_closep) struct machine *m =
		make("fine", "\"restart\":{\"policy\":\"on-failure\"}", "out:run exit:0");
	_cleanup_(state_done) struct state st = { 0 };

	CHECK_INT(run(m), 0);
	CHECK_INT(ended(m, &st), 0);
	CHECK_INT(st.restarts, 0);
	CHECK_INT(machine_remove(m, false, NULL), 0);
}

static void a_stop_ends_always(void)
{
	_cleanup_(machine_closep) struct machine *m =
		make("always", "\"restart\":{\"policy\":\"always\"}", "exit:0");
	_cleanup_(state_done) struct state st = { 0 };

	CHECK_INT(run(m), 0);
	/* Until it is in its back-off, or in a run: it must work in both. */
	(void)poll(NULL, 0, 200);
	CHECK_INT(machine_stop(m, 1, NULL), 0);
	CHECK_INT(machine_state(m, &st, NULL), 0);
	CHECK_INT(st.status, STATUS_EXITED);
	CHECK(nothing_is_left());
	CHECK_INT(machine_remove(m, false, NULL), 0);
}

/* --- many --- */

static void twenty_at_once(void)
{
	struct machine *v[20];
	struct started s[20];
	struct machine_list l = { 0 };
	char name[16];

	for (int i = 0; i < 20; i++) {
		(void)snprintf(name, sizeof(name), "many%d", i);
		v[i] = make(name, "", "trap");
		CHECK(v[i]);
		CHECK_INT(start(v[i], NULL, &s[i], false), 0);
	}
	for (int i = 0; i < 20; i++)
		CHECK_INT(report(&s[i]), 0);
	CHECK_INT(machine_list(&env, &l, NULL), 0);
	CHECK_INT(l.n, 20);
	for (size_t i = 0; i < l.n; i++)
		CHECK_INT(l.v[i].status, STATUS_RUNNING);
	machine_list_done(&l);
	for (int i = 0; i < 20; i++) {
		CHECK_INT(machine_remove(v[i], true, NULL), 0);
		machine_close(v[i]);
	}
	CHECK(nothing_is_left());
}

static void requests_that_make_no_sense_are_refused(void)
{
	_cleanup_(machine_closep) struct machine *m = make("odd", "", "hang");
	struct volt_error e = { 0 };
	json_auto_t *odd = control_request("dance");
	int fd;

	CHECK_INT(run(m), 0);
	fd = control_connect(env.runfd, machine_id(m));
	CHECK_INT(control_call(fd, odd, NULL, &e), -EOPNOTSUPP);
	(void)close(fd);
	fd = control_connect(env.runfd, machine_id(m));
	CHECK_INT(write_all(fd, "{\"version\":9,\"command\":\"stop\"}\n", 32), 0);
	(void)close(fd);
	CHECK_INT(machine_remove(m, true, &e), 0);
}

static void run_all(void)
{
	RUN(output_and_exit_code_arrive);
	RUN(a_workload_that_does_not_start_is_told_apart);
	RUN(a_start_that_comes_to_nothing_is_recorded);
	RUN(a_reason_that_is_no_text_is_recorded_as_one);
	RUN(the_stop_signal_is_the_first_rung);
	RUN(a_workload_that_ignores_it_is_shut_down);
	RUN(a_deaf_guest_is_quit);
	RUN(kill_ends_with_137);
	RUN(other_signals_reach_the_workload);
	RUN(force_removes_what_runs);
	RUN(a_second_start_is_refused);
	RUN(pausing_is_a_state);
	RUN(the_log_of_a_machine_that_runs_is_there);
	RUN(each_failure_is_named_and_undone);
	RUN(a_supervisor_that_cannot_go_on_is_recorded);
	RUN(rm_removes_the_machine);
	RUN(a_failed_start_can_remove_the_machine);
	RUN(qemu_dies_with_its_supervisor);
	RUN(a_killed_supervisor_leaves_a_consistent_machine);
	RUN(a_start_whose_caller_dies_is_given_up);
	RUN(on_failure_restarts_so_often);
	RUN(success_is_not_restarted_on_failure);
	RUN(a_stop_ends_always);
	RUN(twenty_at_once);
	RUN(requests_that_make_no_sense_are_refused);
	RUN(no_supervisor_had_anything_to_say);
}

int main(void)
{
	if (set_up() < 0)
		return 1;
	run_all();
	tear_down();
	return tap_done();
}
