/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation
 *
 * A client is in one of these:
 *
 *	CLIENT_ASKING	a line is expected, of at most CONTROL_LINE_MAX bytes
 *	CLIENT_WAITING	its answer comes at the end; only its going away matters
 *	CLIENT_ATTACHED	frames both ways
 *	CLIENT_CLOSING	closed as soon as its queue is empty
 *	CLIENT_DEAD	freed when no callback can hold it any more
 *
 * Nothing here waits. What a client does not read is queued; the queue is bounded by what
 * may be put into it: one reply, or the output that the workload's window allows, since
 * the supervisor gives no credit while server_backlog() is high. What a client sends is
 * read a frame at a time, and not at all while a frame is held.
 *
 * Only the supervisor's own user and root may connect. The socket's mode says so already;
 * credentials are checked all the same, since descriptors travel.
 */

#include "vm/server.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/io.h"
#include "base/json.h"

#define CLIENTS_MAX 256
#define QUEUE_MAX   (4u << 20)

enum client_state {
	CLIENT_ASKING,
	CLIENT_WAITING,
	CLIENT_ATTACHED,
	CLIENT_CLOSING,
	CLIENT_DEAD
};

struct client {
	struct client *next;
	struct server *s;
	int fd;
	sd_event_source *io;
	enum client_state state;
	bool has_stdin, held;
	char *in; /* CONTROL_LINE_MAX, or a frame */
	size_t in_size;
	char *out;
	size_t out_size, out_sent, out_room;
};

struct server {
	int fd;
	sd_event *ev;
	sd_event_source *io, *reaper;
	const struct server_ops *ops;
	void *data;
	struct client *clients;
	size_t n;
};

#define IN_MAX (sizeof(struct attach_frame) + ATTACH_PAYLOAD_MAX)
_Static_assert(IN_MAX >= CONTROL_LINE_MAX, "one buffer for both");

static void client_free(struct client *c)
{
	sd_event_source_disable_unref(c->io);
	closep(&c->fd);
	free(c->in);
	free(c->out);
	free(c);
}

/* Frees the dead, from the event loop itself. */
static int reap(sd_event_source *source, void *data)
{
	struct server *s = data;

	for (struct client **at = &s->clients; *at;) {
		struct client *c = *at;

		if (c->state != CLIENT_DEAD) {
			at = &c->next;
			continue;
		}
		*at = c->next;
		client_free(c);
		s->n--;
	}
	return 0;
}

static void kill_client(struct client *c)
{
	bool attached = c->state == CLIENT_ATTACHED;

	if (c->state == CLIENT_DEAD)
		return;
	c->state = CLIENT_DEAD;
	c->io = sd_event_source_disable_unref(c->io);
	(void)sd_event_source_set_enabled(c->s->reaper, SD_EVENT_ONESHOT);
	if (attached && c->s->ops)
		c->s->ops->drained(c->s->data);
}

static void update_io(struct client *c)
{
	uint32_t events = c->held ? 0 : EPOLLIN;

	if (c->out_sent < c->out_size)
		events |= EPOLLOUT;
	if (c->io)
		(void)sd_event_source_set_io_events(c->io, events);
}

static void flush(struct client *c)
{
	while (c->out_sent < c->out_size) {
		ssize_t n = send(c->fd, c->out + c->out_sent, c->out_size - c->out_sent,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0) {
			kill_client(c);
			return;
		}
		c->out_sent += (size_t)n;
	}
	if (c->out_sent == c->out_size) {
		c->out_sent = c->out_size = 0;
		if (c->state == CLIENT_CLOSING) {
			kill_client(c);
			return;
		}
	}
	update_io(c);
}

/* A client whose queue cannot take it is cut off: that is not within the rules above. */
static void queue(struct client *c, const void *data, size_t size)
{
	if (c->state == CLIENT_DEAD)
		return;
	if (c->out_sent) {
		memmove(c->out, c->out + c->out_sent, c->out_size - c->out_sent);
		c->out_size -= c->out_sent;
		c->out_sent = 0;
	}
	if (c->out_size + size > c->out_room) {
		size_t room = c->out_room ? c->out_room : 1024;
		char *more;

		while (room < c->out_size + size)
			room *= 2;
		more = room <= QUEUE_MAX ? realloc(c->out, room) : NULL;
		if (!more) {
			kill_client(c);
			return;
		}
		c->out = more;
		c->out_room = room;
	}
	memcpy(c->out + c->out_size, data, size);
	c->out_size += size;
}

static void queue_frame(struct client *c, enum attach_type type, const char *bytes,
			size_t size)
{
	struct attach_frame f = { .size = (uint32_t)size, .type = type };

	queue(c, &f, sizeof(f));
	queue(c, bytes, size);
}

