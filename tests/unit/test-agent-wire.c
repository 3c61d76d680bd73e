/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "guest/agent-wire.h"
#include "tap.h"

static struct wire_in in;
static struct wire_out out;

static void reset(void)
{
	wire_in_done(&in);
	wire_out_done(&out);
}

static void feed(const void *data, size_t size)
{
	size_t room;
	void *at;

	if (wire_in_space(&in, &at, &room) < 0 || room < size)
		abort();
	memcpy(at, data, size);
	wire_in_came(&in, size);
}

/* Gives what was built for the guest back as if the guest had said it. */
static int turn_round(struct wire_message *m)
{
	size_t size;
	const void *data = wire_out_data(&out, &size);

	feed(data, size);
	wire_out_sent(&out, size);
	return wire_next(&in, m);
}

static int say(enum agent_type type, enum agent_stream stream, const void *payload,
	       uint32_t size, struct wire_message *m)
{
	struct agent_frame f = { htole32(size), htole16((uint16_t)type),
				 htole16((uint16_t)stream), htole32(7) };

	reset();
	feed(&f, sizeof(f));
	if (size > 0)
		feed(payload, size);
	return wire_next(&in, m);
}

static void hello_is_read(void)
{
	struct wire_message m;

	reset();
	wire_begin(&out, AGENT_HELLO, 0);
	wire_number(&out, AGENT_TAG_VERSION, 1);
	wire_text(&out, AGENT_TAG_KERNEL, "6.1-volt");
	wire_number(&out, AGENT_TAG_MEMORY, 1 << 28);
	CHECK_INT(wire_end(&out), 0);
	CHECK_INT(turn_round(&m), 1);
	CHECK_INT(m.type, AGENT_HELLO);
	CHECK_INT(m.version, 1);
	CHECK_INT(m.memory, 1 << 28);
	CHECK_INT(m.kernel.size, 8);
	CHECK(memcmp(m.kernel.data, "6.1-volt", 8) == 0);
	CHECK_INT(wire_next(&in, &m), 0);
}

static void a_missing_record_is_refused(void)
{
	struct wire_message m;

	reset();
	wire_begin(&out, AGENT_HELLO, 0);
	wire_number(&out, AGENT_TAG_VERSION, 1);
	wire_number(&out, AGENT_TAG_MEMORY, 1);
	CHECK_INT(wire_end(&out), 0);
	CHECK_INT(turn_round(&m), -EBADMSG);
}

static void a_record_given_twice_is_refused(void)
{
	struct wire_message m;

	reset();
	wire_begin(&out, AGENT_STARTED, 0);
	wire_number(&out, AGENT_TAG_PID, 1);
	wire_number(&out, AGENT_TAG_PID, 2);
	CHECK_INT(wire_end(&out), 0);
	CHECK_INT(turn_round(&m), -EBADMSG);
}

static void an_unknown_record_is_refused(void)
{
	struct wire_message m;

	reset();
	wire_begin(&out, AGENT_STARTED, 0);
	wire_number(&out, AGENT_TAG_PID, 1);
	wire_flag(&out, AGENT_TAG_TTY);
	CHECK_INT(wire_end(&out), 0);
	CHECK_INT(turn_round(&m), -EBADMSG);
}

static void a_number_out_of_range_is_refused(void)
{
	struct wire_message m;

	reset();
	wire_begin(&out, AGENT_CREDIT, 0);
	wire_number(&out, AGENT_TAG_BYTES, AGENT_WINDOW + 1);
	CHECK_INT(wire_end(&out), 0);
	CHECK_INT(turn_round(&m), -EBADMSG);
}

static void a_text_with_a_nul_is_refused(void)
{
	struct wire_message m;

	reset();
	wire_begin(&out, AGENT_FAILED, 0);
	wire_number(&out, AGENT_TAG_CODE, 127);
	wire_bytes(&out, AGENT_TAG_TEXT, "a\0b", 3);
	CHECK_INT(wire_end(&out), 0);
	CHECK_INT(turn_round(&m), -EBADMSG);
}

static void exited_needs_a_code_or_a_signal_but_not_both(void)
{
	struct wire_message m;

	reset();
	wire_begin(&out, AGENT_EXITED, 3);
	CHECK_INT(wire_end(&out), 0);
	CHECK_INT(turn_round(&m), -EBADMSG);
	reset();
	wire_begin(&out, AGENT_EXITED, 3);
	wire_number(&out, AGENT_TAG_CODE, 0);
	wire_number(&out, AGENT_TAG_SIGNAL, 9);
	CHECK_INT(wire_end(&out), 0);
	CHECK_INT(turn_round(&m), -EBADMSG);
	reset();
	wire_begin(&out, AGENT_EXITED, 3);
	wire_number(&out, AGENT_TAG_SIGNAL, 9);
	wire_flag(&out, AGENT_TAG_OOM);
	CHECK_INT(wire_end(&out), 0);
	CHECK_INT(turn_round(&m), 1);
	CHECK_INT(m.process, 3);
	CHECK_INT(m.code, -1);
	CHECK_INT(m.signal, 9);
	CHECK(m.oom);
}

