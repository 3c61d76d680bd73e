/* SPDX-License-Identifier: Apache-2.0 */

#include "vm/console.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/io.h"

#define CONSOLE_FDS 2

struct stream {
	struct console *c;
	int fd;
	sd_event_source *io;
	char prefix[16];
	size_t used;
	enum {
		PLAIN,
		ESCAPE,
		CONTROL_SEQUENCE
	} state;
	char line[CONSOLE_LINE_MAX];
	char *unsent; /* of what was written to it, or NULL */
	size_t unsent_size;
};

struct console {
	sd_event *ev;
	struct outlog *log;
	struct stream streams[CONSOLE_FDS];
	char lines[CONSOLE_LINES][CONSOLE_LINE_MAX];
	unsigned int next; /* in lines */
	char panic[160];
	const struct console_tap *tap; /* NULL: none */
	void *tap_data;
};

int console_new(sd_event *ev, struct outlog *log, struct console **ret,
		struct volt_error *e)
{
	struct console *c = calloc(1, sizeof(*c));

	if (!c)
		return fail_oom(e);
	c->ev = sd_event_ref(ev);
	c->log = log;
	for (int i = 0; i < CONSOLE_FDS; i++)
		c->streams[i] = (struct stream){ .c = c, .fd = -1 };
	*ret = c;
	return 0;
}

static void stream_close(struct stream *s)
{
	s->io = sd_event_source_disable_unref(s->io);
	closep(&s->fd);
	s->fd = -1;
	free(s->unsent);
	s->unsent = NULL;
}

void console_free(struct console *c)
{
	if (!c)
		return;
	for (int i = 0; i < CONSOLE_FDS; i++)
		stream_close(&c->streams[i]);
	sd_event_unref(c->ev);
	free(c);
}

void console_reset(struct console *c)
{
	for (int i = 0; i < CONSOLE_FDS; i++) {
		stream_close(&c->streams[i]);
		c->streams[i].used = 0;
		c->streams[i].state = PLAIN;
	}
	memset(c->lines, 0, sizeof(c->lines));
	c->panic[0] = '\0';
}

/* Nothing a terminal obeys, in whatever character set. */
static bool is_plain(char b)
{
	return b == '\t' || (b >= ' ' && b < 0x7f);
}

static void take_line(struct console *c, const char *prefix, const char *text,
		      size_t size)
{
	char *line = c->lines[c->next];
	const char *panic;
	int n;

	if (size == 0)
		return;
	c->next = (c->next + 1) % CONSOLE_LINES;
	n = snprintf(line, CONSOLE_LINE_MAX, "%s%.*s", prefix, (int)size, text);
	if (n >= CONSOLE_LINE_MAX)
		n = CONSOLE_LINE_MAX - 1;
	panic = strstr(line, "Kernel panic");
	if (panic && !c->panic[0])
		(void)snprintf(c->panic, sizeof(c->panic), "%s", panic);
	line[n] = '\n';
	outlog_write(c->log, LOG_CONSOLE, line, (size_t)n + 1);
	line[n] = '\0';
}

void console_say(struct console *c, const char *prefix, const char *text, size_t size)
{
	char line[CONSOLE_LINE_MAX];
	size_t n = 0;

	for (size_t i = 0; i < size && n < sizeof(line); i++)
		if (is_plain(text[i]) || text[i] & 0x80)
			line[n++] = is_plain(text[i]) ? text[i] : '?';
	take_line(c, prefix, line, n);
}

static void end_line(struct stream *s)
{
	take_line(s->c, s->prefix, s->line, s->used);
	s->used = 0;
}

/* Escape sequences vanish, and so does every control character but the newline. */
static void take_byte(struct stream *s, unsigned char b)
{
	if (s->state == ESCAPE) {
		s->state = b == '[' ? CONTROL_SEQUENCE : PLAIN;
	} else if (s->state == CONTROL_SEQUENCE) {
		if (b >= 0x40 && b <= 0x7e)
			s->state = PLAIN;
	} else if (b == 0x1b) {
		s->state = ESCAPE;
	} else if (b == '\n') {
		end_line(s);
	} else if (is_plain((char)b)) {
		s->line[s->used++] = (char)b;
		if (s->used == sizeof(s->line) - 1)
			end_line(s);
	}
}

