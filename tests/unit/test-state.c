/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/json.h"
#include "base/lock.h"
#include "base/path.h"
#include "tap.h"
#include "vm/control.h"
#include "vm/machine-internal.h"
#include "vm/state.h"

static char top[] = "/tmp/volt-test-XXXXXX";
static struct vm_env env;
static struct volt_error e;

static struct spec *spec(const char *name)
{
	struct spec *s = calloc(1, sizeof(*s));

	s->name = name ? strdup(name) : NULL;
	s->image.ref = strdup("x");
	s->image.name = strdup("localhost/x:latest");
	memset(&s->image.digest, 1, sizeof(struct digest));
	memset(&s->image.config, 2, sizeof(struct digest));
	memset(&s->image.tree, 3, sizeof(struct digest));
	(void)strv_add(&s->process.args, "sleep");
	(void)strv_add(&s->process.args, "1\n2\xc2\x9b\x33\xc3\xa4");
	s->process.cwd = strdup("/");
	s->process.user = strdup("");
	s->process.stop_signal = SIGTERM;
	s->memory = 256 << 20;
	s->cpus = 1;
	s->log_max_size = 4096;
	s->log_max_files = 2;
	return s;
}

static struct machine *create(const char *name)
{
	_cleanup_(spec_freep) struct spec *s = spec(name);
	struct machine *m = NULL;

	memset(&e, 0, sizeof(e));
	if (machine_create(&env, s, &m, &e) < 0)
		return NULL;
	return m;
}

/* As a supervisor that was killed while the machine ran would leave it. */
static void pretend_running(struct machine *m, const struct undo_item *item)
{
	_cleanup_(state_done) struct state st = { 0 };

	(void)state_read(m->dirfd, &st, &e);
	st.status = STATUS_RUNNING;
	(void)boot_id(st.boot_id);
	st.started_at = clock_wall();
	if (item)
		(void)undo_add(&st.undo, item);
	(void)state_write(m->dirfd, &st, &e);
}

static void everything_survives_the_disk(void)
{
	_cleanup_(spec_freep) struct spec *s = spec("n");
	_cleanup_(state_done) struct state st = { 0 };
	json_auto_t *a = NULL, *b = NULL;
	struct state again = { 0 };

	memset(s->id, 'a', 64);
	(void)strv_add(&s->labels, "k=v=w");
	CHECK_INT(ports_add(&s->ports, &(struct port){ "::1", 1, 2, true }, &e), 0);
	CHECK_INT(state_init(&st, s, &e), 0);
	CHECK_STR(st.command, "sleep 1 2  3\xc3\xa4");
	st.status = STATUS_FAILED;
	st.reason = strdup("why");
	st.exit_code = 125;
	st.rung = RUNG_QUIT;
	st.oom = st.rm = true;
	st.accel = ACCEL_TCG;
	st.network = strdup("passt");
	st.restarts = 3;
	st.qemu_uid = 0x5fffffff;
	st.jail_note = strdup("no");
	st.pins.kernel = strdup("k");
	st.pins.profile = strdup("kvm-linux");
	st.pins.qemu_version = strdup("7.2.22");
	memset(&st.pins.kernel_image, 4, sizeof(struct digest));
	memset(&st.pins.profile_digest, 5, sizeof(struct digest));
	st.started_at = 1700000000123456789;
	st.finished_at = st.started_at + 1;
	for (int i = 0; i < PHASE_MAX; i++)
		st.phase[i] = i + 1;
	(void)undo_add(&st.undo, &(struct undo_item){ .kind = UNDO_RUNTIME });
	CHECK_INT(undo_add_process(&st.undo, getpid()), 0);
	a = state_to_json(&st);
	CHECK_INT(state_write(env.runfd, &st, &e), 0);
	CHECK_INT(state_read(env.runfd, &again, &e), 0);
	b = state_to_json(&again);
	state_done(&again);
	CHECK(json_equal(a, b));
	CHECK_INT(json_object_size(json_object_get(a, "phases")), PHASE_MAX);
	CHECK_INT(unlinkat(env.runfd, "state.json", 0), 0);
}

