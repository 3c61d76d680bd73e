/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "config.h"

struct why;

/* Brings up lo and the links of @c, with their addresses and routes. */
int network_up(const struct config *c, struct why *w);

/* Waits until what was brought up has a carrier, at most @ms: the driver may get to that a
 * moment later, and what a workload sends before it is lost. */
void network_wait(int ms);

/* /etc/hostname, /etc/hosts and /etc/resolv.conf, and the host name itself. */
int network_names(const struct config *c, struct why *w);
