/* SPDX-License-Identifier: Apache-2.0 */
#include "profile-lib.h"

/* What verify found, as text. */
struct findings {
	int n;
	char object[DIGEST_HEX_SIZE], path[128], profiles[256], why[256], from[256];
	bool repaired;
};

static void note(void *data, const struct profile_damage *d)
{
	struct findings *f = data;

	f->n++;
	f->repaired = d->repaired;
	(void)snprintf(f->object, sizeof(f->object), "%s", d->object);
	(void)snprintf(f->path, sizeof(f->path), "%s", d->path);
	(void)snprintf(f->profiles, sizeof(f->profiles), "%s", d->profiles);
	(void)snprintf(f->why, sizeof(f->why), "%s", d->why);
	(void)snprintf(f->from, sizeof(f->from), "%s", d->from);
}

struct setup {
	struct fixture f;
	struct profiles ps;
	struct profile_manifest *one, *two;
	char *ref_one, *ref_two;
	struct assembled tree_one, tree_two;
};

/* Two profiles that share a library and firmware, both assembled. */
static bool setup_open(struct setup *s)
{
	*s = (struct setup){ .tree_one = ASSEMBLED_INIT, .tree_two = ASSEMBLED_INIT };
	if (!fixture_open(&s->f))
		return false;
	s->ps = profiles_of(&s->f);
	return write_profile(&s->f, "one", "A") && write_profile(&s->f, "two", "B") &&
	       store_profile(&s->f, "kvm-linux", "one", &s->one) >= 0 &&
	       store_profile(&s->f, "emulate-x86", "two", &s->two) >= 0 &&
	       profile_find(&s->ps, "kvm-linux", &s->ref_one, &s->f.e) >= 0 &&
	       profile_find(&s->ps, "emulate-x86", &s->ref_two, &s->f.e) >= 0 &&
	       profile_assemble(&s->ps, s->one, &s->tree_one, &s->f.e) >= 0 &&
	       profile_assemble(&s->ps, s->two, &s->tree_two, &s->f.e) >= 0;
}

static void setup_close(struct setup *s)
{
	assembled_close(&s->tree_one);
	assembled_close(&s->tree_two);
	profile_manifest_free(s->one);
	profile_manifest_free(s->two);
	free(s->ref_one);
	free(s->ref_two);
	fixture_close(&s->f);
}
#define _cleanup_setup_ _cleanup_(setup_close)

static bool overwrite(int dirfd, const char *path)
{
	_cleanup_close_ int fd = -1;
	struct stat st;
	bool good;

	if (fstatat(dirfd, path, &st, 0) < 0 || fchmodat(dirfd, path, 0644, 0) < 0)
		return false;
	fd = openat(dirfd, path, O_WRONLY | O_CLOEXEC);
	good = fd >= 0 && pwrite(fd, "X", 1, 0) == 1;
	return fchmodat(dirfd, path, st.st_mode & 07777, 0) == 0 && good;
}

static bool has_text(int dirfd, const char *path, const char *want)
{
	_cleanup_free_ char *text = NULL;

	return read_file_at(dirfd, path, 4096, &text, NULL) == 0 &&
	       strcmp(text, want) == 0;
}

static int verify(struct setup *s, const char *ref, bool repair, struct findings *found,
		  struct profile_check *n)
{
	const struct profile_listener listener = { note, found };

	memset(found, 0, sizeof(*found));
	return profile_verify(&s->ps, ref, repair, &listener, n, &s->f.e);
}

static void sound_profiles_have_no_findings(void)
{
	_cleanup_setup_ struct setup s;
	struct profile_check n;
	struct findings found;

	CHECK(setup_open(&s));
	CHECK_INT(verify(&s, NULL, false, &found, &n), 0);
	CHECK_INT(found.n, 0);
	CHECK_INT(n.objects, 5 + 3); /* two are shared */
	CHECK_INT(n.bad, 0);
	CHECK_INT(verify(&s, s.ref_one, false, &found, &n), 0);
	CHECK_INT(n.objects, 5);
	CHECK_INT(verify(&s, "kvm-linux-00000000", false, &found, &n), -ENOENT);
}

