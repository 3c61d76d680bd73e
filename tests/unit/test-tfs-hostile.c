/* SPDX-License-Identifier: Apache-2.0 */
/* File systems that are wrong in one way each. */
#include <errno.h>

#include "tap.h"
#include "tfs-disk.h"

/* Opens a file system with one record; what is asked for is the error. */
static int open_record(struct disk *record, struct volt_error *e)
{
	_cleanup_(disk_done) struct disk d = { 0 };
	_cleanup_(tfs_closep) struct tfs *fs = NULL;

	disk_of(&d, record);
	disk_done(record);
	return open_disk(&d, &fs, e);
}

#define CHECK_REFUSED(record, code_, part)                                    \
	do {                                                                  \
		struct volt_error e_ = { 0 };                                 \
		CHECK_INT(open_record((record), &e_), -(code_));              \
		if (!strstr(e_.msg, (part)))                                  \
			printf("# '%s' does not say '%s'\n", e_.msg, (part)); \
		CHECK(strstr(e_.msg, (part)));                                \
	} while (0)

static void other_versions_are_refused_by_number(void)
{
	_cleanup_(disk_done) struct disk d = { 0 };
	struct tfs *fs = NULL;
	struct volt_error e = { 0 };

	disk_init(&d, 3);
	put_log(&d, 0, 1, "");
	d.data[6] = 4;
	CHECK_INT(open_disk(&d, &fs, &e), -ENOTSUP);
	CHECK(strstr(e.msg, "version 4, of Nanos before 0.1.47, which is too old"));
	d.data[6] = 6;
	CHECK_INT(open_disk(&d, &fs, &e), -ENOTSUP);
	CHECK(strstr(e.msg, "TFS version 6; volt reads version 5"));
	d.data[0] = 'X';
	CHECK_INT(open_disk(&d, &fs, &e), -ENOTSUP);
	CHECK(strstr(e.msg, "no TFS file system"));
}

static void names_that_no_file_can_have_are_refused(void)
{
	static const char *const names[] = { "a/b", ".", "..", "" };
	struct disk r;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		root_init(&r, 1);
		put_file(&r, names[i], 0, 0);
		CHECK_REFUSED(&r, EBADMSG, "'/' holds a name that no file can have");
	}
	root_init(&r, 1);
	put_header(&r, true, 0, 3);
	put_bytes(&r, "a\0b", 3);
	put_tuple(&r, 0);
	CHECK_REFUSED(&r, EBADMSG, "holds a name that no file can have");
}

static void a_directory_in_two_places_is_refused(void)
{
	struct disk r;

	root_init(&r, 2);
	put_name(&r, "a"); /* 4 */
	put_tuple(&r, 1);  /* 5 */
	put_name(&r, "children");
	put_tuple(&r, 0);
	put_name(&r, "b");
	put_again(&r, 5, 0);
	CHECK_REFUSED(&r, EBADMSG, "'/' holds a directory that is elsewhere, too");
}

static void a_directory_in_itself_is_refused(void)
{
	struct disk r;

	root_init(&r, 1);
	put_name(&r, "a");
	put_again(&r, 1, 0);
	CHECK_REFUSED(&r, EBADMSG, "'/' holds a directory that is elsewhere, too");
	root_init(&r, 1);
	put_name(&r, "a"); /* 4 */
	put_tuple(&r, 1);  /* 5 */
	put_name(&r, "children");
	put_again(&r, 3, 0); /* the root's names */
	CHECK_REFUSED(&r, EBADMSG, "elsewhere, too");
}

static void indices_that_lead_nowhere_are_refused(void)
{
	struct disk r;

	root_init(&r, 1);
	put_name(&r, "a"); /* 4 */
	put_again(&r, 5, 0);
	CHECK_REFUSED(&r, EBADMSG, "refers to a tuple or vector that is not there");
	root_init(&r, 1);
	put_name(&r, "a");
	put_again(&r, 4, 0); /* a name */
	CHECK_REFUSED(&r, EBADMSG, "refers to a tuple or vector that is not there");
	root_init(&r, 1);
	put_name(&r, "a");
	put_again(&r, 0, 0);
	CHECK_REFUSED(&r, EBADMSG, "refers to a tuple or vector that is not there");
	root_init(&r, 1);
	put_header(&r, false, 0, 3); /* a tuple as a name */
	put_tuple(&r, 0);
	CHECK_REFUSED(&r, EBADMSG, "refers to a name that is not there");
}

