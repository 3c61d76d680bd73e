/* SPDX-License-Identifier: Apache-2.0 */

#include "vm/outlog.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/io.h"

#define HEAD_MAX  64 /* time, stream, flag and the spaces between */
#define NAME_MAX_ 40

struct outlog {
	int dirfd, fd;
	char prefix[16];
	unsigned int number, max_files;
	uint64_t size, max_size;
	uint64_t lost;
};

const char *log_stream_text(enum log_stream s)
{
	return s == LOG_STDOUT ? "stdout" : s == LOG_STDERR ? "stderr" : "console";
}

/* The number in a file's name, 0 if it is not one of ours. */
static unsigned int number_of(const char *name, const char *prefix)
{
	char expected[NAME_MAX_];
	size_t n = strlen(prefix);
	unsigned long number;

	if (strncmp(name, prefix, n) != 0 || name[n] != '-')
		return 0;
	number = strtoul(name + n + 1, NULL, 10);
	if (number == 0 || number > 99999999)
		return 0;
	(void)snprintf(expected, sizeof(expected), OUTLOG_NAME_FORMAT, prefix,
		       (unsigned int)number);
	return strcmp(name, expected) == 0 ? (unsigned int)number : 0;
}

int outlog_range(int dirfd, const char *prefix, unsigned int *ret_first,
		 unsigned int *ret_last)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_closedir_ DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *de;

	if (!d) {
		int r = -errno;

		if (fd >= 0)
			(void)close(fd);
		return r;
	}
	*ret_first = *ret_last = 0;
	while ((de = readdir(d))) {
		unsigned int n = number_of(de->d_name, prefix);

		if (n == 0)
			continue;
		if (*ret_first == 0 || n < *ret_first)
			*ret_first = n;
		if (n > *ret_last)
			*ret_last = n;
	}
	return 0;
}

static int open_number(struct outlog *l, unsigned int number)
{
	char name[NAME_MAX_];
	struct stat st;
	int fd;

	(void)snprintf(name, sizeof(name), OUTLOG_NAME_FORMAT, l->prefix, number);
	fd = openat(l->dirfd, name, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
		    0600);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0) {
		(void)close(fd);
		return -EIO;
	}
	closep(&l->fd);
	l->fd = fd;
	l->number = number;
	l->size = (uint64_t)st.st_size;
	return 0;
}

/* A crash may have cut the last record short: what follows must not join it. */
static void end_torn_line(struct outlog *l)
{
	char last = '\n';

	if (l->size && pread(l->fd, &last, 1, (off_t)l->size - 1) == 1 && last != '\n' &&
	    write(l->fd, "\n", 1) == 1)
		l->size++;
}

int outlog_open(int dirfd, const char *prefix, uint64_t max_size, unsigned int max_files,
		struct outlog **ret)
{
	_cleanup_(outlog_closep) struct outlog *l = calloc(1, sizeof(*l));
	unsigned int first, last;
	int r;

	if (!l)
		return -ENOMEM;
	l->fd = -1;
	l->dirfd = fcntl(dirfd, F_DUPFD_CLOEXEC, 3);
	if (l->dirfd < 0)
		return -errno;
	(void)snprintf(l->prefix, sizeof(l->prefix), "%s", prefix);
	l->max_size = max_size;
	l->max_files = max_files;
	r = outlog_range(dirfd, prefix, &first, &last);
	if (r == 0)
		r = open_number(l, last ? last : 1);
	if (r < 0)
		return r;
	end_torn_line(l);
	*ret = TAKE_PTR(l);
	return 0;
}

void outlog_close(struct outlog *l)
{
	if (!l)
		return;
	closep(&l->fd);
	closep(&l->dirfd);
	free(l);
}

/* Begins the next file and removes those too many. Where that fails the old one goes on
 * growing: better than losing what is written. */
static void rotate(struct outlog *l)
{
	unsigned int first = 0, last = 0;
	char name[NAME_MAX_];

	if (open_number(l, l->number + 1) < 0 ||
	    outlog_range(l->dirfd, l->prefix, &first, &last) < 0)
		return;
	for (; first && first + l->max_files <= last; first++) {
		(void)snprintf(name, sizeof(name), OUTLOG_NAME_FORMAT, l->prefix, first);
		(void)unlinkat(l->dirfd, name, 0);
	}
}

/* All of it or nothing: what a full disk cut short is taken back. */
static int append(struct outlog *l, const char *data, size_t size)
{
	int r = write_all(l->fd, data, size);

	if (r < 0) {
		(void)!ftruncate(l->fd, (off_t)l->size);
		return r;
	}
	l->size += size;
	return 0;
}

static void append_or_count(struct outlog *l, const char *data, size_t size, size_t text)
{
	const char *stream = strcmp(l->prefix, "console") == 0 ? "console" : "stderr";
	char note[160], now[CLOCK_TEXT_SIZE];
	int n;

	if (l->size && l->size + size > l->max_size)
		rotate(l);
	if (l->lost) {
		n = snprintf(note, sizeof(note),
			     "%s %s F [volt: %" PRIu64
			     " bytes were lost: the disk was full]\n",
			     clock_text(clock_wall(), now), stream, l->lost);
		if (append(l, note, (size_t)n) == 0)
			l->lost = 0;
	}
	if (l->lost || append(l, data, size) < 0)
		l->lost += text;
}

void outlog_write(struct outlog *l, enum log_stream stream, const void *data, size_t size)
{
	char buf[2 * OUTLOG_TEXT_MAX], now[CLOCK_TEXT_SIZE];
	const char *p = data, *stream_text = log_stream_text(stream);
	size_t used = 0, text = 0;

	(void)clock_text(clock_wall(), now);
	while (size) {
		size_t part = size < OUTLOG_TEXT_MAX ? size : OUTLOG_TEXT_MAX;
		const char *newline = memchr(p, '\n', part);
		size_t n = newline ? (size_t)(newline - p) : part;

		if (used + HEAD_MAX + n + 1 > sizeof(buf)) {
			append_or_count(l, buf, used, text);
			used = text = 0;
		}
		used += (size_t)snprintf(buf + used, HEAD_MAX, "%s %s %c ", now,
					 stream_text, newline ? 'F' : 'P');
		memcpy(buf + used, p, n);
		used += n;
		buf[used++] = '\n';
		n += newline != NULL;
		text += n;
		p += n;
		size -= n;
	}
	if (used)
		append_or_count(l, buf, used, text);
}
