/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "rootfs-lib.h"
#include "rootfs/tfs-private.h"
#include "tfs-write-lib.h"

/* A label, a file, a directory, a link, and two attributes, with nothing left free: as bytes,
 * but for zeros at the end of each sector. */
static const struct {
	size_t at, size;
	const char *bytes;
} vector[] = {
	{ 0, 32,
	  "NVMTFS\x05\x01\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f"
	  "vol\x00\x05\x02\x01\x01" },
	{ 512, 3, "hi\n" },
	{ 1024, 134,
	  "NVMTFS\x05\x01\x02\x7a\x7a\x93\x87program\xc2/a\x88\x09"
	  "arguments\xa2\xc1"
	  "a\xc1x\x88\x08"
	  "children\x93\x81"
	  "a\x92\x88\x0a"
	  "filelength\xb0\x03\x87"
	  "extents\x91\x81\x30\x93\x86"
	  "length\xb0\x01\x86"
	  "offset\xb0\x01\x88\x09"
	  "allocated\xb0\x01\x81"
	  "d\x91\x05\x90\x81l\x91\x88\x0alinktarget\xc2/a\x01" },
};

static void the_format_is_that_of_the_test_vector(void)
{
	_cleanup_world_ struct world w;
	_cleanup_close_ int fd = -1;
	json_t *j = json_pack("{s:s, s:[s, s]}", "program", "/a", "arguments", "a", "x");
	uint8_t want[1536] = { 0 }, have[1537];
	struct tfs_input in = { .label = "vol", .attributes = j };

	for (uint8_t i = 0; i < 16; i++)
		in.uuid[i] = i;
	for (size_t i = 0; i < ARRAY_SIZE(vector); i++)
		memcpy(want + vector[i].at, vector[i].bytes, vector[i].size);
	CHECK(world_open(&w) && add_file(&w, "a", 0644, "hi\n", 3) && add_dir(&w, "d") &&
	      add_link(&w, "l", "/a") && world_finish(&w));
	in.tree = w.t;
	in.data = w.f.store;
	fd = world_file(&w, "fs");
	CHECK(fine(&w, tfs_write_bare(&in, fd, 0, NULL, &w.f.e)));
	CHECK_INT(pread_full(fd, have, sizeof(have), 0), sizeof(want));
	for (size_t i = 0; i < sizeof(want); i++)
		if (have[i] != want[i])
			printf("# byte %zu: %02x, not %02x\n", i, have[i], want[i]);
	CHECK(memcmp(have, want, sizeof(want)) == 0);
	json_decref(j);
}

/* Writes the world's tree to the file @name; its size, or -1. */
static int64_t write_fs(struct world *w, const char *name, const json_t *attributes)
{
	_cleanup_close_ int fd = world_file(w, name);
	const struct tfs_input in = { .tree = w->t,
				      .data = w->f.store,
				      .attributes = attributes,
				      .room = 1 << 20 };
	struct tfs_written ret;

	return fine(w, tfs_write(&in, fd, 0, &ret, &w->f.e)) ? (int64_t)ret.size : -1;
}

static bool add_samples(struct world *w)
{
	static char big[300000];
	struct tree_entry fifo = { .path = "run/fifo", .mode = S_IFIFO | 0644 };
	struct tree_entry device = { .path = "dev/null", .mode = S_IFCHR | 0666 };
	struct tree_entry timed = { .path = "timed",
				    .mode = S_IFDIR | 0755,
				    .mtime = 1700000000,
				    .mtime_nsec = 500000000 };

	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (char)(i * 7 + i / 1000);
	return add_file(w, "bin/big", 0755, big, sizeof(big)) &&
	       add_file(w, "etc/hosts", 0644, "localhost\n", 10) &&
	       add_file(w, "etc/empty", 0644, "", 0) && add_link(w, "l", "/etc/hosts") &&
	       add_dir(w, "void") && add_entry(w, &fifo) && add_entry(w, &device) &&
	       add_entry(w, &timed) &&
	       fine(w, tree_builder_link(w->b, "etc/again", "bin/big", &w->f.e)) &&
	       fine(w, tree_builder_link(w->b, "zz", "bin/big", &w->f.e));
}

static void what_was_written_is_read_back(void)
{
	_cleanup_world_ struct world w;

	CHECK(world_open(&w) && add_samples(&w) && world_finish(&w));
	CHECK(write_fs(&w, "fs", NULL) > 300000);
	CHECK(reads_back(&w, "fs", 0));
}

