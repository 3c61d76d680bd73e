/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/hold.h"

#include <stddef.h>

#include "base/macro.h"

void hold_signals(sigset_t *ret)
{
	static const int signals[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM };
	sigset_t set;

	(void)sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		(void)sigaddset(&set, signals[i]);
	(void)sigprocmask(SIG_BLOCK, &set, ret);
}

void release_signals(const sigset_t *mask)
{
	(void)sigprocmask(SIG_SETMASK, mask, NULL);
}
