/* SPDX-License-Identifier: Apache-2.0 */

#include "vm/control.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/error.h"
#include "base/io.h"
#include "base/json.h"
#include "vm/internal.h"

static int address(int runfd, const char *id, const char *name, struct sockaddr_un *ret)
{
	int n;

	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	n = snprintf(ret->sun_path, sizeof(ret->sun_path), "/proc/self/fd/%d/%s/%s",
		     runfd, id, name);
	return n < 0 || (size_t)n >= sizeof(ret->sun_path) ? -ENAMETOOLONG : 0;
}

int run_listen(int runfd, const char *id, const char *name, struct volt_error *e)
{
	_cleanup_close_ int fd = -1;
	struct sockaddr_un a;
	int r;

	r = address(runfd, id, name, &a);
	if (r < 0)
		return fail_code(e, r, "name the %s socket", name);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return fail_errno(e, "make the %s socket", name);
	/* Of a supervisor that died: only the holder of the lock gets here. */
	(void)unlink(a.sun_path);
	/* The mode is that of the descriptor: no moment with another one. */
	if (fchmod(fd, 0600) < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    chmod(a.sun_path, 0600) < 0 || listen(fd, 64) < 0)
		return fail_errno(e, "open the %s socket", name);
	return TAKE_FD(fd);
}

int control_listen(int runfd, const char *id, struct volt_error *e)
{
	return run_listen(runfd, id, CONTROL_NAME, e);
}

int control_connect(int runfd, const char *id)
{
	_cleanup_close_ int fd = -1;
	struct sockaddr_un a;
	int r;

	r = address(runfd, id, CONTROL_NAME, &a);
	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		return -errno;
	return TAKE_FD(fd);
}

json_t *control_request(const char *command)
{
	return json_pack("{s:i, s:s}", "version", CONTROL_VERSION, "command", command);
}

int control_parse(const char *text, size_t size, json_t **ret, const char **ret_command,
		  struct volt_error *e)
{
	json_auto_t *j = NULL;
	const char *command = NULL;
	int64_t version = 0;

	TRY(json_parse(text, size, "the request", &j, e));
	if (!json_is_object(j))
		return fail(e, EBADMSG, "the request is not an object");
	TRY(json_get_int(j, "version", 0, INT64_MAX, &version, e));
	if (version != CONTROL_VERSION)
		return fail(e, EPROTO,
			    "version %" PRId64 " of the control protocol is not spoken "
			    "here, only %d",
			    version, CONTROL_VERSION);
	TRY(json_get_string(j, "command", &command, e));
	if (!command)
		return fail(e, EBADMSG, "the request has no 'command'");
	*ret_command = command;
	*ret = TAKE_PTR(j);
	return 0;
}

json_t *control_reply(const struct volt_error *failure)
{
	if (!failure || failure->code == 0)
		return json_pack("{s:i}", "version", CONTROL_VERSION);
	return json_pack("{s:i, s:{s:i, s:s}}", "version", CONTROL_VERSION, "error",
			 "code", failure->code, "message", failure->msg);
}

/* One line, a byte past it is left in the socket: peeked at first, then taken. */
static ssize_t read_line(int fd, char *buf, size_t room)
{
	size_t size = 0;

	for (;;) {
		ssize_t n = recv(fd, buf + size, room - size, MSG_PEEK);
		char *newline;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 && errno != ECONNRESET ? -errno : -EPIPE;
		newline = memchr(buf + size, '\n', (size_t)n);
		if (newline)
			n = newline + 1 - (buf + size);
		n = recv(fd, buf + size, (size_t)n, 0);
		if (n < 0)
			return -errno;
		size += (size_t)n;
		if (newline)
			return (ssize_t)size;
		if (size == room)
			return -EMSGSIZE;
	}
}

static int check_reply(const json_t *j, struct volt_error *e)
{
	const char *message = "no reason given";
	json_t *error = NULL;
	int64_t code = EIO;

	TRY(json_get_object(j, "error", &error, e));
	if (!error)
		return 0;
	TRY(json_get_int(error, "code", 1, 4095, &code, e));
	TRY(json_get_string(error, "message", &message, e));
	return fail(e, (int)code, "%s", message);
}

static int send_line(int fd, const json_t *j)
{
	_cleanup_free_ char *text = json_text(j);
	size_t size, sent = 0;

	if (!text)
		return -ENOMEM;
	size = strlen(text);
	text[size++] = '\n'; /* in place of the NUL */
	while (sent < size) {
		ssize_t n = send(fd, text + sent, size - sent, MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR)
			return errno == ECONNRESET ? -EPIPE : -errno;
		sent += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

int control_call(int fd, const json_t *request, json_t **ret, struct volt_error *e)
{
	_cleanup_free_ char *buf = malloc(CONTROL_LINE_MAX);
	json_auto_t *j = NULL;
	ssize_t n;
	int r;

	if (!buf || !request)
		return fail_oom(e);
	r = send_line(fd, request);
	/* A refusal may be waiting even though the request did not go through. */
	if (r < 0 && r != -EPIPE)
		return fail_code(e, r, "ask the supervisor");
	n = read_line(fd, buf, CONTROL_LINE_MAX);
	if (n == -EPIPE)
		return -EPIPE;
	if (n < 0)
		return fail_code(e, (int)n, "read the supervisor's answer");
	TRY(json_parse(buf, (size_t)n, "the supervisor's answer", &j, e));
	TRY(check_reply(j, e));
	if (ret)
		*ret = TAKE_PTR(j);
	return 0;
}
