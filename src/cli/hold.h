/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <signal.h>

/* What no later command would look for must go before a signal ends us: SIGHUP, SIGINT,
 * SIGQUIT and SIGTERM wait until release_signals(). What runs meanwhile ends soon, because
 * a ctrl-c reaches it too, or because the library sees that one waits. */
void hold_signals(sigset_t *ret);
void release_signals(const sigset_t *mask);
