/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation
 *
 * A process is known by the host's number from process_start() until its end is reported,
 * which takes: the child is reaped, and its stdout and stderr are read to the end and
 * accepted by the channel. A stream ends at its end of file, or, once the process is
 * reaped, when it is empty: a child left behind in the background may keep the pipe open,
 * but nobody waits for it.
 *
 * When the workload is reaped, or process_end_all() asks for it, everything else gets
 * SIGTERM, after TERM_MS SIGKILL, and only when no child is left (or GIVE_UP tries later) are
 * the workload's streams read to the end: what the others said last is part of it.
 *
 * A stream is watched only while its data could be sent: credit from the host and room in
 * the channel. What the host sends for stdin is held, at most AGENT_WINDOW of it, and
 * credited as the process reads it.
 */
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <termios.h>

#include "channel.h"
#include "init.h"
#include "launch.h"
#include "loop.h"
#include "stats.h"

#define CREDIT_STEP (AGENT_WINDOW / 8)
#define TERM_MS     1000
#define KILL_MS     100 /* again and again: something may fork faster */
#define GIVE_UP     50  /* times */
#define REAP_MAX    256 /* at a time: something may fork faster than we reap */

void (*process_on_workload_end)(void);

struct output {
	struct source source; /* fd -1: ended */
	struct process *process;
	enum agent_stream stream;
	uint32_t window;
	bool waits; /* for room in the channel */
};

struct input {
	struct source source; /* fd -1: closed */
	struct process *process;
	char *data;
	size_t size, done; /* held, and of that written */
	size_t owed;       /* written but not credited */
	bool ends;         /* no more will come */
};

struct process {
	uint32_t id;
	pid_t pid;
	bool reaped, failed, terminal;
	int status;
	struct launch_failure failure; /* if it has failed to start */
	int64_t oom_kills;             /* of the guest when it started */
	struct source report;
	struct input in;
	struct output out, err;
};

static struct process *table[AGENT_PROCESS_MAX];
static bool ending; /* nothing new is started */
static int kills;   /* rounds of SIGKILL so far */
static struct source timer = { .fd = -1 };

static struct process *find(uint32_t id)
{
	for (size_t k = 0; k < ARRAY_SIZE(table); k++)
		if (table[k] && table[k]->id == id)
			return table[k];
	return NULL;
}

bool process_any(void)
{
	for (size_t k = 0; k < ARRAY_SIZE(table); k++)
		if (table[k])
			return true;
	return false;
}

/* Endings */

static void forget(struct process *p)
{
	source_close(&p->report);
	source_close(&p->in.source);
	source_close(&p->out.source);
	source_close(&p->err.source);
	free(p->in.data);
	for (size_t k = 0; k < ARRAY_SIZE(table); k++)
		if (table[k] == p)
			table[k] = NULL;
	free(p);
}

void process_fail(uint32_t id, int code, const char *text)
{
	tell(AGENT_FAILED, id, 0);
	tell_number(AGENT_TAG_CODE, code);
	tell_text(AGENT_TAG_TEXT, text);
	tell_end();
}

static void tell_exited(const struct process *p)
{
	tell(AGENT_EXITED, p->id, 0);
	if (WIFSIGNALED(p->status))
		tell_number(AGENT_TAG_SIGNAL, signal_to_host(WTERMSIG(p->status)));
	else
		tell_number(AGENT_TAG_CODE, WEXITSTATUS(p->status));
	if (WIFSIGNALED(p->status) && WTERMSIG(p->status) == SIGKILL &&
	    oom_kills() > p->oom_kills)
		tell_flag(AGENT_TAG_OOM);
	tell_end();
}

/* Reports the end, or why there was no beginning, once everything of it is there: from
 * then on the host may use the number again. */
static void settle(struct process *p)
{
	uint32_t id = p->id;

	if (!p->reaped || p->report.fd >= 0)
		return;
	if (!p->failed && (p->out.source.fd >= 0 || p->err.source.fd >= 0))
		return;
	if (p->failed)
		process_fail(id, p->failure.code, p->failure.text);
	else
		tell_exited(p);
	forget(p);
	if (id == 0)
		process_on_workload_end();
}

/* Output */

static void end_output(struct output *o)
{
	if (o->source.fd < 0)
		return;
	source_close(&o->source);
	if (!o->process->failed) {
		tell(AGENT_EOF, o->process->id, o->stream);
		tell_end();
	}
}

