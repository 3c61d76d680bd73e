/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/io.h"
#include "base/spawn.h"
#include "tap.h"

static int run(const char *script, char **out, struct volt_error *e)
{
	struct spawn s = SPAWN_INIT;
	const char *argv[] = { "sh", "-c", script, NULL };

	s.argv = argv;
	return spawn_run(&s, 1 << 20, out, e);
}

static void output_comes_back(void)
{
	_cleanup_free_ char *out = NULL;
	struct volt_error e = { 0 };

	CHECK_INT(run("printf abc; printf def", &out, &e), 0);
	CHECK_STR(out, "abcdef");
}

static void failure_carries_the_last_line_without_credentials(void)
{
	_cleanup_free_ char *out = NULL;
	struct volt_error e = { 0 };

	CHECK_INT(
		run("echo first >&2; echo 'get https://me:secret@host/x: denied' >&2; exit 3",
		    &out, &e),
		-EIO);
	CHECK_STR(e.msg, "'sh' failed (status 3): get https://*********@host/x: denied");
}

static void endless_stderr_is_bounded_and_its_end_is_kept(void)
{
	_cleanup_free_ char *out = NULL;
	struct volt_error e = { 0 };

	CHECK_INT(run("seq 100000 >&2; exit 1", &out, &e), -EIO);
	CHECK_STR(e.msg, "'sh' failed (status 1): 100000");
}

static void too_much_output_is_an_error_and_ends_the_program(void)
{
	_cleanup_free_ char *out = NULL;
	struct volt_error e = { 0 };

	CHECK_INT(run("while :; do echo yyyyyyyyyyyyyyyyyyyyyyyyyyyyy; done", &out, &e),
		  -EFBIG);
	CHECK(strstr(e.msg, "read what 'sh' prints"));
}

/* Reads a byte of what the child has written, and says no to the third. */
struct counter {
	int fd, n;
};

static int count_to_three(void *data, struct volt_error *e)
{
	struct counter *c = data;
	char byte;

	if (read(c->fd, &byte, 1) == 1)
		c->n++;
	return c->n < 3 ? 0 : fail(e, EFBIG, "that is the third");
}

static void what_is_watched_can_end_a_program(void)
{
	const char *argv[] = { "sh", "-c", NULL, NULL };
	_cleanup_free_ char *script = NULL;
	_cleanup_close_ int from = -1, to = -1;
	struct counter c = { 0 };
	struct spawn s = SPAWN_INIT;
	struct volt_error e = { 0 };
	int ends[2];

	CHECK_INT(pipe2(ends, O_CLOEXEC), 0);
	from = ends[0];
	to = ends[1];
	CHECK(asprintf(&script, "printf 12 >&%d; printf 3 >&%d; exec sleep 600", to, to) >
	      0);
	argv[2] = script;
	c.fd = from;
	s.argv = argv;
	s.watch = count_to_three;
	s.watch_data = &c;
	s.watched = from;
	s.keep_fds = &to;
	s.n_keep_fds = 1;
	CHECK_INT(spawn_run(&s, 0, NULL, &e), -EFBIG);
	CHECK_STR(e.msg, "that is the third");
	CHECK_INT(c.n, 3);
}

static void missing_program_is_named(void)
{
	struct spawn s = SPAWN_INIT;
	const char *argv[] = { "no-such-program-here", NULL };
	struct volt_error e = { 0 };
	pid_t pid;

	s.argv = argv;
	CHECK_INT(spawn_start(&s, &pid, NULL, &e), -ENOENT);
	CHECK(strstr(e.msg, "program 'no-such-program-here' is not installed"));
	argv[0] = "/etc/passwd";
	CHECK_INT(spawn_start(&s, &pid, NULL, &e), -EACCES);
	CHECK_STR(e.msg, "start '/etc/passwd': Permission denied");
}

static void child_has_only_the_descriptors_it_was_given(void)
{
	_cleanup_close_ int leak = open("/dev/null", O_RDONLY); /* not close-on-exec */
	_cleanup_close_ int high = fcntl(leak, F_DUPFD, 77);
	_cleanup_free_ char *out = NULL;
	struct spawn s = SPAWN_INIT;
	const char *argv[] = {
		"sh", "-c",
		"for f in /proc/$$/fd/*; do [ -e $f ] && printf '%s ' ${f##*/}; done",
		NULL
	};
	struct volt_error e = { 0 };

	CHECK(leak >= 0 && high == 77);
	s.argv = argv;
	s.keep_fds = &high;
	s.n_keep_fds = 1;
	CHECK_INT(spawn_run(&s, 4096, &out, &e), 0);
	CHECK_STR(out, "0 1 2 77 ");
}

