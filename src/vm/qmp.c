/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation
 *
 * QMP is one JSON object a line. QEMU greets; the client answers qmp_capabilities; then
 * each command carries an id, its answer carries the same one, and events come between
 * them at any time. The states:
 *
 *	QMP_GREETING	nothing may come but the greeting. Calls are queued as bytes.
 *	QMP_NEGOTIATING	qmp_capabilities is out; its answer lets the queue go.
 *	QMP_READY	answers are matched by id, events handed on.
 *	QMP_GONE	closed or broken: calls fail with -EPIPE, nothing is sent or read.
 *
 * An answer whose id is not pending is one that came after its time-out, and is dropped;
 * so is anything else well-formed that is not understood. What is not JSON, or a line that
 * is too long, ends the conversation.
 *
 * Callbacks may make calls, but must not free the client.
 */

#include "vm/qmp.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/io.h"
#include "base/json.h"

#define QMP_OUT_MAX (1u << 20)

enum qmp_state {
	QMP_GREETING,
	QMP_NEGOTIATING,
	QMP_READY,
	QMP_GONE
};

struct qmp_pending {
	struct qmp_pending *next;
	struct qmp *q;
	int64_t id;
	qmp_done done;
	void *data;
	sd_event_source *timer;
	char command[32];
};

struct buffer {
	char *data;
	size_t size, room;
};

struct qmp {
	int fd;
	sd_event *ev;
	sd_event_source *io;
	const struct qmp_ops *ops;
	void *data;
	enum qmp_state state;
	int64_t last_id;
	struct qmp_pending *pending;
	struct buffer in, out, queued; /* queued: until the handshake is done */
};

static int buffer_add(struct buffer *b, const char *data, size_t size, size_t max)
{
	size_t room = b->room ? b->room : 4096;
	char *more;

	if (size == 0)
		return 0;
	if (size > max || b->size > max - size)
		return -EMSGSIZE;
	while (room < b->size + size)
		room *= 2;
	if (room > b->room) {
		more = realloc(b->data, room);
		if (!more)
			return -ENOMEM;
		b->data = more;
		b->room = room;
	}
	memcpy(b->data + b->size, data, size);
	b->size += size;
	return 0;
}

static void buffer_drop(struct buffer *b, size_t size)
{
	memmove(b->data, b->data + size, b->size - size);
	b->size -= size;
}

static void pending_free(struct qmp_pending *p)
{
	sd_event_source_disable_unref(p->timer);
	free(p);
}

static void answer(struct qmp_pending *p, const json_t *result,
		   const struct volt_error *error)
{
	if (p->done)
		p->done(p->data, result, error);
	pending_free(p);
}

static void cancel_all(struct qmp *q, int code)
{
	struct volt_error why;

	while (q->pending) {
		struct qmp_pending *p = q->pending;

		q->pending = p->next;
		(void)fail(&why, code, "QEMU did not answer '%s': %s", p->command,
			   code == EPIPE ? "it is gone" : "it was given up");
		answer(p, NULL, &why);
	}
}

static void end(struct qmp *q, const struct volt_error *why)
{
	if (q->state == QMP_GONE)
		return;
	q->state = QMP_GONE;
	q->io = sd_event_source_disable_unref(q->io);
	cancel_all(q, EPIPE);
	if (q->ops->gone)
		q->ops->gone(q->data, why);
}

/* --- sending --- */

static void update_io(struct qmp *q)
{
	if (q->io)
		(void)sd_event_source_set_io_events(
			q->io, EPOLLIN | (q->out.size ? EPOLLOUT : 0));
}

