/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "base/strv.h"
#include "store-lib.h"

static void a6_hostile_names_never_become_paths(void)
{
	static const char *const names[] = {
		"",
		".",
		"..",
		"../x",
		"a/b",
		"/etc/passwd",
		"a/../../x",
		"x\n",
		"-x",
		".tmp-x",
		"images/../../../x",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	};
	_cleanup_fixture_ struct fixture f;
	json_auto_t *j = json_object(), *read = NULL;
	_cleanup_free_ char *text = NULL;
	size_t i;

	CHECK(fixture_open(&f));
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		CHECK_INT(ref_write(f.store, "images", names[i], j, &f.e), -EINVAL);
		CHECK_INT(ref_write(f.store, NULL, names[i], j, &f.e), -EINVAL);
		CHECK_INT(ref_read(f.store, "images", names[i], &read, &f.e), -EINVAL);
		CHECK_INT(ref_remove(f.store, "images", names[i], &f.e), -EINVAL);
		CHECK_INT(ref_tag_write(f.store, names[i], "x", &f.e), -EINVAL);
		CHECK_INT(ref_tag_write(f.store, "x", names[i], &f.e), -EINVAL);
		CHECK_INT(ref_tag_read(f.store, names[i], &text, &f.e), -EINVAL);
	}
	CHECK_INT(count_entries(&f, "."), 1);
	CHECK_INT(count_entries(&f, "cas/refs"), 0);
}

static void unknown_kinds_are_refused(void)
{
	static const char *const kinds[] = { "",   "tag",      "tags",      "Images",
					     "..", "images/x", "../objects" };
	_cleanup_fixture_ struct fixture f;
	_cleanup_strv_ struct strv list = { 0 };
	json_auto_t *j = json_object(), *read = NULL;
	size_t i;

	CHECK(fixture_open(&f));
	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		CHECK_INT(ref_write(f.store, kinds[i], "x", j, &f.e), -EINVAL);
		CHECK_INT(ref_read(f.store, kinds[i], "x", &read, &f.e), -EINVAL);
		CHECK_INT(ref_list(f.store, kinds[i], &list, &f.e), -EINVAL);
	}
	CHECK(strstr(f.e.msg, "'../objects' is not a kind of ref"));
}

static void a7_only_digests_are_accepted_in_refs(void)
{
	static const char *const bad[] = {
		"",
		"abc",
		"../../../etc/shadow",
		"BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD",
		"sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
		"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad.x",
		"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015a/",
	};
	_cleanup_fixture_ struct fixture f;
	size_t i;

	CHECK(fixture_open(&f));
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		json_auto_t *a = json_pack("{s:{s:s}}", "objects", "bin/x", bad[i]);
		json_auto_t *b = json_pack("{s:[s]}", "lists", bad[i]);

		CHECK_INT(ref_write(f.store, NULL, "x", a, &f.e), -EBADMSG);
		CHECK(strstr(f.e.msg, "'bin/x' is not a digest"));
		CHECK_INT(ref_write(f.store, NULL, "x", b, &f.e), -EBADMSG);
	}
	CHECK_INT(count_entries(&f, "cas/refs"), 0);
}

static void ref_to_a_missing_object_is_not_written(void)
{
	_cleanup_fixture_ struct fixture f;
	json_auto_t *read = NULL;
	struct digest d;

	CHECK(fixture_open(&f));
	CHECK_INT(sha256_bytes("abc", 3, &d), 0);
	CHECK_INT(hold(&f, "image", &d), -ENOENT);
	CHECK(strstr(f.e.msg, "write ref 'image': the store has no object 'ba7816bf"));
	CHECK_INT(ref_read(f.store, "images", "image", &read, &f.e), -ENOENT);
	CHECK_STR(f.e.msg, "no ref 'images/image'");
}

