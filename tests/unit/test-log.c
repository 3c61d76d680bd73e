/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/path.h"
#include "tap.h"
#include "vm/console.h"
#include "vm/machine-internal.h"
#include "vm/outlog.h"

static char top[] = "/tmp/volt-test-XXXXXX";
static struct vm_env env = { .rootfd = -1, .runfd = -1 };
static struct machine m = { .env = &env, .dirfd = -1, .id = "test" };
static char text[65536];

static void fresh(void)
{
	char path[64];
	static int n;

	closep(&m.dirfd);
	(void)snprintf(path, sizeof(path), "%s/%d", top, n++);
	m.dirfd = mkdir_open(path, 0700);
	text[0] = '\0';
}

static int collect(void *data, const struct log_record *r)
{
	size_t n = strlen(text);

	(void)snprintf(text + n, sizeof(text) - n, "%d:%.*s%s", r->stream, (int)r->size,
		       r->data, r->partial ? "" : "\n");
	return 0;
}

static const char *read_log(const struct logs_options *o)
{
	text[0] = '\0';
	return machine_logs(&m, o, collect, NULL, NULL) < 0 ? NULL : text;
}

static const char *all(void)
{
	return read_log(
		&(struct logs_options){ .streams = LOG_STDOUT | LOG_STDERR, .tail = -1 });
}

static void say(struct outlog *l, enum log_stream s, const char *words)
{
	outlog_write(l, s, words, strlen(words));
}

static void lines_and_pieces_of_lines_come_back(void)
{
	struct outlog *l;

	fresh();
	CHECK_INT(outlog_open(m.dirfd, "output", 1 << 20, 3, &l), 0);
	say(l, LOG_STDOUT, "a\nb");
	say(l, LOG_STDOUT, "c\n");
	say(l, LOG_STDERR, "\n");
	outlog_close(l);
	CHECK_STR(all(), "1:a\n1:b1:c\n2:\n");
}

static void streams_are_told_apart(void)
{
	struct outlog *l;

	fresh();
	CHECK_INT(outlog_open(m.dirfd, "output", 1 << 20, 3, &l), 0);
	say(l, LOG_STDOUT, "out\n");
	say(l, LOG_STDERR, "err\n");
	outlog_close(l);
	CHECK_STR(read_log(&(struct logs_options){ .streams = LOG_STDERR, .tail = -1 }),
		  "2:err\n");
}

static void tail_counts_lines(void)
{
	struct outlog *l;

	fresh();
	CHECK_INT(outlog_open(m.dirfd, "output", 1 << 20, 3, &l), 0);
	say(l, LOG_STDOUT, "1\n2\n3\n");
	outlog_close(l);
	CHECK_STR(read_log(&(struct logs_options){ .streams = LOG_STDOUT, .tail = 2 }),
		  "1:2\n1:3\n");
	CHECK_STR(read_log(&(struct logs_options){ .streams = LOG_STDOUT, .tail = 0 }),
		  "");
	CHECK_STR(read_log(&(struct logs_options){ .streams = LOG_STDOUT, .tail = 9 }),
		  "1:1\n1:2\n1:3\n");
}

static void since_and_until_are_times(void)
{
	const char *lines = "2026-01-01T00:00:01.000000000Z stdout F one\n"
			    "2026-01-01T00:00:02.000000000Z stdout F two\n"
			    "2026-01-01T00:00:03.000000000Z stdout F three\n";
	struct logs_options o = { .streams = LOG_STDOUT, .tail = -1 };

	fresh();
	CHECK_INT(write_file_atomic(m.dirfd, "output-00000001.log", lines, strlen(lines),
				    0600),
		  0);
	CHECK_INT(clock_parse("2026-01-01T00:00:02Z", &o.since), 0);
	CHECK_STR(read_log(&o), "1:two\n1:three\n");
	o.until = o.since;
	CHECK_STR(read_log(&o), "1:two\n");
}

