/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

/* The one event loop. A source is embedded in what it belongs to and found again with
 * source_of(). Events are handed out one at a time, so a handler may remove any source. */
struct source {
	int fd;
	uint32_t events; /* 0: not watched, also not for hang-ups */
	void (*fn)(struct source *s, uint32_t events);
};

#define source_of(ptr, type, member) \
	((type *)(void *)((char *)(ptr)-offsetof(type, member)))

int loop_open(void);

/* Changes what is waited for. -errno from epoll_ctl(). */
int source_watch(struct source *s, uint32_t events);

/* Stops watching and closes the descriptor, if there is one. */
void source_close(struct source *s);

/* Waits for one event, at most @ms (-1: for ever), and handles it; false: time-out. */
bool loop_step(int ms);
