/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation
 *
 * The port is read only while the way out has RESERVE bytes free: more than the answer to
 * one message and all that every process could still have to tell unasked (its start, a
 * failure with its reason, credits, its end). So control messages always fit, and a host
 * that talks without listening is stalled by its own silence. Data of processes may use the
 * queue down to that reserve and is otherwise left in its pipe.
 *
 * The port is watched edge-triggered: while no host is connected it is hung up all the
 * time, which a level-triggered wait would report for ever.
 */
#include "channel.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "device.h"
#include "init.h"
#include "loop.h"

#define FRAME   sizeof(struct agent_frame)
#define RESERVE (AGENT_PROCESS_MAX * 1024u)
#define OUT     (256u * 1024 + RESERVE)
#define WORTH   (16u * 1024) /* with less room for data, it waits for more */
#define TEXT    4000

void (*channel_on_room)(void);

static struct channel {
	struct source source;
	channel_fn *fn;
	bool broken, wanted; /* somebody waits for room */
	size_t in_size, out_size, out_sent;
	size_t frame;             /* being built, in out */
	struct agent_frame first; /* of a message that spans frames */
	char *whole;
	size_t whole_size;
} c = { .source.fd = -1 };
static char in[FRAME + AGENT_PAYLOAD_MAX], out[OUT];

bool channel_broken(void)
{
	return c.broken;
}

bool channel_empty(void)
{
	return c.broken || c.out_size == 0;
}

static void break_off(void)
{
	c.broken = true;
	c.out_size = c.out_sent = 0;
	source_close(&c.source);
	free(c.whole);
	c.whole = NULL;
}

static size_t room(void)
{
	return OUT - (c.out_size - c.out_sent);
}

static char *append(size_t size)
{
	if (c.broken)
		return NULL;
	if (room() < size) { /* never, see above; half a message would be worse */
		break_off();
		return NULL;
	}
	if (OUT - c.out_size < size) {
		memmove(out, out + c.out_sent, c.out_size - c.out_sent);
		c.frame -= c.out_sent;
		c.out_size -= c.out_sent;
		c.out_sent = 0;
	}
	c.out_size += size;
	return out + c.out_size - size;
}

static void flush(void)
{
	ssize_t n = 1;

	while (!c.broken && c.out_sent < c.out_size && n > 0) {
		n = write(c.source.fd, out + c.out_sent, c.out_size - c.out_sent);
		if (n > 0)
			c.out_sent += (size_t)n;
		else if (n < 0 && errno != EAGAIN && errno != EINTR)
			break_off();
	}
	if (c.out_sent == c.out_size)
		c.out_sent = c.out_size = 0;
}

void tell(enum agent_type type, uint32_t process, enum agent_stream stream)
{
	struct agent_frame f = { 0, htole16(type), htole16(stream), htole32(process) };
	char *at;

	c.frame = c.out_size;
	at = append(sizeof(f));
	if (at)
		memcpy(at, &f, sizeof(f));
}

static void tell_bytes(enum agent_tag tag, const void *data, size_t size)
{
	struct agent_record r = { htole16(tag), 0, htole32((uint32_t)size) };
	char *at = append(sizeof(r) + size);

	if (!at)
		return;
	memcpy(at, &r, sizeof(r));
	memcpy(at + sizeof(r), data, size);
}

void tell_number(enum agent_tag tag, int64_t value)
{
	uint64_t le = htole64((uint64_t)value);

	tell_bytes(tag, &le, sizeof(le));
}

void tell_text(enum agent_tag tag, const char *text)
{
	tell_bytes(tag, text, strnlen(text, TEXT));
}

void tell_flag(enum agent_tag tag)
{
	tell_bytes(tag, "", 0);
}

static void set_size(size_t payload)
{
	uint32_t size = htole32((uint32_t)payload);

	memcpy(out + c.frame + offsetof(struct agent_frame, size), &size, sizeof(size));
}

void tell_end(void)
{
	if (c.broken)
		return;
	set_size(c.out_size - c.frame - FRAME);
	flush();
}