static size_t count_files(uint64_t *ret_bytes)
{
	_cleanup_closedir_ DIR *d = fdopendir(openat(m.dirfd, ".", O_RDONLY));
	struct dirent *de;
	struct stat st;
	size_t n = 0;

	*ret_bytes = 0;
	while (d && (de = readdir(d))) {
		if (de->d_name[0] == '.' || fstatat(m.dirfd, de->d_name, &st, 0) < 0)
			continue;
		n++;
		*ret_bytes += (uint64_t)st.st_size;
	}
	return n;
}

static void b36_a_log_never_outgrows_its_limits(void)
{
	struct outlog *l;
	char line[101];
	uint64_t bytes;

	fresh();
	memset(line, 'x', 99);
	line[99] = '\n';
	line[100] = '\0';
	CHECK_INT(outlog_open(m.dirfd, "output", 4096, 3, &l), 0);
	for (int i = 0; i < 1000; i++)
		say(l, LOG_STDOUT, line);
	outlog_close(l);
	CHECK_INT(count_files(&bytes), 3);
	CHECK(bytes <= 3 * 4096);
}

static void b36_a_restart_goes_on_where_it_was(void)
{
	struct outlog *l;

	fresh();
	for (int i = 0; i < 3; i++) {
		CHECK_INT(outlog_open(m.dirfd, "output", 4096, 3, &l), 0);
		say(l, LOG_STDOUT, "again\n");
		outlog_close(l);
	}
	CHECK_STR(all(), "1:again\n1:again\n1:again\n");
}

static void a_torn_record_costs_only_itself(void)
{
	const char *torn = "2026-01-01T00:00:01.000000000Z stdout F one\n2026-01-0";
	struct outlog *l;

	fresh();
	CHECK_INT(write_file_atomic(m.dirfd, "output-00000001.log", torn, strlen(torn),
				    0600),
		  0);
	CHECK_INT(outlog_open(m.dirfd, "output", 4096, 3, &l), 0);
	say(l, LOG_STDOUT, "two\n");
	outlog_close(l);
	CHECK_STR(all(), "1:one\n1:two\n");
}

static void long_lines_are_split_and_whole_again(void)
{
	static char big[3 * OUTLOG_TEXT_MAX + 2];
	struct outlog *l;

	fresh();
	memset(big, 'y', sizeof(big) - 2);
	big[sizeof(big) - 2] = '\n';
	CHECK_INT(outlog_open(m.dirfd, "output", 1 << 20, 3, &l), 0);
	say(l, LOG_STDOUT, big);
	outlog_close(l);
	(void)all();
	CHECK_INT(strlen(text), strlen(big) + 2 * strlen("1:1:1:") / 2 + 2);
}

/* A reader in the middle of a file that rotation removes reads on in the next. */
struct rotating {
	struct outlog *l;
	int seen;
};