/* The tree has the store's inode, so damage through one is damage of both. */
static void damage_through_a_tree_is_found_and_named(void)
{
	_cleanup_setup_ struct setup s;
	char hex[DIGEST_HEX_SIZE], both[256];
	struct profile_check n;
	struct findings found;

	CHECK(setup_open(&s));
	CHECK(overwrite(s.tree_one.root, "lib/libc.so.6"));
	CHECK_INT(verify(&s, NULL, false, &found, &n), 0);
	CHECK_INT(found.n, 1);
	CHECK_INT(n.bad, 1);
	CHECK_STR(
		found.object,
		digest_hex(&profile_manifest_find(s.one, "lib/libc.so.6")->digest, hex));
	CHECK_STR(found.path, "lib/libc.so.6");
	(void)snprintf(both, sizeof(both), "%s, %s", s.ref_two, s.ref_one);
	CHECK_STR(found.profiles, both);
	CHECK(strstr(found.why, "have another digest"));
	CHECK(!found.repaired);
	CHECK(has_text(s.tree_one.root, "lib/libc.so.6", "Xhe library"));
}

static void a_damaged_object_is_repaired_from_its_source_in_every_tree(void)
{
	_cleanup_setup_ struct setup s;
	struct profile_check n;
	struct findings found;
	int open_file;
	char c;

	CHECK(setup_open(&s));
	CHECK(overwrite(s.tree_one.root, "lib/libc.so.6"));
	open_file = openat(s.tree_one.root, "lib/libc.so.6", O_RDONLY | O_CLOEXEC);
	CHECK_INT(verify(&s, s.ref_one, true, &found, &n), 0);
	CHECK_INT(found.n, 1);
	CHECK(found.repaired);
	CHECK(strstr(found.from, "/lib/libc.so.6'"));
	CHECK_INT(n.repaired, 1);
	/* In the tree of the other profile too, which nobody asked about. */
	CHECK(has_text(s.tree_one.root, "lib/libc.so.6", "the library"));
	CHECK(has_text(s.tree_two.root, "lib/libc.so.6", "the library"));
	/* By a new file: what was open stays what it was. */
	CHECK(pread(open_file, &c, 1, 0) == 1 && c == 'X');
	(void)close(open_file);
	CHECK_INT(store_verify(s.f.store, NULL, NULL, &s.f.e), 0);
	CHECK_INT(verify(&s, NULL, false, &found, &n), 0);
	CHECK_INT(found.n, 0);
}

/* One content as a program and as a library: the one is repaired from the other. */
static void a_damaged_object_is_repaired_from_its_other_file(void)
{
	_cleanup_manifest_ struct profile_manifest *m = NULL;
	_cleanup_setup_ struct setup s;
	struct profile_check n;
	struct findings found;
	const struct profile_entry *entry;

	CHECK(setup_open(&s));
	CHECK_INT(write_below(&s.f, "one/bin/both", "same", 0755), 0);
	CHECK_INT(write_below(&s.f, "one/lib/both", "same", 0755), 0);
	CHECK_INT(store_profile(&s.f, "mine", "one", &m), 0);
	CHECK_INT(unlinkat(s.f.root, "one/bin/both", 0), 0);
	CHECK_INT(unlinkat(s.f.root, "one/lib/both", 0), 0);
	entry = profile_manifest_find(m, "bin/both");
	CHECK(overwrite(s.f.root, object_path(&entry->digest, ".x")));
	CHECK_INT(verify(&s, NULL, true, &found, &n), 0);
	CHECK_INT(found.n, 1);
	CHECK(found.repaired);
	CHECK_STR(found.from, "a copy in the store");
	CHECK_INT(store_verify(s.f.store, NULL, NULL, &s.f.e), 0);
}

