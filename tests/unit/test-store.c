/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "store-lib.h"

#define ABC_HEX "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static void sha256_matches_the_standard(void)
{
	_cleanup_(sha256_freep) struct sha256 *h = NULL;
	char hex[DIGEST_HEX_SIZE];
	struct digest d;

	CHECK_INT(sha256_bytes("abc", 3, &d), 0);
	CHECK_STR(digest_hex(&d, hex), ABC_HEX);
	CHECK_INT(sha256_new(&h), 0);
	for (int i = 0; i < 2; i++) { /* final() makes it ready for the next value */
		CHECK_INT(sha256_update(h, "a", 1), 0);
		CHECK_INT(sha256_update(h, "bc", 2), 0);
		CHECK_INT(sha256_final(h, &d), 0);
		CHECK_STR(digest_hex(&d, hex), ABC_HEX);
	}
}

static void object_is_named_by_its_digest_and_read_only(void)
{
	_cleanup_fixture_ struct fixture f;
	_cleanup_free_ char *data = NULL;
	struct digest d;
	struct stat st;
	size_t size;

	CHECK(fixture_open(&f));
	CHECK_INT(put(&f, "abc", OBJECT_PLAIN, &d), 0);
	CHECK_INT(fstatat(f.root, "cas/objects/" ABC_HEX, &st, 0), 0);
	CHECK_INT(st.st_mode, S_IFREG | 0444);
	CHECK_INT(st.st_size, 3);
	CHECK_INT(store_read(f.store, &d, 3, &data, &size, &f.e), 0);
	CHECK_INT(size, 3);
	CHECK_STR(data, "abc");
	CHECK_INT(store_read(f.store, &d, 2, &data, &size, &f.e), -EFBIG);
	CHECK_INT(count_entries(&f, "cas/staging"), 0);
}

static void a2_executable_objects_are_files_of_their_own(void)
{
	_cleanup_fixture_ struct fixture f;
	struct stat plain, exec;
	struct digest d;

	CHECK(fixture_open(&f));
	CHECK_INT(put(&f, "abc", OBJECT_EXEC, &d), 0);
	CHECK(!store_has(f.store, &d, OBJECT_PLAIN));
	CHECK(store_has(f.store, &d, OBJECT_EXEC));
	CHECK_INT(put(&f, "abc", OBJECT_PLAIN, &d), 0);
	CHECK_INT(fstatat(f.root, object_path(&d, ".x"), &exec, 0), 0);
	CHECK_INT(fstatat(f.root, object_path(&d, ""), &plain, 0), 0);
	CHECK_INT(exec.st_mode, S_IFREG | 0555);
	CHECK_INT(plain.st_mode, S_IFREG | 0444);
	CHECK(plain.st_ino != exec.st_ino);
}

static void modes_do_not_depend_on_the_umask(void)
{
	_cleanup_fixture_ struct fixture f;
	mode_t old = umask(0077);
	struct digest d;
	struct stat st;
	int r;

	CHECK(fixture_open(&f));
	r = put(&f, "abc", OBJECT_EXEC, &d);
	(void)umask(old);
	CHECK_INT(r, 0);
	CHECK_INT(fstatat(f.root, object_path(&d, ".x"), &st, 0), 0);
	CHECK_INT(st.st_mode, S_IFREG | 0555);
}

static void missing_object_is_named(void)
{
	_cleanup_fixture_ struct fixture f;
	struct digest d;

	CHECK(fixture_open(&f));
	CHECK_INT(sha256_bytes("abc", 3, &d), 0);
	CHECK_INT(store_open_object(f.store, &d, &f.e), -ENOENT);
	CHECK_STR(f.e.msg, "the store has no object '" ABC_HEX "'");
}

static void a8_damaged_object_is_not_read(void)
{
	_cleanup_fixture_ struct fixture f;
	_cleanup_free_ char *data = NULL;
	_cleanup_close_ int fd = -1;
	struct digest d;
	size_t size;

	CHECK(fixture_open(&f));
	CHECK_INT(put(&f, "abc", OBJECT_PLAIN, &d), 0);
	CHECK_INT(fchmodat(f.root, object_path(&d, ""), 0644, 0), 0);
	fd = openat(f.root, object_path(&d, ""), O_WRONLY | O_CLOEXEC);
	CHECK_INT(pwrite(fd, "B", 1, 1), 1);
	CHECK_INT(store_read(f.store, &d, 100, &data, &size, &f.e), -EBADMSG);
	CHECK(strstr(f.e.msg, "'" ABC_HEX "' is damaged"));
	CHECK(!data);
}

static void a1_link_never_replaces_or_opens_what_is_there(void)
{
	_cleanup_fixture_ struct fixture f;
	_cleanup_close_ int dir = -1;
	struct digest a, b;

	CHECK(fixture_open(&f));
	CHECK_INT(put(&f, "abc", OBJECT_PLAIN, &a), 0);
	CHECK_INT(put(&f, "xyz", OBJECT_PLAIN, &b), 0);
	dir = mkdir_beneath(f.root, "profile/lib", 0700);
	CHECK(dir >= 0);
	CHECK_INT(store_link(f.store, &a, OBJECT_PLAIN, dir, "libc.so", &f.e), 0);
	CHECK_INT(store_link(f.store, &b, OBJECT_PLAIN, dir, "libc.so", &f.e), -EEXIST);
	CHECK_INT(store_verify(f.store, NULL, NULL, &f.e), 0);
}