/* Reads once, if it may. Returns false when there is nothing more to do now. */
static bool pass_on(struct output *o)
{
	ssize_t n;

	if (o->source.fd < 0 || o->window == 0)
		return false;
	n = tell_data(o->process->id, o->stream, o->source.fd, o->window);
	if (n > 0) {
		o->window -= (uint32_t)n;
		return true;
	}
	o->waits = n == -ENOBUFS;
	/* A terminal whose last user is gone says EIO. */
	if (n == 0 || (n < 0 && n != -ENOBUFS && n != -EAGAIN && n != -EINTR) ||
	    (n == -EAGAIN && o->process->reaped))
		end_output(o);
	return false;
}

static void watch_output(struct output *o)
{
	bool want = o->window > 0 && !o->waits;

	if (o->source.fd >= 0)
		(void)source_watch(&o->source, want ? EPOLLIN : 0);
}

static void output_ready(struct source *s, uint32_t events)
{
	struct output *o = source_of(s, struct output, source);

	(void)events;
	(void)pass_on(o);
	watch_output(o);
	settle(o->process);
}

/* All that is there now: after the process is gone, or when the host can take more. */
static void drain(struct output *o)
{
	while (pass_on(o))
		;
	watch_output(o);
}

void process_on_room(void)
{
	for (size_t k = 0; k < ARRAY_SIZE(table); k++) {
		struct process *p = table[k];

		if (!p || !(p->out.waits || p->err.waits))
			continue;
		p->out.waits = p->err.waits = false;
		drain(&p->out);
		drain(&p->err);
		settle(p);
	}
}

int process_credit(uint32_t id, enum agent_stream stream, uint32_t bytes)
{
	struct process *p = find(id);
	struct output *o;

	if (stream != AGENT_STDOUT && stream != AGENT_STDERR)
		return -EBADMSG;
	if (!p)
		return 0;
	o = stream == AGENT_STDOUT ? &p->out : &p->err;
	if (bytes > AGENT_WINDOW - o->window)
		return -EBADMSG;
	o->window += bytes;
	if (p->reaped)
		drain(o);
	watch_output(o);
	settle(p);
	return 0;
}

/* Input */

static void credit(struct input *i)
{
	bool all = i->done == i->size;

	if (i->owed == 0 || (!all && i->owed < CREDIT_STEP))
		return;
	tell(AGENT_CREDIT, i->process->id, AGENT_STDIN);
	tell_number(AGENT_TAG_BYTES, (int64_t)i->owed);
	tell_end();
	i->owed = 0;
}

static void close_input(struct input *i)
{
	struct termios t;
	int fd = i->source.fd;

	/* A pipe ends by being closed; a terminal by the character for it. */
	if (fd >= 0 && i->process->terminal && tcgetattr(fd, &t) == 0 &&
	    (t.c_lflag & ICANON))
		(void)!write(fd, &t.c_cc[VEOF], 1);
	source_close(&i->source);
}

/* Writes what is held; what nobody will read counts as written. */
static void push(struct input *i)
{
	ssize_t n = 1;

	while (i->done < i->size && n > 0) {
		n = (ssize_t)(i->size - i->done);
		if (i->source.fd >= 0)
			n = write(i->source.fd, i->data + i->done, (size_t)n);
		if (n < 0 && errno != EAGAIN && errno != EINTR) {
			source_close(&i->source);
			n = 1;
			i->owed += i->size - i->done;
			i->done = i->size;
		} else if (n > 0) {
			i->done += (size_t)n;
			i->owed += (size_t)n;
		}
	}
	credit(i);
	if (i->done == i->size)
		i->done = i->size = 0;
	if (i->size == 0 && i->ends)
		close_input(i);
	if (i->source.fd >= 0)
		(void)source_watch(&i->source, i->size > 0 ? EPOLLOUT : 0);
}

static void input_ready(struct source *s, uint32_t events)
{
	(void)events;
	push(source_of(s, struct input, source));
}

int process_input(uint32_t id, const char *data, size_t size)
{
	struct process *p = find(id);
	struct input *i;

	if (!p)
		return 0;
	i = &p->in;
	if (i->ends || size > AGENT_WINDOW - (i->size - i->done) - i->owed)
		return -EBADMSG;
	if (!i->data)
		i->data = malloc(AGENT_WINDOW);
	if (!i->data)
		return -ENOMEM;
	memmove(i->data, i->data + i->done, i->size - i->done);
	i->size -= i->done;
	i->done = 0;
	memcpy(i->data + i->size, data, size);
	i->size += size;
	push(i);
	return 0;
}