static void flush(struct qmp *q)
{
	ssize_t n;

	while (q->out.size && q->io) {
		n = send(q->fd, q->out.data, q->out.size, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break; /* a broken connection shows when it is read */
		buffer_drop(&q->out, (size_t)n);
	}
	update_io(q);
}

static int send_command(struct qmp *q, struct buffer *to, const char *command,
			json_t *arguments, int64_t id)
{
	json_auto_t *j =
		json_pack("{s:s, s:I}", "execute", command, "id", (json_int_t)id);
	_cleanup_free_ char *text = NULL;
	size_t size;
	int bad = j == NULL;

	if (arguments)
		bad |= json_object_set_new(j, "arguments", arguments);
	text = bad ? NULL : json_text(j);
	if (!text)
		return -ENOMEM;
	size = strlen(text);
	text[size++] = '\n';
	return buffer_add(to, text, size, QMP_OUT_MAX);
}

static int on_timeout(sd_event_source *s, uint64_t usec, void *data)
{
	struct qmp_pending *p = data, **at = &p->q->pending;
	struct volt_error why;

	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	(void)fail(&why, ETIMEDOUT, "QEMU did not answer '%s' in time", p->command);
	answer(p, NULL, &why);
	return 0;
}

int qmp_call(struct qmp *q, const char *command, json_t *arguments, uint64_t timeout_ms,
	     qmp_done done, void *data)
{
	struct qmp_pending *p;
	int r;

	p = q->state == QMP_GONE ? NULL : calloc(1, sizeof(*p));
	if (!p) {
		json_decref(arguments);
		return q->state == QMP_GONE ? -EPIPE : -ENOMEM;
	}
	p->q = q;
	p->id = ++q->last_id;
	p->done = done;
	p->data = data;
	(void)snprintf(p->command, sizeof(p->command), "%s", command);
	r = send_command(q, q->state == QMP_READY ? &q->out : &q->queued, command,
			 arguments, p->id);
	if (r == 0 && q->ev)
		r = sd_event_add_time_relative(q->ev, &p->timer, CLOCK_MONOTONIC,
					       timeout_ms * 1000, 0, on_timeout, p);
	if (r < 0) {
		pending_free(p);
		return r;
	}
	p->next = q->pending;
	q->pending = p;
	flush(q);
	return 0;
}

/* A descriptor goes with the bytes it is sent with, so nothing may be left before them. */
static ssize_t send_with_fd(int to, const char *text, size_t size, int fd)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec part = { (void *)text, size };
	struct msghdr m = { .msg_iov = &part,
			    .msg_iovlen = 1,
			    .msg_control = control.bytes,
			    .msg_controllen = sizeof(control.bytes) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	return sendmsg(to, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
}

int qmp_pass_fd(struct qmp *q, const char *name, int fd)
{
	ssize_t n;
	int r;

	if (q->state != QMP_READY || q->out.size)
		return q->state == QMP_GONE ? -EPIPE : -EAGAIN;
	/* Its answer is not waited for: who uses the name learns whether it is there. */
	r = send_command(q, &q->out, "getfd", json_pack("{s:s}", "fdname", name),
			 ++q->last_id);
	if (r < 0)
		return r;
	n = send_with_fd(q->fd, q->out.data, q->out.size, fd);
	r = n < 0 ? -errno : 0;
	buffer_drop(&q->out, n < 0 ? q->out.size : (size_t)n);
	flush(q);
	return r;
}

/* --- receiving --- */

static struct qmp_pending *take_pending(struct qmp *q, const json_t *id)
{
	struct qmp_pending **at = &q->pending, *p;

	if (!json_is_integer(id))
		return NULL;
	while (*at && (*at)->id != json_integer_value(id))
		at = &(*at)->next;
	p = *at;
	if (p)
		*at = p->next;
	return p;
}

static void handle_answer(struct qmp *q, const json_t *j)
{
	const json_t *error = json_object_get(j, "error");
	struct qmp_pending *p = take_pending(q, json_object_get(j, "id"));
	const char *text = json_string_value(json_object_get(error, "desc"));
	struct volt_error why;

	if (!p)
		return;
	if (!error) {
		answer(p, json_object_get(j, "return"), NULL);
		return;
	}
	(void)fail(&why, EREMOTEIO, "QEMU refused '%s': %.300s", p->command,
		   text ? text : "no reason given");
	answer(p, NULL, &why);
}

/* Only the answer to qmp_capabilities, which has the id 0, counts. */
static int handle_negotiating(struct qmp *q, const json_t *j)
{
	const json_t *id = json_object_get(j, "id");

	if (!json_is_integer(id) || json_integer_value(id) != 0)
		return 0;
	if (json_object_get(j, "error") || !json_object_get(j, "return"))
		return -EBADMSG;
	q->state = QMP_READY;
	if (buffer_add(&q->out, q->queued.data, q->queued.size, QMP_OUT_MAX) < 0)
		return -ENOMEM;
	q->queued.size = 0;
	if (q->ops->ready)
		q->ops->ready(q->data);
	flush(q);
	return 0;
}

static int handle_greeting(struct qmp *q, const json_t *j)
{
	if (!json_is_object(json_object_get(j, "QMP")))
		return -EBADMSG;
	q->state = QMP_NEGOTIATING;
	if (send_command(q, &q->out, "qmp_capabilities", NULL, 0) < 0)
		return -ENOMEM;
	flush(q);
	return 0;
}

static int handle(struct qmp *q, const json_t *j)
{
	const char *event = json_string_value(json_object_get(j, "event"));

	if (q->state == QMP_GREETING)
		return handle_greeting(q, j);
	if (event) {
		if (q->ops->event)
			q->ops->event(q->data, event, json_object_get(j, "data"));
		return 0;
	}
	if (q->state == QMP_NEGOTIATING)
		return handle_negotiating(q, j);
	handle_answer(q, j);
	return 0;
}

static int handle_line(struct qmp *q, const char *line, size_t size)
{
	json_auto_t *j = NULL;

	while (size && (line[size - 1] == '\r' || line[size - 1] == ' '))
		size--;
	if (size == 0)
		return 0;
	if (json_parse(line, size, "what QEMU says", &j, NULL) < 0 || !json_is_object(j))
		return -EBADMSG;
	return handle(q, j);
}

int qmp_feed(struct qmp *q, const char *bytes, size_t size)
{
	size_t at = 0, seen = q->in.size; /* what was there has no newline */
	char *newline;
	int r;

	if (q->state == QMP_GONE)
		return -EPIPE;
	r = buffer_add(&q->in, bytes, size, QMP_LINE_MAX);
	while (r == 0 && q->state != QMP_GONE && seen < q->in.size &&
	       (newline = memchr(q->in.data + seen, '\n', q->in.size - seen))) {
		r = handle_line(q, q->in.data + at, (size_t)(newline - q->in.data) - at);
		at = seen = (size_t)(newline - q->in.data) + 1;
	}
	if (at)
		buffer_drop(&q->in, at);
	return r;
}

const char *qmp_unsent(const struct qmp *q, size_t *ret_size)
{
	*ret_size = q->out.size;
	return q->out.data;
}

bool qmp_is_ready(const struct qmp *q)
{
	return q->state == QMP_READY;
}

static int on_io(sd_event_source *s, int fd, uint32_t events, void *data)
{
	struct qmp *q = data;
	struct volt_error why;
	char buf[8192];
	ssize_t n;
	int r;

	if (events & EPOLLOUT)
		flush(q);
	if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		return 0;
	n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0) {
		(void)fail(&why, EPIPE, "QEMU closed its monitor");
		end(q, &why);
		return 0;
	}
	r = qmp_feed(q, buf, (size_t)n);
	if (r < 0) {
		(void)fail(&why, -r, "QEMU broke the protocol of its monitor");
		end(q, &why);
	}
	return 0;
}

int qmp_new(int fd, sd_event *ev, const struct qmp_ops *ops, void *data, struct qmp **ret,
	    struct volt_error *e)
{
	_cleanup_(qmp_freep) struct qmp *q = calloc(1, sizeof(*q));
	int r;

	if (!q) {
		if (fd >= 0)
			(void)close(fd);
		return fail_oom(e);
	}
	q->fd = fd;
	q->ops = ops;
	q->data = data;
	if (ev) {
		q->ev = sd_event_ref(ev);
		r = sd_event_add_io(ev, &q->io, fd, EPOLLIN, on_io, q);
		if (r < 0)
			return fail_code(e, r, "watch QEMU's monitor");
	}
	*ret = TAKE_PTR(q);
	return 0;
}

void qmp_free(struct qmp *q)
{
	if (!q)
		return;
	q->state = QMP_GONE;
	sd_event_source_disable_unref(q->io);
	cancel_all(q, ECANCELED);
	sd_event_unref(q->ev);
	closep(&q->fd);
	free(q->in.data);
	free(q->out.data);
	free(q->queued.data);
	free(q);
}
