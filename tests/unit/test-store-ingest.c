/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <pthread.h>

#include "base/io.h"
#include "store-lib.h"

static void nothing_has_a_name_before_commit(void)
{
	_cleanup_fixture_ struct fixture f;
	_cleanup_(ingest_endp) struct ingest *g = NULL;
	struct digest d;

	CHECK(fixture_open(&f));
	CHECK_INT(ingest_begin(f.store, &g, &f.e), 0);
	CHECK_INT(ingest_add(g, "abc", 3, OBJECT_PLAIN, &d, &f.e), 0);
	CHECK_INT(count_entries(&f, "cas/objects"), 0);
	CHECK_INT(ingest_commit(g, &f.e), 0);
	CHECK_INT(count_entries(&f, "cas/objects"), 1);
}

static void the_view_has_what_will_be_committed_and_what_is(void)
{
	_cleanup_fixture_ struct fixture f;
	_cleanup_(ingest_endp) struct ingest *g = NULL;
	struct digest old, d;

	CHECK(fixture_open(&f));
	CHECK_INT(put(&f, "old", OBJECT_PLAIN, &old), 0);
	CHECK_INT(ingest_begin(f.store, &g, &f.e), 0);
	CHECK_INT(ingest_add(g, "abc", 3, OBJECT_PLAIN, &d, &f.e), 0);
	CHECK(!store_has(f.store, &d, OBJECT_PLAIN));
	for (int committed = 0; committed < 2; committed++) {
		_cleanup_free_ char *text = NULL, *old_text = NULL;

		CHECK(store_has(ingest_view(g), &d, OBJECT_PLAIN));
		CHECK_INT(store_read(ingest_view(g), &d, 100, &text, NULL, &f.e), 0);
		CHECK_STR(text, "abc");
		CHECK_INT(store_read(ingest_view(g), &old, 100, &old_text, NULL, &f.e),
			  0);
		CHECK_STR(old_text, "old");
		CHECK_INT(ingest_commit(g, &f.e), 0);
	}
}

static void end_without_commit_leaves_nothing(void)
{
	_cleanup_fixture_ struct fixture f;
	struct ingest *g = NULL;
	struct digest d;

	CHECK(fixture_open(&f));
	CHECK_INT(ingest_begin(f.store, &g, &f.e), 0);
	CHECK_INT(ingest_add(g, "abc", 3, OBJECT_PLAIN, &d, &f.e), 0);
	ingest_end(g);
	CHECK_INT(count_entries(&f, "cas/objects"), 0);
	CHECK_INT(count_entries(&f, "cas/staging"), 0);
}

static void empty_object_is_an_object(void)
{
	_cleanup_fixture_ struct fixture f;
	struct digest d;

	CHECK(fixture_open(&f));
	CHECK_INT(put(&f, "", OBJECT_PLAIN, &d), 0);
	CHECK(store_has(f.store, &d, OBJECT_PLAIN));
	CHECK_INT(store_verify(f.store, NULL, NULL, &f.e), 0);
}

