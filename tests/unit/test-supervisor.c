/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The real supervisor with the scripted stand-in for QEMU: the life of a machine, and what
 * is left of it. What the process that starts a machine would have prepared from the store
 * (kernel, root) are empty files here.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/json.h"
#include "base/lock.h"
#include "base/path.h"
#include "base/spawn.h"
#include "base/strv.h"
#include "tap.h"
#include "vm/attach-internal.h"
#include "vm/control.h"
#include "vm/logs.h"
#include "vm/machine-internal.h"
#include "vm/supervisor.h"

static char top[] = "/tmp/volt-test-XXXXXX";
static struct vm_env env;
static int empty = -1, errors = -1; /* errors: what supervisors write to stderr */

static int set_up(void)
{
	char path[64], link[64];

	if (!mkdtemp(top))
		return -1;
	(void)snprintf(path, sizeof(path), "%s/root", top);
	env.rootfd = mkdir_open(path, 0700);
	(void)snprintf(path, sizeof(path), "%s/run", top);
	env.runfd = mkdir_open(path, 0700);
	(void)snprintf(path, sizeof(path), "%s/qemu", top);
	(void)mkdir(path, 0700);
	(void)snprintf(link, sizeof(link), "%s/qemu/qemu-system-x86_64", top);
	env.qemu_dir = strdup(path);
	env.supervisor = SUPERVISOR;
	empty = open("/dev/null", O_RDONLY | O_CLOEXEC);
	errors = open(top, O_TMPFILE | O_RDWR | O_APPEND | O_CLOEXEC, 0600);
	return symlink(FAKE_QEMU, link);
}

static void tear_down(void)
{
	const char *slash = strrchr(top, '/');
	int tmp = open("/tmp", O_PATH | O_DIRECTORY);

	(void)remove_tree_at(tmp, slash + 1);
	(void)close(tmp);
	(void)close(env.rootfd);
	(void)close(env.runfd);
	(void)close(empty);
	(void)close(errors);
	free((char *)env.qemu_dir);
}

/* A machine whose workload is a script of fake-qemu's, with members added to its spec. */
static struct machine *make(const char *name, const char *members, const char *script)
{
	_cleanup_free_ char *text = NULL, *copy = strdup(script);
	_cleanup_(spec_freep) struct spec *s = NULL;
	struct volt_error e = { 0 };
	json_auto_t *j = NULL;
	struct machine *m = NULL;
	char *save, *word;

	if (asprintf(&text,
		     "{\"image\":{\"ref\":\"test\"},\"name\":\"%s\",\"accel\":\"tcg\","
		     "\"arch\":\"x86_64\",\"network\":{\"mode\":\"none\"}%s%s}",
		     name, *members ? "," : "", members) < 0 ||
	    json_parse(text, strlen(text), "spec", &j, &e) < 0 ||
	    spec_parse(j, SPEC_WISH, &s, &e) < 0) {
		printf("# %s\n", e.msg);
		return NULL;
	}
	s->image.name = strdup("localhost/test:latest");
	memset(&s->image.digest, 1, sizeof(struct digest));
	memset(&s->image.config, 2, sizeof(struct digest));
	memset(&s->image.tree, 3, sizeof(struct digest));
	(void)strv_add(&s->process.args, "fake");
	for (word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save))
		(void)strv_add(&s->process.args, word);
	s->process.cwd = strdup("/");
	s->process.user = strdup("");
	s->process.stop_signal = SIGTERM;
	if (machine_create(&env, s, &m, &e) < 0)
		printf("# %s\n", e.msg);
	return m;
}

struct started {
	struct start_report report;
	struct attach *attach;
	int status_fd;
};

/* As machine_start(), but with files that are there. */
static int start(struct machine *m, const char *const *options, struct started *ret,
		 bool attached)
{
	int status[2], pair[2] = { -1, -1 }, keep[5];
	_cleanup_strv_ struct strv argv = { 0 };
	struct spawn s = SPAWN_INIT;
	struct volt_error e;
	pid_t pid;
	int r;

	*ret = (struct started){ .status_fd = -1 };
	if (pipe2(status, O_CLOEXEC) < 0)
		return -errno;
	(void)strv_add(&argv, env.supervisor);
	(void)strv_addf(&argv, "--root-fd=%d", keep[0] = env.rootfd);
	(void)strv_addf(&argv, "--run-fd=%d", keep[1] = env.runfd);
	(void)strv_addf(&argv, "--status-fd=%d", keep[2] = status[1]);
	(void)strv_addf(&argv, "--kernel-fd=%d", keep[3] = empty);
	(void)strv_addf(&argv, "--rootdisk-fd=%d", empty);
	(void)strv_addf(&argv, "--qemu-dir=%s", env.qemu_dir);
	s.n_keep_fds = 4;
	if (attached && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0) {
		(void)strv_addf(&argv, "--attach-fd=%d", keep[4] = pair[1]);
		(void)strv_add(&argv, "--attach-stdin");
		s.n_keep_fds = 5;
	}
	for (; options && *options; options++)
		(void)strv_add(&argv, *options);
	(void)strv_add(&argv, machine_id(m));
	s.argv = (const char *const *)argv.v;
	s.keep_fds = keep;
	s.err = errors;
	r = spawn_start(&s, &pid, NULL, &e);
	(void)close(status[1]);
	closep(&pair[1]);
	if (r < 0)
		return r;
	(void)waitpid(pid, NULL, 0);
	ret->status_fd = status[0];
	return attached ? attach_new(pair[0], &ret->attach, &e) : 0;
}

