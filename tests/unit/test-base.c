/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/io.h"
#include "base/json.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/path.h"
#include "base/strv.h"
#include "tap.h"

static int dir = -1; /* every test's own playground, made by main() */

static void error_is_one_printable_line(void)
{
	struct volt_error e = { 0 };

	CHECK_INT(fail(&e, EIO, "layer 'a\nb\x1b[2J'"), -EIO);
	CHECK_STR(e.msg, "layer 'a?b?[2J'");
	/* U+009B is ESC [ to some terminals; the same bytes elsewhere are letters. */
	CHECK_INT(fail(&e, EIO,
		       "layer '\xc2\x9b"
		       "2J \xc2\xa9 \xe2\x82\x9b'"),
		  -EIO);
	CHECK_STR(e.msg, "layer '??2J \xc2\xa9 \xe2\x82\x9b'");
	CHECK_INT(e.code, EIO);
}

static void keep_line(void *data, int level, const char *line)
{
	(void)level;
	(void)snprintf(data, 64, "%s", line);
}

static void log_lines_are_printable(void)
{
	char got[64] = "";
	const struct log l = { keep_line, got };

	log_line(&l, 0, "image 'a\nb\x1b[2J\xc2\x9b.'");
	CHECK_STR(got, "image 'a?b?[2J??.'");
}

static void error_keeps_the_cause_when_the_text_is_too_long(void)
{
	struct volt_error e = { 0 };
	char longer[600];

	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = 0;
	CHECK_INT(fail_code(&e, -ENOENT, "open '%s'", longer), -ENOENT);
	CHECK(strlen(e.msg) == sizeof(e.msg) - 1);
	CHECK(strstr(e.msg, ": No such file or directory"));
}

static void error_is_not_cut_inside_a_utf8_sequence(void)
{
	struct volt_error e = { 0 };
	char text[600];

	for (size_t i = 0; i + 3 < sizeof(text); i += 3)
		memcpy(text + i, "\xe2\x82\xac", 4);
	(void)fail(&e, EIO, "%s", text);
	CHECK((strlen(e.msg) % 3) == 0);
	(void)fail(&e, EIO, "a%s", text);
	CHECK((strlen(e.msg) % 3) == 1);
}

static void what_is_no_character_is_not_printed(void)
{
	static const char *const texts[][2] = {
		{ "gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80",
		  "gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80" },
		{ "x\xffy\x80z", "x?y?z" },
		{ "x\xc0\xafz", "x??z" },           /* overlong */
		{ "x\xe0\x80\xafz", "x???z" },      /* overlong */
		{ "x\xed\xa0\x80z", "x???z" },      /* a surrogate */
		{ "x\xf4\x90\x80\x80z", "x????z" }, /* beyond the last one */
		{ "x\xc2\x9bz", "x??z" },           /* CSI */
		{ "x\xe2\x82z", "x??z" },
		{ "x\xe2\x82", "x" },
		{ "x\xe2", "x" },
	};
	char text[32];

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		(void)snprintf(text, sizeof(text), "%s", texts[i][0]);
		make_printable(text);
		CHECK_STR(text, texts[i][1]);
	}
}

static void error_context_goes_in_front(void)
{
	struct volt_error e = { 0 };

	(void)fail(&e, ENOENT, "no such object");
	CHECK_INT(fail_in(&e, -ENOENT, "pull '%s'", "x"), -ENOENT);
	CHECK_STR(e.msg, "pull 'x': no such object");
}

static void strv_stays_null_terminated_while_it_grows(void)
{
	_cleanup_strv_ struct strv s = { 0 };

	for (int i = 0; i < 1000; i++) {
		CHECK_INT(strv_addf(&s, "%d", i), 0);
		CHECK(s.v[i + 1] == NULL);
	}
	CHECK_STR(s.v[999], "999");
	CHECK_INT(strv_take(&s, NULL), -ENOMEM);
}

static void digest_takes_only_64_lower_case_digits(void)
{
	char hex[DIGEST_HEX_SIZE], again[DIGEST_HEX_SIZE];
	struct digest d;

	memset(hex, 'a', 64);
	hex[64] = 0;
	CHECK_INT(digest_parse(hex, &d), 0);
	CHECK_STR(digest_hex(&d, again), hex);
	hex[63] = 'A';
	CHECK_INT(digest_parse(hex, &d), -EINVAL);
	hex[63] = 0;
	CHECK_INT(digest_parse(hex, &d), -EINVAL);
	CHECK_INT(digest_parse("", &d), -EINVAL);
	CHECK_INT(digest_parse("../../../etc/shadow", &d), -EINVAL);
	CHECK_INT(digest_parse_oci("sha512:00", &d), -ENOTSUP);
	CHECK_INT(digest_parse_oci("plain", &d), -EINVAL);
}

