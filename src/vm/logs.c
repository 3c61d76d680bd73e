/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation
 *
 * The files of a log are read in the order of their numbers, record by record. A reader
 * that follows stays in a file until the next number exists: the writer begins that only
 * after its last word to the old one, so one more read to the end of the old file, after
 * the next was seen, misses nothing. A file that rotation has removed while it was open is
 * read to its end all the same; files that were removed before they were opened are gone.
 *
 * It sleeps in poll() on an inotify of the machine's directory, where every write, every
 * new file and the final state.json shows, and on a `wait` asked of the supervisor, whose
 * end closes that connection even if it is killed.
 */

#include "vm/logs.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/io.h"
#include "base/lock.h"
#include "vm/control.h"
#include "vm/internal.h"
#include "vm/machine-internal.h"
#include "vm/outlog.h"

#define LINE_MAX_ (OUTLOG_TEXT_MAX + 128)

struct reader {
	const struct machine *m;
	const struct logs_options *o;
	const char *prefix;
	int dirfd, fd;
	unsigned int number; /* of the open file, 0: none yet */
	size_t have;
	char buf[4 * LINE_MAX_];
	logs_fn fn;
	void *data;
	int64_t skip; /* lines still to be passed over for `tail` */
	bool counting;
	int64_t count;                 /* of lines, also of one that has no end */
	unsigned int inside, skipping; /* streams in the middle of a line, or of one that
					* is passed over */
};

static int stream_parse(const char *s, size_t n, enum log_stream *ret)
{
	static const enum log_stream all[] = { LOG_STDOUT, LOG_STDERR, LOG_CONSOLE };

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		const char *text = log_stream_text(all[i]);

		if (strlen(text) == n && memcmp(s, text, n) == 0) {
			*ret = all[i];
			return 0;
		}
	}
	return -EINVAL;
}

/* "TIME STREAM F|P TEXT"; a line that is not that (a crash tore it) is passed over. */
static int record_parse(const char *line, size_t size, struct log_record *ret)
{
	const char *end = line + size, *space = memchr(line, ' ', size), *p;
	char time[CLOCK_TEXT_SIZE];

	if (!space || (size_t)(space - line) >= sizeof(time))
		return -EINVAL;
	memcpy(time, line, (size_t)(space - line));
	time[space - line] = '\0';
	if (clock_parse(time, &ret->time) < 0)
		return -EINVAL;
	p = space + 1;
	space = memchr(p, ' ', (size_t)(end - p));
	if (!space || stream_parse(p, (size_t)(space - p), &ret->stream) < 0)
		return -EINVAL;
	p = space + 1;
	if (end - p < 2 || (*p != 'F' && *p != 'P') || p[1] != ' ')
		return -EINVAL;
	ret->partial = *p == 'P';
	ret->data = p + 2;
	ret->size = (size_t)(end - ret->data);
	return 0;
}

static bool begins_line(struct reader *r, const struct log_record *rec)
{
	bool begins = !(r->inside & rec->stream);

	if (rec->partial)
		r->inside |= rec->stream;
	else
		r->inside &= ~(unsigned int)rec->stream;
	return begins;
}

static int deliver(struct reader *r, const char *line, size_t size)
{
	const struct logs_options *o = r->o;
	struct log_record rec;

	if (record_parse(line, size, &rec) < 0 || !(rec.stream & o->streams))
		return 0;
	if ((o->since && rec.time < o->since) || (o->until && rec.time > o->until))
		return 0;
	if (begins_line(r, &rec)) {
		r->count += r->counting;
		if (r->skip > 0)
			r->skipping |= rec.stream;
		else
			r->skipping &= ~(unsigned int)rec.stream;
		r->skip -= r->skip > 0;
	}
	return r->counting || (r->skipping & rec.stream) ? 0 : r->fn(r->data, &rec);
}

/* Hands out whole lines of what has been read. A line longer than any record is noise. */
static int drain(struct reader *r)
{
	size_t at = 0;
	char *newline;
	int d;

	while ((newline = memchr(r->buf + at, '\n', r->have - at))) {
		d = deliver(r, r->buf + at, (size_t)(newline - r->buf) - at);
		if (d)
			return d;
		at = (size_t)(newline - r->buf) + 1;
	}
	if (at == 0 && r->have == sizeof(r->buf))
		at = r->have;
	memmove(r->buf, r->buf + at, r->have - at);
	r->have -= at;
	return 0;
}

static int read_to_end(struct reader *r)
{
	for (;;) {
		ssize_t n = read(r->fd, r->buf + r->have, sizeof(r->buf) - r->have);
		int d;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		r->have += (size_t)n;
		d = drain(r);
		if (d)
			return d;
	}
}

