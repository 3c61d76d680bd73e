/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest in the fake QEMU: the guest's side of the agent protocol, and a workload that
 * is a script: the process' arguments after the first, one word each. They are played in
 * order; where they end without one that ends the workload, it exits with 0.
 *
 *	out:TEXT err:TEXT    a line on stdout, on stderr
 *	part:TEXT            on stdout without a newline
 *	raw:N                N bytes on stdout
 *	echo                 stdin to stdout until it ends
 *	args env user cwd    shows what CONFIG said, one item a line
 *	console:TEXT         a line on the serial console
 *	hang                 until a signal: then killed by it
 *	trap                 until SIGTERM or another but KILL: "cleaned up", exit 0
 *	ignore               until SIGKILL
 *	exit:N  signal:N  oom
 *	fail:N               as the first word: does not start, with code N
 *	garbage              breaks the agent protocol
 *	vanish  abort        QEMU exits with 0, dies by SIGABRT, in mid-flight
 *	deaf                 from now on nothing is read from the agent's port
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "fake.h"
#include "guest-init/agent-protocol.h"

#define ITEMS     256
#define FRAME_MAX (sizeof(struct agent_frame) + AGENT_PAYLOAD_MAX)

enum mode {
	MODE_BOOT,   /* waits for CONFIG */
	MODE_PLAY,   /* plays the script */
	MODE_ECHO,   /* until stdin ends */
	MODE_RAW,    /* has bytes to send, as far as the window allows */
	MODE_HANG,   /* until any signal */
	MODE_TRAP,   /* until any signal, ends well */
	MODE_IGNORE, /* until SIGKILL */
	MODE_OFF     /* powered off */
};

static struct {
	char in[FRAME_MAX];
	size_t in_size;
	char config[AGENT_CONFIG_MAX];
	size_t config_size;

	char *args[ITEMS], *env[ITEMS], *user, *cwd;
	size_t n_args, n_env, next;
	enum mode mode;
	size_t raw_left, window;
	char echo[AGENT_WINDOW]; /* came on stdin, has not gone out yet */
	size_t echo_size;
	bool stdin_eof;
} q = { .window = AGENT_WINDOW };

struct payload {
	char data[4096];
	size_t size;
};

static void put(struct payload *p, uint16_t tag, const void *data, size_t size)
{
	struct agent_record r = { .tag = htole16(tag), .size = htole32((uint32_t)size) };

	if (p->size + sizeof(r) + size > sizeof(p->data))
		abort();
	memcpy(p->data + p->size, &r, sizeof(r));
	if (size)
		memcpy(p->data + p->size + sizeof(r), data, size);
	p->size += sizeof(r) + size;
}

static void put_number(struct payload *p, uint16_t tag, int64_t v)
{
	uint64_t le = htole64((uint64_t)v);

	put(p, tag, &le, sizeof(le));
}

static void put_text(struct payload *p, uint16_t tag, const char *text)
{
	put(p, tag, text, strlen(text));
}

static void frame(uint16_t type, uint16_t stream, const void *data, size_t size)
{
	struct agent_frame f = { .size = htole32((uint32_t)size),
				 .type = htole16(type),
				 .stream = htole16(stream) };

	if (fake.agent_fd < 0)
		return;
	(void)write_all(fake.agent_fd, &f, sizeof(f));
	(void)write_all(fake.agent_fd, data, size);
}

static void send_payload(uint16_t type, const struct payload *p)
{
	frame(type, 0, p->data, p->size);
}

static void send_hello(void)
{
	struct payload p = { .size = 0 };

	put_number(&p, AGENT_TAG_VERSION, fault("bad-version") ? 99 : AGENT_VERSION);
	put_text(&p, AGENT_TAG_KERNEL, "6.1.0-fake");
	put_number(&p, AGENT_TAG_MEMORY, 250 << 20);
	send_payload(AGENT_HELLO, &p);
}

