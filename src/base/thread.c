/* SPDX-License-Identifier: Apache-2.0 */
#include "base/thread.h"

#include <sched.h>
#include <signal.h>

int thread_start(pthread_t *ret, void *(*run)(void *), void *data)
{
	sigset_t all, old;
	int code;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	code = pthread_create(ret, NULL, run, data);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -code;
}

unsigned int thread_processors(void)
{
	cpu_set_t cpus;
	int n = sched_getaffinity(0, sizeof(cpus), &cpus) == 0 ? CPU_COUNT(&cpus) : 1;

	return n > 0 ? (unsigned int)n : 1;
}
