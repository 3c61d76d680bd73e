/* SPDX-License-Identifier: Apache-2.0 */

#include "vm/agent.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/macro.h"

#define WORKLOAD   0u
#define TEXT_MAX_  512u
#define CREDIT_MAX 4096u /* with that much waiting to be sent no credit is added */

struct agent {
	int fd;
	sd_event_source *io;
	const struct agent_ops *ops;
	void *data;
	enum agent_state state;
	struct wire_in in;
	struct wire_out out;
	size_t in_flight;   /* stdin bytes the guest has not consumed */
	bool in_closed;     /* EOF of stdin went */
	size_t unread[3];   /* by stream: sent by the guest, not given back yet */
	size_t consumed[3]; /* of that: may be given back */
	bool closed[3];     /* by stream: EOF came */
};

enum agent_state agent_state(const struct agent *a)
{
	return a->state;
}

static void end(struct agent *a, const struct volt_error *why)
{
	if (a->state == AGENT_GONE)
		return;
	a->state = AGENT_GONE;
	a->io = sd_event_source_disable_unref(a->io);
	a->ops->gone(a->data, why);
}

/* Sends what it can; returns how much waits. */
static size_t send_some(struct agent *a)
{
	const void *data;
	size_t size;

	for (;;) {
		ssize_t n;

		data = wire_out_data(&a->out, &size);
		if (size == 0 || !a->io)
			return size;
		n = send(a->fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return size; /* a broken connection shows when it is read */
		wire_out_sent(&a->out, (size_t)n);
	}
}

static void flush(struct agent *a)
{
	size_t waiting = send_some(a);

	if (a->io)
		(void)sd_event_source_set_io_events(a->io,
						    EPOLLIN | (waiting ? EPOLLOUT : 0));
}

static int lost(struct agent *a, int r)
{
	struct volt_error why;

	(void)fail_code(&why, r, "talk to the guest");
	end(a, &why);
	return r;
}

/* Credit for what was consumed, but no more of it while the guest leaves unread what it
 * has: credits are larger than the DATA they can be for, so a guest that writes and never
 * reads would fill our memory. Its own window stops it instead.
 *
 * What is held back must be tried again by whoever empties the queue: once it is empty, no
 * event says so. */
static void give_back(struct agent *a)
{
	for (int i = AGENT_STDOUT; i <= AGENT_STDERR; i++) {
		size_t waiting, size = a->consumed[i];
		int r;

		(void)wire_out_data(&a->out, &waiting);
		if (size == 0 || waiting > CREDIT_MAX || a->state != AGENT_RUNNING)
			continue;
		a->consumed[i] = 0;
		a->unread[i] -= size;
		r = wire_credit(&a->out, WORKLOAD, (enum agent_stream)i, size);
		if (r < 0)
			(void)lost(a, r);
		flush(a);
	}
}

/* What was put into the queue either went or is waiting. */
static int sent(struct agent *a, int r)
{
	if (r < 0)
		return lost(a, r);
	flush(a);
	give_back(a);
	return 0;
}

/* --- messages --- */

static int breach(const char *what, struct volt_error *why)
{
	return fail(why, EBADMSG, "the guest broke the agent protocol: %s", what);
}

static int handle_hello(struct agent *a, const struct wire_message *m,
			struct volt_error *why)
{
	int r;

	if (a->state != AGENT_WAIT_HELLO)
		return breach("a second HELLO", why);
	if (m->version != AGENT_VERSION)
		return fail(why, EPROTO,
			    "the guest's init speaks version %lld of the agent protocol, "
			    "not %d: import the kernel again",
			    (long long)m->version, AGENT_VERSION);
	a->ops->hello(a->data, m);
	r = wire_hello(&a->out);
	if (r == 0) {
		wire_begin(&a->out, AGENT_CONFIG, WORKLOAD);
		a->ops->config(a->data, &a->out);
		r = wire_end(&a->out);
	}
	if (r < 0)
		return fail_code(why, r, "send the guest its configuration");
	a->state = AGENT_WAIT_START;
	flush(a);
	return 0;
}

static int handle_output(struct agent *a, const struct wire_message *m,
			 struct volt_error *why)
{
	size_t *unread = &a->unread[m->stream];

	if (a->state != AGENT_RUNNING && a->state != AGENT_WAIT_START)
		return breach("output of no workload", why);
	if (m->stream == AGENT_STDIN || a->closed[m->stream])
		return breach("output on a closed stream", why);
	if (m->data.size > AGENT_WINDOW - *unread)
		return breach("more output than its window", why);
	*unread += m->data.size;
	a->ops->output(a->data, m->stream, m->data.data, m->data.size);
	return 0;
}

static int handle_credit(struct agent *a, const struct wire_message *m,
			 struct volt_error *why)
{
	if (m->stream != AGENT_STDIN || (size_t)m->bytes > a->in_flight)
		return breach("credit for what was not sent", why);
	a->in_flight -= (size_t)m->bytes;
	a->ops->room(a->data);
	return 0;
}

static int handle_started(struct agent *a, struct volt_error *why)
{
	if (a->state != AGENT_WAIT_START)
		return breach("STARTED at the wrong time", why);
	a->state = AGENT_RUNNING;
	a->ops->started(a->data);
	a->ops->room(a->data);
	give_back(a);
	return 0;
}

/* The guest waits to hear that everything before has arrived; then it powers off. */
static int let_go(struct agent *a, struct volt_error *why)
{
	int r = wire_empty(&a->out, AGENT_SHUTDOWN, WORKLOAD);

	if (r < 0)
		return fail_code(why, r, "talk to the guest");
	flush(a);
	return 0;
}

static int handle_failed(struct agent *a, const struct wire_message *m,
			 struct volt_error *why)
{
	char text[TEXT_MAX_];

	if (a->state == AGENT_ENDED || a->state == AGENT_WAIT_HELLO)
		return breach("FAILED at the wrong time", why);
	a->state = AGENT_ENDED;
	(void)snprintf(text, sizeof(text), "%.*s",
		       (int)(m->data.size < TEXT_MAX_ ? m->data.size : TEXT_MAX_),
		       m->data.data ? m->data.data : "");
	a->ops->failed(a->data, (int)m->code, text);
	return let_go(a, why);
}

static int handle_exited(struct agent *a, const struct wire_message *m,
			 struct volt_error *why)
{
	if (a->state != AGENT_RUNNING)
		return breach("EXITED at the wrong time", why);
	a->state = AGENT_ENDED;
	a->ops->exited(a->data, (int)m->code, m->signal > 0 ? (int)m->signal : 0, m->oom);
	return let_go(a, why);
}

static int handle(struct agent *a, struct wire_message *m, struct volt_error *why)
{
	if (m->type == AGENT_HELLO)
		return handle_hello(a, m, why);
	if (a->state == AGENT_WAIT_HELLO && m->type != AGENT_LOG)
		return breach("something before HELLO", why);
	if (m->process != WORKLOAD && m->type != AGENT_LOG)
		return breach("a process that was never asked for", why);
	switch (m->type) {
	case AGENT_DATA:
		return handle_output(a, m, why);
	case AGENT_EOF:
		a->closed[m->stream] = true;
		return 0;
	case AGENT_CREDIT:
		return handle_credit(a, m, why);
	case AGENT_STARTED:
		return handle_started(a, why);
	case AGENT_FAILED:
		return handle_failed(a, m, why);
	case AGENT_EXITED:
		return handle_exited(a, m, why);
	case AGENT_LOG:
		a->ops->log(a->data, m->data.data, m->data.size);
		return 0;
	default:
		return 0; /* TIMING, REPLY: checked by the codec, of no use here */
	}
}

/* 1: there may be more, 0: nothing now, -errno: over. */
static int receive(struct agent *a, struct volt_error *why)
{
	struct wire_message m;
	size_t room;
	void *space;
	ssize_t n;
	int r;

	r = wire_in_space(&a->in, &space, &room);
	if (r < 0)
		return fail_code(why, r, "read from the guest");
	n = recv(a->fd, space, room, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0) {
		end(a, NULL);
		return -EPIPE;
	}
	wire_in_came(&a->in, (size_t)n);
	while (a->state != AGENT_GONE && (r = wire_next(&a->in, &m)) > 0) {
		r = handle(a, &m, why);
		if (r < 0)
			return r;
	}
	return r < 0 ? breach("a malformed message", why) : 1;
}

static int on_io(sd_event_source *s, int fd, uint32_t events, void *data)
{
	struct agent *a = data;
	struct volt_error why;
	int r;

	if (events & EPOLLOUT) {
		flush(a);
		give_back(a);
	}
	if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)) || a->state == AGENT_GONE)
		return 0;
	r = receive(a, &why);
	if (r < 0 && r != -EPIPE)
		end(a, &why);
	return 0;
}