static void special_files_are_left_out_and_counted(void)
{
	_cleanup_world_ struct world w;
	_cleanup_close_ int fd = -1;
	struct tfs_written ret = { 0 };
	struct tfs_input in = { 0 };

	CHECK(world_open(&w) && add_samples(&w) && world_finish(&w));
	fd = world_file(&w, "fs");
	in.tree = w.t;
	in.data = w.f.store;
	CHECK(fine(&w, tfs_write(&in, fd, 0, &ret, &w.f.e)));
	CHECK_INT(ret.skipped, 2);
	CHECK_INT(ret.files, 3);
}

static void the_same_tree_gives_the_same_bytes(void)
{
	_cleanup_world_ struct world w, v;
	_cleanup_free_ char *x = NULL, *y = NULL;
	size_t n = 0, m = 0;

	CHECK(world_open(&w) && add_samples(&w) && world_finish(&w));
	CHECK(world_open(&v) && add_samples(&v) && world_finish(&v));
	CHECK(write_fs(&w, "fs", NULL) > 0 && write_fs(&v, "fs", NULL) > 0);
	CHECK(read_file_at(w.f.root, "fs", 1 << 26, &x, &n) == 0);
	CHECK(read_file_at(v.f.root, "fs", 1 << 26, &y, &m) == 0);
	CHECK(n == m && memcmp(x, y, n) == 0);
}

static void a_name_may_have_any_bytes_but_slash_and_nul(void)
{
	_cleanup_world_ struct world w;
	char name[256];

	CHECK(world_open(&w));
	for (int c = 1; c < 256; c++) {
		if (c == '/')
			continue;
		(void)snprintf(name, sizeof(name), "d/%c%c", c, c);
		if (c != '.')
			CHECK(add_file(&w, name, 0644, name, 4));
		(void)snprintf(name, sizeof(name), "e%c", c);
		CHECK(add_link(&w, name, name));
	}
	memset(name, 'n', 255);
	name[255] = '\0';
	CHECK(add_dir(&w, name) && world_finish(&w));
	CHECK(write_fs(&w, "fs", NULL) > 0);
	CHECK(reads_back(&w, "fs", 0));
}

/* A file of 4 GiB with bytes at its beginning, its end and somewhere between. */
static bool add_sparse(struct world *w)
{
	_cleanup_close_ int fd = world_file(w, "sparse");
	struct tree_entry f = { .path = "sparse", .mode = S_IFREG | 0644 };
	const off_t size = (off_t)4 << 30;

	return ftruncate(fd, size) == 0 && pwrite_all(fd, "first", 5, 0) == 0 &&
	       pwrite_all(fd, "between", 7, (off_t)3 << 20) == 0 &&
	       pwrite_all(fd, "last", 4, size - 4) == 0 &&
	       (f.size = (uint64_t)size) > 0 && add_entry(w, &f);
}

static int open_sparse(void *data, uint32_t entry, struct volt_error *e)
{
	const struct world *w = data;

	return openat(w->f.root, "sparse", O_RDONLY | O_CLOEXEC);
}

static void long_holes_take_no_room(void)
{
	_cleanup_world_ struct world w;
	_cleanup_close_ int fd = -1;
	struct tfs_input in = { .open = open_sparse, .data = &w };
	struct tfs_written ret;
	struct stat st;

	CHECK(world_open(&w) && add_sparse(&w) && world_finish(&w));
	in.tree = w.t;
	fd = world_file(&w, "fs");
	CHECK(fine(&w, tfs_write(&in, fd, 0, &ret, &w.f.e)));
	CHECK(ret.size < 4 << 20);
	CHECK(fstat(fd, &st) == 0 && st.st_blocks * 512 < 1 << 20);
	CHECK(has_bytes(fd, "sparse", 0, "first", 5));
	CHECK(has_bytes(fd, "sparse", (2 << 20) - 1, "\0\0\0", 3));
	CHECK(has_bytes(fd, "sparse", 3 << 20, "between", 7));
	CHECK(has_bytes(fd, "sparse", (2ull << 30), "\0\0\0", 3));
	CHECK(has_bytes(fd, "sparse", (4ull << 30) - 5, "\0last", 5));
}

/* With 128 sectors the header becomes a byte longer, which may make it one sector more. */
static void a_log_of_any_length_is_read_back(void)
{
	static char text[66000];
	_cleanup_world_ struct world w;
	_cleanup_close_ int fd = -1;

	CHECK(world_open(&w) && add_file(&w, "a", 0644, "hi\n", 3) && world_finish(&w));
	fd = world_file(&w, "fs");
	memset(text, 'x', sizeof(text) - 1);
	for (size_t n = 64000; n<sizeof(text); n += n> 64600 && n < 65100 ? 1 : 97) {
		json_t *j = json_pack("{s:s#}", "text", text, n);
		struct tfs_input in = { .tree = w.t, .data = w.f.store, .attributes = j };
		int r = tfs_write_bare(&in, fd, 0, NULL, &w.f.e);

		json_decref(j);
		CHECK(fine(&w, r) && reads_back(&w, "fs", 0));
	}
}