static void hostile_state_is_refused(void)
{
	static const char *const bad[] = {
		"{}",
		"{\"version\":2}",
		"{\"version\":1,\"id\":\"../../etc\"}",
	};
	static const char *const undo[] = {
		"[{\"kind\":\"file\",\"name\":\"a\"}]",
		"[{\"kind\":\"process\"}]",
		"[{\"kind\":\"process\",\"pid\":1}]",
		"[{\"kind\":\"process\",\"pid\":-5}]",
		"[{\"kind\":\"shell\"}]",
	};
	struct state st;
	struct undo u;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		json_auto_t *j = json_loads(bad[i], 0, NULL);

		CHECK(state_parse(j, &st, &e) < 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(undo); i++) {
		json_auto_t *j = json_loads(undo[i], 0, NULL);

		CHECK_INT(undo_from_json(j, &u, &e), -EINVAL);
	}
}

static void a_name_belongs_to_one_machine(void)
{
	_cleanup_(machine_closep) struct machine *a = create("same"), *b = create("same");

	CHECK(a);
	CHECK(!b);
	CHECK_INT(e.code, EEXIST);
	CHECK(strstr(e.msg, "'same' is in use"));
	CHECK_INT(machine_remove(a, false, &e), 0);
	b = create("same");
	CHECK(b);
	CHECK_INT(machine_remove(b, false, &e), 0);
}

static void names_are_made_up_when_missing(void)
{
	_cleanup_(machine_closep) struct machine *a = create(NULL);
	const struct spec *s;

	CHECK(a);
	CHECK_INT(machine_spec(a, &s, &e), 0);
	CHECK(strchr(s->name, '_'));
	CHECK_INT(machine_remove(a, false, &e), 0);
}

static void b1_only_names_and_ids_open_a_machine(void)
{
	static const char *const bad[] = { "",   ".",           "..",    "a/../..",
					   "/",  "../machines", "names", "lock",
					   "-x", "%s",          "zz" };
	_cleanup_(machine_closep) struct machine *a = create("one");

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct machine *m = NULL;

		CHECK_INT(machine_open(&env, bad[i], &m, &e), -ENOENT);
		CHECK(!m);
	}
	CHECK_INT(machine_remove(a, false, &e), 0);
}

static void a_machine_opens_by_name_id_and_prefix(void)
{
	_cleanup_(machine_closep) struct machine *a = create("aa"), *b = NULL;
	char prefix[13];

	(void)snprintf(prefix, sizeof(prefix), "%.12s", a->id);
	CHECK_INT(machine_open(&env, "aa", &b, &e), 0);
	CHECK_STR(b->id, a->id);
	machine_close(b);
	CHECK_INT(machine_open(&env, a->id, &b, &e), 0);
	machine_close(b);
	CHECK_INT(machine_open(&env, prefix, &b, &e), 0);
	CHECK_STR(b->id, a->id);
	CHECK_INT(machine_remove(a, false, &e), 0);
}

/* Such a name cannot be made any more, but one may be there. */
static void a_whole_id_is_never_a_name(void)
{
	_cleanup_(machine_closep) struct machine *a = create("victim"), *b = NULL;
	_cleanup_(machine_closep) struct machine *m = NULL;
	int names = openat(a->machines, "names", O_PATH | O_DIRECTORY | O_CLOEXEC);

	b = create("thief");
	CHECK_INT(symlinkat(b->id, names, a->id), 0);
	CHECK_INT(machine_open(&env, a->id, &m, &e), 0);
	CHECK_STR(m->id, a->id);
	CHECK_INT(unlinkat(names, a->id, 0), 0);
	(void)close(names);
	CHECK_INT(machine_remove(a, false, &e), 0);
	CHECK_INT(machine_remove(b, false, &e), 0);
}

static void a_prefix_of_two_is_refused(void)
{
	struct machine *v[20] = { NULL }, *m = NULL;
	int many = 0;
	char digit[2] = "0";

	/* Of twenty ids two begin alike, there being sixteen digits. */
	for (int i = 0; i < 20; i++) {
		v[i] = create(NULL);
		CHECK(v[i]);
	}
	for (const char *c = "0123456789abcdef"; *c; c++) {
		digit[0] = *c;
		many += machine_open(&env, digit, &m, &e) == -ENOTUNIQ;
		machine_close(m);
		m = NULL;
	}
	CHECK(many > 0);
	for (int i = 0; i < 20; i++) {
		CHECK_INT(machine_remove(v[i], false, &e), 0);
		machine_close(v[i]);
	}
}