void agent_drain(struct agent *a)
{
	struct volt_error why;
	int r = 1;

	while (r > 0 && a && a->state != AGENT_GONE)
		r = receive(a, &why);
	if (r < 0 && r != -EPIPE)
		end(a, &why);
}

/* --- what the supervisor says --- */

int agent_signal(struct agent *a, int number)
{
	if (a->state != AGENT_RUNNING)
		return -ENOTCONN;
	return sent(a, wire_signal(&a->out, WORKLOAD, number));
}

int agent_resize(struct agent *a, int rows, int columns)
{
	if (a->state != AGENT_RUNNING)
		return -ENOTCONN;
	return sent(a, wire_resize(&a->out, WORKLOAD, rows, columns));
}

int agent_shutdown(struct agent *a)
{
	if (a->state == AGENT_WAIT_HELLO || a->state == AGENT_GONE)
		return -ENOTCONN;
	return sent(a, wire_empty(&a->out, AGENT_SHUTDOWN, WORKLOAD));
}

int agent_stdin(struct agent *a, const char *bytes, size_t size)
{
	if (a->state != AGENT_RUNNING || a->in_closed)
		return a->state < AGENT_RUNNING ? -EAGAIN : -EPIPE;
	if (size > AGENT_WINDOW - a->in_flight)
		return -EAGAIN;
	a->in_flight += size;
	return sent(a, wire_data(&a->out, WORKLOAD, bytes, size));
}