static void queue_line(struct client *c, const json_t *j)
{
	_cleanup_free_ char *text = j ? json_text(j) : NULL;

	if (!text) {
		kill_client(c);
		return;
	}
	queue(c, text, strlen(text));
	queue(c, "\n", 1);
}

/* --- answers --- */

void client_reply(struct client *c, json_t *reply)
{
	queue_line(c, reply);
	json_decref(reply);
	if (c->state != CLIENT_DEAD)
		c->state = CLIENT_CLOSING;
	flush(c);
}

void client_refuse(struct client *c, const struct volt_error *why)
{
	client_reply(c, control_reply(why));
}

void client_defer(struct client *c)
{
	c->state = CLIENT_WAITING;
}

bool client_has_stdin(const struct client *c)
{
	return c->has_stdin;
}

int client_attach(struct client *c, bool with_stdin)
{
	json_auto_t *reply = NULL;

	for (struct client *o = c->s->clients; with_stdin && o; o = o->next)
		if (o->has_stdin && o->state == CLIENT_ATTACHED)
			return -EBUSY;
	reply = control_reply(NULL);
	queue_line(c, reply);
	if (c->state == CLIENT_DEAD)
		return 0;
	c->state = CLIENT_ATTACHED;
	c->has_stdin = with_stdin;
	flush(c);
	return 0;
}

/* --- what they say --- */

static void take_line(struct client *c)
{
	char *newline = memchr(c->in, '\n', c->in_size);
	const char *command = NULL;
	json_auto_t *j = NULL;
	struct volt_error why;
	size_t size;

	if (!newline && c->in_size < CONTROL_LINE_MAX)
		return;
	if (!newline) {
		(void)fail(&why, EMSGSIZE, "the request is too long");
		client_refuse(c, &why);
		return;
	}
	size = (size_t)(newline - c->in);
	if (control_parse(c->in, size, &j, &command, &why) < 0) {
		client_refuse(c, &why);
		return;
	}
	c->in_size -= size + 1;
	memmove(c->in, newline + 1, c->in_size);
	c->s->ops->request(c->s->data, c, command, j);
}

/* Whole frames, one after the other, until one has to wait. */
static void take_frames(struct client *c)
{
	struct attach_frame f;

	while (c->state == CLIENT_ATTACHED && c->in_size >= sizeof(f)) {
		memcpy(&f, c->in, sizeof(f));
		if (f.size > ATTACH_PAYLOAD_MAX) {
			kill_client(c);
			return;
		}
		if (c->in_size < sizeof(f) + f.size)
			break;
		c->held = !c->s->ops->frame(c->s->data, c, (enum attach_type)f.type,
					    c->in + sizeof(f), f.size);
		if (c->held || c->state == CLIENT_DEAD)
			break;
		c->in_size -= sizeof(f) + f.size;
		memmove(c->in, c->in + sizeof(f) + f.size, c->in_size);
	}
	if (c->state != CLIENT_DEAD)
		update_io(c);
}

static void take(struct client *c)
{
	if (c->state == CLIENT_ASKING)
		take_line(c);
	if (c->state == CLIENT_ATTACHED)
		take_frames(c);
	else if (c->state != CLIENT_ASKING)
		c->in_size = 0; /* whatever else it says is of no interest */
}

static void client_read(struct client *c)
{
	ssize_t n;

	if (c->held)
		return;
	n = recv(c->fd, c->in + c->in_size, IN_MAX - c->in_size, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		kill_client(c);
		return;
	}
	c->in_size += (size_t)n;
	take(c);
}

static int on_client(sd_event_source *source, int fd, uint32_t events, void *data)
{
	struct client *c = data;
	bool attached = c->state == CLIENT_ATTACHED;

	if (events & EPOLLOUT)
		flush(c);
	if (c->state == CLIENT_ATTACHED && attached && (events & EPOLLOUT))
		c->s->ops->drained(c->s->data);
	if (c->state != CLIENT_DEAD && (events & EPOLLIN))
		client_read(c);
	else if (c->state != CLIENT_DEAD && (events & (EPOLLHUP | EPOLLERR)))
		kill_client(c);
	return 0;
}

/* --- coming and going --- */

static int client_new(struct server *s, int fd, struct client **ret)
{
	struct client *c = s->n < CLIENTS_MAX ? calloc(1, sizeof(*c)) : NULL;
	int r;

	if (!c) {
		(void)close(fd);
		return -ENOMEM;
	}
	c->s = s;
	c->fd = fd;
	c->in = malloc(IN_MAX);
	r = c->in ? sd_event_add_io(s->ev, &c->io, fd, EPOLLIN, on_client, c) : -ENOMEM;
	if (r < 0) {
		client_free(c);
		return r;
	}
	c->next = s->clients;
	s->clients = c;
	s->n++;
	*ret = c;
	return 0;
}

