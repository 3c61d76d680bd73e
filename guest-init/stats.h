/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

/* Keeps /proc open, so that it is found whatever the workload mounts over it. */
void stats_open(void);

/* Answers STATS. */
void tell_stats(uint32_t id);

/* Adds a phase that is reached now; tell_timings() sends those not sent yet. */
void timing(const char *phase);
void tell_timings(void);

/* How many processes the kernel has killed for want of memory. */
int64_t oom_kills(void);

/* The protocol numbers signals as x86 does; some arches do not. 0: no such signal. */
int signal_from_host(int number);
int signal_to_host(int number);