/* Opens the first file after the current one: 1, or 0 when it vanished meanwhile. */
static int advance(struct reader *r, unsigned int first, unsigned int last)
{
	unsigned int n = first > r->number ? first : r->number + 1;
	char name[40];

	for (; n <= last; n++) {
		(void)snprintf(name, sizeof(name), OUTLOG_NAME_FORMAT, r->prefix, n);
		closep(&r->fd);
		r->fd = openat(r->dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		r->number = n;
		r->have = 0;
		if (r->fd >= 0)
			return 1;
		if (errno != ENOENT)
			return -errno;
	}
	return 0;
}

/* Everything that is there now. The next number is looked for before the last read. When the
 * machine is removed meanwhile, what is open is all there is. */
static int read_all_files(struct reader *r)
{
	unsigned int first = 0, last = 0;
	int d;

	for (;;) {
		d = outlog_range(r->dirfd, r->prefix, &first, &last);
		if (d == -ENOENT && r->fd >= 0)
			return read_to_end(r);
		if (d == 0 && r->fd >= 0)
			d = read_to_end(r);
		if (d || last <= r->number)
			return d;
		d = advance(r, first, last);
		if (d < 0)
			return d;
		if (d == 0 && !machine_is_there(r->m))
			return -ENOENT;
	}
}

static bool has_ended(struct machine *m)
{
	_cleanup_(state_done) struct state st = { 0 };

	if (lock_test(m->dirfd, MACHINE_LOCK) != 1)
		return true;
	return state_read(m->dirfd, &st, NULL) < 0 || st.status == STATUS_EXITED ||
	       st.status == STATUS_FAILED;
}

static int watch_directory(struct machine *m)
{
	_cleanup_close_ int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", m->dirfd);
	if (fd < 0 ||
	    inotify_add_watch(fd, path,
			      IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_DELETE_SELF) < 0)
		return -errno;
	return TAKE_FD(fd);
}

/* A connection that says something, or ends, when the machine has ended. */
static int watch_end(struct machine *m)
{
	_cleanup_close_ int fd = control_connect(m->env->runfd, m->id);
	json_auto_t *request = control_request("wait");
	_cleanup_free_ char *text = request ? json_dumps(request, JSON_COMPACT) : NULL;
	size_t size = text ? strlen(text) : 0;

	if (fd < 0 || !text)
		return -ENOTCONN;
	text[size++] = '\n';
	return send(fd, text, size, MSG_NOSIGNAL) == (ssize_t)size ? TAKE_FD(fd) : -EPIPE;
}

static int follow(struct machine *m, struct reader *r)
{
	_cleanup_close_ int notify = watch_directory(m), end = watch_end(m);
	struct pollfd p[2] = { { .fd = notify, .events = POLLIN },
			       { .fd = end, .events = POLLIN } };
	char events[4096];
	bool ended, blind;
	int d;

	for (;;) {
		while (notify >= 0 && read(notify, events, sizeof(events)) > 0)
			;
		/* Looked at before the last read, so that it is the last. */
		ended = p[1].revents || has_ended(m);
		d = read_all_files(r);
		if (d || ended)
			return d;
		if (r->o->until && clock_wall() > r->o->until)
			return 0;
		/* Without a connection (the supervisor is only just starting) or where
		 * the user's inotify instances are used up, look every second. */
		blind = end < 0 || notify < 0;
		(void)poll(p, 2, blind || r->o->until ? 1000 : -1);
	}
}

static int run(struct machine *m, struct reader *r)
{
	int d;

	if (r->o->tail >= 0) {
		r->counting = true;
		d = read_all_files(r);
		if (d)
			return d;
		r->counting = false;
		r->skip = r->count - r->o->tail;
		r->inside = 0;
		closep(&r->fd);
		r->fd = -1;
		r->number = 0;
		r->have = 0;
	}
	d = read_all_files(r);
	return d || !r->o->follow ? d : follow(m, r);
}

int machine_logs(struct machine *m, const struct logs_options *o, logs_fn fn, void *data,
		 struct volt_error *e)
{
	_cleanup_free_ struct reader *r = calloc(1, sizeof(*r));
	int d;

	if (!r)
		return fail_oom(e);
	r->m = m;
	r->o = o;
	r->prefix = o->streams & LOG_CONSOLE ? "console" : "output";
	r->dirfd = m->dirfd;
	r->fd = -1;
	r->fn = fn;
	r->data = data;
	d = run(m, r);
	/* Of one that is gone nothing was seen, rather than that it had nothing to say. */
	if (d == 0 && r->fd < 0 && !machine_is_there(m))
		d = -ENOENT;
	closep(&r->fd);
	if (d < 0)
		d = fail_code(e, d, "read the log of machine '%.12s'", m->id);
	return d == -ENOENT ? machine_verdict(m, d, e) : d;
}