int agent_stdin_eof(struct agent *a)
{
	if (a->state != AGENT_RUNNING)
		return a->state < AGENT_RUNNING ? -EAGAIN : -EPIPE;
	if (a->in_closed)
		return 0; /* by a client before */
	a->in_closed = true;
	return sent(a, wire_eof(&a->out, WORKLOAD));
}

void agent_consumed(struct agent *a, enum agent_stream stream, size_t size)
{
	if (size > a->unread[stream] - a->consumed[stream])
		return;
	a->consumed[stream] += size;
	give_back(a);
}

int agent_new(int fd, sd_event *ev, const struct agent_ops *ops, void *data,
	      struct agent **ret, struct volt_error *e)
{
	_cleanup_(agent_freep) struct agent *a = calloc(1, sizeof(*a));
	int r;

	if (!a) {
		(void)close(fd);
		return fail_oom(e);
	}
	a->fd = fd;
	a->ops = ops;
	a->data = data;
	r = sd_event_add_io(ev, &a->io, fd, EPOLLIN, on_io, a);
	if (r < 0)
		return fail_code(e, r, "watch the agent's port");
	*ret = TAKE_PTR(a);
	return 0;
}

void agent_free(struct agent *a)
{
	if (!a)
		return;
	sd_event_source_disable_unref(a->io);
	closep(&a->fd);
	wire_in_done(&a->in);
	wire_out_done(&a->out);
	free(a);
}
