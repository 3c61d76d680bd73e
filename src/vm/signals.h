/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* "SIGTERM", "TERM", "term", "15"; names come back with "SIG". -EINVAL; NULL. Every signal
 * that can be parsed has a name. */
int signal_parse(const char *text, int *ret);
const char *signal_name(int number);
