/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/ask.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/error.h"

int ask(bool force, const char *question, struct volt_error *e)
{
	_cleanup_free_ char *answer = NULL;
	char prompt[256];
	int r;

	if (force)
		return 1;
	if (!isatty(STDIN_FILENO))
		return fail(e, EINVAL, "nobody to ask; '--force' does it without");
	(void)snprintf(prompt, sizeof(prompt), "%s [y/N] ", question);
	r = ask_line(prompt, false, &answer, e);
	if (r < 0)
		return r;
	return answer[0] == 'y' || answer[0] == 'Y';
}

/* A signal that would end or stop us ends the reading first: the terminal must not stay
 * silent. Then it is obeyed. Until then it is blocked, but for the time we wait. */
static const int signals[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP };
static volatile sig_atomic_t caught;

static void on_signal(int number)
{
	caught = number;
}

struct hidden {
	struct termios terminal;
	struct sigaction actions[ARRAY_SIZE(signals)];
	sigset_t mask;
};

static int hide(struct hidden *h)
{
	const struct sigaction catch = { .sa_handler = on_signal };
	struct termios t;
	sigset_t set;

	if (tcgetattr(STDIN_FILENO, &h->terminal) < 0)
		return -errno;
	caught = 0;
	(void)sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		(void)sigaddset(&set, signals[i]);
	(void)sigprocmask(SIG_BLOCK, &set, &h->mask);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		(void)sigaction(signals[i], &catch, &h->actions[i]);
	t = h->terminal;
	t.c_lflag &= ~(tcflag_t)ECHO;
	return tcsetattr(STDIN_FILENO, TCSAFLUSH, &t) < 0 ? -errno : 0;
}

static void unhide(const struct hidden *h)
{
	(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &h->terminal);
	(void)fputc('\n', stderr);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		(void)sigaction(signals[i], &h->actions[i], NULL);
	if (caught)
		(void)raise(caught);
	(void)sigprocmask(SIG_SETMASK, &h->mask, NULL);
}

/* Until there is a line. False: a signal came instead. */
static bool wait_for_line(const struct hidden *h)
{
	struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };

	while (!caught && ppoll(&p, 1, NULL, &h->mask) < 0 && errno == EINTR)
		;
	return !caught;
}

int ask_line(const char *prompt, bool hidden, char **ret, struct volt_error *e)
{
	_cleanup_free_ char *line = NULL;
	struct hidden h;
	size_t room = 0;
	ssize_t n = -1;
	bool terminal = isatty(STDIN_FILENO);

	hidden = hidden && terminal;
	if (hidden && hide(&h) < 0)
		return fail(e, EIO, "cannot hide what is typed");
	if (terminal)
		(void)fputs(prompt, stderr);
	if (!hidden || wait_for_line(&h))
		n = getline(&line, &room, stdin);
	if (hidden)
		unhide(&h);
	if (n < 0)
		return fail(e, ENODATA, "stdin ended before an answer");
	line[strcspn(line, "\r\n")] = '\0';
	*ret = TAKE_PTR(line);
	return 0;
}