static void b9_a_dead_supervisors_machine_is_finished_by_the_next_look(void)
{
	_cleanup_(machine_closep) struct machine *m = create("dead");
	_cleanup_(state_done) struct state st = { 0 };
	const struct undo_item runtime = { .kind = UNDO_RUNTIME };

	CHECK_INT(mkdirat(env.runfd, m->id, 0700), 0);
	pretend_running(m, &runtime);
	CHECK_INT(machine_state(m, &st, &e), 0);
	CHECK_INT(st.status, STATUS_FAILED);
	CHECK_INT(st.exit_code, 125);
	CHECK_STR(st.reason, "its supervisor was killed");
	CHECK(faccessat(env.runfd, m->id, F_OK, 0) < 0);
	CHECK_INT(machine_remove(m, false, &e), 0);
}

/* Also in what it kills: the pid and start time of a helper can be a stranger's by now. */
static void a_host_that_restarted_is_told_from_a_crash(void)
{
	_cleanup_(machine_closep) struct machine *m = create("boot");
	_cleanup_(state_done) struct state st = { 0 };
	struct undo u = { .n = 0 };
	pid_t stranger = fork();

	if (stranger == 0) {
		(void)pause();
		_exit(0);
	}
	CHECK_INT(undo_add_process(&u, stranger), 0);
	pretend_running(m, &u.v[0]);
	CHECK_INT(state_read(m->dirfd, &st, &e), 0);
	st.boot_id[0] = st.boot_id[0] == '0' ? '1' : '0';
	CHECK_INT(state_write(m->dirfd, &st, &e), 0);
	state_done(&st);
	CHECK_INT(machine_state(m, &st, &e), 0);
	CHECK_STR(st.reason, "the host was restarted while it ran");
	CHECK_INT(waitpid(stranger, NULL, WNOHANG), 0);
	(void)kill(stranger, SIGKILL);
	CHECK_INT(waitpid(stranger, NULL, 0), stranger);
	CHECK_INT(machine_remove(m, false, &e), 0);
}

static void a_living_supervisors_machine_is_left_alone(void)
{
	_cleanup_(machine_closep) struct machine *m = create("alive");
	_cleanup_(state_done) struct state st = { 0 };
	int lock;

	pretend_running(m, NULL);
	lock = lock_open(m->dirfd, MACHINE_LOCK, LOCK_EXCLUSIVE, false);
	CHECK(lock >= 0);
	CHECK_INT(machine_state(m, &st, &e), 0);
	CHECK_INT(st.status, STATUS_RUNNING);
	CHECK_INT(machine_remove(m, false, &e), -EBUSY);
	CHECK(strstr(e.msg, "is running"));
	(void)close(lock);
	CHECK_INT(machine_remove(m, false, &e), 0);
}

/* What a supervisor that cannot be asked would leave `rm --force` with. */
static void a_supervisor_that_refuses_to_kill_is_not_waited_for(void)
{
	_cleanup_(machine_closep) struct machine *m = create("unkillable");
	static const char no[] = "{\"version\":1,\"error\":{\"code\":5,"
				 "\"message\":\"not today\"}}\n";
	int lock, fd, status;
	pid_t pid;

	pretend_running(m, NULL);
	lock = lock_open(m->dirfd, MACHINE_LOCK, LOCK_EXCLUSIVE, false);
	CHECK(lock >= 0);
	CHECK_INT(mkdirat(env.runfd, m->id, 0700), 0);
	fd = control_listen(env.runfd, m->id, &e);
	CHECK(fd >= 0);
	pid = fork();
	if (pid == 0) {
		struct pollfd p = { .fd = fd, .events = POLLIN };

		(void)poll(&p, 1, -1);
		_exit(write_all(accept(fd, NULL, NULL), no, strlen(no)) < 0);
	}
	CHECK_INT(machine_remove(m, true, &e), -EIO);
	CHECK_STR(e.msg, "not today");
	CHECK_INT(waitpid(pid, &status, 0), pid);
	(void)close(fd);
	(void)close(lock);
	CHECK_INT(machine_remove(m, true, &e), 0);
	CHECK_INT(remove_tree_at(env.runfd, m->id), 0);
}

