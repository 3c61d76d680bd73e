/* SPDX-License-Identifier: Apache-2.0 */
#include "crash-driver.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define LAST_CALL 2000 /* more than any of the writers makes */

static void set_crash(const char *root, int at, const char *how)
{
	char number[16], log[128];

	(void)snprintf(number, sizeof(number), "%d", at);
	(void)snprintf(log, sizeof(log), "%s/call", root);
	(void)setenv("LD_PRELOAD", CRASH_PRELOAD, 1);
	(void)setenv("VOLT_CRASH_AT", number, 1);
	(void)setenv("VOLT_CRASH_HOW", how, 1);
	(void)setenv("VOLT_CRASH_LOG", log, 1);
}

/* posix_spawn(), not fork(): copying the page tables of a sanitizer takes longer than all
 * that a writer does. */
static pid_t start(char *const *argv, int err)
{
	posix_spawn_file_actions_t actions;
	pid_t pid = -1;

	(void)posix_spawn_file_actions_init(&actions);
	(void)posix_spawn_file_actions_adddup2(&actions, err, STDERR_FILENO);
	if (posix_spawn(&pid, argv[0], &actions, NULL, argv, environ) != 0)
		pid = -1;
	(void)posix_spawn_file_actions_destroy(&actions);
	return pid;
}

/* The first line of a file, which is removed. */
static void take_line(int dir, const char *name, char *text, size_t size)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);

	text[n > 0 ? n : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';
	if (fd >= 0)
		(void)close(fd);
	(void)unlinkat(dir, name, 0);
}

bool crash_run(char *const *argv, const char *root, int at, const char *how,
	       struct crash_outcome *ret)
{
	int dir = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int err = openat(dir, "err", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	pid_t pid;

	if (at != CRASH_NEVER)
		set_crash(root, at, how);
	pid = start(argv, err);
	(void)unsetenv("LD_PRELOAD");
	(void)close(err);
	if (pid < 0 || waitpid(pid, &ret->status, 0) != pid)
		return false;
	take_line(dir, "err", ret->err, sizeof(ret->err));
	take_line(dir, "call", ret->call, sizeof(ret->call));
	(void)close(dir);
	return true;
}

bool crash_watch(char *const *argv, const char *root, const char *published)
{
	struct crash_outcome o;
	bool ran;

	(void)setenv("VOLT_CRASH_PUBLISHED", published, 1);
	ran = crash_run(argv, root, CRASH_WATCH, "kill", &o);
	(void)unsetenv("VOLT_CRASH_PUBLISHED");
	if (ran && o.status != 0)
		printf("# status %x, '%s'\n", o.status, o.err);
	return ran && o.status == 0;
}

bool crash_was_killed(const struct crash_outcome *o)
{
	return WIFSIGNALED(o->status) && WTERMSIG(o->status) == SIGKILL;
}

bool crash_was_no_space(const struct crash_outcome *o)
{
	return WIFEXITED(o->status) && WEXITSTATUS(o->status) == 1 &&
	       strstr(o->err, "No space left on device");
}

static int wrong(const struct crash_test *t, const char *when, int n,
		 const struct crash_outcome *o)
{
	printf("# %s call %d (%s): status %x, '%s', '%s'\n", when, n, o->call, o->status,
	       o->err, t->e->msg);
	return -1;
}

/* 1: it has gone through without reaching call @n. */
static int try_call(const struct crash_test *t, int n, const char *how,
		    crash_expected_fn expected)
{
	struct crash_outcome o;

	if (!t->run(n, how, &o))
		return -1;
	if (!o.call[0])
		return o.status == 0 && t->is_done() ? 1 : wrong(t, "before", n, &o);
	if (!expected(&o) || !t->is_sound())
		return wrong(t, "at", n, &o);
	if (!t->run(CRASH_NEVER, "", &o) || o.status != 0 || !t->is_sound() ||
	    !t->is_done())
		return wrong(t, "again after", n, &o);
	return 0;
}

int crash_try_all(const struct crash_test *t, const char *how, crash_expected_fn expected)
{
	int n, r = 0;

	for (n = 1; n < LAST_CALL && r == 0; n++) {
		r = t->begin() ? try_call(t, n, how, expected) : -1;
		t->end();
	}
	printf("# %d calls\n", n - 2);
	return r;
}