void process_input_end(uint32_t id)
{
	struct process *p = find(id);

	if (!p)
		return;
	p->in.ends = true;
	push(&p->in);
}

/* Control */

void process_signal(uint32_t id, int number)
{
	struct process *p = find(id);

	if (p && !p->reaped)
		(void)kill(p->pid, signal_from_host(number));
}

void process_resize(uint32_t id, int rows, int columns)
{
	struct process *p = find(id);
	struct winsize ws = { .ws_row = (unsigned short)rows,
			      .ws_col = (unsigned short)columns };

	if (p && p->terminal && p->out.source.fd >= 0)
		(void)ioctl(p->out.source.fd, TIOCSWINSZ, &ws);
}

/* What a process that is gone has left in its pipes. */
static void finish(struct process *p)
{
	drain(&p->out);
	drain(&p->err);
	settle(p);
}

/* The child said why it could not start, or closed the pipe by starting. */
static void report_ready(struct source *s, uint32_t events)
{
	struct process *p = source_of(s, struct process, report);
	struct launch_failure *f = &p->failure;

	(void)events;
	p->failed = read(s->fd, f, sizeof(*f)) == (ssize_t)sizeof(*f);
	f->text[sizeof(f->text) - 1] = 0;
	source_close(s);
	if (!p->failed) {
		tell(AGENT_STARTED, p->id, 0);
		tell_number(AGENT_TAG_PID, p->pid);
		tell_end();
		if (p->id == 0)
			timing("workload");
		tell_timings();
	}
	if (p->id != 0 || !p->reaped || p->failed)
		finish(p);
}

/* Ending everything */

static void set_timer(int ms)
{
	struct itimerspec t = { .it_value = { ms / 1000, ms % 1000 * 1000000 } };

	(void)timerfd_settime(timer.fd, 0, &t, NULL);
}

/* No child is left, or none that can be killed. */
static void all_gone(void)
{
	struct process *p = find(0);

	source_close(&timer);
	if (p)
		finish(p);
}

static void timer_ready(struct source *s, uint32_t events)
{
	uint64_t times;

	(void)events;
	(void)!read(s->fd, &times, sizeof(times));
	if (++kills > GIVE_UP) {
		say(4, "some processes cannot be killed");
		all_gone();
		return;
	}
	(void)kill(-1, SIGKILL);
	set_timer(KILL_MS);
}

void process_end_all(void)
{
	if (ending)
		return;
	ending = true;
	timer = (struct source){ timerfd_create(CLOCK_MONOTONIC,
						TFD_CLOEXEC | TFD_NONBLOCK),
				 0, timer_ready };
	if (timer.fd < 0 || source_watch(&timer, EPOLLIN) < 0 || kill(-1, SIGTERM) < 0) {
		all_gone();
		return;
	}
	(void)kill(-1, SIGCONT);
	set_timer(TERM_MS);
}

static void ended(struct process *p, int status)
{
	p->reaped = true;
	p->status = status;
	if (p->report.fd >= 0)
		report_ready(&p->report, 0);
	else if (p->id != 0)
		finish(p);
}

static void reaped(pid_t pid, int status)
{
	for (size_t k = 0; k < ARRAY_SIZE(table); k++)
		if (table[k] && table[k]->pid == pid && !table[k]->reaped) {
			ended(table[k], status);
			return;
		}
}

void process_reap(void)
{
	struct process *workload;
	pid_t pid = 1;
	int status;
	bool none;

	for (int n = 0; n < REAP_MAX && pid > 0; n++) {
		pid = waitpid(-1, &status, WNOHANG);
		if (pid > 0)
			reaped(pid, status);
	}
	none = pid < 0 && errno == ECHILD;
	if (pid > 0) /* the host comes first, then again */
		(void)raise(SIGCHLD);
	workload = find(0);
	if (workload && workload->reaped)
		process_end_all();
	if (ending && none)
		all_gone();
}

/* Beginnings */

/* The host's end (kept) and the process's end (given) of each stream. */
struct ends {
	int in[2], out[2], err[2]; /* 0: kept, 1: given */
	char terminal[32];
};