static int report(struct started *s)
{
	if (read_full(s->status_fd, &s->report, sizeof(s->report)) != sizeof(s->report))
		return -EPIPE;
	(void)close(s->status_fd);
	s->status_fd = -1;
	return -s->report.e.code;
}

static int run(struct machine *m)
{
	struct started s;
	int r = start(m, NULL, &s, false);

	return r < 0 ? r : report(&s);
}

/* Nothing below the run directory: no socket, no directory. */
static bool nothing_is_left(void)
{
	char path[64];
	_cleanup_closedir_ DIR *d = NULL;
	struct dirent *de;
	bool clean = true;

	(void)snprintf(path, sizeof(path), "%s/run", top);
	d = opendir(path);
	while (d && (de = readdir(d)))
		if (strlen(de->d_name) == 64) {
			printf("# left: %s\n", de->d_name);
			clean = false;
		}
	return clean;
}

static int collect(void *data, const struct log_record *r)
{
	char *to = data;
	size_t n = strlen(to);

	(void)snprintf(to + n, 4096 - n, "%s%.*s%s", r->stream == LOG_STDERR ? "E:" : "",
		       (int)r->size, r->data, r->partial ? "" : "\n");
	return 0;
}

static const char *log_text(struct machine *m, int streams)
{
	static char text[4096];
	struct logs_options o = { .streams = streams, .tail = -1 };

	text[0] = '\0';
	(void)machine_logs(m, &o, collect, text, NULL);
	return text;
}
#define OUTPUT (LOG_STDOUT | LOG_STDERR)

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

/* --- ways to end --- */

static int ended(struct machine *m, struct state *ret)
{
	int code = -1;

	if (machine_wait(m, &code, NULL) < 0 || machine_state(m, ret, NULL) < 0)
		return -1;
	return code;
}

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
	int code;

	CHECK_INT(start(m, options, &s, false), 0);
	(void)poll(NULL, 0, 50);
	(void)close(s.status_fd);
	(void)machine_wait(m, &code, NULL);
	(void)machine_repair(m, NULL);
	CHECK_INT(machine_open(&env, "fault-no-hello", &n, NULL), -ENOENT);
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

/* --- attached --- */

static int next_event(struct attach *a, struct attach_event *ev)
{
	struct pollfd p = { .fd = attach_fd(a), .events = POLLIN };
	int r;

	while ((r = attach_next(a, ev, NULL)) == -EAGAIN) {
		p.events = (short)(POLLIN | (attach_unsent(a) ? POLLOUT : 0));
		(void)poll(&p, 1, 20000);
		(void)attach_flush(a);
		if (p.revents == 0)
			return -ETIMEDOUT;
	}
	return r;
}

static void stdin_comes_back_and_ends(void)
{
	_cleanup_(machine_closep) struct machine *m =
		make("echo", "\"stdin\":true", "echo exit:5");
	size_t want = 1 << 20, sent = 0, got = 0;
	static char data[1 << 20];
	struct attach_event ev;
	struct started s;
	bool eof = false;

	memset(data, 'e', sizeof(data));
	CHECK_INT(start(m, NULL, &s, true), 0);
	CHECK_INT(report(&s), 0);
	for (;;) {
		int n = sent < want ? attach_write(s.attach, data + sent, want - sent)
				    : 0;

		if (n > 0)
			sent += (size_t)n;
		if (sent == want && !eof)
			eof = attach_write_eof(s.attach) == 0;
		if (n != -EAGAIN && !eof)
			continue;
		CHECK_INT(next_event(s.attach, &ev), 0);
		if (ev.kind == ATTACH_OUT)
			got += ev.size;
		else
			break;
	}
	CHECK_INT(ev.kind, ATTACH_EXIT);
	CHECK_INT(ev.code, 5);
	CHECK_INT(got, want);
	attach_close(s.attach);
	CHECK_INT(machine_remove(m, true, NULL), 0);
}