static void output(uint16_t stream, const char *text, const char *end)
{
	char data[8192];
	int n = snprintf(data, sizeof(data), "%s%s", text, end);

	if (n > 0)
		frame(AGENT_DATA, stream, data, (size_t)n);
}

static void send_raw(void)
{
	static char bytes[16384];

	if (!bytes[0])
		for (size_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = (char)(i % 64 == 63 ? '\n' : 'a' + i % 26);
	while (q.raw_left && q.window) {
		size_t n = sizeof(bytes);

		n = n < q.raw_left ? n : q.raw_left;
		n = n < q.window ? n : q.window;
		frame(AGENT_DATA, AGENT_STDOUT, bytes, n);
		q.raw_left -= n;
		q.window -= n;
	}
	if (!q.raw_left)
		q.mode = MODE_PLAY;
}

static void power_off(void)
{
	q.mode = MODE_OFF;
	console("fake: power off\n");
	qmp_event("SHUTDOWN", "{\"guest\": true, \"reason\": \"guest-shutdown\"}");
	if (fake.no_shutdown)
		qmp_event("STOP", "{}");
	else
		exit(0);
}

static void workload_ends(uint16_t tag, int64_t value, bool oom)
{
	struct payload p = { .size = 0 };

	frame(AGENT_EOF, AGENT_STDOUT, NULL, 0);
	frame(AGENT_EOF, AGENT_STDERR, NULL, 0);
	put_number(&p, tag, value);
	if (oom)
		put(&p, AGENT_TAG_OOM, NULL, 0);
	send_payload(AGENT_EXITED, &p);
	power_off();
}

static void workload_fails(int code)
{
	struct payload p = { .size = 0 };

	put_number(&p, AGENT_TAG_CODE, code);
	put_text(&p, AGENT_TAG_TEXT,
		 fault("bad-text") ? "caf\xe9 \x9b\x1b[31m"
		 : code == 127     ? "no such file or directory"
				   : "refused");
	send_payload(AGENT_FAILED, &p);
	power_off();
}

static void play_word(const char *word);

static void play(void)
{
	while (q.mode == MODE_PLAY) {
		if (q.next >= q.n_args) {
			workload_ends(AGENT_TAG_CODE, 0, false);
			return;
		}
		play_word(q.args[q.next++]);
	}
}

static void list(char **v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		output(AGENT_STDOUT, v[i], "\n");
}

static bool play_show(const char *word, const char *rest)
{
	if (strcmp(word, "out") == 0)
		output(AGENT_STDOUT, rest, "\n");
	else if (strcmp(word, "err") == 0)
		output(AGENT_STDERR, rest, "\n");
	else if (strcmp(word, "part") == 0)
		output(AGENT_STDOUT, rest, "");
	else if (strcmp(word, "console") == 0)
		console("%s\n", rest);
	else if (strcmp(word, "args") == 0)
		list(q.args, q.n_args);
	else if (strcmp(word, "env") == 0)
		list(q.env, q.n_env);
	else if (strcmp(word, "user") == 0)
		output(AGENT_STDOUT, q.user ? q.user : "", "\n");
	else if (strcmp(word, "cwd") == 0)
		output(AGENT_STDOUT, q.cwd ? q.cwd : "/", "\n");
	else
		return false;
	return true;
}

static bool play_mode(const char *word, const char *rest)
{
	static const struct {
		const char *word;
		enum mode mode;
	} modes[] = { { "echo", MODE_ECHO },
		      { "raw", MODE_RAW },
		      { "hang", MODE_HANG },
		      { "trap", MODE_TRAP },
		      { "ignore", MODE_IGNORE } };

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		if (strcmp(word, modes[i].word) != 0)
			continue;
		q.mode = modes[i].mode;
		if (q.mode == MODE_RAW) {
			q.raw_left = strtoul(rest, NULL, 10);
			send_raw();
		} else if (q.mode == MODE_ECHO && q.stdin_eof) {
			q.mode = MODE_PLAY;
		}
		return true;
	}
	return false;
}

