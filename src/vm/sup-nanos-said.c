/* SPDX-License-Identifier: Apache-2.0 */

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/macro.h"
#include "vm/sup-nanos.h"

#define CODE_HALT 0x7f

static bool begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

/* The last place in @text where a line begins @with. */
static const char *last_line_with(const char *text, const char *with)
{
	const char *found = NULL;

	for (const char *p = text; p; p = strchr(p, '\n')) {
		p += p > text;
		if (begins(p, with))
			found = p;
	}
	return found;
}

/* The line before @end, without those that are empty. */
static const char *line_before(const char *text, const char *end)
{
	while (end > text && (end[-1] == '\n' || end[-1] == '\r'))
		end--;
	while (end > text && end[-1] != '\n')
		end--;
	return end;
}

static const char *digits(const char *p)
{
	return p + strspn(p, "0123456789");
}

/* The kernel's own, which it writes whenever it likes, also on its way out: "[0.365429] …", or in
 * 0.1.47 an address. */
static bool is_remark(const char *line)
{
	const char *p;

	if (*line == '[') {
		p = digits(line + 1);
		return p > line + 1 && *p == '.' && begins(digits(p + 1), "] ");
	}
	return begins(line, "en") && begins(digits(line + 2), ": assigned ");
}

/* The last line of @text that is no remark. */
static const char *last_word(const char *text)
{
	const char *line = line_before(text, text + strlen(text));

	while (line > text && is_remark(line))
		line = line_before(text, line);
	return line;
}

/* Does @line begin @with, and end @by and a newline? Then it is all there. */
static bool is_whole(const char *line, const char *with, const char *by)
{
	size_t n = strcspn(line, "\r\n"), k = strlen(by);

	return begins(line, with) && strchr(line, '\n') && n >= strlen(with) + k &&
	       memcmp(line + n - k, by, k) == 0;
}

const char *said_broken(const char *text, bool has_firmware)
{
	const char *last = line_before(text, text + strlen(text));

	if (is_whole(last, "unable to open filesystem: (", ")"))
		return strstr(last, "out of memory")
			       ? "Nanos could not open its disk: its memory is too little"
			       : "Nanos could not open its disk";
	if (has_firmware && is_whole(last, "!!!! ", " !!!!") &&
	    last_line_with(text, "!!!! X64 Exception Type - "))
		return "a fault in the firmware or the loader that it started, before "
		       "the kernel";
	return NULL;
}

const char *said_refused(const char *text, int code)
{
	const char *last = last_word(text);

	if (code != CODE_HALT)
		return NULL;
	return is_whole(last, "program startup failed before exec: (", ")") ||
			       is_whole(last, "program startup failed on exec: (", ")")
		       ? last
		       : NULL;
}

/* What a kernel says last when it ends a program by that signal. */
static const char *fate(int number)
{
	switch (number) {
	case SIGHUP:
	case SIGINT:
	case SIGKILL:
	case SIGPIPE:
	case SIGALRM:
	case SIGTERM:
	case SIGUSR1:
	case SIGUSR2:
	case SIGPROF:
	case SIGVTALRM:
	case SIGSTKFLT:
	case SIGIO:
	case SIGPWR:
		return "   terminate\n";
	case SIGQUIT:
	case SIGILL:
	case SIGABRT:
	case SIGFPE:
	case SIGSEGV:
	case SIGBUS:
	case SIGSYS:
	case SIGTRAP:
	case SIGXCPU:
	case SIGXFSZ:
		return "   core dump\n";
	case SIGSTOP:
	case SIGTSTP:
	case SIGTTIN:
	case SIGTTOU:
		return "   stop\n";
	default:
		return NULL;
	}
}

/* Of 0.1.47, where there could have been a core. */
static bool said_signal_once(const char *last, int number)
{
	static const char *const cores[] = { "core dumped)", "no core generated: ",
					     "core dump write fail: ",
					     "core dump truncated; limit reached)" };
	char head[32];

	(void)snprintf(head, sizeof(head), "signal %d (", number);
	if (!is_whole(last, head, ")"))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(cores); i++)
		if (begins(last + strlen(head), cores[i]))
			return true;
	return false;
}

/* Before its registers; for SIGTERM there are none. */
static bool is_announced(const char *text, int number)
{
	const char *line = last_line_with(text, "*** signal ");
	char head[64];

	(void)snprintf(head, sizeof(head), "*** signal %d received by tid ", number);
	return number == SIGTERM || (line && begins(line, head));
}

bool said_signal(const char *text, int code)
{
	const char *last = last_word(text), *end = fate(code);

	if (!end)
		return false;
	if (strcmp(end, "   core dump\n") == 0 && said_signal_once(last, code))
		return true;
	return begins(last, end) && is_announced(text, code);
}

const char *said_handed_over(const char *text)
{
	const char *line = last_line_with(text, "BdsDxe: starting Boot");
	const char *end = line ? strchr(line, '\n') : NULL;

	return end ? end + 1 : NULL;
}