static void names_with_slashes_or_dots_are_not_names(void)
{
	static const char *const bad[] = {
		"", ".", "..", "a/b", "-x", ".x", "a b", "a\n"
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		CHECK(!name_is_valid(bad[i]));
	CHECK(name_is_valid("web_1.x-y"));
	CHECK_STR(path_base("a/b.c"), "b.c");
	CHECK_STR(path_base("b"), "b");
	CHECK_STR(path_base("a/"), "");
	CHECK(!path_is_name("..") && !path_is_name("a/b") && path_is_name("..."));
}

static void clean_paths_have_no_way_out(void)
{
	static const char *const bad[] = { "",      "/",  "/a",   "a/",   "a//b",
					   "a/./b", "..", "a/..", "../a", "a/../b" };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		CHECK(!path_is_clean(bad[i]));
	CHECK(path_is_clean("a/..b/c.") && path_is_clean("a"));
}

static void open_beneath_refuses_links_and_parents(void)
{
	CHECK_INT(symlinkat("/etc", dir, "out"), 0);
	CHECK_INT(open_beneath(dir, "out/passwd", O_RDONLY, 0), -ELOOP);
	CHECK_INT(open_beneath(dir, "../x", O_RDONLY, 0), -EXDEV);
	CHECK_INT(open_beneath(dir, "/etc/passwd", O_RDONLY, 0), -EXDEV);
	CHECK_INT(mkdir_beneath(dir, "out/x", 0755), -ELOOP);
	CHECK_INT(mkdir_beneath(dir, "a/../b", 0755), -EINVAL);
}

static void remove_tree_does_not_follow_links(void)
{
	_cleanup_close_ int sub = mkdir_beneath(dir, "tree/deep/er", 0755);
	struct stat st;

	CHECK(sub >= 0);
	CHECK_INT(mkdirat(dir, "kept", 0755), 0);
	CHECK_INT(symlinkat("../../../kept", sub, "link"), 0);
	CHECK_INT(fchmodat(dir, "tree/deep", 0, 0), 0);
	CHECK_INT(remove_tree_at(dir, "tree"), 0);
	CHECK(fstatat(dir, "tree", &st, 0) < 0 && errno == ENOENT);
	CHECK_INT(fstatat(dir, "kept", &st, 0), 0);
	CHECK_INT(remove_tree_at(dir, "tree"), 0);
	CHECK_INT(remove_tree_at(dir, ".."), -EINVAL);
	CHECK_INT(remove_tree_at(dir, ""), -EINVAL);
}

/* Deeper than there are descriptors, as a tree made from a hostile image may be. */
static void remove_tree_takes_any_depth(void)
{
	struct rlimit old, few;
	int fd = mkdir_beneath(dir, "deep", 0755);
	struct stat st;

	for (int i = 0; i < 2000 && fd >= 0; i++) {
		int next = mkdir_beneath(fd, "d", 0755);

		(void)close(fd);
		fd = next;
	}
	CHECK(fd >= 0);
	(void)close(fd);
	CHECK_INT(getrlimit(RLIMIT_NOFILE, &old), 0);
	few = (struct rlimit){ 64, old.rlim_max };
	CHECK_INT(setrlimit(RLIMIT_NOFILE, &few), 0);
	CHECK_INT(remove_tree_at(dir, "deep"), 0);
	CHECK_INT(setrlimit(RLIMIT_NOFILE, &old), 0);
	CHECK(fstatat(dir, "deep", &st, 0) < 0 && errno == ENOENT);
}

/* The cause, not that what could not be made is not there. */
static void directory_that_cannot_be_made_says_why(void)
{
	int r = mkdir_open("/sys/volt/x", 0755);

	CHECK(r == -EPERM || r == -EACCES || r == -EROFS);
}

static void atomic_write_replaces_and_leaves_no_temporary(void)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_closedir_ DIR *d = NULL;
	struct dirent *entry;
	int tmp = 0;

	CHECK_INT(write_file_atomic(dir, "f", "one", 3, 0644), 0);
	CHECK_INT(write_file_atomic(dir, "f", "two!", 4, 0444), 0);
	CHECK_INT(read_file_at(dir, "f", 10, &text, NULL), 0);
	CHECK_STR(text, "two!");
	CHECK_INT(write_file_atomic(dir, "none/f", "x", 1, 0644), -ENOENT);
	d = fdopendir(openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	while (d && (entry = readdir(d)))
		tmp += strncmp(entry->d_name, ".tmp-", 5) == 0;
	CHECK_INT(tmp, 0);
}

static void read_refuses_more_than_the_limit(void)
{
	_cleanup_free_ char *text = NULL;

	CHECK_INT(write_file_atomic(dir, "big", "0123456789", 10, 0644), 0);
	CHECK_INT(read_file_at(dir, "big", 9, &text, NULL), -EFBIG);
	CHECK_INT(read_file_at(dir, "big", 10, &text, NULL), 0);
}

static void copy_says_when_the_source_is_short(void)
{
	_cleanup_close_ int in = openat(dir, "big", O_RDONLY | O_CLOEXEC);
	_cleanup_close_ int out = openat(dir, "copy", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	char buf[8] = { 0 };

	CHECK_INT(copy_bytes(in, 2, out, 4, 3), 0);
	CHECK_INT(pread_full(out, buf, 7, 0), 7);
	CHECK(memcmp(buf,
		     "\0\0\0\0"
		     "234",
		     7) == 0);
	CHECK_INT(copy_bytes(in, 0, out, 0, 11), -ENODATA);
}

static void lock_is_seen_and_ends_with_its_descriptor(void)
{
	int fd = lock_open(dir, "lock", LOCK_EXCLUSIVE, false);

	CHECK(fd >= 0);
	CHECK_INT(lock_test(dir, "lock"), 1);
	CHECK_INT(lock_open(dir, "lock", LOCK_SHARED, false), -EAGAIN);
	(void)close(fd);
	CHECK_INT(lock_test(dir, "lock"), 0);
	CHECK_INT(lock_test(dir, "no-lock"), 0);
}

static void json_errors_name_the_member(void)
{
	struct volt_error e = { 0 };
	json_auto_t *j = json_pack("{s:s, s:i, s:n}", "a", "text", "b", 7, "c");
	const char *s = "default";
	int64_t n = 0;
	bool b;

	CHECK_INT(json_get_bool(j, "a", &b, &e), -EINVAL);
	CHECK_STR(e.msg, "member 'a' must be true or false");
	CHECK_INT(json_get_int(j, "b", 8, 9, &n, &e), -EINVAL);
	CHECK_STR(e.msg, "member 'b' must be from 8 to 9, not 7");
	CHECK_INT(json_get_string(j, "c", &s, &e), 0);
	CHECK_STR(s, "default");
	CHECK_INT(json_only(j, "thing", (const char *[]){ "a", "c", NULL }, &e), -EINVAL);
	CHECK_STR(e.msg, "thing has an unknown member 'b'");
}

static void json_refuses_duplicate_keys_and_broken_utf8(void)
{
	struct volt_error e = { 0 };
	json_t *j = NULL;

	CHECK_INT(json_parse("{\"a\":1,\"a\":2}", 13, "x", &j, &e), -EBADMSG);
	CHECK(strstr(e.msg, "parse x: line 1"));
	CHECK_INT(json_parse("[\"\xff\"]", 5, "x", &j, &e), -EBADMSG);
	CHECK_INT(json_read_at(dir, "absent.json", &j, &e), -ENOENT);
}

static void clock_round_trips(void)
{
	char text[CLOCK_TEXT_SIZE];
	int64_t t;

	CHECK_STR(clock_text(INT64_C(1767323045000000006), text),
		  "2026-01-02T03:04:05.000000006Z");
	CHECK_INT(clock_parse(text, &t), 0);
	CHECK_INT(t, INT64_C(1767323045000000006));
	CHECK_INT(clock_parse("2026-01-02T04:04:05+01:00", &t), 0);
	CHECK_INT(t, INT64_C(1767323045000000000));
	CHECK_STR(clock_text(-1, text), "1969-12-31T23:59:59.999999999Z");
	CHECK_INT(clock_parse("2026-01-02", &t), -EINVAL);
	CHECK_INT(clock_parse("2026-01-02T03:04:05", &t), -EINVAL);
	CHECK_INT(clock_parse("2026-01-02T03:04:05Zx", &t), -EINVAL);
	CHECK_INT(clock_parse("2026-01-02T03:04:05+1:00", &t), -EINVAL);
}

static void durations_are_go_s(void)
{
	int64_t t;

	CHECK_INT(duration_parse("1h30m", &t), 0);
	CHECK_INT(t, INT64_C(5400000000000));
	CHECK_INT(duration_parse("1.5s250ms", &t), 0);
	CHECK_INT(t, INT64_C(1750000000));
	CHECK_INT(duration_parse("", &t), -EINVAL);
	CHECK_INT(duration_parse("10", &t), -EINVAL);
	CHECK_INT(duration_parse("-1s", &t), -EINVAL);
	CHECK_INT(duration_parse("99999999999h", &t), -EINVAL);
}

static void sizes_are_podman_s(void)
{
	uint64_t n;

	CHECK_INT(size_parse("512m", &n), 0);
	CHECK_INT(n, 512u << 20);
	CHECK_INT(size_parse("1.5GiB", &n), 0);
	CHECK_INT(n, UINT64_C(3) << 29);
	CHECK_INT(size_parse("64kb", &n), 0);
	CHECK_INT(n, 65536);
	CHECK_INT(size_parse("12b", &n), 0);
	CHECK_INT(n, 12);
	CHECK_INT(size_parse("12bb", &n), -EINVAL);
	CHECK_INT(size_parse("x", &n), -EINVAL);
	CHECK_INT(size_parse("1e9", &n), -EINVAL);
	CHECK_INT(size_parse("0x10", &n), -EINVAL);
	CHECK_INT(size_parse("-1", &n), -EINVAL);
	CHECK_INT(size_parse("9999999p", &n), -ERANGE);
}

static int make_playground(char *template)
{
	return mkdtemp(template) ? open(template, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
				 : -1;
}

static int reopened(const char *path)
{
	_cleanup_close_ int at = open(path, O_PATH | O_CLOEXEC);
	_cleanup_close_ int fd = reopen_regular(at);

	return fd < 0 ? fd : fcntl(fd, F_GETFL) & O_ACCMODE;
}

/* A pipe that somebody had opened for reading could be opened for writing at once. */
static void nothing_but_a_regular_file_is_opened(void)
{
	char pipe[] = "/tmp/volt-test-pipe.XXXXXX";
	_cleanup_close_ int at = -1;

	CHECK(mkdtemp(pipe) && rmdir(pipe) == 0 && mkfifo(pipe, 0600) == 0);
	at = open(pipe, O_PATH | O_CLOEXEC);
	CHECK_INT(reopen_regular(at), -ENOTSUP);
	CHECK(open(pipe, O_WRONLY | O_NONBLOCK | O_CLOEXEC) < 0 && errno == ENXIO);
	CHECK_INT(unlink(pipe), 0);
	CHECK_INT(reopened("/dev/null"), -ENOTSUP);
	CHECK_INT(reopened("/"), -ENOTSUP);
	CHECK_INT(reopened("/etc/passwd"), O_RDONLY);
}

int main(void)
{
	char template[] = "/tmp/volt-test-XXXXXX";

	dir = make_playground(template);
	if (dir < 0)
		return EXIT_FAILURE;
	RUN(error_is_one_printable_line);
	RUN(log_lines_are_printable);
	RUN(error_keeps_the_cause_when_the_text_is_too_long);
	RUN(error_is_not_cut_inside_a_utf8_sequence);
	RUN(what_is_no_character_is_not_printed);
	RUN(error_context_goes_in_front);
	RUN(strv_stays_null_terminated_while_it_grows);
	RUN(digest_takes_only_64_lower_case_digits);
	RUN(names_with_slashes_or_dots_are_not_names);
	RUN(clean_paths_have_no_way_out);
	RUN(open_beneath_refuses_links_and_parents);
	RUN(remove_tree_does_not_follow_links);
	RUN(remove_tree_takes_any_depth);
	RUN(directory_that_cannot_be_made_says_why);
	RUN(atomic_write_replaces_and_leaves_no_temporary);
	RUN(read_refuses_more_than_the_limit);
	RUN(copy_says_when_the_source_is_short);
	RUN(lock_is_seen_and_ends_with_its_descriptor);
	RUN(json_errors_name_the_member);
	RUN(json_refuses_duplicate_keys_and_broken_utf8);
	RUN(clock_round_trips);
	RUN(durations_are_go_s);
	RUN(sizes_are_podman_s);
	(void)close(dir);
	dir = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	(void)remove_tree_at(dir, template + strlen("/tmp/"));
	(void)close(dir);
	RUN(nothing_but_a_regular_file_is_opened);
	return tap_done();
}