/* As an earlier program wrote it, with members that volt does not know. */
static void manifests_of_others_load_and_keep_unknown_members(void)
{
	static const char text[] =
		"{\"name\":\"kvm-linux\",\"created_at\":\"2025-01-01T00:00:00Z\",\"objects\":{"
		"\"bin/qemu-system-x86_64\":"
		"\"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"},"
		"\"qemu_version\":\"9.1\",\"colour\":[\"blue\"]}";
	_cleanup_fixture_ struct fixture f;
	json_auto_t *j = NULL, *again = NULL;
	struct digest d;
	int fd;

	CHECK(fixture_open(&f));
	CHECK_INT(put(&f, "abc", OBJECT_PLAIN, &d), 0);
	fd = openat(f.root, "cas/refs/kvm-linux-ba7816bf.json",
		    O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	CHECK_INT(write(fd, text, strlen(text)), strlen(text));
	(void)close(fd);
	CHECK_INT(ref_read(f.store, NULL, "kvm-linux-ba7816bf", &j, &f.e), 0);
	CHECK_INT(ref_write(f.store, NULL, "copy", j, &f.e), 0);
	CHECK_INT(ref_read(f.store, NULL, "copy", &again, &f.e), 0);
	CHECK(json_equal(j, again));
	CHECK_INT(store_gc(f.store, false, true, NULL, &f.e), 0);
	CHECK(store_has(f.store, &d, OBJECT_PLAIN));
}

static void a15_tags_name_one_ref_exactly(void)
{
	_cleanup_fixture_ struct fixture f;
	_cleanup_free_ char *name = NULL, *other = NULL;

	CHECK(fixture_open(&f));
	CHECK_INT(ref_tag_read(f.store, "kvm-linux", &name, &f.e), -ENOENT);
	CHECK_STR(f.e.msg, "no tag 'kvm-linux'");
	CHECK_INT(ref_tag_write(f.store, "kvm-linux-debug", "kvm-linux-debug-0001", &f.e),
		  0);
	CHECK_INT(ref_tag_read(f.store, "kvm-linux", &name, &f.e), -ENOENT);
	CHECK_INT(ref_tag_write(f.store, "kvm-linux", "kvm-linux-ffff", &f.e), 0);
	CHECK_INT(ref_tag_write(f.store, "kvm-linux", "kvm-linux-0000", &f.e), 0);
	CHECK_INT(ref_tag_read(f.store, "kvm-linux", &name, &f.e), 0);
	CHECK_STR(name, "kvm-linux-0000");
	CHECK_INT(ref_tag_read(f.store, "kvm-linux-debug", &other, &f.e), 0);
	CHECK_STR(other, "kvm-linux-debug-0001");
}

static void tag_that_holds_something_else_is_refused(void)
{
	static const char *const texts[] = { "", "\n", "../x\n", "a b\n", "a\nb\n" };
	_cleanup_fixture_ struct fixture f;
	_cleanup_free_ char *name = NULL;
	size_t i;
	int fd;

	CHECK(fixture_open(&f));
	CHECK_INT(ref_tag_write(f.store, "t", "x", &f.e), 0);
	for (i = 0; i < ARRAY_SIZE(texts); i++) {
		fd = openat(f.root, "cas/refs/tags/t", O_WRONLY | O_TRUNC | O_CLOEXEC);
		CHECK_INT(write(fd, texts[i], strlen(texts[i])), strlen(texts[i]));
		(void)close(fd);
		CHECK_INT(ref_tag_read(f.store, "t", &name, &f.e), -EBADMSG);
	}
	CHECK_STR(f.e.msg, "tag 't' does not hold the name of a ref");
}

static void list_is_sorted_and_of_one_kind(void)
{
	_cleanup_fixture_ struct fixture f;
	_cleanup_strv_ struct strv images = { 0 }, none = { 0 };
	json_auto_t *j = json_object();

	CHECK(fixture_open(&f));
	CHECK_INT(ref_list(f.store, "kernels", &none, &f.e), 0);
	CHECK_INT(none.n, 0);
	CHECK_INT(ref_write(f.store, "images", "b", j, &f.e), 0);
	CHECK_INT(ref_write(f.store, "images", "a.json", j, &f.e), 0);
	CHECK_INT(ref_write(f.store, "layers", "c", j, &f.e), 0);
	CHECK_INT(ref_list(f.store, "images", &images, &f.e), 0);
	CHECK_INT(images.n, 2);
	CHECK_STR(images.v[0], "a.json");
	CHECK_STR(images.v[1], "b");
}

