/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation
 *
 * One poll loop over three descriptors: the machine's streams, our signals (blocked, read
 * from a signalfd) and our stdin. Nothing here is needed for the machine to live: when
 * this process dies, at any point, the machine is left as if the keys to detach had been
 * typed.
 *
 * What can go away, and what is done about it:
 *   our stdin      its end is passed on, once, as the end of the workload's
 *   our stdout     the workload gets SIGPIPE, as if it had written to the pipe itself;
 *                  what it still writes is dropped, and its end waited for
 *   our terminal   SIGHUP goes to the workload; the terminal's errors count as above
 *   the machine    its exit status is ours
 *
 * A signal that was ignored when we started (by nohup, or by a shell for what runs in its
 * background) stays ignored: it was not meant for us, so not for the workload either.
 */

#include "cli/session.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/error.h"
#include "cli/select.h"
#include "cli/terminal.h"

struct loop {
	const struct session *s;
	struct detach_keys keys;
	int signals;
	bool in_open, seen_output;
	char in[16384 + DETACH_KEYS_MAX]; /* read, not yet taken by the machine */
	size_t in_size, in_sent;
	bool in_eof;  /* nothing follows it; passed on once */
	bool lost[3]; /* our stdout and stderr, by number */
	int result;   /* exit status or SESSION_DETACHED, negative while it goes on */
};

static const int proxied[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2 };

static bool is_ignored(int number)
{
	struct sigaction sa;

	return sigaction(number, NULL, &sa) == 0 && sa.sa_handler == SIG_IGN;
}

static int take_signals(struct loop *l, struct volt_error *e)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGWINCH);
	for (size_t i = 0; i < ARRAY_SIZE(proxied); i++)
		if (!is_ignored(proxied[i]))
			(void)sigaddset(&set, proxied[i]);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0 || signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		return fail_errno(e, "block signals");
	l->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return l->signals < 0 ? fail_errno(e, "watch signals") : 0;
}

static void send_signal(const struct loop *l, int number)
{
	char name[16];

	/* It may have ended a moment ago; its exit status is on its way then. */
	(void)snprintf(name, sizeof(name), "%d", number);
	(void)volt_machine_kill(l->s->machine, name, NULL);
}

/* It may have ended already, with all it said still to be read: no failure of ours. */
static void resize(const struct loop *l)
{
	unsigned int rows, columns;

	if (l->s->tty && terminal_size(&rows, &columns))
		(void)volt_attach_resize(l->s->attach, rows, columns, NULL);
}