/* 1: more may be there. */
static int read_some(struct stream *s)
{
	unsigned char buf[4096];
	ssize_t n = read(s->fd, buf, sizeof(buf));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0) {
		stream_close(s);
		return 0;
	}
	if (s->c->tap && s == &s->c->streams[0])
		s->c->tap->output(s->c->tap_data, (const char *)buf, (size_t)n);
	for (ssize_t i = 0; i < n; i++)
		take_byte(s, buf[i]);
	return 1;
}

/* --- writing --- */

void console_tap(struct console *c, const struct console_tap *tap, void *data)
{
	c->tap = tap;
	c->tap_data = data;
}

/* What the guest does not take now is kept, and nothing more is taken meanwhile. */
static int keep_rest(struct stream *s, const char *bytes, size_t size)
{
	if (size == 0)
		return 0;
	s->unsent = malloc(size);
	if (!s->unsent)
		return -ENOMEM;
	memcpy(s->unsent, bytes, size);
	s->unsent_size = size;
	return sd_event_source_set_io_events(s->io, EPOLLIN | EPOLLOUT);
}

static ssize_t send_some(const struct stream *s, const char *bytes, size_t size)
{
	ssize_t n = send(s->fd, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n >= 0)
		return n;
	return errno == EAGAIN || errno == EINTR ? 0 : -errno;
}

int console_write(struct console *c, const char *bytes, size_t size)
{
	struct stream *s = &c->streams[0];
	ssize_t n;

	if (s->fd < 0)
		return -EPIPE;
	if (s->unsent)
		return -EAGAIN;
	n = send_some(s, bytes, size);
	return n < 0 ? (int)n : keep_rest(s, bytes + n, size - (size_t)n);
}

static void send_rest(struct stream *s)
{
	ssize_t n = send_some(s, s->unsent, s->unsent_size);

	/* A broken connection shows when it is read. */
	if (n < 0)
		n = (ssize_t)s->unsent_size;
	s->unsent_size -= (size_t)n;
	if (s->unsent_size) {
		memmove(s->unsent, s->unsent + n, s->unsent_size);
		return;
	}
	free(s->unsent);
	s->unsent = NULL;
	(void)sd_event_source_set_io_events(s->io, EPOLLIN);
	if (s->c->tap)
		s->c->tap->room(s->c->tap_data);
}

static int on_io(sd_event_source *io, int fd, uint32_t events, void *data)
{
	struct stream *s = data;

	if ((events & EPOLLOUT) && s->unsent)
		send_rest(s);
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		(void)read_some(s);
	return 0;
}

void console_hold(struct console *c, bool on)
{
	struct stream *s = &c->streams[0];

	if (s->io)
		(void)sd_event_source_set_io_events(
			s->io, (on ? 0 : EPOLLIN) | (s->unsent ? EPOLLOUT : 0));
}

int console_watch(struct console *c, int fd, const char *prefix)
{
	struct stream *s = c->streams[0].fd < 0 ? &c->streams[0] : &c->streams[1];
	int r;

	stream_close(s);
	s->fd = fd;
	(void)snprintf(s->prefix, sizeof(s->prefix), "%s", prefix);
	r = set_nonblocking(fd, true);
	return r < 0 ? r : sd_event_add_io(c->ev, &s->io, fd, EPOLLIN, on_io, s);
}

void console_drain(struct console *c)
{
	for (int i = 0; i < CONSOLE_FDS; i++) {
		while (c->streams[i].fd >= 0 && read_some(&c->streams[i]) > 0)
			;
		end_line(&c->streams[i]);
	}
}

/* As much of the newest lines as there is room for: the last one says most. */
void console_tail(const struct console *c, char text[static CONSOLE_TAIL_SIZE])
{
	size_t at = CONSOLE_TAIL_SIZE - 1;

	text[at] = '\0';
	for (unsigned int i = 1; i <= CONSOLE_LINES; i++) {
		unsigned int k = (c->next + CONSOLE_LINES - i) % CONSOLE_LINES;
		const char *line = c->lines[k];
		size_t n = strlen(line), gap = i > 1 ? 3 : 0;

		if (i == 1 && n > at)
			n = at;
		if (n == 0 || n + gap > at)
			break;
		at -= gap;
		memcpy(text + at, " | ", gap);
		at -= n;
		memcpy(text + at, line, n);
	}
	memmove(text, text + at, CONSOLE_TAIL_SIZE - at);
}

const char *console_panic(const struct console *c)
{
	return c->panic[0] ? c->panic : NULL;
}