static void what_cannot_be_repaired_says_why(void)
{
	_cleanup_setup_ struct setup s;
	struct profile_check n;
	struct findings found;

	CHECK(setup_open(&s));
	CHECK(overwrite(s.tree_one.root, "bin/qemu-system-x86_64"));
	CHECK_INT(write_below(&s.f, "one/bin/qemu-system-x86_64", "newer", 0755), 0);
	CHECK_INT(verify(&s, s.ref_one, true, &found, &n), 0);
	CHECK_INT(found.n, 1);
	CHECK(!found.repaired);
	CHECK(strstr(found.from, "has changed since"));
	CHECK_INT(n.bad, 1);
	CHECK_INT(n.repaired, 0);
	CHECK_INT(unlinkat(s.f.root, "one/bin/qemu-system-x86_64", 0), 0);
	CHECK_INT(verify(&s, s.ref_one, true, &found, &n), 0);
	CHECK(strstr(found.from, "is not there"));
	/* A source that would wait for ever. */
	CHECK_INT(mkfifoat(s.f.root, "one/bin/qemu-system-x86_64", 0600), 0);
	CHECK_INT(verify(&s, s.ref_one, true, &found, &n), 0);
	CHECK(!found.repaired);
}

static void an_object_that_is_gone_comes_back(void)
{
	_cleanup_setup_ struct setup s;
	const struct profile_entry *entry;
	struct profile_check n;
	struct findings found;

	CHECK(setup_open(&s));
	entry = profile_manifest_find(s.one, "lib/qemu/accel-tcg-x86_64.so");
	CHECK_INT(unlinkat(s.f.root, object_path(&entry->digest, ""), 0), 0);
	CHECK_INT(verify(&s, s.ref_one, true, &found, &n), 0);
	CHECK_INT(found.n, 1);
	CHECK(found.repaired);
	CHECK(strstr(found.why, "the store has no object"));
	CHECK_INT(store_verify(s.f.store, NULL, NULL, &s.f.e), 0);
}

static void a_tree_that_differs_from_the_store_is_put_right(void)
{
	_cleanup_setup_ struct setup s;
	struct profile_check n;
	struct findings found;
	struct stat st;

	CHECK(setup_open(&s));
	CHECK_INT(unlinkat(s.tree_one.root, "firmware/bios-256k.bin", 0), 0);
	CHECK_INT(verify(&s, s.ref_one, false, &found, &n), 0);
	CHECK_INT(found.n, 1);
	CHECK_STR(found.path, "firmware/bios-256k.bin");
	CHECK_STR(found.why, "missing in the assembled tree");
	CHECK_INT(verify(&s, s.ref_one, true, &found, &n), 0);
	CHECK(found.repaired);
	CHECK(has_text(s.tree_one.root, "firmware/bios-256k.bin", "the firmware"));
	/* Another file in its place. */
	CHECK_INT(unlinkat(s.tree_one.root, "lib/libc.so.6", 0), 0);
	CHECK_INT(symlinkat("/etc/passwd", s.tree_one.root, "lib/libc.so.6"), 0);
	CHECK_INT(verify(&s, s.ref_one, true, &found, &n), 0);
	CHECK(found.repaired);
	CHECK_INT(fstatat(s.tree_one.root, "lib/libc.so.6", &st, AT_SYMLINK_NOFOLLOW), 0);
	CHECK(S_ISREG(st.st_mode));
	/* One too many. */
	CHECK_INT(symlinkat("x", s.tree_one.root, "lib/qemu/stray.so"), 0);
	CHECK_INT(verify(&s, s.ref_one, true, &found, &n), 0);
	CHECK_STR(found.path, "lib/qemu/stray.so");
	CHECK(found.repaired);
	CHECK_INT(verify(&s, NULL, false, &found, &n), 0);
	CHECK_INT(found.n, 0);
}

int main(void)
{
	RUN(sound_profiles_have_no_findings);
	RUN(damage_through_a_tree_is_found_and_named);
	RUN(a_damaged_object_is_repaired_from_its_source_in_every_tree);
	RUN(a_damaged_object_is_repaired_from_its_other_file);
	RUN(what_cannot_be_repaired_says_why);
	RUN(an_object_that_is_gone_comes_back);
	RUN(a_tree_that_differs_from_the_store_is_put_right);
	return tap_done();
}
