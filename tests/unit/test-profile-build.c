/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/un.h>

#include "profile-lib.h"

static int store_dir(struct fixture *f, const char *dir)
{
	_cleanup_manifest_ struct profile_manifest *m = NULL;

	return store_profile(f, "mine", dir, &m);
}

static void a_directory_becomes_a_manifest(void)
{
	_cleanup_manifest_ struct profile_manifest *m = NULL;
	_cleanup_free_ char *ref = NULL;
	_cleanup_fixture_ struct fixture f;
	const struct profile_entry *entry;
	struct profiles ps;
	struct digest d;
	char source[256];

	CHECK(fixture_open(&f));
	ps = profiles_of(&f);
	CHECK(write_profile(&f, "one", "A"));
	CHECK_INT(store_profile(&f, "mine", "one", &m), 0);
	CHECK_INT(m->n, 5);
	CHECK_INT(sha256_bytes("the library", 11, &d), 0);
	entry = profile_manifest_find(m, "lib/libc.so.6");
	CHECK(entry && digest_equal(&entry->digest, &d));
	(void)snprintf(source, sizeof(source), "%s/one/lib/libc.so.6", f.path);
	CHECK_STR(profile_manifest_source(m, "lib/libc.so.6"), source);
	CHECK_STR(m->loader, "lib/ld-linux-x86-64.so.2");
	CHECK_INT(m->capabilities, PROFILE_CAN_KVM | PROFILE_CAN_TCG);
	CHECK_INT(json_integer_value(json_object_get(m->j, "total_bytes")),
		  strlen("the emulator A"
			 "the loader A"
			 "the library"
			 "the module A"
			 "the firmware"));
	CHECK_STR(json_string_value(json_array_get(json_object_get(m->j, "guests"), 0)),
		  "x86_64");
	CHECK_INT(profile_find(&ps, "mine", &ref, &f.e), 0);
	CHECK_INT(strlen(ref), strlen("mine-01234567"));
	CHECK_INT(store_gc(f.store, false, true, NULL, &f.e), 0);
	CHECK_INT(count_entries(&f, "cas/objects"), 5);
}

/* A8: what this process has just hashed is not hashed again, what was there is. */
static void a8_only_what_was_stored_now_counts_as_hashed(void)
{
	_cleanup_manifest_ struct profile_manifest *one = NULL, *two = NULL;
	_cleanup_fixture_ struct fixture f;

	CHECK(fixture_open(&f));
	CHECK(write_profile(&f, "one", "A"));
	CHECK(write_profile(&f, "two", "B"));
	CHECK_INT(store_profile(&f, "mine", "one", &one), 0);
	for (size_t i = 0; i < one->n; i++)
		CHECK(one->v[i].fresh);
	CHECK_INT(store_profile(&f, "mine", "two", &two), 0);
	CHECK(!profile_manifest_find(two, "lib/libc.so.6")->fresh);
	CHECK(!profile_manifest_find(two, "firmware/bios-256k.bin")->fresh);
	CHECK(profile_manifest_find(two, "bin/qemu-system-x86_64")->fresh);
}

static void the_same_files_are_the_same_version(void)
{
	_cleanup_manifest_ struct profile_manifest *one = NULL, *two = NULL;
	_cleanup_fixture_ struct fixture f;
	struct profile_list l = { 0 };
	struct profiles ps;

	CHECK(fixture_open(&f));
	ps = profiles_of(&f);
	CHECK(write_profile(&f, "one", "A"));
	CHECK(write_profile(&f, "two", "A"));
	CHECK_INT(store_profile(&f, "mine", "one", &one), 0);
	CHECK_INT(store_profile(&f, "mine", "two", &two), 0);
	CHECK(digest_equal(&one->digest, &two->digest));
	CHECK_INT(profile_list(&ps, &l, &f.e), 0);
	CHECK_INT(l.n, 1);
	CHECK(l.v[0].current && !l.v[0].assembled);
	profile_list_done(&l);
}

static int store_text(struct fixture *f, const char *name, const char *text)
{
	_cleanup_manifest_ struct profile_manifest *m = NULL;
	char path[64];

	(void)snprintf(path, sizeof(path), "%s/bin/q", text);
	return write_below(f, path, text, 0644) ?: store_profile(f, name, text, &m);
}

/* A4, A8: their manifests' digests have 12 digits in common, and so would have one tree. */
static void a4_what_would_share_a_tree_is_refused(void)
{
	_cleanup_free_ char *before = NULL, *after = NULL;
	_cleanup_fixture_ struct fixture f;
	struct profiles ps;

	CHECK(fixture_open(&f));
	ps = profiles_of(&f);
	CHECK_INT(store_text(&f, "mine", "12498995"), 0);
	CHECK_INT(profile_find(&ps, "mine", &before, &f.e), 0);
	CHECK_INT(store_text(&f, "mine", "20546055"), -EEXIST);
	CHECK(strstr(f.e.msg, before));
	CHECK_INT(profile_find(&ps, "mine", &after, &f.e), 0);
	CHECK_STR(after, before);
	CHECK_INT(store_text(&f, "mine", "12498995"), 0);
	CHECK_INT(store_text(&f, "yours", "20546055"), 0);
}