ssize_t tell_data(uint32_t process, enum agent_stream stream, int fd, size_t max)
{
	size_t most = room();
	ssize_t n;
	char *at;

	if (most < RESERVE + WORTH) {
		c.wanted = true;
		return -ENOBUFS;
	}
	most -= RESERVE + FRAME;
	if (most > max)
		most = max;
	if (most > AGENT_PAYLOAD_MAX)
		most = AGENT_PAYLOAD_MAX;
	tell(AGENT_DATA, process, stream);
	at = append(most);
	if (!at)
		return -EPIPE;
	n = read(fd, at, most);
	if (n <= 0) {
		c.out_size = c.frame;
		return n < 0 ? -errno : 0;
	}
	c.out_size -= most - (size_t)n;
	tell_end();
	return n;
}

/* Puts the parts of one CONFIG or EXEC together. 1: it is whole. */
static int gather(const struct agent_frame *f, struct agent_cursor *payload)
{
	bool more = le16toh(f->stream) == AGENT_MORE;
	char *grown;

	if (c.whole && (f->type != c.first.type || f->process != c.first.process))
		return -EBADMSG;
	if (!c.whole && !more)
		return 1;
	if (c.whole_size + payload->size > AGENT_CONFIG_MAX)
		return -EBADMSG;
	grown = realloc(c.whole, c.whole_size + payload->size + 1);
	if (!grown)
		return -ENOMEM;
	memcpy(grown + c.whole_size, payload->data, payload->size);
	c.whole = grown;
	c.whole_size += payload->size;
	c.first = *f;
	*payload = (struct agent_cursor){ c.whole, c.whole_size };
	return more ? 0 : 1;
}

static int take_spanning(const struct agent_frame *f, struct agent_cursor payload)
{
	int r = gather(f, &payload);

	if (r <= 0)
		return r;
	r = c.fn(le16toh(f->type), 0, le32toh(f->process), payload);
	free(c.whole);
	c.whole = NULL;
	c.whole_size = 0;
	return r;
}

static int take(const struct agent_frame *f, struct agent_cursor payload)
{
	uint16_t type = le16toh(f->type);

	if (type == AGENT_CONFIG || type == AGENT_EXEC)
		return take_spanning(f, payload);
	if (c.whole)
		return -EBADMSG;
	return c.fn(type, le16toh(f->stream), le32toh(f->process), payload);
}

/* Hands out the whole frames that were read. */
static int take_all(void)
{
	struct agent_frame f;
	size_t at = 0, size;
	int r = 0;

	while (r == 0 && !c.broken && room() >= RESERVE && c.in_size - at >= FRAME) {
		memcpy(&f, in + at, FRAME);
		size = le32toh(f.size);
		if (size > AGENT_PAYLOAD_MAX)
			return -EBADMSG;
		if (c.in_size - at - FRAME < size)
			break;
		at += FRAME + size;
		r = take(&f, (struct agent_cursor){ in + at - size, size });
	}
	memmove(in, in + at, c.in_size - at);
	c.in_size -= at;
	return r;
}

static void fill(void)
{
	ssize_t n = 1;
	int r = take_all(); /* what was left for want of room, which makes room to read to */

	while (!c.broken && r == 0 && room() >= RESERVE && n > 0) {
		n = read(c.source.fd, in + c.in_size, sizeof(in) - c.in_size);
		if (n > 0)
			c.in_size += (size_t)n;
		else if (n < 0 && errno != EAGAIN && errno != EINTR)
			break_off();
		r = take_all();
	}
	if (r < 0) {
		say(3, "agent channel: %s from the host",
		    r == -EBADMSG ? "breach of the protocol" : strerror(-r));
		break_off();
	}
}

static void ready(struct source *s, uint32_t events)
{
	(void)s;
	(void)events;
	flush();
	fill();
	if (!c.wanted || c.broken || room() < RESERVE + WORTH)
		return;
	c.wanted = false;
	channel_on_room();
}

int channel_open(int ms, struct why *w)
{
	int fd = device_port(AGENT_PORT, ms, w);

	if (fd < 0)
		return fd;
	c.source = (struct source){ .fd = fd, .fn = ready };
	return 0;
}

static bool say_to_host(int level, const char *line)
{
	if (c.broken || c.source.fd < 0 || room() < RESERVE + WORTH)
		return false;
	tell(AGENT_LOG, 0, 0);
	tell_number(AGENT_TAG_LEVEL, level);
	tell_text(AGENT_TAG_TEXT, line);
	tell_end();
	return true;
}

int channel_start(channel_fn *fn)
{
	c.fn = fn;
	say_elsewhere = say_to_host;
	return source_watch(&c.source, EPOLLIN | EPOLLOUT | EPOLLET);
}