static void counts_and_lengths_beyond_the_record_are_refused(void)
{
	struct disk r;

	disk_init(&r, 1);
	put_tuple(&r, UINT64_MAX >> 4);
	CHECK_REFUSED(&r, EBADMSG, "more follows than there is");
	root_init(&r, 1);
	put_header(&r, true, 0, 4000);
	CHECK_REFUSED(&r, EBADMSG, "record 1 ends inside of a value");
	disk_init(&r, 1);
	put_tuple(&r, 1);
	put_name(&r, "x");
	put_header(&r, true, 4, UINT64_MAX >> 4);
	CHECK_REFUSED(&r, EBADMSG, "record 1 ends inside of a value");
	disk_init(&r, 1);
	put_byte(&r, 0x9f); /* a number of 71 bits */
	put_bytes(&r, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 10);
	CHECK_REFUSED(&r, EBADMSG, "a number that is too large");
	disk_init(&r, 1);
	put_tuple(&r, 0);
	put_byte(&r, 0);
	CHECK_REFUSED(&r, EBADMSG, "record 1 goes on behind its end");
}

static void values_too_deep_are_refused(void)
{
	struct disk r;

	disk_init(&r, 64);
	for (unsigned int i = 0; i <= TFS_DEPTH_MAX; i++) {
		put_tuple(&r, 1);
		if (i == 0)
			put_name(&r, "x");
		else
			put_header(&r, false, 0, 2);
	}
	put_bytes(&r, "\x80\x80", 2);
	{
		_cleanup_(disk_done) struct disk d = { 0 };
		struct tfs *fs = NULL;
		struct volt_error e = { 0 };

		disk_init(&d, 100);
		put_log(&d, 0, 1, "");
		put_link(&d, 1, 90);
		put_log(&d, 1, 90, NULL);
		put_record(&d, &r);
		put_byte(&d, 1);
		CHECK_INT(open_disk(&d, &fs, &e), -EBADMSG);
		CHECK(strstr(e.msg, "too deep"));
	}
	disk_done(&r);
}

static void a_root_without_files_is_refused(void)
{
	struct disk r;

	disk_init(&r, 1);
	put_tuple(&r, 1);
	put_name(&r, "program");
	put_text(&r, "/a");
	CHECK_REFUSED(&r, EBADMSG, "its root is no directory");
}

static void extents_outside_or_shared_are_refused(void)
{
	struct disk r;

	root_init(&r, 1);
	put_file(&r, "f", 1, 1);
	put_extent(&r, "0", 63, 2);
	CHECK_REFUSED(&r, EBADMSG, "'/f' has an extent outside of the file system");
	root_init(&r, 1);
	put_file(&r, "f", 1, 1);
	put_extent(&r, "0", UINT64_MAX, 2);
	CHECK_REFUSED(&r, EBADMSG, "'/f' has an extent outside of the file system");
	root_init(&r, 2);
	put_file(&r, "f", 1, 1);
	put_extent(&r, "0", 20, 4);
	put_file(&r, "g", 1, 1);
	put_extent(&r, "0", 23, 1);
	CHECK_REFUSED(&r, EBADMSG, "'/g' has sectors that are also another's");
	root_init(&r, 1);
	put_file(&r, "f", 1, 1);
	put_extent(&r, "0", 8, 1); /* the log */
	CHECK_REFUSED(&r, EBADMSG, "'/f' has sectors that are also another's");
	root_init(&r, 1);
	put_file(&r, "f", 1, 2);
	put_extent(&r, "0", 20, 2);
	put_extent(&r, "1", 30, 1);
	CHECK_REFUSED(&r, EBADMSG, "'/f' has two extents for one place");
	root_init(&r, 1);
	put_file(&r, "f", 1, 1);
	put_extent(&r, "x", 20, 1);
	CHECK_REFUSED(&r, EBADMSG, "'/f' has an extent that is none");
}

static void two_kinds_of_file_at_once_are_refused(void)
{
	struct disk r;

	root_init(&r, 1);
	put_name(&r, "f");
	put_tuple(&r, 2);
	put_name(&r, "linktarget");
	put_text(&r, "x");
	put_name(&r, "extents");
	put_tuple(&r, 0);
	CHECK_REFUSED(&r, EBADMSG, "'/f' is two kinds of file at once");
	root_init(&r, 1);
	put_name(&r, "f");
	put_text(&r, "x");
	CHECK_REFUSED(&r, EBADMSG, "'/' holds a name without a file");
}

/* A log whose second extension is at sector 1. */
static int open_log(struct disk *d, struct volt_error *e)
{
	_cleanup_(tfs_closep) struct tfs *fs = NULL;

	return open_disk(d, &fs, e);
}