static void links_inside_are_followed(void)
{
	_cleanup_manifest_ struct profile_manifest *m = NULL;
	_cleanup_fixture_ struct fixture f;
	const struct profile_entry *a, *b;

	CHECK(fixture_open(&f));
	CHECK(write_profile(&f, "one", "A"));
	CHECK_INT(symlinkat("libc.so.6", f.root, "one/lib/libc.so"), 0);
	CHECK_INT(symlinkat("../lib/libc.so.6", f.root, "one/firmware/odd"), 0);
	CHECK_INT(store_profile(&f, "mine", "one", &m), 0);
	a = profile_manifest_find(m, "lib/libc.so");
	b = profile_manifest_find(m, "firmware/odd");
	CHECK(a && b && digest_equal(&a->digest, &b->digest));
}

/* A6: nothing of the host gets in through a directory somebody prepared. */
static void a6_links_that_leave_the_directory_are_refused(void)
{
	static const char *const targets[] = { "/etc/passwd", "../../secret",
					       "/proc/self/exe" };
	_cleanup_fixture_ struct fixture f;

	CHECK(fixture_open(&f));
	CHECK(write_profile(&f, "one", "A"));
	CHECK_INT(write_below(&f, "secret", "s", 0644), 0);
	for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
		CHECK_INT(symlinkat(targets[i], f.root, "one/lib/x"), 0);
		CHECK_INT(store_dir(&f, "one"), -EXDEV);
		CHECK(strstr(f.e.msg,
			     "'lib/x' is a link that leads out of the directory"));
		CHECK_INT(unlinkat(f.root, "one/lib/x", 0), 0);
	}
	CHECK_INT(symlinkat("qemu", f.root, "one/lib/x"), 0);
	CHECK_INT(store_dir(&f, "one"), -EINVAL);
	CHECK(strstr(f.e.msg, "'lib/x' is a link, but not to a regular file"));
	CHECK_INT(unlinkat(f.root, "one/lib/x", 0), 0);
	CHECK_INT(symlinkat("nowhere", f.root, "one/lib/x"), 0);
	CHECK_INT(store_dir(&f, "one"), -ENOENT);
	CHECK(strstr(f.e.msg, "follow the link 'lib/x'"));
}

static void what_is_no_file_is_refused(void)
{
	_cleanup_fixture_ struct fixture f;

	CHECK(fixture_open(&f));
	CHECK(write_profile(&f, "one", "A"));
	CHECK_INT(mkfifoat(f.root, "one/lib/pipe", 0600), 0);
	CHECK_INT(store_dir(&f, "one"), -EINVAL);
	CHECK(strstr(f.e.msg, "'lib/pipe' is neither a file, a directory nor a link"));
	CHECK_INT(unlinkat(f.root, "one/lib/pipe", 0), 0);
	CHECK_INT(write_below(&f, "one/README", "read me", 0644), 0);
	CHECK_INT(store_dir(&f, "one"), -EINVAL);
	CHECK(strstr(f.e.msg, "'README' is not below bin/, lib/ or firmware/"));
	CHECK_INT(mkdirat(f.root, "empty", 0755), 0);
	CHECK_INT(store_dir(&f, "empty"), -ENOENT);
	CHECK_INT(count_entries(&f, "cas/refs/tags"), -1);
}

static void names_of_versions_and_paths_are_no_names(void)
{
	static const char *const bad[] = {
		"", "../x", "a/b", "-x", "kvm-linux-0a1b2c3d", "kvm-linux-0a1b2c3d4e5f"
	};
	_cleanup_fixture_ struct fixture f;

	CHECK(fixture_open(&f));
	CHECK(write_profile(&f, "one", "A"));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct profile_manifest *m = NULL;

		CHECK_INT(store_profile(&f, bad[i], "one", &m), -EINVAL);
		CHECK(strstr(f.e.msg, "is not a valid name for a profile"));
	}
}

/* -- stores written by others ------------------------------------------------------ */

/* An object as a flat store has it: its digest is its name, the mode is anything. */
static bool put_flat(const struct fixture *f, const char *text, char hex[DIGEST_HEX_SIZE])
{
	struct digest d;
	char path[128];

	if (sha256_bytes(text, strlen(text), &d) < 0)
		return false;
	(void)snprintf(path, sizeof(path), "cas/objects/%s", digest_hex(&d, hex));
	return write_below(f, path, text, 0644) == 0;
}

