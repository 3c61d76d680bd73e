/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stands in for qemu-system-* in the cli ring, so that a "machine" starts in milliseconds.
 *
 * Theory of operation
 *
 * It takes QEMU's command line, finds the descriptors behind the chardevs, speaks QMP on
 * the monitor, and has a guest (fake-guest.c) on the agent's port. It has no code in
 * common with the supervisor's side of either protocol: both are written from the
 * specification, so that one finds the other's mistakes.
 *
 * A machine whose name has "fault-KIND" in it fails before it has a workload: exit-early,
 * qmp-garbage, qmp-silent, no-hello, panic, bad-version, bad-frame, bad-text; kvm-exit and
 * kvm-hang only under KVM.
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/io.h"
#include "fake.h"
#include "guest-init/agent-protocol.h"

#define CHARDEVS 16

struct fake fake = { .qmp_fd = -1, .agent_fd = -1, .console_fd = -1 };

static struct chardev {
	char id[64];
	int fd;
} chardevs[CHARDEVS];
static size_t n_chardevs;

static const char *mon_id, *serial_id, *agent_id;
static bool booted;

static char line[65536];
static size_t line_size;

bool fault(const char *kind)
{
	char text[64];

	(void)snprintf(text, sizeof(text), "fault-%s", kind);
	return fake.name && strstr(fake.name, text);
}

void console(const char *fmt, ...)
{
	char text[4096];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n > 0 && fake.console_fd >= 0)
		(void)write_all(fake.console_fd, text,
				(size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1);
}

static void boot(void)
{
	booted = true;
	if (fake.nanos)
		nanos_boot();
	else
		guest_boot();
}

/* -- QMP ------------------------------------------------------------------------------- */

static void qmp_send(const json_t *j)
{
	char *text = json_dumps(j, JSON_COMPACT);

	if (!text)
		abort();
	if (fake.qmp_fd >= 0) {
		(void)write_all(fake.qmp_fd, text, strlen(text));
		(void)write_all(fake.qmp_fd, "\r\n", 2);
	}
	free(text);
}

void qmp_event(const char *name, const char *data)
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
				 fake.paused ? "paused" : "running", "running",
				 !fake.paused, "singlestep", 0);
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
	bool was_paused = fake.paused;

	if (strcmp(command, "cont") == 0) {
		fake.paused = false;
		qmp_event("RESUME", "{}");
		if (was_paused && !booted)
			boot();
	} else if (strcmp(command, "stop") == 0) {
		fake.paused = true;
		qmp_event("STOP", "{}");
	} else if (strcmp(command, "system_powerdown") == 0) {
		qmp_event("POWERDOWN", "{}");
		if (fake.nanos)
			nanos_power_button();
		else
			guest_power_button();
	} else if (strcmp(command, "quit") == 0) {
		qmp_event("SHUTDOWN",
			  "{\"guest\": false, \"reason\": \"host-qmp-quit\"}");
		exit(0);
	}
}

static void qmp_line(const char *text)
{
	json_auto_t *j = json_loads(text, 0, NULL), *answer = NULL;
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
	ssize_t n = read(fake.qmp_fd, line + line_size, sizeof(line) - 1 - line_size);
	char *end;

	/* As QEMU does: a monitor that goes away does not end the machine. */
	if (n <= 0) {
		fake.qmp_fd = -1;
		return;
	}
	line_size += (size_t)n;
	line[line_size] = 0;
	while ((end = strchr(line, '\n'))) {
		*end = 0;
		qmp_line(line);
		line_size -= (size_t)(end + 1 - line);
		memmove(line, end + 1, line_size + 1);
	}
}

static void qmp_greet(void)
{
	static const char greeting[] =
		"{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 22, \"minor\": 2, \"major\": 7}, "
		"\"package\": \"fake\"}, \"capabilities\": [\"oob\"]}}\r\n";

	if (fault("qmp-garbage"))
		(void)write_all(fake.qmp_fd, "HTTP/1.0 200 OK\r\n\r\n", 19);
	else if (!fault("qmp-silent"))
		(void)write_all(fake.qmp_fd, greeting, sizeof(greeting) - 1);
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
	struct chardev *c = &chardevs[n_chardevs];

	if (!id || n_chardevs == CHARDEVS)
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
	n_chardevs++;
}

static int chardev_fd(const char *id)
{
	for (size_t i = 0; id && i < n_chardevs; i++) {
		if (strcmp(chardevs[i].id, id) == 0)
			return chardevs[i].fd;
	}
	return -1;
}

/* The device that is the agent's port, in JSON or not, names its chardev. */
static void take_device(const char *text)
{
	json_auto_t *j = NULL;
	const char *id;

	fake.nanos |= strstr(text, "isa-debug-exit") != NULL;
	if (!strstr(text, AGENT_PORT))
		return;
	j = json_loads(text, 0, NULL);
	id = json_string_value(json_object_get(j, "chardev"));
	agent_id = id ? strdup(id) : option(text, "chardev");
}

static void take_option(const char *name, const char *value)
{
	const char *colon = strchr(value, ':');

	if (strcmp(name, "-name") == 0)
		fake.name = value;
	else if (strcmp(name, "-accel") == 0)
		fake.kvm = strncmp(value, "kvm", 3) == 0;
	else if (strcmp(name, "-chardev") == 0)
		take_chardev(value);
	else if (strcmp(name, "-mon") == 0)
		mon_id = option(value, "chardev");
	else if (strcmp(name, "-qmp") == 0 && colon)
		mon_id = colon + 1;
	else if (strcmp(name, "-serial") == 0 && colon)
		serial_id = colon + 1;
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
			fake.paused = true;
		else if (strcmp(argv[i], "-no-shutdown") == 0)
			fake.no_shutdown = true;
		else if (argv[i][0] == '-' && i + 1 < argc && argv[i + 1][0] != '-')
			take_option(argv[i], argv[i + 1]);
	}
	fake.qmp_fd = chardev_fd(mon_id);
	fake.agent_fd = chardev_fd(agent_id);
	fake.console_fd = chardev_fd(serial_id);
	/* A Nanos guest's console is its output. */
	for (int i = 0; i < argc; i++)
		if (fake.nanos)
			(void)fprintf(stderr, "fake: argv %s\n", argv[i]);
		else
			console("fake: argv %s\n", argv[i]);
}

static void loop(void)
{
	struct pollfd p[2];

	for (;;) {
		p[0] = (struct pollfd){ .fd = fake.qmp_fd, .events = POLLIN };
		p[1] = (struct pollfd){ .fd = fake.deaf || fake.paused ? -1
								       : fake.agent_fd,
					.events = POLLIN };
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			exit(1);
		if (p[0].revents)
			read_qmp();
		if (p[1].revents && fake.agent_fd >= 0)
			guest_read();
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
	if (fake.kvm && fault("kvm-exit"))
		abort();
	qmp_greet();
	if (!fake.paused)
		boot();
	loop();
}
