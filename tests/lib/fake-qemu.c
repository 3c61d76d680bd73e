/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stands in for qemu-system-* in the cli ring, so that a "machine" starts in milliseconds.
 *
 * Theory of operation
 *
 * It takes QEMU's command line, finds the descriptors behind the chardevs, speaks QMP on
 * the monitor and the guest's side of the agent protocol on the agent's port, and plays a
 * workload. It has no code in common with the supervisor's side of either protocol: both
 * are written from the specification, so that one finds the other's mistakes.
 *
 * The workload is a script: the process' arguments after the first, one word each. They
 * are played in order; where they end without one that ends the workload, it exits with 0.
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
 *
 * A machine whose name has "fault-KIND" in it fails before it has a workload: exit-early,
 * qmp-garbage, qmp-silent, no-hello, panic, bad-version, bad-frame.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/io.h"
#include "guest-init/agent-protocol.h"

#define CHARDEVS  16
#define ITEMS     256
#define FRAME_MAX (sizeof(struct agent_frame) + AGENT_PAYLOAD_MAX)

struct chardev {
	char id[64];
	int fd;
};

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
	struct chardev chardevs[CHARDEVS];
	size_t n_chardevs;
	const char *name, *mon, *serial, *agent;
	bool paused, no_shutdown;
	int qmp_fd, agent_fd, console_fd;

	char line[65536];
	size_t line_size;
	char in[FRAME_MAX];
	size_t in_size;
	char config[AGENT_CONFIG_MAX];
	size_t config_size;

	char *args[ITEMS], *env[ITEMS], *user, *cwd;
	size_t n_args, n_env, next;
	enum mode mode;
	size_t raw_left, window;
	bool deaf, stdin_eof;
} q = { .qmp_fd = -1, .agent_fd = -1, .console_fd = -1, .window = AGENT_WINDOW };

static bool fault(const char *kind)
{
	char text[64];

	(void)snprintf(text, sizeof(text), "fault-%s", kind);
	return q.name && strstr(q.name, text);
}

static _printf_(1, 2) void console(const char *fmt, ...)
{
	char text[4096];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n > 0 && q.console_fd >= 0)
		(void)write_all(q.console_fd, text,
				(size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1);
}

/* -- the guest's side of the agent protocol -------------------------------------------- */

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

	if (q.agent_fd < 0)
		return;
	(void)write_all(q.agent_fd, &f, sizeof(f));
	(void)write_all(q.agent_fd, data, size);
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

static void qmp_event(const char *name, const char *data);

static void power_off(void)
{
	q.mode = MODE_OFF;
	console("fake: power off\n");
	qmp_event("SHUTDOWN", "{\"guest\": true, \"reason\": \"guest-shutdown\"}");
	if (q.no_shutdown)
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
		 code == 127 ? "no such file or directory" : "refused");
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
		q.deaf = true;
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