/* Pieces of many sizes, so that buffers, blocks and holes meet at every edge. */
static void stream_keeps_every_byte_and_makes_holes(void)
{
	static const size_t pieces[] = { 1, 4095, 4096, 4097, 65535, 65536, 300000 };
	enum {
		SIZE = 1 << 20
	};
	_cleanup_fixture_ struct fixture f;
	_cleanup_free_ char *data = calloc(1, SIZE);
	struct digest want;
	size_t i, at, n;

	CHECK(fixture_open(&f) && data);
	for (i = 0; i < SIZE; i++) /* data, zeroes, data … and zeroes at the end */
		if ((i / 50000) % 2 == 0 && i < SIZE - 40000)
			data[i] = (char)(i % 251 + 1);
	CHECK_INT(sha256_bytes(data, SIZE, &want), 0);
	for (i = 0; i < ARRAY_SIZE(pieces); i++) {
		_cleanup_(ingest_endp) struct ingest *g = NULL;
		struct ingest_stream *w = NULL;
		struct digest d;
		struct stat st;

		CHECK_INT(ingest_begin(f.store, &g, &f.e), 0);
		CHECK_INT(ingest_stream_new(g, OBJECT_PLAIN, &w, &f.e), 0);
		for (at = 0; at < SIZE; at += n) {
			n = SIZE - at < pieces[i] ? SIZE - at : pieces[i];
			CHECK_INT(ingest_stream_write(w, data + at, n, &f.e), 0);
		}
		CHECK_INT(ingest_stream_finish(w, &d, &f.e), 0);
		CHECK(digest_equal(&d, &want));
		CHECK_INT(ingest_commit(g, &f.e), 0);
		CHECK_INT(store_verify(f.store, NULL, NULL, &f.e), 0);
		CHECK_INT(fstatat(f.root, object_path(&d, ""), &st, 0), 0);
		CHECK_INT(st.st_size, SIZE);
		CHECK(st.st_blocks * 512 < SIZE * 3 / 4);
		CHECK_INT(unlinkat(f.root, object_path(&d, ""), 0), 0);
	}
}

/* One that is a whole number of buffers too, and from its beginning, wherever it stands. */
static void a_file_comes_with_its_size(void)
{
	static const size_t sizes[] = { 0, 1, 262143, 262144, 262145, 524288 };
	_cleanup_fixture_ struct fixture f;
	_cleanup_free_ char *data = malloc(524288);
	_cleanup_close_ int fd = -1;

	CHECK(fixture_open(&f) && data);
	memset(data, 'x', 524288);
	fd = openat(f.root, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		_cleanup_(ingest_endp) struct ingest *g = NULL;
		struct digest d, want;
		uint64_t size = 1;

		CHECK_INT(ftruncate(fd, 0) ?: pwrite_all(fd, data, sizes[i], 0), 0);
		CHECK_INT(lseek(fd, 0, SEEK_END), (off_t)sizes[i]);
		CHECK_INT(sha256_bytes(data, sizes[i], &want), 0);
		CHECK_INT(ingest_begin(f.store, &g, &f.e), 0);
		CHECK_INT(ingest_file(g, fd, OBJECT_PLAIN, &d, &size, &f.e), 0);
		CHECK_INT(size, sizes[i]);
		CHECK(digest_equal(&d, &want));
	}
}

/* Where it cannot be read, nothing is left. */
static void a_file_that_cannot_be_read_is_an_error(void)
{
	_cleanup_fixture_ struct fixture f;
	_cleanup_(ingest_endp) struct ingest *g = NULL;
	struct digest d;

	CHECK(fixture_open(&f));
	CHECK_INT(ingest_begin(f.store, &g, &f.e), 0);
	CHECK_INT(ingest_file(g, f.root, OBJECT_PLAIN, &d, NULL, &f.e), -EISDIR);
	CHECK_STR(f.e.msg, "read it: Is a directory");
	CHECK_INT(ingest_commit(g, &f.e), 0);
	CHECK_INT(count_entries(&f, "cas/objects"), 0);
}

static void aborted_stream_leaves_nothing_and_spoils_nothing(void)
{
	_cleanup_fixture_ struct fixture f;
	_cleanup_(ingest_endp) struct ingest *g = NULL;
	struct ingest_stream *w = NULL;
	struct digest d;

	CHECK(fixture_open(&f));
	CHECK_INT(ingest_begin(f.store, &g, &f.e), 0);
	CHECK_INT(ingest_stream_new(g, OBJECT_PLAIN, &w, &f.e), 0);
	CHECK_INT(ingest_stream_write(w, "abc", 3, &f.e), 0);
	ingest_stream_abort(w);
	CHECK_INT(ingest_add(g, "xyz", 3, OBJECT_PLAIN, &d, &f.e), 0);
	CHECK_INT(ingest_commit(g, &f.e), 0);
	CHECK_INT(count_entries(&f, "cas/objects"), 1);
}

