/* SPDX-License-Identifier: Apache-2.0 */
/* What goes between clients and a workload. */
#include "supervisor-lib.h"

static int next_event(struct attach *a, struct attach_event *ev)
{
	struct pollfd p = { .fd = attach_fd(a), .events = POLLIN };
	int r;

	while ((r = attach_next(a, ev, NULL)) == -EAGAIN) {
		p.events = (short)(POLLIN | (attach_unsent(a) ? POLLOUT : 0));
		(void)poll(&p, 1, 20000);
		(void)attach_flush(a);
		if (p.revents == 0)
			return -ETIMEDOUT;
	}
	return r;
}

static void stdin_comes_back_and_ends(void)
{
	_cleanup_(machine_closep) struct machine *m =
		make("echo", "\"stdin\":true", "echo exit:5");
	size_t want = 1 << 20, sent = 0, got = 0;
	static char data[1 << 20];
	struct attach_event ev;
	struct started s;
	bool eof = false;

	memset(data, 'e', sizeof(data));
	CHECK_INT(start(m, NULL, &s, true), 0);
	CHECK_INT(report(&s), 0);
	for (;;) {
		int n = sent < want ? attach_write(s.attach, data + sent, want - sent)
				    : 0;

		if (n > 0)
			sent += (size_t)n;
		if (sent == want && !eof)
			eof = attach_write_eof(s.attach) == 0;
		if (n != -EAGAIN && !eof)
			continue;
		CHECK_INT(next_event(s.attach, &ev), 0);
		if (ev.kind == ATTACH_OUT)
			got += ev.size;
		else
			break;
	}
	CHECK_INT(ev.kind, ATTACH_EXIT);
	CHECK_INT(ev.code, 5);
	CHECK_INT(got, want);
	attach_close(s.attach);
	CHECK_INT(machine_remove(m, true, NULL), 0);
}

/* By their numbers: a client may be of another volt than the supervisor. */
static void frames_have_the_numbers_that_are_documented(void)
{
	static const uint32_t code = 3;
	static const struct {
		uint32_t type;
		const void *payload;
		size_t size;
	} expect[] = { { 4, "x\n", 2 }, { 5, "y\n", 2 }, { 6, &code, sizeof(code) } };
	_cleanup_(machine_closep) struct machine *m =
		make("frames", "", "out:x err:y exit:3");
	struct started s;

	CHECK_INT(start(m, NULL, &s, true), 0);
	CHECK_INT(report(&s), 0);
	(void)fcntl(attach_fd(s.attach), F_SETFL, 0);
	for (size_t i = 0; i < ARRAY_SIZE(expect); i++) {
		struct attach_frame f = { 0 };
		char payload[4] = "";

		CHECK_INT(read_full(attach_fd(s.attach), &f, sizeof(f)), sizeof(f));
		CHECK_INT(f.type, expect[i].type);
		CHECK_INT(f.size, expect[i].size);
		(void)read_full(attach_fd(s.attach), payload, expect[i].size);
		CHECK(memcmp(payload, expect[i].payload, expect[i].size) == 0);
	}
	attach_close(s.attach);
	CHECK_INT(machine_remove(m, true, NULL), 0);
}

static void a_client_that_does_not_read_cannot_hold_up_a_stop(void)
{
	_cleanup_(machine_closep) struct machine *m =
		make("slow", "", "raw:8000000 trap");
	_cleanup_(state_done) struct state st = { 0 };
	struct started s;

	CHECK_INT(start(m, NULL, &s, true), 0);
	CHECK_INT(report(&s), 0);
	CHECK_INT(machine_kill(m, SIGKILL, NULL), 0);
	attach_close(s.attach);
	CHECK_INT(ended(m, &st), 137);
	CHECK(nothing_is_left());
	CHECK_INT(machine_remove(m, true, NULL), 0);
}