static void a_connection_closed_without_an_answer_is_no_success(void)
{
	_cleanup_(machine_closep) struct machine *m = create("mute");
	int lock, fd, status;
	pid_t pid;

	pretend_running(m, NULL);
	CHECK_INT(mkdirat(env.runfd, m->id, 0700), 0);
	fd = control_listen(env.runfd, m->id, &e);
	pid = fork();
	if (pid == 0) {
		struct pollfd p = { .fd = fd, .events = POLLIN };

		lock = lock_open(m->dirfd, MACHINE_LOCK, LOCK_EXCLUSIVE, false);
		(void)poll(&p, 1, -1);
		(void)close(accept(fd, NULL, NULL));
		/* It lives on for a while: the answer must not come before. */
		(void)poll(NULL, 0, 300);
		_exit(lock < 0);
	}
	while (lock_test(m->dirfd, MACHINE_LOCK) != 1)
		(void)poll(NULL, 0, 1);
	CHECK_INT(machine_stop(m, -1, &e), 0);
	CHECK_INT(lock_test(m->dirfd, MACHINE_LOCK), 0);
	CHECK_INT(waitpid(pid, &status, 0), pid);
	CHECK_INT(WEXITSTATUS(status), 0);
	(void)close(fd);
	CHECK_INT(machine_remove(m, true, &e), 0);
	(void)remove_tree_at(env.runfd, m->id);
}

/* A supervisor records the end, answers, and only then lets go of the lock. */
static void a_start_waits_for_a_supervisor_that_is_ending(void)
{
	_cleanup_(machine_closep) struct machine *m = create("ending");
	_cleanup_(state_done) struct state st = { 0 };
	struct start_options o = { 0 };
	int status, held[2];
	char byte;
	pid_t pid;

	CHECK_INT(state_read(m->dirfd, &st, &e), 0);
	st.status = STATUS_EXITED;
	CHECK_INT(state_write(m->dirfd, &st, &e), 0);
	CHECK_INT(pipe2(held, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		int lock = lock_open(m->dirfd, MACHINE_LOCK, LOCK_EXCLUSIVE, false);

		(void)write_all(held[1], "", 1);
		(void)poll(NULL, 0, 300);
		_exit(lock < 0);
	}
	(void)close(held[1]);
	CHECK_INT(read_full(held[0], &byte, 1), 1);
	(void)close(held[0]);
	/* There is no store here: as far as a start comes. */
	CHECK_INT(machine_start(m, &o, NULL, &e), -EINVAL);
	CHECK(strstr(e.msg, "needs the store"));
	CHECK_INT(waitpid(pid, &status, 0), pid);
	CHECK_INT(status, 0);
	CHECK_INT(machine_remove(m, false, &e), 0);
}

static void b11_a_pid_used_again_is_not_killed(void)
{
	struct undo_where w = { env.runfd, "x", false };
	struct undo u = { .n = 0 };
	pid_t child = fork();

	if (child == 0) {
		(void)pause();
		_exit(0);
	}
	CHECK_INT(undo_add_process(&u, child), 0);
	u.v[0].start++;
	CHECK_INT(undo_run(&u, &w, &e), 0);
	CHECK_INT(waitpid(child, NULL, WNOHANG), 0);
	CHECK_INT(undo_add_process(&u, child), 0);
	CHECK_INT(undo_run(&u, &w, &e), 0);
	CHECK_INT(waitpid(child, NULL, 0), child);
	CHECK_INT(u.n, 0);
}

/* A crash between the steps of making and removing leaves these. */
static void remains_of_a_crash_are_swept(void)
{
	_cleanup_(machine_closep) struct machine *m = NULL;
	struct machine_list l = { 0 };
	char id[DIGEST_HEX_SIZE];
	int machines = machines_open(&env, &e);
	int names = mkdir_beneath(machines, "names", 0700);

	memset(id, 'b', 64);
	id[64] = '\0';
	CHECK_INT(mkdirat(machines, ".tmp-0123456789abcdef", 0700), 0);
	CHECK_INT(symlinkat(id, names, "ghost"), 0);
	CHECK_INT(machine_open(&env, "ghost", &m, &e), -ENOENT);
	CHECK_INT(machine_list(&env, &l, &e), 0);
	CHECK_INT(l.n, 0);
	machine_list_done(&l);
	CHECK(faccessat(machines, ".tmp-0123456789abcdef", F_OK, 0) < 0);
	m = create("ghost");
	CHECK(m);
	CHECK_INT(machine_remove(m, false, &e), 0);
	(void)close(names);
	(void)close(machines);
}

static void b8_a_broken_machine_does_not_hide_the_others(void)
{
	_cleanup_(machine_closep) struct machine *a = create("good"), *b = create("bad");
	struct machine_list l = { 0 };

	CHECK_INT(write_file_atomic(b->dirfd, "state.json", "{\"vers", 7, 0600), 0);
	CHECK_INT(machine_list(&env, &l, &e), 0);
	CHECK_INT(l.n, 1);
	CHECK_STR(l.v[0].name, "good");
	machine_list_done(&l);
	CHECK_INT(machine_remove(a, false, &e), 0);
	CHECK_INT(machine_remove(b, true, &e), 0);
	CHECK_INT(machine_list(&env, &l, &e), 0);
	CHECK_INT(l.n, 0);
	machine_list_done(&l);
}

static void b7_two_that_create_at_once_do_not_share_a_name(void)
{
	int won = 0, status;
	pid_t pids[8];

	for (int i = 0; i < 8; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			_exit(create("race") ? 0 : e.code == EEXIST ? 1 : 2);
	}
	for (int i = 0; i < 8; i++) {
		CHECK_INT(waitpid(pids[i], &status, 0), pids[i]);
		CHECK(WIFEXITED(status) && WEXITSTATUS(status) < 2);
		won += WEXITSTATUS(status) == 0;
	}
	CHECK_INT(won, 1);
	_cleanup_(machine_closep) struct machine *m = NULL;
	CHECK_INT(machine_open(&env, "race", &m, &e), 0);
	CHECK_INT(machine_remove(m, false, &e), 0);
}

static void requests_need_version_and_command(void)
{
	static const struct {
		const char *text;
		int r;
	} bad[] = {
		{ "{\"version\":2,\"command\":\"stop\"}", -EPROTO },
		{ "{\"command\":\"stop\"}", -EPROTO },
		{ "{\"version\":1}", -EBADMSG },
		{ "[]", -EBADMSG },
		{ "stop", -EBADMSG },
		{ "{\"version\":1,\"command\":1}", -EINVAL },
	};
	const char *command = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		json_t *j = NULL;

		CHECK_INT(
			control_parse(bad[i].text, strlen(bad[i].text), &j, &command, &e),
			bad[i].r);
		CHECK(!j);
	}
}

