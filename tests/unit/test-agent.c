/* SPDX-License-Identifier: Apache-2.0 */

/* The supervisor's end of the agent channel against a guest written out byte by byte. */

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/io.h"
#include "tap.h"
#include "vm/agent.h"

struct seen {
	struct agent *a;
	size_t output;
	bool gone;
	struct volt_error why;
};

static sd_event *ev;
static int guest = -1;
static size_t heard; /* of a message that has not come whole */

static void on_config(void *data, struct wire_out *out)
{
}

static void on_hello(void *data, const struct wire_message *m)
{
}

static void on_nothing(void *data)
{
}

/* Read at once by all who wanted it. */
static void on_output(void *data, enum agent_stream stream, const char *bytes,
		      size_t size)
{
	struct seen *s = data;

	s->output += size;
	agent_consumed(s->a, stream, size);
}

static void on_gone(void *data, const struct volt_error *why)
{
	struct seen *s = data;

	s->gone = true;
	if (why)
		s->why = *why;
}

static const struct agent_ops ops = {
	.config = on_config,
	.hello = on_hello,
	.started = on_nothing,
	.output = on_output,
	.room = on_nothing,
	.gone = on_gone,
};

struct payload {
	char data[256];
	size_t size;
};

static void put(struct payload *p, uint16_t tag, const void *data, size_t size)
{
	struct agent_record r = { .tag = htole16(tag), .size = htole32((uint32_t)size) };

	memcpy(p->data + p->size, &r, sizeof(r));
	memcpy(p->data + p->size + sizeof(r), data, size);
	p->size += sizeof(r) + size;
}

static void put_number(struct payload *p, uint16_t tag, int64_t value)
{
	uint64_t le = htole64((uint64_t)value);

	put(p, tag, &le, sizeof(le));
}

static void say(uint16_t type, uint16_t stream, const void *data, size_t size)
{
	struct agent_frame f = { .size = htole32((uint32_t)size),
				 .type = htole16(type),
				 .stream = htole16(stream) };

	(void)write_all(guest, &f, sizeof(f));
	(void)write_all(guest, data, size);
}

static void listen_to_it(void)
{
	while (sd_event_run(ev, 0) > 0)
		;
}

static void say_hello(void)
{
	struct payload p = { .size = 0 };

	put_number(&p, AGENT_TAG_VERSION, AGENT_VERSION);
	put(&p, AGENT_TAG_KERNEL, "6", 1);
	put_number(&p, AGENT_TAG_MEMORY, 1 << 20);
	say(AGENT_HELLO, 0, p.data, p.size);
	listen_to_it();
}

static void say_started(void)
{
	struct payload p = { .size = 0 };

	put_number(&p, AGENT_TAG_PID, 7);
	say(AGENT_STARTED, 0, p.data, p.size);
	listen_to_it();
}

static bool set_up(struct seen *s)
{
	const int room = 100000; /* twice that, so most of a window */
	int pair[2];

	*s = (struct seen){ .a = NULL };
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0 ||
	    setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)) < 0 ||
	    agent_new(pair[0], ev, &ops, s, &s->a, NULL) < 0)
		return false;
	guest = pair[1];
	heard = 0;
	say_hello();
	return agent_state(s->a) == AGENT_WAIT_START;
}

static void tear_down(struct seen *s)
{
	agent_free(s->a);
	(void)close(guest);
}

/* How many messages of @type the guest has got so far; @sum adds up their numbers. */
static size_t count(uint16_t type, int64_t *sum)
{
	static char in[1 << 20];
	ssize_t n = recv(guest, in + heard, sizeof(in) - heard, MSG_DONTWAIT);
	size_t found = 0, at = 0, size;
	struct agent_frame f;

	for (heard += n > 0 ? (size_t)n : 0; at + sizeof(f) <= heard; at += size) {
		uint64_t number = 0;

		memcpy(&f, in + at, sizeof(f));
		size = sizeof(f) + le32toh(f.size);
		if (at + size > heard)
			break;
		if (le16toh(f.type) != type)
			continue;
		if (size == sizeof(f) + sizeof(struct agent_record) + sizeof(number))
			memcpy(&number, in + at + size - sizeof(number), sizeof(number));
		found++;
		*sum += (int64_t)le64toh(number);
	}
	heard -= at;
	memmove(in, in + at, heard);
	return found;
}