static void attributes_are_read_back(void)
{
	static const char want[] =
		"{\"arguments\": [\"a b\", \"\\u00fc\"], \"big\": \"4711\", \"environment\": "
		"{\"A\": \"\", \"B\": \"=\"}, \"flag\": \"t\", \"program\": \"/x\"}";
	_cleanup_world_ struct world w;
	_cleanup_free_ char *text = NULL;
	json_t *j = json_pack("{s:s, s:[s, b, s], s:{s:s, s:s, s:b}, s:b, s:b, s:i}",
			      "program", "/x", "arguments", "a b", 0, "\xc3\xbc",
			      "environment", "A", "", "B", "=", "C", 0, "flag", 1, "off",
			      0, "big", 4711);

	CHECK(world_open(&w) && add_samples(&w) && world_finish(&w));
	CHECK(write_fs(&w, "fs", j) > 0);
	json_decref(j);
	text = attributes_of(&w, "fs", 0);
	CHECK(same_json(text, want));
}

static void attributes_that_cannot_be_are_refused(void)
{
	static const struct {
		const char *json, *why;
	} v[] = {
		{ "{\"a\": null}", "attribute 'a' is null: nothing to delete" },
		{ "{\"a\": [{\"b\": 1.5}]}",
		  "attribute 'a' is a number that is not whole" },
		{ "{\"a\": {\"b\": \"x\\u0000y\"}}",
		  "attribute 'a' has a NUL in its text" },
		{ "{\"a\": {\"\": 1}}", "an attribute has no name" },
		{ "{\"children\": {}}", "'children' cannot be given" },
		{ "{\"a\":[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]}",
		  "nested too deeply" },
		{ "[]", "attributes are no JSON object" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(v); i++) {
		_cleanup_world_ struct world w;
		_cleanup_close_ int fd = -1;
		json_t *j = json_loads(v[i].json, JSON_ALLOW_NUL, NULL);
		struct tfs_input in = { .attributes = j };

		CHECK(j && world_open(&w) && world_finish(&w));
		in.tree = w.t;
		in.data = w.f.store;
		fd = world_file(&w, "fs");
		CHECK_INT(tfs_write(&in, fd, 0, NULL, &w.f.e), -EINVAL);
		CHECK_STR(strstr(w.f.e.msg, v[i].why) ? v[i].why : w.f.e.msg, v[i].why);
		json_decref(j);
	}
}

static void a_label_that_is_too_long_is_refused(void)
{
	_cleanup_world_ struct world w;
	struct tfs_input in = { .label = "0123456789012345678901234567890x" };
	_cleanup_close_ int fd = -1;

	CHECK(world_open(&w) && world_finish(&w));
	in.tree = w.t;
	fd = world_file(&w, "fs");
	CHECK_INT(tfs_write(&in, fd, 0, NULL, &w.f.e), -EINVAL);
	CHECK(strstr(w.f.e.msg, "is longer than 31 bytes"));
}

static void a_record_appended_is_merged(void)
{
	_cleanup_world_ struct world w;
	json_t *base = json_pack("{s:s, s:{s:s, s:s}, s:s}", "program", "/x",
				 "environment", "A", "1", "B", "2", "gone", "yes");
	json_t *first = json_pack("{s:{s:s, s:s}, s:n, s:[s]}", "environment", "C", "3",
				  "etc", "known", "gone", "arguments", "x");
	json_t *second = json_pack("{s:{s:s}, s:s}", "more", "C", "4", "program", "/y");
	_cleanup_free_ char *text = NULL;

	CHECK(world_open(&w) && add_samples(&w) && world_finish(&w));
	CHECK(write_fs(&w, "fs", base) > 0);
	CHECK(append(&w, "fs", 0, first) && append(&w, "fs", 0, second));
	text = attributes_of(&w, "fs", 0);
	CHECK(same_json(text,
			"{\"program\": \"/y\", \"environment\": {\"C\": \"3\", \"etc\":"
			"\"known\"}, \"arguments\": [\"x\"], \"more\": {\"C\": "
			"\"4\"}}"));
	CHECK(reads_back(&w, "fs", 0));
	json_decref(base);
	json_decref(first);
	json_decref(second);
}

/* Nanos counts indices by distinct names before it writes records of its own. */
static void no_name_is_written_twice_in_a_log(void)
{
	_cleanup_world_ struct world w;
	json_t *j = json_pack("{s:s, s:{s:s}, s:{s:s}}", "etc", "x", "one", "hosts", "1",
			      "two", "hosts", "2");

	CHECK(world_open(&w) && add_samples(&w) &&
	      add_file(&w, "other/hosts", 0644, "x", 1) && world_finish(&w));
	CHECK(write_fs(&w, "fs", j) > 0 && names_are_distinct(&w, "fs", 0));
	CHECK(append(&w, "fs", 0, j) && append(&w, "fs", 0, j));
	CHECK(names_are_distinct(&w, "fs", 0));
	json_decref(j);
}

static void a_record_that_does_not_fit_is_refused(void)
{
	static char text[(257 << 10) + 1];
	_cleanup_world_ struct world w;
	_cleanup_close_ int fd = -1;
	struct tfs_patch p = { 0 };
	json_t *j;

	memset(text, 'x', sizeof(text) - 1);
	j = json_pack("{s:s}", "a", text);
	CHECK(world_open(&w) && world_finish(&w) && write_fs(&w, "fs", NULL) > 0);
	fd = openat(w.f.root, "fs", O_RDONLY | O_CLOEXEC);
	CHECK_INT(tfs_append(fd, 0, j, &p, &w.f.e), -E2BIG);
	CHECK(strstr(w.f.e.msg, "do not fit into the"));
	text[(255 << 10)] = '\0';
	json_decref(j);
	j = json_pack("{s:s}", "a", text);
	CHECK(append(&w, "fs", 0, j) && reads_back(&w, "fs", 0));
	json_decref(j);
}

static void nothing_is_appended_to_what_is_no_file_system(void)
{
	_cleanup_world_ struct world w;
	_cleanup_close_ int fd = -1;
	struct tfs_patch p = { 0 };
	json_t *j = json_object();

	CHECK(world_open(&w));
	fd = world_file(&w, "fs");
	CHECK(ftruncate(fd, 8192) == 0);
	CHECK(tfs_append(fd, 0, j, &p, &w.f.e) < 0 && w.f.e.msg[0]);
	CHECK_INT(tfs_append(fd, 16384, j, &p, &w.f.e), -EBADMSG);
	CHECK_INT(tfs_append(fd, 7, j, &p, &w.f.e), -EBADMSG);
	CHECK(strstr(w.f.e.msg, "no Nanos file system at byte 7"));
	CHECK(!p.data);
	json_decref(j);
}

static void broken_contents_are_named_and_nothing_is_left(void)
{
	static const off_t sizes[] = { 0, 9, 11, 70000 };
	_cleanup_world_ struct world w;
	struct tfs_input in = { 0 };
	_cleanup_close_ int fd = -1;
	struct stat st;

	CHECK(world_open(&w) && add_samples(&w) && world_finish(&w));
	in.tree = w.t;
	in.data = w.f.store;
	fd = world_file(&w, "fs");
	CHECK(ftruncate(fd, 8192) == 0);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		CHECK(damage_object(&w, "etc/hosts", sizes[i]));
		CHECK_INT(tfs_write(&in, fd, 8192, NULL, &w.f.e), -EBADMSG);
		CHECK(strstr(w.f.e.msg, "of 'etc/hosts' does not have the 10 bytes"));
		CHECK(fstat(fd, &st) == 0 && st.st_size == 8192);
	}
	CHECK(damage_object(&w, "etc/hosts", 10) && damage_object(&w, "bin/big", 5000));
	CHECK_INT(tfs_write(&in, fd, 8192, NULL, &w.f.e), -EBADMSG);
	CHECK(strstr(w.f.e.msg, "of 'bin/big' does not have the 300000 bytes"));
	CHECK(fstat(fd, &st) == 0 && st.st_size == 8192);
}

