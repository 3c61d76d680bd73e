/* SPDX-License-Identifier: Apache-2.0 */
/* A machine's screen: a client of its socket is handed to the QEMU at the other end. */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "tap.h"
#include "vm/vnc.h"

#define ID "machine"

static sd_event *ev;
static int run = -1;
static char dir[] = "/tmp/volt-test-vnc.XXXXXX";

static void turn(void)
{
	while (sd_event_run(ev, 0) > 0)
		;
}

static int connect_client(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	(void)snprintf(a.sun_path, sizeof(a.sun_path), "/proc/self/fd/%d/" ID "/vnc",
		       run);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		abort();
	return fd;
}

/* What QEMU reads, and the descriptor that came with it, or -1. */
static int receive(int qemu, char *text, size_t size)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec part = { text, size - 1 };
	struct msghdr m = { .msg_iov = &part,
			    .msg_iovlen = 1,
			    .msg_control = control.bytes,
			    .msg_controllen = sizeof(control.bytes) };
	ssize_t n = recvmsg(qemu, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;
	int fd = -1;

	text[n > 0 ? n : 0] = '\0';
	if (c && c->cmsg_type == SCM_RIGHTS)
		memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

static bool qemu_says(int qemu, const char *text)
{
	bool sent = write(qemu, text, strlen(text)) == (ssize_t)strlen(text);

	turn();
	return sent;
}

#define GREETING "{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r\n"
#define AGREED   "{\"return\": {}, \"id\": 0}\r\n"

static const struct qmp_ops ops = { 0 };

struct screen {
	struct vnc *vnc;
	struct qmp *q;
	int qemu;
	char text[1024];
};

static void screen_done(struct screen *s)
{
	vnc_free(s->vnc);
	qmp_free(s->q);
	closep(&s->qemu);
}

static bool screen_open(struct screen *s)
{
	int fds[2];

	*s = (struct screen){ .qemu = -1 };
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return false;
	s->qemu = fds[1];
	return qmp_new(fds[0], ev, &ops, NULL, &s->q, NULL) == 0 &&
	       vnc_open(run, ID, ev, &s->vnc, NULL) == 0;
}

static bool screen_ready(struct screen *s)
{
	bool ok = screen_open(s) && qemu_says(s->qemu, GREETING) &&
		  qemu_says(s->qemu, AGREED);

	(void)receive(s->qemu, s->text, sizeof(s->text));
	if (ok)
		vnc_serve(s->vnc, s->q);
	return ok;
}

static void only_its_user_may_connect(void)
{
	_cleanup_(screen_done) struct screen s;
	struct stat st;

	CHECK(screen_open(&s));
	CHECK_INT(fstatat(run, ID "/vnc", &st, 0), 0);
	CHECK_INT(st.st_mode & 07777, 0600);
}

static void a_client_is_handed_over_with_its_name(void)
{
	_cleanup_(screen_done) struct screen s;
	_cleanup_close_ int client = -1, got = -1;
	char byte = 0;

	CHECK(screen_ready(&s));
	client = connect_client();
	turn();
	got = receive(s.qemu, s.text, sizeof(s.text));
	CHECK(got >= 0);
	CHECK(strstr(s.text, "\"getfd\"") && strstr(s.text, "\"vnc0\""));
	if (!strstr(s.text, "add_client"))
		(void)receive(s.qemu, s.text, sizeof(s.text));
	CHECK(strstr(s.text, "add_client"));
	CHECK_INT(write(got, "R", 1), 1);
	CHECK_INT(read(client, &byte, 1), 1);
	CHECK_INT(byte, 'R');
}

static void each_client_has_a_name_of_its_own(void)
{
	_cleanup_(screen_done) struct screen s;
	_cleanup_close_ int a = -1, b = -1, first = -1, second = -1;

	CHECK(screen_ready(&s));
	a = connect_client();
	turn();
	first = receive(s.qemu, s.text, sizeof(s.text));
	while (receive(s.qemu, s.text, sizeof(s.text)) < 0 && *s.text)
		;
	b = connect_client();
	turn();
	second = receive(s.qemu, s.text, sizeof(s.text));
	CHECK(first >= 0 && second >= 0);
	CHECK(strstr(s.text, "\"vnc1\""));
}

/* -1: nothing there; 0: closed. */
static ssize_t see_end(int client)
{
	char byte;

	return read(client, &byte, 1);
}

static void without_a_qemu_that_listens_clients_are_turned_away(void)
{
	_cleanup_(screen_done) struct screen s;
	_cleanup_close_ int early = -1, late = -1;

	CHECK(screen_open(&s));
	vnc_serve(s.vnc, s.q);
	early = connect_client();
	turn();
	CHECK_INT(see_end(early), 0);
	vnc_serve(s.vnc, NULL);
	late = connect_client();
	turn();
	CHECK_INT(see_end(late), 0);
}

static void a_descriptor_is_not_passed_before_the_handshake(void)
{
	_cleanup_(screen_done) struct screen s;

	CHECK(screen_open(&s));
	CHECK_INT(qmp_pass_fd(s.q, "x", 0), -EAGAIN);
	CHECK(qemu_says(s.qemu, "nonsense\n"));
	CHECK_INT(qmp_pass_fd(s.q, "x", 0), -EPIPE);
}

int main(void)
{
	if (!mkdtemp(dir) || sd_event_new(&ev) < 0)
		return 1;
	run = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (run < 0 || mkdirat(run, ID, 0700) < 0)
		return 1;
	RUN(only_its_user_may_connect);
	RUN(a_client_is_handed_over_with_its_name);
	RUN(each_client_has_a_name_of_its_own);
	RUN(without_a_qemu_that_listens_clients_are_turned_away);
	RUN(a_descriptor_is_not_passed_before_the_handshake);
	(void)unlinkat(run, ID "/vnc", 0);
	(void)unlinkat(run, ID, AT_REMOVEDIR);
	(void)rmdir(dir);
	sd_event_unref(ev);
	return tap_done();
}
