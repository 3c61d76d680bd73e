/* SPDX-License-Identifier: Apache-2.0 */
#include "loop.h"

#include <errno.h>

#include "init.h"

static int epfd = -1;

int loop_open(void)
{
	epfd = epoll_create1(EPOLL_CLOEXEC);
	return epfd < 0 ? -errno : 0;
}

int source_watch(struct source *s, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.ptr = s };
	int op = EPOLL_CTL_MOD;

	if (events == s->events)
		return 0;
	if (s->events == 0)
		op = EPOLL_CTL_ADD;
	if (events == 0)
		op = EPOLL_CTL_DEL;
	if (epoll_ctl(epfd, op, s->fd, &e) < 0)
		return -errno;
	s->events = events;
	return 0;
}

void source_close(struct source *s)
{
	if (s->fd < 0)
		return;
	(void)source_watch(s, 0);
	(void)close(s->fd);
	s->fd = -1;
}

bool loop_step(int ms)
{
	struct epoll_event e;
	struct source *s;
	int n = epoll_wait(epfd, &e, 1, ms);

	if (n < 0 && errno == EINTR)
		return true;
	if (n <= 0)
		return false;
	s = e.data.ptr;
	s->fn(s, e.events);
	return true;
}