static void a_missing_object_is_named(void)
{
	_cleanup_world_ struct world w;
	struct tree_entry f = { .path = "usr/bin/x", .mode = S_IFREG | 0755, .size = 10 };
	struct tfs_input in = { 0 };
	_cleanup_close_ int fd = -1;

	memset(f.object.b, 0xab, sizeof(f.object.b));
	CHECK(world_open(&w) && add_entry(&w, &f) && world_finish(&w));
	in.tree = w.t;
	in.data = w.f.store;
	fd = world_file(&w, "fs");
	CHECK_INT(tfs_write(&in, fd, 0, NULL, &w.f.e), -ENOENT);
	CHECK(strstr(w.f.e.msg, "'usr/bin/x'") && strstr(w.f.e.msg, "abababab"));
}

/* A file size limit stands for a full disk. */
static void a_full_disk_is_an_error_that_leaves_nothing(void)
{
	_cleanup_world_ struct world w;
	struct rlimit limit = { 100000, RLIM_INFINITY };
	_cleanup_close_ int fd = -1;
	struct tfs_input in = { 0 };
	struct stat st;

	CHECK(world_open(&w) && add_samples(&w) && world_finish(&w));
	in.tree = w.t;
	in.data = w.f.store;
	fd = world_file(&w, "fs");
	(void)signal(SIGXFSZ, SIG_IGN);
	CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
	CHECK_INT(tfs_write(&in, fd, 0, NULL, &w.f.e), -EFBIG);
	CHECK(strstr(w.f.e.msg, "size a Nanos file system to"));
	limit.rlim_cur = RLIM_INFINITY;
	CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
	CHECK(fstat(fd, &st) == 0 && st.st_size == 0);
}