static void a_client_that_does_not_read_cannot_hold_up_a_stop(void)
{
	_cleanup_(machine_closep) struct machine *m =
		make("slow", "", "raw:8000000 trap");
	_cleanup_(state_done) struct state st = { 0 };
	struct started s;

	CHECK_INT(start(m, NULL, &s, true), 0);
	CHECK_INT(report(&s), 0);
	CHECK_INT(machine_kill(m, SIGKILL, NULL), 0);
	attach_close(s.attach);
	CHECK_INT(ended(m, &st), 137);
	CHECK(nothing_is_left());
	CHECK_INT(machine_remove(m, true, NULL), 0);
}

static void a_slow_client_gets_every_byte(void)
{
	_cleanup_(machine_closep) struct machine *m =
		make("bytes", "", "raw:3000000 exit:0");
	struct attach_event ev = { .kind = ATTACH_OUT };
	struct started s;
	size_t got = 0;

	CHECK_INT(start(m, NULL, &s, true), 0);
	CHECK_INT(report(&s), 0);
	(void)poll(NULL, 0, 200);
	while (ev.kind == ATTACH_OUT) {
		CHECK_INT(next_event(s.attach, &ev), 0);
		got += ev.kind == ATTACH_OUT ? ev.size : 0;
	}
	CHECK_INT(ev.kind, ATTACH_EXIT);
	CHECK(got >= 3000000);
	attach_close(s.attach);
	CHECK_INT(machine_remove(m, true, NULL), 0);
}

/* By then QEMU is gone and all is undone; what is left is in the supervisor's queue. */
static void a_client_that_reads_late_gets_the_last_word(void)
{
	_cleanup_(machine_closep) struct machine *m =
		make("late", "", "raw:400000 exit:6");
	struct attach_event ev = { .kind = ATTACH_OUT };
	_cleanup_(state_done) struct state st = { 0 };
	struct started s;
	size_t got = 0;

	CHECK_INT(start(m, NULL, &s, true), 0);
	CHECK_INT(report(&s), 0);
	for (int i = 0; i < 500 && st.status != STATUS_EXITED; i++) {
		(void)poll(NULL, 0, 10);
		state_done(&st);
		CHECK_INT(state_read(m->dirfd, &st, NULL), 0);
	}
	CHECK_INT(st.status, STATUS_EXITED);
	while (ev.kind == ATTACH_OUT) {
		CHECK_INT(next_event(s.attach, &ev), 0);
		got += ev.kind == ATTACH_OUT ? ev.size : 0;
	}
	CHECK_INT(ev.kind, ATTACH_EXIT);
	CHECK_INT(ev.code, 6);
	CHECK(got >= 400000);
	attach_close(s.attach);
	CHECK_INT(machine_remove(m, true, NULL), 0);
}

static void only_one_client_has_stdin(void)
{
	_cleanup_(machine_closep) struct machine *m =
		make("one", "\"stdin\":true", "hang");
	struct attach *a = NULL, *b = NULL;
	struct volt_error e = { 0 };

	CHECK_INT(run(m), 0);
	CHECK_INT(attach_open(m, ATTACH_STDIN, &a, &e), 0);
	CHECK_INT(attach_open(m, ATTACH_STDIN, &b, &e), -EBUSY);
	CHECK_INT(attach_open(m, 0, &b, &e), 0);
	attach_close(a);
	attach_close(b);
	CHECK_INT(machine_remove(m, true, NULL), 0);
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

/* No sanitizer, no assertion, in any of the runs above. */
static void no_supervisor_had_anything_to_say(void)
{
	char text[512];
	ssize_t n = pread(errors, text, sizeof(text) - 1, 0);

	if (n > 0)
		printf("# %.*s\n", (int)strcspn(text, "\n"), text);
	CHECK_INT(n, 0);
}

static void run_all(void)
{
	RUN(output_and_exit_code_arrive);
	RUN(a_workload_that_does_not_start_is_told_apart);
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
	RUN(rm_removes_the_machine);
	RUN(a_failed_start_can_remove_the_machine);
	RUN(qemu_dies_with_its_supervisor);
	RUN(a_killed_supervisor_leaves_a_consistent_machine);
	RUN(a_start_whose_caller_dies_is_given_up);
	RUN(on_failure_restarts_so_often);
	RUN(success_is_not_restarted_on_failure);
	RUN(a_stop_ends_always);
	RUN(stdin_comes_back_and_ends);
	RUN(a_client_that_does_not_read_cannot_hold_up_a_stop);
	RUN(a_slow_client_gets_every_byte);
	RUN(a_client_that_reads_late_gets_the_last_word);
	RUN(only_one_client_has_stdin);
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
