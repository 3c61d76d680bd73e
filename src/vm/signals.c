/* SPDX-License-Identifier: Apache-2.0 */

#include "vm/signals.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"

/* Linux on every architecture volt runs guests of numbers these alike, mips apart; the
 * numbers are the host's and init translates nothing. */
static const struct {
	const char *name;
	int number;
} signals[] = {
	{ "SIGHUP", SIGHUP },       { "SIGINT", SIGINT },       { "SIGQUIT", SIGQUIT },
	{ "SIGILL", SIGILL },       { "SIGTRAP", SIGTRAP },     { "SIGABRT", SIGABRT },
	{ "SIGBUS", SIGBUS },       { "SIGFPE", SIGFPE },       { "SIGKILL", SIGKILL },
	{ "SIGUSR1", SIGUSR1 },     { "SIGSEGV", SIGSEGV },     { "SIGUSR2", SIGUSR2 },
	{ "SIGPIPE", SIGPIPE },     { "SIGALRM", SIGALRM },     { "SIGTERM", SIGTERM },
	{ "SIGSTKFLT", SIGSTKFLT }, { "SIGCHLD", SIGCHLD },     { "SIGCONT", SIGCONT },
	{ "SIGSTOP", SIGSTOP },     { "SIGTSTP", SIGTSTP },     { "SIGTTIN", SIGTTIN },
	{ "SIGTTOU", SIGTTOU },     { "SIGURG", SIGURG },       { "SIGXCPU", SIGXCPU },
	{ "SIGXFSZ", SIGXFSZ },     { "SIGVTALRM", SIGVTALRM }, { "SIGPROF", SIGPROF },
	{ "SIGWINCH", SIGWINCH },   { "SIGIO", SIGIO },         { "SIGPWR", SIGPWR },
	{ "SIGSYS", SIGSYS },       { "SIGIOT", SIGABRT },      { "SIGPOLL", SIGIO },
};

#define RT_FIRST 34 /* what C libraries call SIGRTMIN */
#define RT_LAST  64

/* "37", "RTMIN+3", "RTMAX-1". */
static int number_or_realtime(const char *text)
{
	int base = 0, sign = 1;
	char *end;
	long n;

	if (strncasecmp(text, "RTMIN", 5) == 0)
		base = RT_FIRST;
	else if (strncasecmp(text, "RTMAX", 5) == 0)
		base = RT_LAST;
	if (base) {
		text += 5;
		if (!*text)
			return base;
		sign = *text == '+' ? 1 : -1;
		if ((base == RT_FIRST) != (*text++ == '+'))
			return -EINVAL;
	}
	if (*text < '0' || *text > '9')
		return -EINVAL;
	n = strtol(text, &end, 10);
	if (*end || n > RT_LAST)
		return -EINVAL;
	n = base + sign * n;
	return n < (base ? RT_FIRST : 1) || n > RT_LAST ? -EINVAL : (int)n;
}

int signal_parse(const char *text, int *ret)
{
	int n;

	if (strncasecmp(text, "SIG", 3) == 0)
		text += 3;
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		if (strcasecmp(text, signals[i].name + 3) == 0) {
			*ret = signals[i].number;
			return 0;
		}
	}
	n = number_or_realtime(text);
	/* Those without a name are the C library's own. */
	if (n < 0 || !signal_name(n))
		return -EINVAL;
	*ret = n;
	return 0;
}

const char *signal_name(int number)
{
	static const char *const realtime[] = {
		"SIGRTMIN",    "SIGRTMIN+1",  "SIGRTMIN+2",  "SIGRTMIN+3",  "SIGRTMIN+4",
		"SIGRTMIN+5",  "SIGRTMIN+6",  "SIGRTMIN+7",  "SIGRTMIN+8",  "SIGRTMIN+9",
		"SIGRTMIN+10", "SIGRTMIN+11", "SIGRTMIN+12", "SIGRTMIN+13", "SIGRTMIN+14",
		"SIGRTMIN+15", "SIGRTMAX-14", "SIGRTMAX-13", "SIGRTMAX-12", "SIGRTMAX-11",
		"SIGRTMAX-10", "SIGRTMAX-9",  "SIGRTMAX-8",  "SIGRTMAX-7",  "SIGRTMAX-6",
		"SIGRTMAX-5",  "SIGRTMAX-4",  "SIGRTMAX-3",  "SIGRTMAX-2",  "SIGRTMAX-1",
		"SIGRTMAX",
	};

	_Static_assert(ARRAY_SIZE(realtime) == RT_LAST - RT_FIRST + 1, "one a signal");
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		if (signals[i].number == number)
			return signals[i].name;
	if (number >= RT_FIRST && number <= RT_LAST)
		return realtime[number - RT_FIRST];
	return NULL;
}