static void sizes_beyond_16_tib_are_refused(void)
{
	static const uint64_t sizes[] = { UINT64_MAX, 1ull << 63, (1ull << 44) + 1 };

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		_cleanup_world_ struct world w;
		struct tree_entry f = { .path = "x", .mode = S_IFREG, .size = sizes[i] };
		_cleanup_close_ int fd = -1;
		struct tfs_input in = { 0 };

		CHECK(world_open(&w) && add_entry(&w, &f) && world_finish(&w));
		in.tree = w.t;
		in.data = w.f.store;
		fd = world_file(&w, "fs");
		CHECK_INT(tfs_write(&in, fd, 0, NULL, &w.f.e), -EFBIG);
		CHECK(strstr(w.f.e.msg, "'x' is larger than 16 TiB"));
	}
}

static void a_broken_tree_is_refused(void)
{
	_cleanup_world_ struct world w;
	struct tfs_input in = { 0 };
	_cleanup_close_ int fd = -1;

	CHECK(world_open(&w) && add_samples(&w) && world_finish(&w));
	in.tree = w.t;
	in.data = w.f.store;
	fd = world_file(&w, "fs");
	w.t->v[w.t->n - 1].hardlink = w.t->n - 1;
	CHECK_INT(tfs_write(&in, fd, 0, NULL, &w.f.e), -EBADMSG);
	CHECK(strstr(w.f.e.msg, "hard link 'zz' leads nowhere"));
	w.t->v[w.t->n - 1].hardlink = TREE_NONE;
	w.t->v[w.t->n - 1].path = "a/b";
	CHECK_INT(tfs_write(&in, fd, 0, NULL, &w.f.e), -EBADMSG);
	CHECK(strstr(w.f.e.msg, "'a/b' is out of order"));
}

static void fifty_thousand_files_are_read_back(void)
{
	_cleanup_world_ struct world w;
	char path[64], data[32];

	CHECK(world_open_in(&w, fixture_open_fast));
	for (int i = 0; i < 50000; i++) {
		int n = snprintf(data, sizeof(data), "content %d", i % 100);

		(void)snprintf(path, sizeof(path), "d%d/e%d/file-%d", i % 37, i % 11, i);
		if (!add_file(&w, path, 0644, data, (size_t)n))
			break;
	}
	CHECK(world_finish(&w) && w.t->n > 50000);
	CHECK(write_fs(&w, "fs", NULL) > 0);
	CHECK(reads_back(&w, "fs", 0));
}

int main(void)
{
	RUN(the_format_is_that_of_the_test_vector);
	RUN(what_was_written_is_read_back);
	RUN(special_files_are_left_out_and_counted);
	RUN(the_same_tree_gives_the_same_bytes);
	RUN(a_name_may_have_any_bytes_but_slash_and_nul);
	RUN(long_holes_take_no_room);
	RUN(a_log_of_any_length_is_read_back);
	RUN(attributes_are_read_back);
	RUN(attributes_that_cannot_be_are_refused);
	RUN(a_label_that_is_too_long_is_refused);
	RUN(a_record_appended_is_merged);
	RUN(no_name_is_written_twice_in_a_log);
	RUN(a_record_that_does_not_fit_is_refused);
	RUN(nothing_is_appended_to_what_is_no_file_system);
	RUN(broken_contents_are_named_and_nothing_is_left);
	RUN(a_missing_object_is_named);
	RUN(a_full_disk_is_an_error_that_leaves_nothing);
	RUN(sizes_beyond_16_tib_are_refused);
	RUN(a_broken_tree_is_refused);
	RUN(fifty_thousand_files_are_read_back);
	return tap_done();
}