static void object_of_wrong_size_is_replaced(void)
{
	_cleanup_fixture_ struct fixture f;
	_cleanup_close_ int fd = -1;
	struct digest d;

	CHECK(fixture_open(&f));
	CHECK_INT(sha256_bytes("abc", 3, &d), 0);
	fd = openat(f.root, object_path(&d, ""), O_WRONLY | O_CREAT | O_CLOEXEC, 0444);
	CHECK(fd >= 0); /* empty, as after a power failure */
	CHECK_INT(store_verify(f.store, NULL, NULL, &f.e), 1);
	CHECK_INT(put(&f, "abc", OBJECT_PLAIN, &d), 0);
	CHECK_INT(store_verify(f.store, NULL, NULL, &f.e), 0);
}

static int make_file(const struct fixture *f, const char *name, const char *text)
{
	_cleanup_close_ int fd =
		openat(f->root, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	return fd < 0 ? -errno : (int)write(fd, text, strlen(text));
}

static void adopted_file_becomes_the_object(void)
{
	_cleanup_fixture_ struct fixture f;
	_cleanup_(ingest_endp) struct ingest *g = NULL;
	struct stat before, after;
	struct digest d;

	CHECK(fixture_open(&f));
	CHECK_INT(make_file(&f, "download", "abc"), 3);
	CHECK_INT(fstatat(f.root, "download", &before, 0), 0);
	CHECK_INT(sha256_bytes("abc", 3, &d), 0);
	CHECK_INT(ingest_begin(f.store, &g, &f.e), 0);
	CHECK_INT(ingest_adopt(g, f.root, "download", &d, &f.e), 0);
	CHECK_INT(ingest_commit(g, &f.e), 0);
	CHECK_INT(fstatat(f.root, object_path(&d, ""), &after, 0), 0);
	CHECK(before.st_ino == after.st_ino);
	CHECK_INT(store_verify(f.store, NULL, NULL, &f.e), 0);
	CHECK_INT(fstatat(f.root, "download", &after, 0), -1);
	/* The same again: it is there, and the file goes all the same. */
	CHECK_INT(make_file(&f, "download", "abc"), 3);
	CHECK_INT(ingest_adopt(g, f.root, "download", &d, &f.e), 0);
	CHECK_INT(fstatat(f.root, "download", &after, 0), -1);
}

static void file_of_another_file_system_is_adopted_by_copy(void)
{
	_cleanup_fixture_ struct fixture f;
	_cleanup_fixture_ struct fixture other;
	_cleanup_(ingest_endp) struct ingest *g = NULL;
	struct digest d;
	struct stat st;

	CHECK(fixture_open(&f));
	CHECK(fixture_open_fast(&other));
	CHECK_INT(make_file(&other, "download", "abc"), 3);
	CHECK_INT(sha256_bytes("abc", 3, &d), 0);
	CHECK_INT(ingest_begin(f.store, &g, &f.e), 0);
	CHECK_INT(ingest_adopt(g, other.root, "download", &d, &f.e), 0);
	CHECK_INT(ingest_commit(g, &f.e), 0);
	CHECK_INT(fstatat(other.root, "download", &st, 0), -1);
	CHECK_INT(fstatat(f.root, object_path(&d, ""), &st, 0), 0);
	CHECK_INT(st.st_size, 3);
	CHECK_INT(store_verify(f.store, NULL, NULL, &f.e), 0);
}

static void files_with_other_names_and_links_are_not_adopted(void)
{
	_cleanup_fixture_ struct fixture f;
	struct digest d = { 0 };
	static const struct {
		const char *name;
		int code;
	} cases[] = {
		{ "hard", -EMLINK }, { "soft", -ELOOP },  { "dir", -EINVAL },
		{ "../x", -EINVAL }, { "none", -ENOENT },
	};
	size_t i;

	CHECK(fixture_open(&f));
	CHECK_INT(make_file(&f, "hard", "abc"), 3);
	CHECK_INT(linkat(f.root, "hard", f.root, "hard2", 0), 0);
	CHECK_INT(symlinkat("hard", f.root, "soft"), 0);
	CHECK_INT(mkdirat(f.root, "dir", 0700), 0);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(ingest_endp) struct ingest *g = NULL;

		CHECK_INT(ingest_begin(f.store, &g, &f.e), 0);
		CHECK_INT(ingest_adopt(g, f.root, cases[i].name, &d, &f.e),
			  cases[i].code);
		CHECK_INT(ingest_commit(g, &f.e), -ECANCELED);
	}
	CHECK_INT(count_entries(&f, "cas/objects"), 0);
}