static bool put_foreign_manifest(const struct fixture *f, const char *ref,
				 const char *created, const char *qemu)
{
	char hex[2][DIGEST_HEX_SIZE], path[128], text[1024];

	if (!put_flat(f, qemu, hex[0]) || !put_flat(f, "a bios", hex[1]))
		return false;
	(void)snprintf(
		text, sizeof(text),
		"{\"name\":\"QEMU for %s\",\"created_at\":\"%s\",\"objects\":{"
		"\"bin/qemu-system-x86_64\":\"%s\",\"firmware/bios-256k.bin\":\"%s\"},"
		"\"profile\":\"kvm-linux\",\"qemu_version\":\"8.2.0\","
		"\"build_date\":\"yesterday\",\"build_host\":\"elsewhere\","
		"\"arch\":\"x86_64\",\"total_bytes\":123}",
		ref, created, hex[0], hex[1]);
	(void)snprintf(path, sizeof(path), "cas/refs/%s.json", ref);
	return write_below(f, path, text, 0644) == 0;
}

static void a_flat_store_written_by_others_works(void)
{
	const struct profile_wish w = { .name = PROFILE_KVM_LINUX,
					.arch = profile_arch_find("x86_64") };
	_cleanup_(profile_freep) struct profile *p = NULL;
	_cleanup_free_ char *ref = NULL;
	_cleanup_fixture_ struct fixture f;
	struct profiles ps;
	struct stat st;

	CHECK(fixture_open(&f));
	ps = profiles_of(&f);
	CHECK(put_foreign_manifest(&f, "kvm-linux-ffffffff", "2024-01-01T00:00:00Z",
				   "old"));
	CHECK(put_foreign_manifest(&f, "kvm-linux-00000000", "2025-01-01T00:00:00+02:00",
				   "new"));
	CHECK(put_foreign_manifest(&f, "kvm-linux-debug-11111111", "2026-01-01T00:00:00Z",
				   "debug"));
	/* One that cannot be read is left out. */
	CHECK_INT(write_below(&f, "cas/refs/kvm-linux-22222222.json", "{", 0644), 0);
	/* No tag: the one made last, A15, not the first or the last of the names. */
	CHECK_INT(profile_find(&ps, "kvm-linux", &ref, &f.e), 0);
	CHECK_STR(ref, "kvm-linux-00000000");
	CHECK_INT(unlinkat(f.root, "cas/refs/kvm-linux-22222222.json", 0), 0);
	CHECK_INT(profile_resolve(&ps, &w, &p, &f.e), 0);
	CHECK_STR(p->name, "kvm-linux");
	CHECK_STR(p->version, "8.2.0");
	CHECK(!p->loader);
	CHECK(p->capabilities & PROFILE_CAN_KVM);
	CHECK_INT(fstatat(p->root, "bin/qemu-system-x86_64", &st, 0), 0);
	CHECK_INT(st.st_mode & 07777, 0555);
	CHECK_INT(fstatat(p->root, "firmware/bios-256k.bin", &st, 0), 0);
	CHECK_INT(st.st_mode & 07777, 0444);
	CHECK_INT(store_gc(f.store, false, true, NULL, &f.e), 0);
	CHECK_INT(count_entries(&f, "cas/objects"), 4);
	CHECK_INT(profile_make_current(&ps, "kvm-linux-ffffffff", &f.e), 0);
	profile_free(TAKE_PTR(p));
	CHECK_INT(profile_resolve(&ps, &w, &p, &f.e), 0);
	CHECK_INT(fstatat(p->root, "bin/qemu-system-x86_64", &st, 0), 0);
	CHECK_INT(st.st_size, strlen("old"));
}

/* A7: in a manifest of somebody else's as well. */
static void a7_a_foreign_manifest_is_checked_like_any(void)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_fixture_ struct fixture f;
	struct profile_list l = { 0 };
	struct profiles ps;

	CHECK(fixture_open(&f));
	ps = profiles_of(&f);
	CHECK_INT(write_below(&f, "cas/refs/kvm-linux-00000000.json",
			      "{\"name\":\"kvm-linux\",\"created_at\":\"x\",\"objects\":{"
			      "\"../../etc/ld.so.preload\":\"../../../etc/shadow\"}}",
			      0644),
		  0);
	CHECK_INT(profile_find(&ps, "kvm-linux", &text, &f.e), -EBADMSG);
	CHECK_INT(profile_list(&ps, &l, &f.e), 0);
	CHECK_INT(l.n, 0);
	profile_list_done(&l);
}

int main(void)
{
	RUN(a_directory_becomes_a_manifest);
	RUN(a8_only_what_was_stored_now_counts_as_hashed);
	RUN(the_same_files_are_the_same_version);
	RUN(a4_what_would_share_a_tree_is_refused);
	RUN(links_inside_are_followed);
	RUN(a6_links_that_leave_the_directory_are_refused);
	RUN(what_is_no_file_is_refused);
	RUN(names_of_versions_and_paths_are_no_names);
	RUN(a_flat_store_written_by_others_works);
	RUN(a7_a_foreign_manifest_is_checked_like_any);
	return tap_done();
}