/* A process with 0-2 closed: the pipes to the child get these numbers. */
static void run_without_stdio(void)
{
	const char *const argv[] = { "/etc/passwd", NULL };
	_cleanup_free_ char *out = NULL;
	struct spawn s = SPAWN_INIT;
	struct volt_error e = { 0 };
	pid_t pid;
	int r;

	for (int fd = 0; fd < 3; fd++)
		(void)close(fd);
	r = run("echo out; echo err >&2; exit 3", &out, &e);
	if (r != -EIO || !strstr(e.msg, "(status 3): err"))
		_exit(1);
	if (run("echo out", &out, &e) < 0 || strcmp(out, "out\n") != 0)
		_exit(2);
	s.argv = argv;
	_exit(spawn_start(&s, &pid, NULL, &e) == -EACCES ? 0 : 3);
}

static void a_caller_without_stdio_is_served_as_well(void)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0)
		run_without_stdio();
	CHECK_INT(waitpid(pid, &status, 0), pid);
	CHECK_INT(status, 0);
}

static void files_of_a_child_can_be_limited(void)
{
	const char *argv[] = { "sh", "-c", "ulimit -f", NULL };
	_cleanup_free_ char *out = NULL;
	struct spawn s = SPAWN_INIT;
	struct volt_error e = { 0 };

	s.argv = argv;
	s.max_file = 512 * 77;
	CHECK_INT(spawn_run(&s, 100, &out, &e), 0);
	CHECK_STR(out, "77\n");
}

static void secrets_in_the_environment_are_not_passed_on(void)
{
	_cleanup_free_ char *out = NULL;
	struct volt_error e = { 0 };

	(void)setenv("LD_LIBRARY_PATH", "/nowhere", 1);
	(void)setenv("AGENT_TOKEN", "hunter2", 1);
	CHECK_INT(run("env", &out, &e), 0);
	CHECK(!strstr(out, "hunter2") && !strstr(out, "LD_LIBRARY_PATH"));
	CHECK(strstr(out, "PATH=/usr/local/sbin:"));
}

static void signal_mask_is_clean(void)
{
	_cleanup_free_ char *out = NULL;
	struct volt_error e = { 0 };
	sigset_t all, old;

	(void)sigfillset(&all);
	(void)sigprocmask(SIG_BLOCK, &all, &old);
	(void)signal(SIGPIPE, SIG_IGN);
	CHECK_INT(run("grep -E 'Sig(Blk|Ign)' /proc/self/status", &out, &e), 0);
	(void)sigprocmask(SIG_SETMASK, &old, NULL);
	CHECK_STR(out, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
}

static void an_ignored_call_succeeds_and_does_nothing(void)
{
	char path[] = "/tmp/volt-spawn.XXXXXX";
	const char *argv[] = { "rm", path, NULL };
	struct spawn s = SPAWN_INIT;
	struct volt_error e = { 0 };
	int fd = mkstemp(path);

	CHECK(fd >= 0);
	s.argv = argv;
	s.ignored_call = SYS_unlinkat;
	CHECK_INT(spawn_run(&s, 0, NULL, &e), 0);
	CHECK_INT(access(path, F_OK), 0);
	s.ignored_call = 0;
	CHECK_INT(spawn_run(&s, 0, NULL, &e), 0);
	CHECK_INT(access(path, F_OK), -1);
	(void)close(fd);
}

int main(void)
{
	RUN(output_comes_back);
	RUN(failure_carries_the_last_line_without_credentials);
	RUN(endless_stderr_is_bounded_and_its_end_is_kept);
	RUN(too_much_output_is_an_error_and_ends_the_program);
	RUN(what_is_watched_can_end_a_program);
	RUN(missing_program_is_named);
	RUN(child_has_only_the_descriptors_it_was_given);
	RUN(a_caller_without_stdio_is_served_as_well);
	RUN(files_of_a_child_can_be_limited);
	RUN(secrets_in_the_environment_are_not_passed_on);
	RUN(signal_mask_is_clean);
	RUN(an_ignored_call_succeeds_and_does_nothing);
	return tap_done();
}