static void a_slow_client_gets_every_byte(void)
{
	_cleanup_(machine_closep) struct machine *m =
		make("bytes", "", "raw:3000000 exit:0");
	struct attach_event ev = { .kind = ATTACH_OUT };
	struct started s;
	size_t got = 0;

	CHECK_INT(start(m, NULL, &s, true), 0);
	CHECK_INT(report(&s), 0);
	(void)poll(NULL, 0, 200);
	while (ev.kind == ATTACH_OUT) {
		CHECK_INT(next_event(s.attach, &ev), 0);
		got += ev.kind == ATTACH_OUT ? ev.size : 0;
	}
	CHECK_INT(ev.kind, ATTACH_EXIT);
	CHECK(got >= 3000000);
	attach_close(s.attach);
	CHECK_INT(machine_remove(m, true, NULL), 0);
}

/* By then QEMU is gone and all is undone; what is left is in the supervisor's queue. */
static void a_client_that_reads_late_gets_the_last_word(void)
{
	_cleanup_(machine_closep) struct machine *m =
		make("late", "", "raw:400000 exit:6");
	struct attach_event ev = { .kind = ATTACH_OUT };
	_cleanup_(state_done) struct state st = { 0 };
	struct started s;
	size_t got = 0;

	CHECK_INT(start(m, NULL, &s, true), 0);
	CHECK_INT(report(&s), 0);
	for (int i = 0; i < 500 && st.status != STATUS_EXITED; i++) {
		(void)poll(NULL, 0, 10);
		state_done(&st);
		CHECK_INT(state_read(m->dirfd, &st, NULL), 0);
	}
	CHECK_INT(st.status, STATUS_EXITED);
	while (ev.kind == ATTACH_OUT) {
		CHECK_INT(next_event(s.attach, &ev), 0);
		got += ev.kind == ATTACH_OUT ? ev.size : 0;
	}
	CHECK_INT(ev.kind, ATTACH_EXIT);
	CHECK_INT(ev.code, 6);
	CHECK(got >= 400000);
	attach_close(s.attach);
	CHECK_INT(machine_remove(m, true, NULL), 0);
}

static void only_one_client_has_stdin(void)
{
	_cleanup_(machine_closep) struct machine *m =
		make("one", "\"stdin\":true", "hang");
	struct attach *a = NULL, *b = NULL;
	struct volt_error e = { 0 };

	CHECK_INT(run(m), 0);
	CHECK_INT(attach_open(m, ATTACH_STDIN, &a, &e), 0);
	CHECK_INT(attach_open(m, ATTACH_STDIN, &b, &e), -EBUSY);
	CHECK_INT(attach_open(m, 0, &b, &e), 0);
	attach_close(a);
	attach_close(b);
	CHECK_INT(machine_remove(m, true, NULL), 0);
}

static void stdin_that_has_ended_stays_so_for_the_next_client(void)
{
	_cleanup_(machine_closep) struct machine *m =
		make("after", "\"stdin\":true", "echo trap");
	_cleanup_(state_done) struct state st = { 0 };
	struct attach *a = NULL;
	int r;

	CHECK_INT(run(m), 0);
	for (int i = 0; i < 2; i++) {
		/* Until the one before is known to be gone. */
		while ((r = attach_open(m, ATTACH_STDIN, &a, NULL)) == -EBUSY)
			(void)poll(NULL, 0, 1);
		CHECK_INT(r, 0);
		CHECK_INT(attach_write(a, "x", 1), 1);
		CHECK_INT(attach_write_eof(a), 0);
		attach_close(a);
	}
	CHECK_INT(machine_stop(m, -1, NULL), 0);
	CHECK_INT(ended(m, &st), 0);
	CHECK_INT(st.rung, RUNG_SIGNAL);
	CHECK_STR(log_text(m, OUTPUT), "xcleaned up\n");
	CHECK_INT(machine_remove(m, false, NULL), 0);
}

static void run_all(void)
{
	RUN(stdin_comes_back_and_ends);
	RUN(frames_have_the_numbers_that_are_documented);
	RUN(a_client_that_does_not_read_cannot_hold_up_a_stop);
	RUN(a_slow_client_gets_every_byte);
	RUN(a_client_that_reads_late_gets_the_last_word);
	RUN(only_one_client_has_stdin);
	RUN(stdin_that_has_ended_stays_so_for_the_next_client);
	RUN(no_supervisor_had_anything_to_say);
}

int main(void)
{
	if (set_up() < 0)
		return 1;
	run_all();
	tear_down();
	return tap_done();
}