static bool play_end(const char *word, const char *rest)
{
	if (strcmp(word, "exit") == 0) {
		workload_ends(AGENT_TAG_CODE, strtol(rest, NULL, 10), false);
	} else if (strcmp(word, "signal") == 0) {
		workload_ends(AGENT_TAG_SIGNAL, strtol(rest, NULL, 10), false);
	} else if (strcmp(word, "oom") == 0) {
		workload_ends(AGENT_TAG_SIGNAL, 9, true);
	} else if (strcmp(word, "garbage") == 0) {
		frame(0x7777, 9, "junk", 4);
		q.mode = MODE_IGNORE;
	} else if (strcmp(word, "vanish") == 0) {
		exit(0);
	} else if (strcmp(word, "abort") == 0) {
		abort();
	} else if (strcmp(word, "deaf") == 0) {
		fake.deaf = true;
	} else {
		return false;
	}
	return true;
}

static void play_word(const char *word)
{
	char head[32];
	const char *colon = strchr(word, ':');
	const char *rest = colon ? colon + 1 : "";
	size_t n = colon ? (size_t)(colon - word) : strlen(word);

	(void)snprintf(head, sizeof(head), "%.*s", (int)n, word);
	if (play_show(head, rest) || play_mode(head, rest) || play_end(head, rest))
		return;
	output(AGENT_STDERR, "fake-qemu: no such word: ", word);
	workload_ends(AGENT_TAG_CODE, 2, false);
}

static char *item_text(const struct agent_item *i)
{
	char *s = strndup(i->data, i->size);

	if (!s)
		abort();
	return s;
}

static void take_process(const struct agent_item *group)
{
	struct agent_cursor c = agent_group(group);
	struct agent_item i;

	while (agent_next(&c, &i) > 0) {
		if (i.tag == AGENT_TAG_ARG && q.n_args < ITEMS)
			q.args[q.n_args++] = item_text(&i);
		else if (i.tag == AGENT_TAG_ENV && q.n_env < ITEMS)
			q.env[q.n_env++] = item_text(&i);
		else if (i.tag == AGENT_TAG_USER)
			q.user = item_text(&i);
		else if (i.tag == AGENT_TAG_CWD)
			q.cwd = item_text(&i);
	}
}

static void start_workload(void)
{
	struct agent_cursor c = { q.config, q.config_size };
	struct agent_item i;
	struct payload p = { .size = 0 };

	while (agent_next(&c, &i) > 0) {
		if (i.tag == AGENT_TAG_PROCESS)
			take_process(&i);
	}
	q.next = 1;
	if (q.n_args > 1 && strncmp(q.args[1], "fail:", 5) == 0) {
		workload_fails(atoi(q.args[1] + 5));
		return;
	}
	put_number(&p, AGENT_TAG_PID, 7);
	send_payload(AGENT_STARTED, &p);
	q.mode = MODE_PLAY;
	play();
}

static void take_signal(const char *data, size_t size)
{
	struct agent_cursor c = { data, size };
	struct agent_item i;
	int64_t number = 0;

	if (agent_next(&c, &i) <= 0 || agent_number(&i, 1, 64, &number) < 0)
		abort();
	if (q.mode == MODE_TRAP && number != 9) {
		output(AGENT_STDOUT, "cleaned up", "\n");
		workload_ends(AGENT_TAG_CODE, 0, false);
	} else if (number == 9 || q.mode != MODE_IGNORE) {
		workload_ends(AGENT_TAG_SIGNAL, number, false);
	}
}

static void give_credit(size_t size)
{
	struct payload p = { .size = 0 };

	put_number(&p, AGENT_TAG_BYTES, (int64_t)size);
	frame(AGENT_CREDIT, AGENT_STDIN, p.data, p.size);
}

