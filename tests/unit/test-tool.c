/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>

#include "base/error.h"
#include "base/io.h"
#include "base/path.h"
#include "base/spawn.h"
#include "base/tool.h"
#include "base/workdir.h"
#include "tap.h"

static struct workdir w = WORKDIR_INIT;
static struct volt_error e;
static char last[8192];
static unsigned int lines;

static void remember(void *data, const char *line)
{
	(void)data;
	(void)snprintf(last, sizeof(last), "%s", line);
	lines++;
}

static int run(const char *script)
{
	const char *const argv[] = { "sh", "-c", script, NULL };
	struct tool t = { .argv = argv,
			  .cwd = w.fd,
			  .dirfd = w.fd,
			  .log_name = "log",
			  .line = remember };

	lines = 0;
	return tool_run(&t, &e);
}

static void every_line_is_told_and_kept(void)
{
	_cleanup_free_ char *text = NULL;

	CHECK_INT(run("echo one; echo two >&2; echo three"), 0);
	CHECK_INT(lines, 3);
	CHECK_STR(last, "three");
	CHECK_INT(read_file_at(w.fd, "log", 100, &text, NULL), 0);
	CHECK_STR(text, "one\ntwo\nthree\n");
}

static void a_line_without_end_is_cut(void)
{
	CHECK_INT(run("head -c 100000 /dev/zero | tr '\\0' x; echo"), 0);
	CHECK_INT(lines, 1);
	CHECK(strlen(last) < 8000);
}

static void it_runs_where_it_is_told_to(void)
{
	CHECK_INT(run("pwd"), 0);
	CHECK_STR(last, w.path);
}

static void the_line_that_says_why_is_found_among_others(void)
{
	CHECK_INT(run("echo a; echo 'x.c:5:1: error: no such thing'; echo b; false"),
		  -EIO);
	CHECK_STR(e.msg, "x.c:5:1: error: no such thing");
	CHECK_INT(run("exit 3"), -EIO); /* what was there before is no reason */
	CHECK_STR(e.msg, "sh failed");
	CHECK_INT(run("echo 'E: no https://me:secret@host/x'; exit 100"), -EIO);
	CHECK_STR(e.msg, "E: no https://*********@host/x");
}

static void a_full_disk_is_told_as_that(void)
{
	CHECK_INT(run("echo 'ld: final link failed: No space left on device'; exit 1"),
		  -ENOSPC);
	CHECK_STR(e.msg, "No space left on device");
}

static void a_program_that_is_missing_is_named(void)
{
	const char *const argv[] = { "no-such-program", NULL };
	struct tool t = { .argv = argv, .cwd = -1, .dirfd = w.fd, .log_name = "log" };

	CHECK_INT(tool_run(&t, &e), -ENOENT);
	CHECK(strstr(e.msg, "'no-such-program' is not installed"));
}

/* A signal that the caller holds back: it ends the program, and is the caller's still. */
static void a_signal_held_back_ends_it(void)
{
	const struct timespec none = { 0, 0 };
	char script[100];
	sigset_t set, old;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigprocmask(SIG_BLOCK, &set, &old);
	(void)snprintf(script, sizeof(script), "kill -TERM %d; sleep 600; true",
		       (int)getpid());
	CHECK_INT(run(script), -EINTR);
	CHECK_STR(e.msg, "interrupted");
	CHECK_INT(sigtimedwait(&set, NULL, &none), SIGTERM);
	(void)sigprocmask(SIG_SETMASK, &old, NULL);
}

int main(void)
{
	char root[] = "/tmp/volt-test-tool-XXXXXX";
	int tmp, parent;

	if (!mkdtemp(root) || (parent = open(root, O_RDONLY | O_DIRECTORY)) < 0 ||
	    workdir_open(parent, "lock", &w, &e) < 0)
		return 1;
	RUN(every_line_is_told_and_kept);
	RUN(a_line_without_end_is_cut);
	RUN(it_runs_where_it_is_told_to);
	RUN(the_line_that_says_why_is_found_among_others);
	RUN(a_full_disk_is_told_as_that);
	RUN(a_program_that_is_missing_is_named);
	RUN(a_signal_held_back_ends_it);
	workdir_done(&w);
	tmp = open("/tmp", O_PATH | O_DIRECTORY);
	if (remove_tree_at(tmp, root + strlen("/tmp/")) < 0)
		return 1;
	return tap_done();
}