/* A credit is longer than the frame it is for. */
static void a_guest_that_never_reads_is_stopped_by_its_window(void)
{
	enum {
		AT_ONCE = 1024
	};
	static char frames[AT_ONCE * (sizeof(struct agent_frame) + 1)];
	const struct agent_frame f = { .size = htole32(1),
				       .type = htole16(AGENT_DATA),
				       .stream = htole16(AGENT_STDOUT) };
	struct seen s;

	CHECK(set_up(&s));
	say_started();
	for (size_t i = 0; i < AT_ONCE; i++)
		memcpy(frames + i * (sizeof(f) + 1), &f, sizeof(f));
	for (size_t i = 0; i < 2 * AGENT_WINDOW && !s.gone; i += AT_ONCE) {
		CHECK_INT(write_all(guest, frames, sizeof(frames)), 0);
		listen_to_it();
	}
	CHECK(s.gone);
	CHECK(strstr(s.why.msg, "more output than its window"));
	CHECK(s.output >= AGENT_WINDOW);
	tear_down(&s);
}

static void one_that_reads_gets_back_all_it_used(void)
{
	static char bytes[AGENT_PAYLOAD_MAX];
	int64_t given = 0;
	struct seen s;

	CHECK(set_up(&s));
	say_started();
	for (int i = 0; i < 16; i++) {
		say(AGENT_DATA, AGENT_STDERR, bytes, sizeof(bytes));
		listen_to_it();
		(void)count(AGENT_CREDIT, &given);
	}
	CHECK_INT(given, 16 * sizeof(bytes));
	CHECK(!s.gone);
	tear_down(&s);
}

/* The queue that held the credit back is emptied by what is said next, not by the loop. */
static void credit_that_was_held_back_goes_with_the_next_word(void)
{
	static char bytes[AGENT_PAYLOAD_MAX];
	const size_t n = AGENT_WINDOW / sizeof(bytes);
	int64_t given = 0;
	struct seen s;

	CHECK(set_up(&s));
	say_started();
	for (size_t i = 0; i < n; i++)
		CHECK_INT(agent_stdin(s.a, bytes, sizeof(bytes)), 0);
	for (size_t i = 0; i < n; i++) {
		say(AGENT_DATA, AGENT_STDOUT, bytes, sizeof(bytes));
		listen_to_it();
	}
	CHECK_INT(s.output, AGENT_WINDOW);
	CHECK_INT(count(AGENT_CREDIT, &given), 0);
	CHECK_INT(agent_signal(s.a, 1), 0);
	listen_to_it();
	(void)count(AGENT_CREDIT, &given);
	CHECK_INT(given, AGENT_WINDOW);
	tear_down(&s);
}

/* A workload can be faster than the word that it has started. */
static void output_before_started_is_given_back_too(void)
{
	int64_t given = 0;
	struct seen s;

	CHECK(set_up(&s));
	say(AGENT_DATA, AGENT_STDOUT, "early", 5);
	listen_to_it();
	CHECK_INT(count(AGENT_CREDIT, &given), 0);
	say_started();
	CHECK_INT(count(AGENT_CREDIT, &given), 1);
	CHECK_INT(given, 5);
	tear_down(&s);
}

/* For init, more after the end is a breach: it would end the machine. */
static void stdin_ends_once_whoever_says_so_again(void)
{
	int64_t none = 0;
	struct seen s;

	CHECK(set_up(&s));
	CHECK_INT(agent_stdin(s.a, "x", 1), -EAGAIN);
	say_started();
	CHECK_INT(agent_stdin(s.a, "x", 1), 0);
	CHECK_INT(agent_stdin_eof(s.a), 0);
	CHECK_INT(agent_stdin_eof(s.a), 0);
	CHECK_INT(agent_stdin(s.a, "x", 1), -EPIPE);
	CHECK_INT(count(AGENT_EOF, &none), 1);
	CHECK(!s.gone);
	tear_down(&s);
}

int main(void)
{
	if (sd_event_new(&ev) < 0)
		return 1;
	RUN(a_guest_that_never_reads_is_stopped_by_its_window);
	RUN(one_that_reads_gets_back_all_it_used);
	RUN(credit_that_was_held_back_goes_with_the_next_word);
	RUN(output_before_started_is_given_back_too);
	RUN(stdin_ends_once_whoever_says_so_again);
	sd_event_unref(ev);
	return tap_done();
}
