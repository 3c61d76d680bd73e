/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/ask.h"

#include <errno.h>
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

/* Signals that would end us wait, so that the terminal never stays silent. */
static int hide(struct termios *saved, sigset_t *mask)
{
	struct termios t;
	sigset_t set;

	if (tcgetattr(STDIN_FILENO, saved) < 0)
		return -errno;
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGTSTP);
	(void)sigprocmask(SIG_BLOCK, &set, mask);
	t = *saved;
	t.c_lflag &= ~(tcflag_t)ECHO;
	return tcsetattr(STDIN_FILENO, TCSAFLUSH, &t) < 0 ? -errno : 0;
}

int ask_line(const char *prompt, bool hidden, char **ret, struct volt_error *e)
{
	_cleanup_free_ char *line = NULL;
	struct termios saved;
	sigset_t mask;
	size_t room = 0;
	ssize_t n;
	bool terminal = isatty(STDIN_FILENO);

	hidden = hidden && terminal;
	if (terminal)
		(void)fputs(prompt, stderr);
	if (hidden && hide(&saved, &mask) < 0)
		return fail(e, EIO, "cannot hide what is typed");
	n = getline(&line, &room, stdin);
	if (hidden) {
		(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &saved);
		(void)fputc('\n', stderr);
		(void)sigprocmask(SIG_SETMASK, &mask, NULL);
	}
	if (n < 0)
		return fail(e, ENODATA, "stdin ended before an answer");
	line[strcspn(line, "\r\n")] = '\0';
	*ret = TAKE_PTR(line);
	return 0;
}