static void a6_link_takes_one_file_name_only(void)
{
	static const char *const names[] = { "", ".", "..", "a/b", "../a", "/a" };
	_cleanup_fixture_ struct fixture f;
	struct digest d;
	size_t i;

	CHECK(fixture_open(&f));
	CHECK_INT(put(&f, "abc", OBJECT_PLAIN, &d), 0);
	for (i = 0; i < ARRAY_SIZE(names); i++)
		CHECK_INT(store_link(f.store, &d, OBJECT_PLAIN, f.root, names[i], &f.e),
			  -EINVAL);
	CHECK_INT(count_entries(&f, "."), 1);
}

static void a12_link_across_file_systems_copies_and_says_so(void)
{
	_cleanup_fixture_ struct fixture f;
	_cleanup_free_ char *data = NULL;
	_cleanup_close_ int shm = -1;
	char dir[] = "/dev/shm/volt-test-store.XXXXXX";
	struct stat st = { 0 };
	struct digest d;
	int r;

	CHECK(fixture_open(&f));
	CHECK_INT(put(&f, "abc", OBJECT_PLAIN, &d), 0);
	CHECK(mkdtemp(dir));
	shm = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = store_link(f.store, &d, OBJECT_EXEC, shm, "x", &f.e);
	(void)fstatat(shm, "x", &st, 0);
	(void)unlinkat(shm, "x", 0);
	(void)rmdir(dir);
	CHECK_INT(r, 1);
	CHECK_INT(st.st_mode, S_IFREG | 0555); /* a10 */
	CHECK_INT(st.st_size, 3);
}

static void a_fifo_in_place_of_an_object_does_not_hang(void)
{
	_cleanup_fixture_ struct fixture f;
	struct digest d;

	CHECK(fixture_open(&f));
	CHECK_INT(sha256_bytes("abc", 3, &d), 0);
	CHECK_INT(mkfifoat(f.root, object_path(&d, ""), 0444), 0);
	CHECK(!store_has(f.store, &d, OBJECT_PLAIN));
	CHECK_INT(store_open_object(f.store, &d, &f.e), -EBADMSG);
	CHECK_INT(store_verify(f.store, NULL, NULL, &f.e), 1);
}

static bool damage(const struct fixture *f, const char *path)
{
	_cleanup_close_ int fd = -1;

	if (fchmodat(f->root, path, 0644, 0) < 0)
		return false;
	fd = openat(f->root, path, O_WRONLY | O_CLOEXEC);
	return fd >= 0 && pwrite(fd, "X", 1, 0) == 1;
}

static void a_damaged_object_is_replaced_by_a_new_file(void)
{
	_cleanup_fixture_ struct fixture f;
	_cleanup_close_ int good = -1, bad = -1, old = -1;
	char text[16] = "";
	struct digest d;

	CHECK(fixture_open(&f));
	CHECK_INT(put(&f, "content", OBJECT_PLAIN, &d), 0);
	CHECK(damage(&f, object_path(&d, "")));
	CHECK_INT(store_verify_kind(f.store, &d, OBJECT_PLAIN, &f.e), -EBADMSG);
	old = store_open_object(f.store, &d, &f.e);
	good = openat(f.root, "good", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	bad = openat(f.root, "bad", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	CHECK(write(good, "content", 7) == 7 && write(bad, "contend", 7) == 7);
	/* What has another digest changes nothing. */
	CHECK_INT(store_replace(f.store, &d, OBJECT_PLAIN, bad, &f.e), -EBADMSG);
	CHECK(strstr(f.e.msg, "is not the same"));
	CHECK_INT(store_verify_kind(f.store, &d, OBJECT_PLAIN, &f.e), -EBADMSG);
	CHECK_INT(store_replace(f.store, &d, OBJECT_PLAIN, good, &f.e), 0);
	CHECK_INT(store_verify(f.store, NULL, NULL, &f.e), 0);
	CHECK_INT(store_verify_kind(f.store, &d, OBJECT_PLAIN, &f.e), 0);
	/* Whoever has the old file open keeps it. */
	CHECK(pread(old, text, 7, 0) == 7);
	CHECK_STR(text, "Xontent");
	CHECK_INT(count_entries(&f, "cas/staging"), 0);
}

int main(void)
{
	RUN(sha256_matches_the_standard);
	RUN(object_is_named_by_its_digest_and_read_only);
	RUN(a2_executable_objects_are_files_of_their_own);
	RUN(modes_do_not_depend_on_the_umask);
	RUN(missing_object_is_named);
	RUN(a8_damaged_object_is_not_read);
	RUN(a1_link_never_replaces_or_opens_what_is_there);
	RUN(a6_link_takes_one_file_name_only);
	RUN(a12_link_across_file_systems_copies_and_says_so);
	RUN(a_fifo_in_place_of_an_object_does_not_hang);
	RUN(a_damaged_object_is_replaced_by_a_new_file);
	return tap_done();
}