int server_adopt(struct server *s, int fd, bool with_stdin)
{
	struct client *c;
	int r = client_new(s, fd, &c);

	if (r < 0)
		return r;
	c->state = CLIENT_ATTACHED;
	c->has_stdin = with_stdin;
	return 0;
}

static bool may_talk(int fd)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
	       (peer.uid == 0 || peer.uid == geteuid());
}

static int on_connection(sd_event_source *source, int fd, uint32_t events, void *data)
{
	struct client *c;
	int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);

	if (peer < 0)
		return 0;
	if (!may_talk(peer))
		(void)close(peer);
	else
		(void)client_new(data, peer, &c);
	return 0;
}

int server_new(int fd, sd_event *ev, const struct server_ops *ops, void *data,
	       struct server **ret, struct volt_error *e)
{
	_cleanup_(server_freep) struct server *s = calloc(1, sizeof(*s));
	int r;

	if (!s) {
		(void)close(fd);
		return fail_oom(e);
	}
	s->fd = fd;
	s->ev = sd_event_ref(ev);
	s->ops = ops;
	s->data = data;
	r = sd_event_add_io(ev, &s->io, fd, EPOLLIN, on_connection, s);
	if (r >= 0)
		r = sd_event_add_defer(ev, &s->reaper, reap, s);
	if (r >= 0)
		r = sd_event_source_set_enabled(s->reaper, SD_EVENT_OFF);
	if (r < 0)
		return fail_code(e, r, "watch the control socket");
	*ret = TAKE_PTR(s);
	return 0;
}

void server_free(struct server *s)
{
	if (!s)
		return;
	while (s->clients) {
		struct client *c = s->clients;

		s->clients = c->next;
		client_free(c);
	}
	sd_event_source_disable_unref(s->io);
	sd_event_source_disable_unref(s->reaper);
	sd_event_unref(s->ev);
	closep(&s->fd);
	free(s);
}

/* --- all of them --- */

void server_broadcast(struct server *s, enum attach_type type, const char *bytes,
		      size_t size)
{
	for (struct client *c = s->clients; c; c = c->next) {
		if (c->state != CLIENT_ATTACHED)
			continue;
		queue_frame(c, type, bytes, size);
		if (c->state == CLIENT_ATTACHED)
			flush(c);
	}
}

size_t server_backlog(const struct server *s)
{
	size_t most = 0;

	for (const struct client *c = s->clients; c; c = c->next)
		if (c->state == CLIENT_ATTACHED && c->out_size - c->out_sent > most)
			most = c->out_size - c->out_sent;
	return most;
}

void server_resume(struct server *s)
{
	for (struct client *c = s->clients; c; c = c->next) {
		if (c->state != CLIENT_ATTACHED || !c->held)
			continue;
		c->held = false;
		take_frames(c);
	}
}

static void end_attached(struct client *c, int code, const char *reason)
{
	char data[sizeof(uint32_t) + 500];
	uint32_t number = (uint32_t)code;
	size_t size = strnlen(reason, sizeof(data) - sizeof(number));

	memcpy(data, &number, sizeof(number));
	memcpy(data + sizeof(number), reason, size);
	queue_frame(c, ATTACH_FRAME_EXIT, data, sizeof(number) + size);
}

void server_end(struct server *s, int code, const char *reason, const json_t *reply)
{
	for (struct client *c = s->clients; c; c = c->next) {
		if (c->state == CLIENT_ATTACHED)
			end_attached(c, code, reason);
		else if (c->state == CLIENT_WAITING)
			queue_line(c, reply);
		if (c->state == CLIENT_DEAD)
			continue;
		c->state = CLIENT_CLOSING;
		c->held = true;
		flush(c);
	}
	s->io = sd_event_source_disable_unref(s->io);
}

/* Those that have something to read still. */
static size_t fill_poll(const struct server *s, struct pollfd p[CLIENTS_MAX],
			struct client *of[CLIENTS_MAX])
{
	size_t n = 0;

	for (struct client *c = s->clients; c; c = c->next) {
		if (c->state == CLIENT_DEAD || c->out_sent == c->out_size)
			continue;
		p[n] = (struct pollfd){ .fd = c->fd, .events = POLLOUT };
		of[n++] = c;
	}
	return n;
}

void server_drain(struct server *s, int ms)
{
	const int64_t end = clock_monotonic() + ms * (int64_t)1000000;
	struct client *of[CLIENTS_MAX];
	struct pollfd p[CLIENTS_MAX];
	int64_t left = ms;
	size_t n;

	while (left > 0 && (n = fill_poll(s, p, of)) > 0) {
		if (poll(p, n, (int)left) < 0 && errno != EINTR)
			break;
		for (size_t i = 0; i < n; i++)
			if (p[i].revents)
				flush(of[i]);
		left = (end - clock_monotonic()) / 1000000;
	}
}