/* As much of what came as the host has room for; only what went out makes room for more. */
static void send_echo(void)
{
	while (q.echo_size && q.window) {
		size_t n = q.echo_size < q.window ? q.echo_size : q.window;

		n = n < AGENT_PAYLOAD_MAX ? n : AGENT_PAYLOAD_MAX;
		frame(AGENT_DATA, AGENT_STDOUT, q.echo, n);
		q.window -= n;
		q.echo_size -= n;
		memmove(q.echo, q.echo + n, q.echo_size);
		give_credit(n);
	}
	if (q.stdin_eof && !q.echo_size)
		q.mode = MODE_PLAY;
}

static void take_stdin(const char *data, size_t size)
{
	if (q.mode != MODE_ECHO) {
		give_credit(size);
		return;
	}
	if (size > sizeof(q.echo) - q.echo_size)
		abort(); /* more than the window */
	memcpy(q.echo + q.echo_size, data, size);
	q.echo_size += size;
	send_echo();
}

static void take_credit(const char *data, size_t size, unsigned int stream)
{
	struct agent_cursor c = { data, size };
	struct agent_item i;
	int64_t n = 0;

	if (agent_next(&c, &i) <= 0 || agent_number(&i, 1, AGENT_WINDOW, &n) < 0)
		abort();
	if (stream != AGENT_STDOUT)
		return;
	q.window += (size_t)n;
	if (q.window > AGENT_WINDOW)
		q.window = AGENT_WINDOW;
	if (q.mode == MODE_RAW)
		send_raw();
	else if (q.mode == MODE_ECHO)
		send_echo();
	play();
}

static void take_config(const char *data, size_t size, bool more)
{
	if (q.config_size + size > sizeof(q.config))
		abort();
	memcpy(q.config + q.config_size, data, size);
	q.config_size += size;
	if (!more)
		start_workload();
}

static void take_frame(const struct agent_frame *f, const char *data)
{
	size_t size = le32toh(f->size);
	unsigned int stream = le16toh(f->stream);

	switch (le16toh(f->type)) {
	case AGENT_CONFIG:
		take_config(data, size, stream == AGENT_MORE);
		break;
	case AGENT_DATA:
		if (q.stdin_eof)
			abort(); /* a breach, as it is for init */
		take_stdin(data, size);
		break;
	case AGENT_EOF:
		q.stdin_eof = true;
		if (q.mode == MODE_ECHO)
			send_echo();
		play();
		break;
	case AGENT_CREDIT:
		take_credit(data, size, stream);
		break;
	case AGENT_SIGNAL:
		take_signal(data, size);
		break;
	case AGENT_RESIZE:
		output(AGENT_STDOUT, "resized", "\n");
		break;
	case AGENT_SHUTDOWN:
		power_off();
		break;
	default:
		break;
	}
}

void guest_read(void)
{
	ssize_t n = read(fake.agent_fd, q.in + q.in_size, sizeof(q.in) - q.in_size);
	struct agent_frame f;

	if (n <= 0) {
		fake.agent_fd = -1;
		return;
	}
	q.in_size += (size_t)n;
	while (q.in_size >= sizeof(f) && q.mode != MODE_OFF) {
		memcpy(&f, q.in, sizeof(f));
		size_t whole = sizeof(f) + le32toh(f.size);

		if (whole > sizeof(q.in))
			abort();
		if (q.in_size < whole)
			return;
		take_frame(&f, q.in + sizeof(f));
		q.in_size -= whole;
		memmove(q.in, q.in + whole, q.in_size);
	}
}

void guest_boot(void)
{
	console("Linux version 6.1.0-fake\n");
	if (fault("panic")) {
		console("Kernel panic - not syncing: VFS: Unable to mount root fs\n");
		qmp_event("GUEST_PANICKED", "{\"action\": \"pause\"}");
		power_off();
	}
	if (fault("no-hello") || (fake.kvm && fault("kvm-hang")))
		return;
	if (fault("bad-frame"))
		(void)write_all(fake.agent_fd,
				"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 12);
	else
		send_hello();
}

void guest_power_button(void)
{
	if (q.mode != MODE_IGNORE && q.mode != MODE_BOOT)
		power_off();
}