static void take_stdin(const char *data, size_t size)
{
	struct payload p = { .size = 0 };

	if (q.mode == MODE_ECHO)
		frame(AGENT_DATA, AGENT_STDOUT, data, size);
	put_number(&p, AGENT_TAG_BYTES, (int64_t)size);
	frame(AGENT_CREDIT, AGENT_STDIN, p.data, p.size);
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
	if (q.mode == MODE_RAW) {
		send_raw();
		play();
	}
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
		take_stdin(data, size);
		break;
	case AGENT_EOF:
		q.stdin_eof = true;
		if (q.mode == MODE_ECHO) {
			q.mode = MODE_PLAY;
			play();
		}
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

static void read_agent(void)
{
	ssize_t n = read(q.agent_fd, q.in + q.in_size, sizeof(q.in) - q.in_size);
	struct agent_frame f;

	if (n <= 0) {
		q.agent_fd = -1;
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

/* -- the machine ----------------------------------------------------------------------- */

static void boot(void)
{
	console("Linux version 6.1.0-fake\n");
	if (fault("panic")) {
		console("Kernel panic - not syncing: VFS: Unable to mount root fs\n");
		qmp_event("GUEST_PANICKED", "{\"action\": \"pause\"}");
		power_off();
	}
	if (fault("no-hello"))
		return;
	if (fault("bad-frame"))
		(void)write_all(q.agent_fd,
				"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 12);
	else
		send_hello();
}

/* -- QMP ------------------------------------------------------------------------------- */

static void qmp_send(const json_t *j)
{
	char *text = json_dumps(j, JSON_COMPACT);

	if (!text)
		abort();
	if (q.qmp_fd >= 0) {
		(void)write_all(q.qmp_fd, text, strlen(text));
		(void)write_all(q.qmp_fd, "\r\n", 2);
	}
	free(text);
}

static void qmp_event(const char *name, const char *data)
{
	json_auto_t *j = json_pack("{s:s, s:o, s:{s:i, s:i}}", "event", name, "data",
				   json_loads(data, 0, NULL), "timestamp", "seconds", 1,
				   "microseconds", 2);

	qmp_send(j);
}

static json_t *qmp_answer(const char *command)
{
	if (strcmp(command, "query-status") == 0)
		return json_pack("{s:s, s:b, s:b}", "status",
				 q.paused ? "paused" : "running", "running", !q.paused,
				 "singlestep", 0);
	if (strcmp(command, "query-version") == 0)
		return json_pack("{s:{s:i, s:i, s:i}, s:s}", "qemu", "major", 7, "minor",
				 2, "micro", 22, "package", "fake");
	if (strcmp(command, "query-chardev") == 0 ||
	    strcmp(command, "query-qmp-schema") == 0 ||
	    strcmp(command, "query-cpus-fast") == 0)
		return json_array();
	return json_object();
}

static void qmp_effect(const char *command)
{
	bool was_paused = q.paused;

	if (strcmp(command, "cont") == 0) {
		q.paused = false;
		qmp_event("RESUME", "{}");
		if (was_paused && q.mode == MODE_BOOT && !q.config_size)
			boot();
	} else if (strcmp(command, "stop") == 0) {
		q.paused = true;
		qmp_event("STOP", "{}");
	} else if (strcmp(command, "system_powerdown") == 0) {
		qmp_event("POWERDOWN", "{}");
		if (q.mode != MODE_IGNORE && q.mode != MODE_BOOT)
			power_off();
	} else if (strcmp(command, "quit") == 0) {
		qmp_event("SHUTDOWN",
			  "{\"guest\": false, \"reason\": \"host-qmp-quit\"}");
		exit(0);
	}
}

static void qmp_line(const char *line)
{
	json_auto_t *j = json_loads(line, 0, NULL), *answer = NULL;
	const char *command = json_string_value(json_object_get(j, "execute"));
	json_t *id = json_object_get(j, "id");

	if (fault("qmp-silent"))
		return;
	if (!command)
		command = json_string_value(json_object_get(j, "exec-oob"));
	if (!command) {
		answer = json_pack("{s:{s:s, s:s}}", "error", "class", "GenericError",
				   "desc", "not a command");
		qmp_send(answer);
		return;
	}
	answer = json_pack("{s:o}", "return", qmp_answer(command));
	if (id)
		json_object_set(answer, "id", id);
	qmp_send(answer);
	qmp_effect(command);
}

static void read_qmp(void)
{
	ssize_t n =
		read(q.qmp_fd, q.line + q.line_size, sizeof(q.line) - 1 - q.line_size);
	char *end;

	/* As QEMU does: a monitor that goes away does not end the machine. */
	if (n <= 0) {
		q.qmp_fd = -1;
		return;
	}
	q.line_size += (size_t)n;
	q.line[q.line_size] = 0;
	while ((end = strchr(q.line, '\n'))) {
		*end = 0;
		qmp_line(q.line);
		q.line_size -= (size_t)(end + 1 - q.line);
		memmove(q.line, end + 1, q.line_size + 1);
	}
}

static void qmp_greet(void)
{
	static const char greeting[] =
		"{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 22, \"minor\": 2, \"major\": 7}, "
		"\"package\": \"fake\"}, \"capabilities\": [\"oob\"]}}\r\n";

	if (fault("qmp-garbage"))
		(void)write_all(q.qmp_fd, "HTTP/1.0 200 OK\r\n\r\n", 19);
	else if (!fault("qmp-silent"))
		(void)write_all(q.qmp_fd, greeting, sizeof(greeting) - 1);
}

/* -- command line ---------------------------------------------------------------------- */

/* The value of @key in "a=b,key=value,…", or NULL; the caller frees. */
static char *option(const char *text, const char *key)
{
	size_t n = strlen(key);

	for (const char *p = text; p; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL) {
		if (strncmp(p, key, n) == 0 && p[n] == '=')
			return strndup(p + n + 1, strcspn(p + n + 1, ","));
	}
	return NULL;
}

static int connect_path(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
		perror(path);
		exit(1);
	}
	return fd;
}

static void take_chardev(const char *text)
{
	_cleanup_free_ char *id = option(text, "id"), *fd = option(text, "fd");
	_cleanup_free_ char *path = option(text, "path");
	struct chardev *c = &q.chardevs[q.n_chardevs];

	if (!id || q.n_chardevs == CHARDEVS)
		return;
	(void)snprintf(c->id, sizeof(c->id), "%s", id);
	c->fd = -1;
	if (fd)
		c->fd = atoi(fd);
	else if (strncmp(text, "stdio", 5) == 0)
		c->fd = 1;
	else if (strncmp(text, "file", 4) == 0 && path)
		c->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	else if (strncmp(text, "socket", 6) == 0 && path && !strstr(text, "server=on"))
		c->fd = connect_path(path);
	q.n_chardevs++;
}

static int chardev_fd(const char *id)
{
	for (size_t i = 0; id && i < q.n_chardevs; i++) {
		if (strcmp(q.chardevs[i].id, id) == 0)
			return q.chardevs[i].fd;
	}
	return -1;
}

/* The device that is the agent's port, in JSON or not, names its chardev. */
static void take_device(const char *text)
{
	json_auto_t *j = NULL;
	const char *id;

	if (!strstr(text, AGENT_PORT))
		return;
	j = json_loads(text, 0, NULL);
	id = json_string_value(json_object_get(j, "chardev"));
	q.agent = id ? strdup(id) : option(text, "chardev");
}

static void take_option(const char *name, const char *value)
{
	const char *colon = strchr(value, ':');

	if (strcmp(name, "-name") == 0)
		q.name = value;
	else if (strcmp(name, "-chardev") == 0)
		take_chardev(value);
	else if (strcmp(name, "-mon") == 0)
		q.mon = option(value, "chardev");
	else if (strcmp(name, "-qmp") == 0 && colon)
		q.mon = colon + 1;
	else if (strcmp(name, "-serial") == 0 && colon)
		q.serial = colon + 1;
	else if (strcmp(name, "-device") == 0)
		take_device(value);
}

static void version(void)
{
	(void)puts("QEMU emulator version 7.2.22 (fake)");
	exit(0);
}

static void take_arguments(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--version") == 0 || strcmp(argv[i], "-version") == 0)
			version();
		else if (strcmp(argv[i], "-S") == 0)
			q.paused = true;
		else if (strcmp(argv[i], "-no-shutdown") == 0)
			q.no_shutdown = true;
		else if (argv[i][0] == '-' && i + 1 < argc && argv[i + 1][0] != '-')
			take_option(argv[i], argv[i + 1]);
	}
	q.qmp_fd = chardev_fd(q.mon);
	q.agent_fd = chardev_fd(q.agent);
	q.console_fd = chardev_fd(q.serial);
	for (int i = 0; i < argc; i++)
		console("fake: argv %s\n", argv[i]);
}

static void loop(void)
{
	struct pollfd p[2];

	for (;;) {
		p[0] = (struct pollfd){ .fd = q.qmp_fd, .events = POLLIN };
		p[1] = (struct pollfd){ .fd = q.deaf || q.paused ? -1 : q.agent_fd,
					.events = POLLIN };
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			exit(1);
		if (p[0].revents)
			read_qmp();
		if (p[1].revents && q.agent_fd >= 0)
			read_agent();
	}
}

int main(int argc, char **argv)
{
	take_arguments(argc, argv);
	if (fault("exit-early")) {
		(void)fputs(
			"qemu-system-fake: cannot set up guest memory: Cannot allocate memory\n",
			stderr);
		return 1;
	}
	qmp_greet();
	if (!q.paused)
		boot();
	loop();
}