enum {
	THREADS = 4,
	OBJECTS = 400
};

struct worker {
	pthread_t thread;
	struct ingest *ingest;
	int bad;
};

static void *add_many(void *data)
{
	struct worker *w = data;
	struct digest d;
	char text[32];

	for (int i = 0; i < OBJECTS; i++) {
		(void)snprintf(text, sizeof(text), "object %d", i);
		if (ingest_add(w->ingest, text, strlen(text), OBJECT_PLAIN, &d, NULL) < 0)
			w->bad++;
	}
	return NULL;
}

static void threads_that_add_the_same_store_it_once(void)
{
	_cleanup_fixture_ struct fixture f;
	_cleanup_(ingest_endp) struct ingest *g = NULL;
	struct worker w[THREADS] = { 0 };
	int i;

	CHECK(fixture_open(&f));
	CHECK_INT(ingest_begin(f.store, &g, &f.e), 0);
	for (i = 0; i < THREADS; i++) {
		w[i].ingest = g;
		CHECK_INT(pthread_create(&w[i].thread, NULL, add_many, &w[i]), 0);
	}
	for (i = 0; i < THREADS; i++)
		(void)pthread_join(w[i].thread, NULL);
	for (i = 0; i < THREADS; i++)
		CHECK_INT(w[i].bad, 0);
	CHECK_INT(ingest_commit(g, &f.e), 0);
	CHECK_INT(count_entries(&f, "cas/objects"), OBJECTS);
	CHECK_INT(store_verify(f.store, NULL, NULL, &f.e), 0);
}

static void two_writers_of_the_same_both_succeed(void)
{
	_cleanup_fixture_ struct fixture f;
	_cleanup_(ingest_endp) struct ingest *a = NULL;
	_cleanup_(ingest_endp) struct ingest *b = NULL;
	struct digest d;

	CHECK(fixture_open(&f));
	CHECK_INT(ingest_begin(f.store, &a, &f.e), 0);
	CHECK_INT(ingest_begin(f.store, &b, &f.e), 0);
	CHECK_INT(ingest_add(a, "abc", 3, OBJECT_PLAIN, &d, &f.e), 0);
	CHECK_INT(ingest_add(b, "abc", 3, OBJECT_PLAIN, &d, &f.e), 0);
	CHECK_INT(ingest_commit(a, &f.e), 0);
	CHECK_INT(ingest_commit(b, &f.e), 0);
	CHECK_INT(count_entries(&f, "cas/objects"), 1);
	CHECK_INT(store_verify(f.store, NULL, NULL, &f.e), 0);
}

int main(void)
{
	RUN(nothing_has_a_name_before_commit);
	RUN(the_view_has_what_will_be_committed_and_what_is);
	RUN(end_without_commit_leaves_nothing);
	RUN(empty_object_is_an_object);
	RUN(stream_keeps_every_byte_and_makes_holes);
	RUN(a_file_comes_with_its_size);
	RUN(a_file_that_cannot_be_read_is_an_error);
	RUN(aborted_stream_leaves_nothing_and_spoils_nothing);
	RUN(object_of_wrong_size_is_replaced);
	RUN(adopted_file_becomes_the_object);
	RUN(file_of_another_file_system_is_adopted_by_copy);
	RUN(files_with_other_names_and_links_are_not_adopted);
	RUN(threads_that_add_the_same_store_it_once);
	RUN(two_writers_of_the_same_both_succeed);
	return tap_done();
}