/* Without a proxy the signal means us: die of it, leaving the machine. */
static void die_of(int number)
{
	sigset_t set;

	terminal_restore();
	(void)signal(number, SIG_DFL);
	(void)raise(number);
	(void)sigemptyset(&set);
	(void)sigaddset(&set, number);
	(void)sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static void on_signal(struct loop *l)
{
	struct signalfd_siginfo si;

	while (read(l->signals, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
		if (si.ssi_signo == SIGWINCH)
			resize(l);
		else if (l->s->sig_proxy)
			send_signal(l, (int)si.ssi_signo);
		else
			die_of((int)si.ssi_signo);
	}
}

/* Hands on what was read: at most once around per poll, so that reading never waits for
 * writing. A workload that has closed its stdin is no failure of ours. */
static int send_input(struct loop *l, struct volt_error *e)
{
	while (l->in_sent < l->in_size) {
		int r = volt_attach_write(l->s->attach, l->in + l->in_sent,
					  l->in_size - l->in_sent, e);

		if (r == -EAGAIN)
			return 0;
		if (r == -EPIPE)
			l->in_open = false;
		if (r < 0)
			return r == -EPIPE ? 0 : r;
		l->in_sent += (size_t)r;
	}
	l->in_size = l->in_sent = 0;
	if (l->in_eof && volt_attach_write(l->s->attach, NULL, 0, NULL) != -EAGAIN)
		l->in_open = false;
	return 0;
}

static int on_input(struct loop *l, struct volt_error *e)
{
	unsigned char in[sizeof(l->in) - DETACH_KEYS_MAX];
	ssize_t n = read(STDIN_FILENO, in, sizeof(in));

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return 0;
	if (n <= 0) /* its end, or a terminal that has gone */
		l->in_eof = true;
	else if (detach_keys_filter(&l->keys, in, (size_t)n, (unsigned char *)l->in,
				    &l->in_size))
		l->result = SESSION_DETACHED;
	return send_input(l, e);
}

/* Our stdout may be a terminal that somebody else made non-blocking. */
static int write_out(int fd, const char *data, size_t size)
{
	while (size > 0) {
		ssize_t n = write(fd, data, size);
		struct pollfd p = { .fd = fd, .events = POLLOUT };

		if (n < 0 && errno == EAGAIN)
			(void)poll(&p, 1, -1);
		else if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			data += n;
			size -= (size_t)n;
		}
	}
	return 0;
}

static void had_output(struct loop *l, bool output)
{
	if (!l->seen_output && l->s->first_output)
		l->s->first_output(l->s->data, output);
	l->seen_output = true;
}

static int on_output(struct loop *l, struct volt_error *e)
{
	struct volt_output out = { 0 };
	int r = volt_attach_next(l->s->attach, &out, e);

	if (r < 0)
		return r == -EAGAIN ? 0 : r;
	if (out.stream == 0) {
		l->result = out.status;
		return 0;
	}
	if (out.stream != STDOUT_FILENO && out.stream != STDERR_FILENO)
		return fail(e, EPROTO, "the machine has no stream %d", out.stream);
	if (!l->lost[out.stream] && write_out(out.stream, out.bytes, out.size) < 0) {
		l->lost[out.stream] = true;
		send_signal(l, SIGPIPE);
	}
	had_output(l, true);
	return 0;
}

/* Waits for our stdin only while nothing of it is left to be sent, and for room in the
 * machine's while something is. */
static int step(struct loop *l, struct volt_error *e)
{
	bool waiting = l->in_open && (l->in_size > 0 || l->in_eof);
	short events = volt_attach_events(l->s->attach);
	struct pollfd p[] = {
		{ .fd = volt_attach_fd(l->s->attach),
		  .events = (short)(events | (waiting ? POLLOUT : 0)) },
		{ .fd = l->signals, .events = POLLIN },
		{ .fd = l->in_open && !waiting ? STDIN_FILENO : -1, .events = POLLIN },
	};
	int r;

	if (poll(p, ARRAY_SIZE(p), -1) < 0)
		return errno == EINTR ? 0 : fail_errno(e, "wait for the machine");
	if (p[1].revents)
		on_signal(l);
	if (p[0].revents && (r = on_output(l, e)) < 0)
		return r;
	if (l->result >= 0)
		return 0;
	if (waiting)
		return send_input(l, e);
	return p[2].revents ? on_input(l, e) : 0;
}

int session_init(struct session *s, struct volt_machine *m, struct volt_error *e)
{
	json_auto_t *j = NULL;
	const json_t *spec;
	int r = inspect_machine(m, &j, e);

	if (r < 0)
		return r;
	spec = json_object_get(j, "spec");
	s->machine = m;
	s->tty = json_is_true(json_object_get(spec, "tty"));
	s->in = json_is_true(json_object_get(spec, "stdin"));
	return 0;
}

int session_run(const struct session *s, struct volt_error *e)
{
	struct loop l = { .s = s, .signals = -1, .in_open = s->in, .result = -1 };
	int r;

	r = detach_keys_parse(s->detach_keys ? s->detach_keys : DETACH_KEYS_DEFAULT,
			      &l.keys, e);
	if (r < 0)
		return r;
	if (!s->tty) /* a pipe's bytes are data, not keys */
		l.keys.n = 0;
	r = take_signals(&l, e);
	if (r == 0 && s->tty && s->in)
		r = terminal_raw(e);
	resize(&l);
	while (r == 0 && l.result < 0)
		r = step(&l, e);
	had_output(&l, false);
	terminal_restore();
	closep(&l.signals);
	return r < 0 ? r : l.result;
}