static void b20_long_run_directories_still_have_a_socket(void)
{
	char id[DIGEST_HEX_SIZE], name[201];
	int deep, fd;

	memset(id, 'c', 64);
	id[64] = '\0';
	memset(name, 'd', 200);
	name[200] = '\0';
	CHECK_INT(mkdirat(env.runfd, name, 0700), 0);
	deep = openat(env.runfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK_INT(mkdirat(deep, id, 0700), 0);
	fd = control_listen(deep, id, &e);
	CHECK(fd >= 0);
	(void)close(fd);
	/* Left by a dead supervisor: refused, then taken over. */
	CHECK_INT(control_connect(deep, id), -ECONNREFUSED);
	fd = control_listen(deep, id, &e);
	CHECK(fd >= 0);
	(void)close(fd);
	(void)close(deep);
	CHECK_INT(remove_tree_at(env.runfd, name), 0);
}

int main(void)
{
	char path[64];
	int tmp;

	if (!mkdtemp(top))
		return 1;
	(void)snprintf(path, sizeof(path), "%s/root", top);
	env.rootfd = mkdir_open(path, 0700);
	(void)snprintf(path, sizeof(path), "%s/run", top);
	env.runfd = mkdir_open(path, 0700);
	RUN(everything_survives_the_disk);
	RUN(hostile_state_is_refused);
	RUN(a_name_belongs_to_one_machine);
	RUN(names_are_made_up_when_missing);
	RUN(b1_only_names_and_ids_open_a_machine);
	RUN(a_machine_opens_by_name_id_and_prefix);
	RUN(a_whole_id_is_never_a_name);
	RUN(a_prefix_of_two_is_refused);
	RUN(b9_a_dead_supervisors_machine_is_finished_by_the_next_look);
	RUN(a_host_that_restarted_is_told_from_a_crash);
	RUN(a_living_supervisors_machine_is_left_alone);
	RUN(a_supervisor_that_refuses_to_kill_is_not_waited_for);
	RUN(a_connection_closed_without_an_answer_is_no_success);
	RUN(a_start_waits_for_a_supervisor_that_is_ending);
	RUN(b11_a_pid_used_again_is_not_killed);
	RUN(remains_of_a_crash_are_swept);
	RUN(b8_a_broken_machine_does_not_hide_the_others);
	RUN(b7_two_that_create_at_once_do_not_share_a_name);
	RUN(requests_need_version_and_command);
	RUN(b20_long_run_directories_still_have_a_socket);
	tmp = open("/tmp", O_PATH | O_DIRECTORY);
	(void)remove_tree_at(tmp, strrchr(top, '/') + 1);
	(void)close(tmp);
	(void)close(env.rootfd);
	(void)close(env.runfd);
	return tap_done();
}
