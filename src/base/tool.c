/* SPDX-License-Identifier: Apache-2.0 */
#include "base/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "base/error.h"
#include "base/io.h"
#include "base/macro.h"
#include "base/spawn.h"

#define LOG_MAX   (64u << 20)
#define LINE_SIZE 4096

struct run {
	const struct tool *t;
	int log, out, signals; /* @signals: -1 where the caller holds none back */
	off_t begin;           /* where in the log its own text begins */
	pid_t pid;
	bool interrupted;
	char line[LINE_SIZE];
	size_t used;
};

/* Readable while a signal waits that the caller holds back; nothing is read from it, so the
 * signal stays. */
static int watch_signals(void)
{
	static const int ending[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM };
	sigset_t held, set;
	bool any = false;

	(void)sigemptyset(&set);
	(void)pthread_sigmask(SIG_BLOCK, NULL, &held);
	for (size_t i = 0; i < ARRAY_SIZE(ending); i++)
		if (sigismember(&held, ending[i]) == 1) {
			(void)sigaddset(&set, ending[i]);
			any = true;
		}
	return any ? signalfd(-1, &set, SFD_CLOEXEC) : -1;
}

static void take_line(struct run *u)
{
	u->line[u->used] = 0;
	u->used = 0;
	if (u->t->line)
		u->t->line(u->t->data, u->line);
}

/* 0 at the end. */
static int read_some(struct run *u)
{
	char data[LINE_SIZE];
	ssize_t n = read(u->out, data, sizeof(data));
	int r;

	if (n < 0)
		return errno == EINTR ? 1 : -errno;
	r = write_all(u->log, data, (size_t)n);
	for (ssize_t i = 0; i < n; i++)
		if (data[i] == '\n')
			take_line(u);
		else if (u->used < sizeof(u->line) - 1)
			u->line[u->used++] = data[i];
	return r < 0 ? r : n > 0;
}

static int follow(struct run *u)
{
	struct pollfd p[2] = { { u->out, POLLIN, 0 }, { u->signals, POLLIN, 0 } };
	int r = 1;

	while (r > 0) {
		if (poll(p, 2, -1) < 0) {
			r = errno == EINTR ? 1 : -errno;
			continue;
		}
		if (p[1].revents) {
			u->interrupted = true;
			(void)kill(-u->pid, SIGTERM); /* with all that it started */
			p[1].fd = -1;
		}
		if (p[0].revents)
			r = read_some(u);
	}
	return r;
}

/* "x.c:5:1: error: …", meson's "ERROR: …", "make: *** …", apt's "E: …". */
static bool is_error(const char *line)
{
	static const char *const signs[] = { "rror: ", "ERROR: ", "not found", "***" };

	for (size_t i = 0; i < ARRAY_SIZE(signs); i++)
		if (strstr(line, signs[i]))
			return true;
	return strncmp(line, "E: ", 3) == 0;
}

/* The line that says what went wrong, out of much that compilers say besides. */
static int find_error(const struct run *u, struct volt_error *e)
{
	_cleanup_free_ char *text = NULL;
	char *rest, *line;
	size_t size;

	if (read_file_at(u->t->dirfd, u->t->log_name, LOG_MAX, &text, &size) < 0 ||
	    (off_t)size < u->begin)
		return fail(e, EIO, "%s failed", u->t->argv[0]);
	rest = text + u->begin;
	if (strstr(rest, "No space left on device"))
		return fail(e, ENOSPC, "No space left on device");
	while ((line = strsep(&rest, "\n")))
		if (is_error(line)) {
			redact_urls(line);
			return fail(e, EIO, "%.300s", line);
		}
	return fail(e, EIO, "%s failed", u->t->argv[0]);
}

static int finish(const struct run *u, int failed, struct volt_error *e)
{
	int status = 0;

	if (failed < 0)
		(void)kill(u->pid, SIGKILL);
	while (waitpid(u->pid, &status, 0) < 0)
		if (errno != EINTR)
			return fail_errno(e, "wait for %s", u->t->argv[0]);
	if (failed < 0)
		return fail_code(e, failed, "keep what %s says", u->t->argv[0]);
	if (u->interrupted)
		return fail(e, EINTR, "interrupted");
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	return find_error(u, e);
}

int tool_run(const struct tool *t, struct volt_error *e)
{
	_cleanup_close_ int log = openat(t->dirfd, t->log_name,
					 O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	_cleanup_close_ int signals = watch_signals(), out = -1;
	struct run u = { .t = t, .log = log, .signals = signals };
	struct spawn s = SPAWN_INIT;
	int fd[2], r;

	if (log < 0 || pipe2(fd, O_CLOEXEC) < 0)
		return fail_errno(e, "follow %s", t->argv[0]);
	u.begin = lseek(log, 0, SEEK_END);
	u.out = out = fd[0];
	s.argv = t->argv;
	s.cwd = t->cwd;
	s.out = s.err = fd[1];
	s.die_with_parent = true;
	s.own_group = signals >= 0;
	r = spawn_start(&s, &u.pid, NULL, e);
	(void)close(fd[1]);
	return r < 0 ? r : finish(&u, follow(&u), e);
}
