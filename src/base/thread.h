/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <pthread.h>

/* volt has threads only inside of calls that join them before they return. */

/* Starts @run(@data) with all signals blocked: they belong to the caller's thread.
 * A negative errno. */
int thread_start(pthread_t *ret, void *(*run)(void *), void *data);

/* How many processors this process may use, at least 1. */
unsigned int thread_processors(void);