static void no_symbolic_link_among_refs_is_followed(void)
{
	_cleanup_fixture_ struct fixture f;
	json_auto_t *j = json_object();

	CHECK(fixture_open(&f));
	CHECK_INT(mkdirat(f.root, "outside", 0700), 0);
	CHECK_INT(symlinkat("../../outside", f.root, "cas/refs/images"), 0);
	CHECK_INT(ref_write(f.store, "images", "x", j, &f.e), -ELOOP);
	CHECK_INT(count_entries(&f, "outside"), 0);
}

static void object_lists_come_back_sorted_without_duplicates(void)
{
	_cleanup_fixture_ struct fixture f;
	_cleanup_(ingest_endp) struct ingest *g = NULL;
	_cleanup_free_ struct digest *got = NULL;
	struct digest v[4] = { 0 }, list;
	size_t n;

	CHECK(fixture_open(&f));
	v[0].b[0] = 9;
	v[1].b[31] = 1;
	v[2].b[0] = 9;
	v[3].b[0] = 3;
	CHECK_INT(ingest_begin(f.store, &g, &f.e), 0);
	CHECK_INT(object_list_add(g, v, 4, &list, &f.e), 0);
	CHECK_INT(ingest_commit(g, &f.e), 0);
	CHECK_INT(object_list_read(f.store, &list, &got, &n, &f.e), 0);
	CHECK_INT(n, 3);
	CHECK_INT(got[0].b[31], 1);
	CHECK_INT(got[1].b[0], 3);
	CHECK_INT(got[2].b[0], 9);
}

static void hostile_object_lists_are_refused(void)
{
	char twice[sizeof(OBJECT_LIST_MAGIC) - 1 + 64] = OBJECT_LIST_MAGIC;
	struct digest *v = NULL;
	size_t n;

	CHECK_INT(object_list_parse("", 0, &v, &n), -EBADMSG);
	CHECK_INT(object_list_parse("volt-list-2\n", 12, &v, &n), -EBADMSG);
	CHECK_INT(object_list_parse(twice, 12 + 31, &v, &n), -EBADMSG);
	CHECK_INT(object_list_parse(twice, 12 + 64, &v, &n), -EBADMSG); /* a duplicate */
	twice[12] = 1;
	CHECK_INT(object_list_parse(twice, 12 + 64, &v, &n), -EBADMSG); /* not sorted */
	CHECK_INT(object_list_parse(twice, 12, &v, &n), 0);
	CHECK_INT(n, 0);
	free(v);
}

static void a_tag_that_is_removed_is_gone(void)
{
	_cleanup_free_ char *name = NULL;
	_cleanup_fixture_ struct fixture f;

	CHECK(fixture_open(&f));
	CHECK_INT(ref_tag_remove(f.store, "kvm-linux", &f.e), -ENOENT);
	CHECK_INT(ref_tag_write(f.store, "kvm-linux", "kvm-linux-00000001", &f.e), 0);
	CHECK_INT(ref_tag_remove(f.store, "../objects", &f.e), -EINVAL);
	CHECK_INT(ref_tag_remove(f.store, "kvm-linux", &f.e), 0);
	CHECK_INT(ref_tag_read(f.store, "kvm-linux", &name, &f.e), -ENOENT);
	CHECK_INT(ref_tag_remove(f.store, "kvm-linux", &f.e), -ENOENT);
	CHECK(strstr(f.e.msg, "'kvm-linux'"));
}

int main(void)
{
	RUN(a6_hostile_names_never_become_paths);
	RUN(unknown_kinds_are_refused);
	RUN(a7_only_digests_are_accepted_in_refs);
	RUN(ref_to_a_missing_object_is_not_written);
	RUN(manifests_of_others_load_and_keep_unknown_members);
	RUN(a15_tags_name_one_ref_exactly);
	RUN(tag_that_holds_something_else_is_refused);
	RUN(list_is_sorted_and_of_one_kind);
	RUN(no_symbolic_link_among_refs_is_followed);
	RUN(object_lists_come_back_sorted_without_duplicates);
	RUN(hostile_object_lists_are_refused);
	RUN(a_tag_that_is_removed_is_gone);
	return tap_done();
}