static void the_guest_may_not_say_what_the_host_says(void)
{
	struct wire_message m;

	CHECK_INT(say(AGENT_CONFIG, 0, NULL, 0, &m), -EBADMSG);
	CHECK_INT(say(AGENT_SHUTDOWN, 0, NULL, 0, &m), -EBADMSG);
	CHECK_INT(say(0, 0, NULL, 0, &m), -EBADMSG);
	CHECK_INT(say(65535, 0, NULL, 0, &m), -EBADMSG);
}

static void data_is_for_stdout_and_stderr_and_not_empty(void)
{
	struct wire_message m;

	CHECK_INT(say(AGENT_DATA, AGENT_STDOUT, "x", 1, &m), 1);
	CHECK_INT(m.process, 7);
	CHECK_INT(m.data.size, 1);
	CHECK_INT(say(AGENT_DATA, AGENT_STDERR, NULL, 0, &m), -EBADMSG);
	CHECK_INT(say(AGENT_DATA, AGENT_STDIN, "x", 1, &m), -EBADMSG);
	CHECK_INT(say(AGENT_DATA, 3, "x", 1, &m), -EBADMSG);
	CHECK_INT(say(AGENT_EOF, AGENT_STDERR, NULL, 0, &m), 1);
	CHECK_INT(say(AGENT_EOF, AGENT_STDERR, "x", 1, &m), -EBADMSG);
}

static void a_frame_longer_than_the_limit_is_refused_at_once(void)
{
	struct agent_frame f = { htole32(AGENT_PAYLOAD_MAX + 1), htole16(AGENT_DATA),
				 htole16(AGENT_STDOUT), 0 };
	struct wire_message m;

	reset();
	feed(&f, sizeof(f));
	CHECK_INT(wire_next(&in, &m), -EBADMSG);
}

static void a_record_longer_than_its_payload_is_refused(void)
{
	struct agent_record r = { htole16(AGENT_TAG_PID), 0, htole32(UINT32_MAX) };
	struct wire_message m;

	CHECK_INT(say(AGENT_STARTED, 0, &r, sizeof(r), &m), -EBADMSG);
	CHECK_INT(say(AGENT_STARTED, 0, &r, sizeof(r) - 1, &m), -EBADMSG);
}

static void a_timing_without_its_time_is_refused(void)
{
	struct wire_message m;
	struct wire_text phase;
	int64_t ns;

	reset();
	wire_begin(&out, AGENT_TIMING, 0);
	wire_text(&out, AGENT_TAG_PHASE, "init");
	wire_number(&out, AGENT_TAG_NANOSECONDS, 5);
	CHECK_INT(wire_end(&out), 0);
	CHECK_INT(turn_round(&m), 1);
	CHECK_INT(wire_timing(&m, &phase, &ns), 1);
	CHECK_INT(ns, 5);
	CHECK_INT(wire_timing(&m, &phase, &ns), 0);
	wire_begin(&out, AGENT_TIMING, 0);
	wire_text(&out, AGENT_TAG_PHASE, "init");
	CHECK_INT(wire_end(&out), 0);
	CHECK_INT(turn_round(&m), -EBADMSG);
}

static void frames_cut_anywhere_are_read_whole(void)
{
	struct wire_message m;
	size_t size;
	const char *data;

	reset();
	wire_begin(&out, AGENT_STARTED, 1);
	wire_number(&out, AGENT_TAG_PID, 42);
	CHECK_INT(wire_end(&out), 0);
	data = wire_out_data(&out, &size);
	for (size_t k = 0; k < size; k++) {
		CHECK_INT(wire_next(&in, &m), 0);
		feed(data + k, 1);
	}
	CHECK_INT(wire_next(&in, &m), 1);
	CHECK_INT(m.pid, 42);
}

/* The payloads of all frames in @out, checked to be CONFIG and marked as they must be. */
static int join(char *ret, size_t max, size_t *ret_size)
{
	struct agent_frame f;
	size_t size, at = 0;
	const char *data = wire_out_data(&out, &size);

	for (*ret_size = 0; at < size; at += sizeof(f) + f.size) {
		memcpy(&f, data + at, sizeof(f));
		if (f.type != AGENT_CONFIG || f.size > AGENT_PAYLOAD_MAX ||
		    *ret_size + f.size > max)
			return -1;
		if ((at + sizeof(f) + f.size < size) != (f.stream == AGENT_MORE))
			return -1;
		memcpy(ret + *ret_size, data + at + sizeof(f), f.size);
		*ret_size += f.size;
	}
	return 0;
}