static void logs_that_loop_or_leave_are_refused(void)
{
	_cleanup_(disk_done) struct disk d = { 0 };
	struct volt_error e = { 0 };

	disk_init(&d, 64);
	put_log(&d, 0, 1, "");
	put_link(&d, 1, 8);
	put_log(&d, 1, 8, NULL);
	put_link(&d, 3, 2);
	CHECK_INT(open_log(&d, &e), -EBADMSG);
	CHECK(strstr(e.msg, "leads back into itself"));
	put_log(&d, 0, 1, "");
	put_link(&d, 0, 1);
	CHECK_INT(open_log(&d, &e), -EBADMSG);
	CHECK(strstr(e.msg, "leads back into itself"));
	put_log(&d, 0, 1, "");
	put_link(&d, 60, 5);
	CHECK_INT(open_log(&d, &e), -EBADMSG);
	CHECK(strstr(e.msg, "goes on outside of the file system"));
	put_log(&d, 0, 1, "");
	put_link(&d, 1, 0);
	CHECK_INT(open_log(&d, &e), -EBADMSG);
	CHECK(strstr(e.msg, "goes on outside of the file system"));
}

static void logs_that_stop_are_refused(void)
{
	_cleanup_(disk_done) struct disk d = { 0 };
	struct volt_error e = { 0 };

	disk_init(&d, 4);
	put_log(&d, 0, 1, "");
	memset(d.data + d.at, 4, TFS_SECTOR - d.at);
	CHECK_INT(open_log(&d, &e), -EBADMSG);
	CHECK(strstr(e.msg, "it stops without an end"));
	put_log(&d, 0, 1, "");
	put_byte(&d, 9);
	CHECK_INT(open_log(&d, &e), -EBADMSG);
	CHECK(strstr(e.msg, "unknown kind"));
	put_log(&d, 0, 1, "");
	put_byte(&d, 1);
	CHECK_INT(open_log(&d, &e), -EBADMSG);
	CHECK(strstr(e.msg, "it has no record"));
	put_log(&d, 0, 1, "");
	put_bytes(&d, "\x02\x05\x02\x90\x90\x01", 6);
	CHECK_INT(open_log(&d, &e), -EBADMSG);
	CHECK(strstr(e.msg, "it ends inside of a record"));
	put_log(&d, 0, 1, "");
	put_bytes(&d, "\x02\x90\x00\x90\x00", 5); /* 2048 bytes */
	CHECK_INT(open_log(&d, &e), -EBADMSG);
	CHECK(strstr(e.msg, "longer than what holds it"));
	put_log(&d, 0, 1, "");
	put_bytes(&d, "\x03\x01\x90", 3);
	CHECK_INT(open_log(&d, &e), -EBADMSG);
	CHECK(strstr(e.msg, "goes on that has not begun"));
	put_log(&d, 0, 1, "");
	put_bytes(&d, "\x02\x05\x02\x90\x90\x02", 6);
	CHECK_INT(open_log(&d, &e), -EBADMSG);
	CHECK(strstr(e.msg, "begins inside of another"));
}

static void a_log_of_too_many_parts_is_refused(void)
{
	_cleanup_(disk_done) struct disk d = { 0 };
	struct volt_error e = { 0 };

	disk_init(&d, TFS_LOG_PIECES + 8);
	put_log(&d, 0, 1, "");
	for (unsigned int i = 1; i <= TFS_LOG_PIECES; i++) {
		put_link(&d, i, 1);
		put_log(&d, i, 1, NULL);
	}
	CHECK_INT(open_log(&d, &e), -EFBIG);
	CHECK_STR(e.msg, "the file system's log has too many parts");
}

/* The memory for a record is had as its bytes come. */
static void a_record_of_any_length_takes_no_memory_before_its_bytes(void)
{
	_cleanup_(disk_done) struct disk d = { 0 };
	struct volt_error e = { 0 };

	disk_init(&d, 4);
	put_log(&d, 0, 1, "");
	put_byte(&d, 2);
	put_varint(&d, TFS_RECORD_MAX + 1ull);
	CHECK_INT(open_log(&d, &e), -EFBIG);
	CHECK_STR(e.msg, "the file system's log has a record of 134217729 bytes");
	put_log(&d, 0, 1, "");
	put_byte(&d, 2);
	put_varint(&d, TFS_RECORD_MAX);
	put_varint(&d, TFS_RECORD_MAX);
	CHECK_INT(open_log(&d, &e), -EBADMSG);
	CHECK(strstr(e.msg, "a record is longer than what holds it"));
}

int main(void)
{
	RUN(other_versions_are_refused_by_number);
	RUN(names_that_no_file_can_have_are_refused);
	RUN(a_directory_in_two_places_is_refused);
	RUN(a_directory_in_itself_is_refused);
	RUN(indices_that_lead_nowhere_are_refused);
	RUN(counts_and_lengths_beyond_the_record_are_refused);
	RUN(values_too_deep_are_refused);
	RUN(a_root_without_files_is_refused);
	RUN(extents_outside_or_shared_are_refused);
	RUN(two_kinds_of_file_at_once_are_refused);
	RUN(logs_that_loop_or_leave_are_refused);
	RUN(logs_that_stop_are_refused);
	RUN(a_log_of_too_many_parts_is_refused);
	RUN(a_record_of_any_length_takes_no_memory_before_its_bytes);
	return tap_done();
}