static int rotate_under(void *data, const struct log_record *r)
{
	struct rotating *t = data;
	char line[2000];

	if (++t->seen > 1)
		return 0;
	memset(line, 'z', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\n';
	for (int i = 0; i < 3; i++)
		outlog_write(t->l, LOG_STDOUT, line, sizeof(line));
	return 0;
}

static void rotation_under_a_reader_loses_nothing_kept(void)
{
	struct logs_options o = { .streams = LOG_STDOUT, .tail = -1, .follow = true };
	struct rotating t = { 0 };

	fresh();
	CHECK_INT(outlog_open(m.dirfd, "output", 4096, 3, &t.l), 0);
	say(t.l, LOG_STDOUT, "first\n");
	CHECK_INT(machine_logs(&m, &o, rotate_under, &t, NULL), 0);
	outlog_close(t.l);
	CHECK_INT(t.seen, 4);
}

static int stop_at_once(void *data, const struct log_record *r)
{
	++*(int *)data;
	return 7;
}

static void the_callback_ends_the_reading(void)
{
	struct logs_options o = { .streams = LOG_STDOUT, .tail = -1 };
	struct outlog *l;
	int calls = 0;

	fresh();
	CHECK_INT(outlog_open(m.dirfd, "output", 4096, 3, &l), 0);
	say(l, LOG_STDOUT, "a\nb\n");
	outlog_close(l);
	CHECK_INT(machine_logs(&m, &o, stop_at_once, &calls, NULL), 7);
	CHECK_INT(calls, 1);
}

/* The console of a hostile guest. */
static void b36_nothing_a_terminal_obeys_reaches_the_console_log(void)
{
	const char *bad = "\x1b[2J\x1b]0;title\aplain\r\x9b"
			  "31m\x7f\ttab\nKernel panic - not "
			  "syncing: oops\n";
	struct logs_options o = { .streams = LOG_CONSOLE, .tail = -1 };
	char tail[CONSOLE_TAIL_SIZE];
	struct console *c;
	struct outlog *l;
	sd_event *ev;
	int pair[2];

	fresh();
	CHECK_INT(pipe2(pair, O_CLOEXEC), 0);
	CHECK(sd_event_new(&ev) >= 0);
	CHECK_INT(outlog_open(m.dirfd, "console", 4096, 3, &l), 0);
	CHECK_INT(console_new(ev, l, &c, NULL), 0);
	CHECK(console_watch(c, pair[0], "") >= 0);
	CHECK_INT(write_all(pair[1], bad, strlen(bad)), 0);
	(void)close(pair[1]);
	console_drain(c);
	CHECK_STR(read_log(&o),
		  "4:0;titleplain31m\ttab\n4:Kernel panic - not syncing: oops\n");
	CHECK_STR(console_panic(c), "Kernel panic - not syncing: oops");
	console_tail(c, tail);
	CHECK_STR(tail, "0;titleplain31m\ttab | Kernel panic - not syncing: oops");
	console_free(c);
	outlog_close(l);
	sd_event_unref(ev);
}

/* Needs a file system that is full; where none can be mounted, /dev/full does not help,
 * since records are appended to a regular file. */
static void a_full_disk_is_counted_and_said_afterwards(void)
{
	char path[96];
	struct outlog *l;
	static char big[OUTLOG_TEXT_MAX];

	fresh();
	(void)snprintf(path, sizeof(path), "%s/full", top);
	(void)mkdir(path, 0700);
	if (mount("none", path, "tmpfs", 0, "size=16k") < 0) {
		printf("# no right to mount: not tried\n");
		return;
	}
	closep(&m.dirfd);
	m.dirfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	memset(big, 'f', sizeof(big));
	big[sizeof(big) - 1] = '\n';
	CHECK_INT(outlog_open(m.dirfd, "output", 1 << 20, 3, &l), 0);
	say(l, LOG_STDOUT, "before\n");
	outlog_write(l, LOG_STDOUT, big, sizeof(big));
	outlog_write(l, LOG_STDOUT, big, sizeof(big));
	say(l, LOG_STDOUT, "after\n");
	outlog_close(l);
	CHECK_STR(all(), "1:before\n2:[volt: 16384 bytes were lost: the disk was full]\n"
			 "2:[volt: 16384 bytes were lost: the disk was full]\n1:after\n");
	closep(&m.dirfd);
	m.dirfd = -1;
	(void)umount2(path, MNT_DETACH);
}

int main(void)
{
	int tmp;

	if (!mkdtemp(top))
		return 1;
	RUN(lines_and_pieces_of_lines_come_back);
	RUN(streams_are_told_apart);
	RUN(tail_counts_lines);
	RUN(since_and_until_are_times);
	RUN(b36_a_log_never_outgrows_its_limits);
	RUN(b36_a_restart_goes_on_where_it_was);
	RUN(a_torn_record_costs_only_itself);
	RUN(long_lines_are_split_and_whole_again);
	RUN(rotation_under_a_reader_loses_nothing_kept);
	RUN(the_callback_ends_the_reading);
	RUN(b36_nothing_a_terminal_obeys_reaches_the_console_log);
	RUN(a_full_disk_is_counted_and_said_afterwards);
	closep(&m.dirfd);
	tmp = open("/tmp", O_PATH | O_DIRECTORY);
	(void)remove_tree_at(tmp, strrchr(top, '/') + 1);
	(void)close(tmp);
	return tap_done();
}