static void a_long_config_is_split_and_joins_again(void)
{
	static char text[150000], joined[400000];
	struct agent_cursor c = { joined, 0 }, group;
	struct agent_item i;

	reset();
	memset(text, 'e', sizeof(text) - 1);
	wire_begin(&out, AGENT_CONFIG, 0);
	wire_text(&out, AGENT_TAG_HOSTNAME, "h");
	wire_group(&out, AGENT_TAG_PROCESS);
	wire_text(&out, AGENT_TAG_ENV, text);
	wire_text(&out, AGENT_TAG_ENV, text);
	wire_group_end(&out);
	CHECK_INT(wire_end(&out), 0);
	CHECK_INT(join(joined, sizeof(joined), &c.size), 0);
	CHECK_INT(agent_next(&c, &i), 1);
	CHECK_INT(i.tag, AGENT_TAG_HOSTNAME);
	CHECK_INT(agent_next(&c, &i), 1);
	CHECK_INT(i.tag, AGENT_TAG_PROCESS);
	group = agent_group(&i);
	for (int n = 0; n < 2; n++) {
		CHECK_INT(agent_next(&group, &i), 1);
		CHECK_INT(i.size, sizeof(text) - 1);
		CHECK(memcmp(i.data, text, i.size) == 0);
	}
	CHECK_INT(agent_next(&group, &i), 0);
	CHECK_INT(agent_next(&c, &i), 0);
}

static void what_is_too_long_is_refused_and_taken_back(void)
{
	static char text[AGENT_CONFIG_MAX];
	size_t size;

	reset();
	CHECK_INT(wire_hello(&out), 0);
	wire_out_data(&out, &size);
	memset(text, 'e', sizeof(text) - 1);
	wire_begin(&out, AGENT_CONFIG, 0);
	wire_text(&out, AGENT_TAG_HOSTNAME, text);
	CHECK_INT(wire_end(&out), -EMSGSIZE);
	wire_begin(&out, AGENT_RESEED, 0);
	wire_bytes(&out, AGENT_TAG_ENTROPY, text, AGENT_PAYLOAD_MAX);
	CHECK_INT(wire_end(&out), -EMSGSIZE);
	CHECK_INT(wire_data(&out, 0, text, AGENT_PAYLOAD_MAX + 1), -EMSGSIZE);
	CHECK_INT(out.size, size);
}

static void unbalanced_groups_are_refused(void)
{
	reset();
	wire_begin(&out, AGENT_CONFIG, 0);
	wire_group(&out, AGENT_TAG_PROCESS);
	CHECK_INT(wire_end(&out), -EINVAL);
	wire_begin(&out, AGENT_CONFIG, 0);
	wire_group_end(&out);
	CHECK_INT(wire_end(&out), -EINVAL);
	CHECK_INT(out.size, 0);
}

static void a_queue_that_is_emptied_slowly_does_not_grow(void)
{
	char data[1000] = { 0 };

	reset();
	for (int n = 0; n < 10000; n++) {
		CHECK_INT(wire_data(&out, 0, data, sizeof(data)), 0);
		if (n > 0)
			wire_out_sent(&out, sizeof(data) + sizeof(struct agent_frame));
	}
	CHECK(out.room <= 8192);
}

int main(void)
{
	RUN(hello_is_read);
	RUN(a_missing_record_is_refused);
	RUN(a_record_given_twice_is_refused);
	RUN(an_unknown_record_is_refused);
	RUN(a_number_out_of_range_is_refused);
	RUN(a_text_with_a_nul_is_refused);
	RUN(exited_needs_a_code_or_a_signal_but_not_both);
	RUN(the_guest_may_not_say_what_the_host_says);
	RUN(data_is_for_stdout_and_stderr_and_not_empty);
	RUN(a_frame_longer_than_the_limit_is_refused_at_once);
	RUN(a_record_longer_than_its_payload_is_refused);
	RUN(a_timing_without_its_time_is_refused);
	RUN(frames_cut_anywhere_are_read_whole);
	RUN(a_long_config_is_split_and_joins_again);
	RUN(what_is_too_long_is_refused_and_taken_back);
	RUN(unbalanced_groups_are_refused);
	RUN(a_queue_that_is_emptied_slowly_does_not_grow);
	reset();
	return tap_done();
}