static void close_ends(struct ends *e)
{
	int *all[] = { e->in, e->out, e->err };

	for (size_t k = 0; k < ARRAY_SIZE(all); k++)
		for (int i = 0; i < 2; i++)
			if (all[k][i] >= 0)
				(void)close(all[k][i]);
}

static int open_terminal(const struct process_wish *p, struct ends *e)
{
	struct winsize ws = { .ws_row = (unsigned short)p->rows,
			      .ws_col = (unsigned short)p->columns };
	int unlock = 0;
	unsigned int number;

	e->out[0] = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (e->out[0] < 0 || ioctl(e->out[0], TIOCSPTLCK, &unlock) < 0 ||
	    ioctl(e->out[0], TIOCGPTN, &number) < 0 ||
	    (p->rows > 0 && ioctl(e->out[0], TIOCSWINSZ, &ws) < 0))
		return -errno;
	(void)snprintf(e->terminal, sizeof(e->terminal), "/dev/pts/%u", number);
	e->in[0] = fcntl(e->out[0], F_DUPFD_CLOEXEC, 3);
	/* Held open until the child has it, so that the master does not hang up. */
	e->out[1] = open(e->terminal, O_RDWR | O_NOCTTY | O_CLOEXEC);
	return e->in[0] < 0 || e->out[1] < 0 ? -errno : 0;
}

static int open_pipe(int *reader, int *writer, const int *kept)
{
	int fd[2];

	if (pipe2(fd, O_CLOEXEC) < 0)
		return -errno;
	*reader = fd[0];
	*writer = fd[1];
	return fcntl(*kept, F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
}

static int open_ends(const struct process_wish *p, struct ends *e)
{
	int r = 0;

	*e = (struct ends){ { -1, -1 }, { -1, -1 }, { -1, -1 }, "" };
	if (p->tty)
		return open_terminal(p, e);
	if (p->in)
		r = open_pipe(&e->in[1], &e->in[0], &e->in[0]);
	else if ((e->in[1] = fcntl(0, F_DUPFD_CLOEXEC, 3)) < 0)
		r = -errno; /* ours: what is called /dev/null now is the workload's */
	if (r == 0)
		r = open_pipe(&e->out[0], &e->out[1], &e->out[0]);
	if (r == 0)
		r = open_pipe(&e->err[0], &e->err[1], &e->err[0]);
	return r;
}

static int keep(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

static void take_over(struct process *p, struct ends *e, int report)
{
	p->in = (struct input){ .source = { keep(&e->in[0]), 0, input_ready },
				.process = p };
	p->out = (struct output){ .source = { keep(&e->out[0]), 0, output_ready },
				  .process = p,
				  .stream = AGENT_STDOUT,
				  .window = AGENT_WINDOW };
	p->err = (struct output){ .source = { keep(&e->err[0]), 0, output_ready },
				  .process = p,
				  .stream = AGENT_STDERR,
				  .window = AGENT_WINDOW };
	p->report = (struct source){ report, 0, report_ready };
	(void)source_watch(&p->report, EPOLLIN);
}

static int start(struct process *p, const struct process_wish *wish)
{
	struct launch_ends given;
	struct ends e;
	int report, r = open_ends(wish, &e);

	given = (struct launch_ends){ wish->tty ? e.terminal : NULL, e.in[1], e.out[1],
				      e.err[1] };
	if (r == 0)
		r = launch(wish, &given, &p->pid, &report);
	if (r == 0)
		take_over(p, &e, report);
	close_ends(&e);
	return r;
}

static struct process **find_place(void)
{
	for (size_t k = 0; k < ARRAY_SIZE(table); k++)
		if (!table[k])
			return &table[k];
	return NULL;
}

int process_start(uint32_t id, const struct process_wish *wish)
{
	struct process **place = find_place(), *p;
	int r;

	if (find(id))
		return -EBADMSG;
	p = place && !ending ? calloc(1, sizeof(*p)) : NULL;
	if (!p) {
		process_fail(id, 125,
			     ending  ? "the machine is stopping"
			     : place ? "out of memory"
				     : "too many processes");
		return 0;
	}
	p->id = id;
	p->terminal = wish->tty;
	p->oom_kills = oom_kills();
	r = start(p, wish);
	if (r < 0) {
		struct why w;

		(void)because(&w, r, "start the process");
		process_fail(id, 125, w.text);
		free(p);
		if (id == 0)
			process_on_workload_end();
		return 0;
	}
	*place = p;
	return 0;
}
