/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/wait.h>

#include "profile-lib.h"
#include "profile/tree.h"

static const struct profile_wish kvm_linux = { .name = PROFILE_KVM_LINUX };

static int resolve_x86(struct fixture *f, const char *given, struct profile **ret)
{
	const struct profiles ps = profiles_of(f);
	struct profile_wish w = kvm_linux;

	w.arch = profile_arch_find("x86_64");
	w.given = given;
	return profile_resolve(&ps, &w, ret, &f->e);
}

static bool same_file(const struct fixture *f, const char *a, const char *b)
{
	struct stat x, y;

	return fstatat(f->root, a, &x, AT_SYMLINK_NOFOLLOW) == 0 &&
	       fstatat(f->root, b, &y, AT_SYMLINK_NOFOLLOW) == 0 && x.st_ino == y.st_ino;
}

static const char *tree_path(const struct profile_manifest *m, const char *path)
{
	static char text[512];
	char tree[PROFILE_TREE_SIZE];

	(void)snprintf(text, sizeof(text), "qemu/%s/%s", profile_tree_name(m, tree),
		       path);
	return text;
}

static bool links_object(const struct fixture *f, const struct profile_manifest *m,
			 const char *path)
{
	const struct profile_entry *entry = profile_manifest_find(m, path);

	return same_file(f, tree_path(m, path),
			 object_path(&entry->digest,
				     profile_kind(path) == OBJECT_EXEC ? ".x" : ""));
}

static void a_stored_directory_is_assembled_from_hard_links(void)
{
	_cleanup_manifest_ struct profile_manifest *m = NULL;
	_cleanup_(profile_freep) struct profile *p = NULL;
	_cleanup_fixture_ struct fixture f;
	char path[640];
	struct stat st;

	CHECK(fixture_open(&f));
	CHECK(write_profile(&f, "one", "A"));
	CHECK_INT(store_profile(&f, "kvm-linux", "one", &m), 0);
	CHECK_INT(resolve_x86(&f, NULL, &p), 0);
	CHECK_STR(p->name, "kvm-linux");
	CHECK_STR(p->qemu, "bin/qemu-system-x86_64");
	CHECK_STR(p->loader, "lib/ld-linux-x86-64.so.2");
	CHECK_STR(p->firmware, "firmware");
	CHECK_STR(p->version, "7.2.22");
	CHECK(digest_equal(&p->digest, &m->digest));
	(void)snprintf(path, sizeof(path), "%s/%s", f.path, tree_path(m, ""));
	path[strlen(path) - 1] = '\0';
	CHECK_STR(p->path, path);
	for (size_t i = 0; i < m->n; i++)
		CHECK(links_object(&f, m, m->v[i].path));
	CHECK_INT(fstatat(p->root, p->qemu, &st, 0), 0);
	CHECK_INT(st.st_mode & 07777, 0555);
	CHECK_INT(fstatat(p->root, "lib/libc.so.6", &st, 0), 0);
	CHECK_INT(st.st_mode & 07777, 0444);
}

/* Whether qemu/ has nothing that begins with a dot but its lock. */
static bool no_leftovers(const struct fixture *f)
{
	_cleanup_close_ int fd = open_beneath(f->root, "qemu", O_RDONLY | O_DIRECTORY, 0);
	_cleanup_closedir_ DIR *dir = NULL;
	bool clean = true;

	if (fd < 0 || dir_stream(fd, &dir) < 0)
		return true;
	for (struct dirent *de; (de = dir_next(dir));) {
		if (strncmp(de->d_name, ".tmp-", 5) != 0 &&
		    strncmp(de->d_name, ".make-", 6) != 0)
			continue;
		printf("# left: %s\n", de->d_name);
		clean = false;
	}
	return clean;
}

/* Other bytes, as many as before, as whoever writes through a link would leave them. */
static bool damage(const struct fixture *f, const char *path)
{
	_cleanup_close_ int fd = -1;

	if (fchmodat(f->root, path, 0644, 0) < 0)
		return false;
	fd = openat(f->root, path, O_WRONLY | O_CLOEXEC);
	return fd >= 0 && pwrite(fd, "X", 1, 0) == 1 &&
	       fchmodat(f->root, path, strstr(path, ".x") ? 0555 : 0444, 0) == 0;
}

/* A1: what a crash left has links to objects; writing to them would change the objects. */
static void a1_an_existing_link_is_never_written_to(void)
{
	_cleanup_manifest_ struct profile_manifest *m = NULL;
	_cleanup_(profile_freep) struct profile *p = NULL;
	_cleanup_fixture_ struct fixture f;
	const struct profile_entry *libc, *qemu;
	char tree[PROFILE_TREE_SIZE], path[256], object[128];

	CHECK(fixture_open(&f));
	CHECK(write_profile(&f, "one", "A"));
	CHECK_INT(store_profile(&f, "kvm-linux", "one", &m), 0);
	libc = profile_manifest_find(m, "lib/libc.so.6");
	qemu = profile_manifest_find(m, "bin/qemu-system-x86_64");
	(void)snprintf(path, sizeof(path), "qemu/.tmp-%s/bin",
		       profile_tree_name(m, tree));
	closep(&(int){ mkdir_beneath(f.root, path, 0755) });
	/* The wrong object under the right name, as an older version would leave it. */
	(void)snprintf(object, sizeof(object), "%s", object_path(&libc->digest, ""));
	(void)snprintf(path, sizeof(path), "qemu/.tmp-%s/bin/qemu-system-x86_64", tree);
	CHECK_INT(linkat(f.root, object, f.root, path, 0), 0);
	CHECK_INT(resolve_x86(&f, NULL, &p), 0);
	CHECK_INT(store_verify(f.store, NULL, NULL, &f.e), 0);
	CHECK(links_object(&f, m, "bin/qemu-system-x86_64"));
	CHECK_INT(store_verify_kind(f.store, &qemu->digest, OBJECT_EXEC, &f.e), 0);
	CHECK(no_leftovers(&f));
}

/* A2: one content, executable in bin/ and not in lib/, is two files of the store. */
static void a2_no_mode_changes_under_another_link(void)
{
	_cleanup_manifest_ struct profile_manifest *m = NULL;
	_cleanup_(profile_freep) struct profile *p = NULL;
	_cleanup_fixture_ struct fixture f;
	struct stat st;

	CHECK(fixture_open(&f));
	CHECK(write_profile(&f, "one", "A"));
	CHECK_INT(write_below(&f, "one/bin/both", "same", 0755), 0);
	CHECK_INT(write_below(&f, "one/lib/both", "same", 0755), 0);
	CHECK_INT(store_profile(&f, "kvm-linux", "one", &m), 0);
	CHECK_INT(resolve_x86(&f, NULL, &p), 0);
	CHECK(links_object(&f, m, "bin/both"));
	CHECK(links_object(&f, m, "lib/both"));
	CHECK_INT(fstatat(p->root, "bin/both", &st, 0), 0);
	CHECK_INT(st.st_mode & 07777, 0555);
	CHECK_INT(fstatat(p->root, "lib/both", &st, 0), 0);
	CHECK_INT(st.st_mode & 07777, 0444);
	CHECK_INT(store_verify(f.store, NULL, NULL, &f.e), 0);
}

/* A3: only the name makes a tree, and it gets it last. */
static void a3_half_a_tree_is_made_again(void)
{
	_cleanup_manifest_ struct profile_manifest *m = NULL;
	_cleanup_(profile_freep) struct profile *p = NULL;
	_cleanup_fixture_ struct fixture f;
	char tree[PROFILE_TREE_SIZE], path[256];

	CHECK(fixture_open(&f));
	CHECK(write_profile(&f, "one", "A"));
	CHECK_INT(store_profile(&f, "kvm-linux", "one", &m), 0);
	(void)snprintf(path, sizeof(path), "qemu/.tmp-%s/bin/qemu-system-x86_64",
		       profile_tree_name(m, tree));
	CHECK_INT(write_below(&f, path, "the emulator A", 0555), 0);
	CHECK(!profile_is_assembled(&(struct profiles){ .rootfd = f.root }, m));
	CHECK_INT(resolve_x86(&f, NULL, &p), 0);
	for (size_t i = 0; i < m->n; i++)
		CHECK(links_object(&f, m, m->v[i].path));
	CHECK(no_leftovers(&f));
}

/* A4 */
static void a4_another_version_leaves_a_running_one_alone(void)
{
	_cleanup_manifest_ struct profile_manifest *one = NULL, *two = NULL;
	_cleanup_(profile_freep) struct profile *old = NULL, *new = NULL;
	_cleanup_fixture_ struct fixture f;
	char tree[PROFILE_TREE_SIZE], link[PROFILE_TREE_SIZE] = "";

	CHECK(fixture_open(&f));
	CHECK(write_profile(&f, "one", "A"));
	CHECK(write_profile(&f, "two", "B"));
	CHECK_INT(store_profile(&f, "kvm-linux", "one", &one), 0);
	CHECK_INT(resolve_x86(&f, NULL, &old), 0);
	CHECK_INT(store_profile(&f, "kvm-linux", "two", &two), 0);
	CHECK_INT(resolve_x86(&f, NULL, &new), 0);
	CHECK(digest_equal(&new->digest, &two->digest));
	CHECK(strcmp(old->path, new->path) != 0);
	CHECK_INT(faccessat(old->root, "lib/qemu/accel-tcg-x86_64.so", F_OK, 0), 0);
	CHECK(readlinkat(f.root, "qemu/kvm-linux", link, sizeof(link) - 1) > 0);
	CHECK_STR(link, profile_tree_name(two, tree));
	/* By its version the old one is still there to be had, and stays not the current. */
	profile_free(TAKE_PTR(new));
	CHECK_INT(resolve_x86(&f, profile_tree_name(one, tree), &new), 0);
	CHECK_STR(new->path, old->path);
	memset(link, 0, sizeof(link));
	CHECK(readlinkat(f.root, "qemu/kvm-linux", link, sizeof(link) - 1) > 0);
	CHECK_STR(link, profile_tree_name(two, tree));
}

/* A8 */
static void a8_a_damaged_object_is_not_assembled(void)
{
	_cleanup_manifest_ struct profile_manifest *m = NULL;
	_cleanup_(profile_freep) struct profile *p = NULL;
	_cleanup_fixture_ struct fixture f;
	const struct profile_entry *libc;

	CHECK(fixture_open(&f));
	CHECK(write_profile(&f, "one", "A"));
	CHECK_INT(store_profile(&f, "kvm-linux", "one", &m), 0);
	libc = profile_manifest_find(m, "lib/libc.so.6");
	CHECK(damage(&f, object_path(&libc->digest, "")));
	CHECK_INT(unlinkat(f.root, "one/lib/libc.so.6", 0), 0);
	CHECK_INT(resolve_x86(&f, NULL, &p), -EBADMSG);
	CHECK(strstr(f.e.msg, "repair profile 'kvm-linux': 'lib/libc.so.6'"));
	CHECK(strstr(f.e.msg, "one/lib/libc.so.6' is not there"));
	CHECK(!profile_is_assembled(&(struct profiles){ .rootfd = f.root }, m));
	CHECK(no_leftovers(&f));
	/* Its source is back: it is repaired by itself. */
	CHECK_INT(write_below(&f, "one/lib/libc.so.6", "the library", 0644), 0);
	CHECK_INT(resolve_x86(&f, NULL, &p), 0);
	CHECK(links_object(&f, m, "lib/libc.so.6"));
	CHECK_INT(store_verify(f.store, NULL, NULL, &f.e), 0);
}

/* A9: gc takes nothing that a lease holder is about to link, and trees outlive their refs. */
static void a9_gc_waits_for_leases_and_takes_no_tree(void)
{
	_cleanup_manifest_ struct profile_manifest *m = NULL;
	_cleanup_fixture_ struct fixture f;
	_cleanup_assembled_ struct assembled a = ASSEMBLED_INIT;
	_cleanup_free_ char *ref = NULL, *text = NULL;
	struct profiles ps;
	int lease;

	CHECK(fixture_open(&f));
	ps = profiles_of(&f);
	CHECK(write_profile(&f, "one", "A"));
	CHECK_INT(store_profile(&f, "kvm-linux", "one", &m), 0);
	CHECK_INT(profile_find(&ps, "kvm-linux", &ref, &f.e), 0);
	lease = lease_take(f.store, &f.e);
	CHECK(lease >= 0);
	CHECK_INT(ref_remove(f.store, NULL, ref, &f.e), 0);
	CHECK_INT(store_gc(f.store, false, false, NULL, &f.e), -EAGAIN);
	CHECK_INT(profile_assemble(&ps, m, &a, &f.e), 0);
	(void)close(lease);
	CHECK_INT(store_gc(f.store, false, false, NULL, &f.e), 0);
	CHECK_INT(count_entries(&f, "cas/objects"), 0);
	text = read_below(&f, tree_path(m, "lib/libc.so.6"));
	CHECK_STR(text, "the library");
}

/* What cannot be linked (here: because its mode is wrong, and belongs to all of its
 * names) is copied with the right mode, and that is told. */
static void a10_a12_copies_are_made_right_and_counted(void)
{
	_cleanup_manifest_ struct profile_manifest *m = NULL;
	_cleanup_fixture_ struct fixture f;
	_cleanup_assembled_ struct assembled a = ASSEMBLED_INIT;
	_cleanup_free_ char *ref = NULL;
	const struct profile_entry *libc;
	struct profile_usage u;
	struct profiles ps;
	struct stat st;

	CHECK(fixture_open(&f));
	ps = profiles_of(&f);
	CHECK(write_profile(&f, "one", "A"));
	CHECK_INT(store_profile(&f, "kvm-linux", "one", &m), 0);
	libc = profile_manifest_find(m, "lib/libc.so.6");
	CHECK_INT(fchmodat(f.root, object_path(&libc->digest, ""), 0600, 0), 0);
	CHECK_INT(profile_assemble(&ps, m, &a, &f.e), 0);
	CHECK_INT(a.copied, 1);
	CHECK_INT(a.linked, m->n - 1);
	CHECK(!links_object(&f, m, "lib/libc.so.6"));
	CHECK_INT(fstatat(a.root, "lib/libc.so.6", &st, 0), 0);
	CHECK_INT(st.st_mode & 07777, 0444);
	CHECK_INT(fstatat(f.root, object_path(&libc->digest, ""), &st, 0), 0);
	CHECK_INT(st.st_mode & 07777, 0600);
	CHECK_INT(profile_find(&ps, "kvm-linux", &ref, &f.e), 0);
	CHECK_INT(profile_usage(&ps, ref, &u, &f.e), 0);
	CHECK_INT(u.copied, 1);
	CHECK_INT(u.linked, m->n - 1);
}

/* A13 */
static void a13_what_fails_leaves_nothing(void)
{
	_cleanup_manifest_ struct profile_manifest *m = NULL;
	_cleanup_(profile_freep) struct profile *p = NULL;
	_cleanup_fixture_ struct fixture f;
	const struct profile_entry *loader;

	CHECK(fixture_open(&f));
	CHECK(write_profile(&f, "one", "A"));
	CHECK_INT(store_profile(&f, "kvm-linux", "one", &m), 0);
	loader = profile_manifest_find(m, "lib/ld-linux-x86-64.so.2");
	CHECK_INT(unlinkat(f.root, object_path(&loader->digest, ".x"), 0), 0);
	CHECK_INT(resolve_x86(&f, NULL, &p), -ENOENT);
	CHECK(strstr(f.e.msg, "link 'lib/ld-linux-x86-64.so.2'"));
	CHECK(!profile_is_assembled(&(struct profiles){ .rootfd = f.root }, m));
	CHECK(no_leftovers(&f));
	CHECK_INT(faccessat(f.root, "qemu/kvm-linux", F_OK, AT_SYMLINK_NOFOLLOW), -1);
}

/* A15 */
static void a15_the_tag_decides_and_names_are_matched_whole(void)
{
	_cleanup_manifest_ struct profile_manifest *debug = NULL, *one = NULL,
						   *two = NULL;
	_cleanup_free_ char *first = NULL, *ref = NULL;
	_cleanup_fixture_ struct fixture f;
	struct profiles ps;

	CHECK(fixture_open(&f));
	ps = profiles_of(&f);
	CHECK(write_profile(&f, "one", "A"));
	CHECK(write_profile(&f, "two", "B"));
	CHECK_INT(store_profile(&f, "kvm-linux-debug", "one", &debug), 0);
	CHECK_INT(profile_find(&ps, "kvm-linux", &ref, &f.e), -ENOENT);
	CHECK_INT(store_profile(&f, "kvm-linux", "one", &one), 0);
	CHECK_INT(profile_find(&ps, "kvm-linux", &first, &f.e), 0);
	CHECK_INT(store_profile(&f, "kvm-linux", "two", &two), 0);
	CHECK_INT(profile_find(&ps, "kvm-linux", &ref, &f.e), 0);
	CHECK(strcmp(first, ref) != 0);
	CHECK_INT(profile_make_current(&ps, first, &f.e), 0);
	freep(&ref);
	ref = NULL;
	CHECK_INT(profile_find(&ps, "kvm-linux", &ref, &f.e), 0);
	CHECK_STR(ref, first);
	/* Without a tag it is the newest. */
	CHECK_INT(ref_tag_remove(f.store, "kvm-linux", &f.e), 0);
	freep(&ref);
	ref = NULL;
	CHECK_INT(profile_find(&ps, "kvm-linux", &ref, &f.e), 0);
	CHECK(strcmp(ref, first) != 0);
	CHECK(strncmp(ref, "kvm-linux-debug", strlen("kvm-linux-debug")) != 0);
	/* A tag that names another profile's version is not believed. */
	freep(&first);
	first = NULL;
	CHECK_INT(profile_find(&ps, "kvm-linux-debug", &first, &f.e), 0);
	CHECK_INT(ref_tag_write(f.store, "kvm-linux", first, &f.e), 0);
	freep(&ref);
	ref = NULL;
	CHECK_INT(profile_find(&ps, "kvm-linux", &ref, &f.e), -EBADMSG);
}

/* A18 */
static void a18_what_a_profile_cannot_do_is_said_before_it_starts(void)
{
	const struct profile_wish uefi = { .name = PROFILE_KVM_LINUX,
					   .arch = profile_arch_find("x86_64"),
					   .need = PROFILE_CAN_UEFI };
	const struct profile_wish arm = { .given = "kvm-linux",
					  .arch = profile_arch_find("arm64") };
	_cleanup_manifest_ struct profile_manifest *m = NULL;
	_cleanup_(profile_freep) struct profile *p = NULL;
	_cleanup_fixture_ struct fixture f;
	struct profiles ps;

	CHECK(fixture_open(&f));
	ps = profiles_of(&f);
	CHECK(write_profile(&f, "one", "A"));
	CHECK_INT(store_profile(&f, "kvm-linux", "one", &m), 0);
	CHECK_INT(profile_resolve(&ps, &uefi, &p, &f.e), -ENOENT);
	CHECK(strstr(f.e.msg, "has no UEFI firmware: install package 'ovmf'"));
	CHECK_INT(profile_resolve(&ps, &arm, &p, &f.e), -ENOENT);
	CHECK(strstr(f.e.msg, "profile 'kvm-linux' has no 'qemu-system-aarch64'"));
	CHECK(!p);
}

static void a_profile_in_use_is_not_removed(void)
{
	_cleanup_manifest_ struct profile_manifest *m = NULL;
	_cleanup_(profile_freep) struct profile *p = NULL;
	_cleanup_free_ char *ref = NULL, *again = NULL;
	_cleanup_fixture_ struct fixture f;
	struct profiles ps;

	CHECK(fixture_open(&f));
	ps = profiles_of(&f);
	CHECK(write_profile(&f, "one", "A"));
	CHECK_INT(store_profile(&f, "kvm-linux", "one", &m), 0);
	CHECK_INT(profile_find(&ps, "kvm-linux", &ref, &f.e), 0);
	CHECK_INT(resolve_x86(&f, NULL, &p), 0);
	CHECK_INT(profile_remove(&ps, ref, false, &f.e), -EBUSY);
	CHECK(profile_is_assembled(&ps, m));
	CHECK_INT(profile_find(&ps, "kvm-linux", &again, &f.e), 0);
	profile_free(TAKE_PTR(p));
	CHECK_INT(profile_remove(&ps, ref, false, &f.e), 0);
	CHECK(!profile_is_assembled(&ps, m));
	CHECK_INT(count_entries(&f, "cas/refs/tags"), 0);
	CHECK_INT(count_entries(&f, "qemu"), 1); /* its lock */
	CHECK_INT(profile_remove(&ps, ref, false, &f.e), -ENOENT);
	CHECK_INT(store_gc(f.store, false, true, NULL, &f.e), 0);
	CHECK_INT(count_entries(&f, "cas/objects"), 0);
}

/* A lock that is held by its descriptor, which is not for children. */
static int held = -1;

/* Runs @f in a process of its own that soon sleeps, or ends. */
static pid_t begin(int (*f)(const struct profiles *ps, const char *ref),
		   const struct profiles *ps, const char *ref)
{
	char path[64], state = 0;
	pid_t pid = fork();

	if (pid == 0)
		_exit(close(held) == 0 && f(ps, ref) == 0 ? 0 : 1);
	(void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	while (pid > 0 && state != 'S' && state != 'Z') {
		FILE *file = fopen(path, "re");

		if (!file || fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
			state = 'Z';
		if (file)
			(void)fclose(file);
	}
	return pid;
}

static int end(pid_t pid)
{
	int status = -1;

	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status)
								    : -1;
}

static int remove_it(const struct profiles *ps, const char *ref)
{
	return profile_remove(ps, ref, false, NULL);
}

static int resolve_it(const struct profiles *ps, const char *ref)
{
	const struct profile_wish w = { .name = PROFILE_KVM_LINUX,
					.arch = profile_arch_find("x86_64"),
					.given = ref };
	_cleanup_(profile_freep) struct profile *p = NULL;

	return profile_resolve(ps, &w, &p, NULL);
}

/* The one who removes has the tree's lock and waits here for that of qemu/; the one who starts
 * has read the manifest and waits for the tree's. */
static void a_start_while_it_is_removed_leaves_no_tree(void)
{
	_cleanup_manifest_ struct profile_manifest *m = NULL;
	_cleanup_free_ char *ref = NULL;
	_cleanup_fixture_ struct fixture f;
	_cleanup_close_ int trees = -1;
	struct profiles ps;
	pid_t remover, starter;

	CHECK(fixture_open(&f));
	ps = profiles_of(&f);
	CHECK(write_profile(&f, "one", "A"));
	CHECK_INT(store_profile(&f, "kvm-linux", "one", &m), 0);
	CHECK_INT(profile_find(&ps, "kvm-linux", &ref, &f.e), 0);
	trees = trees_open(&ps, &f.e);
	held = trees_lock(trees, true);
	CHECK(trees >= 0 && held >= 0);
	remover = begin(remove_it, &ps, ref);
	starter = begin(resolve_it, &ps, ref);
	closep(&held);
	CHECK_INT(end(remover), 0);
	CHECK_INT(end(starter), 1);
	CHECK_INT(profile_find(&ps, ref, &(char *){ NULL }, &f.e), -ENOENT);
	CHECK(!profile_is_assembled(&ps, m));
}

/* The one who starts has read the manifest and waits to make the tree. */
static void a_tree_made_after_its_profile_is_gone_goes_too(void)
{
	_cleanup_manifest_ struct profile_manifest *m = NULL;
	_cleanup_free_ char *ref = NULL;
	_cleanup_fixture_ struct fixture f;
	_cleanup_close_ int trees = -1;
	char tree[PROFILE_TREE_SIZE];
	struct profiles ps;
	pid_t starter;

	CHECK(fixture_open(&f));
	ps = profiles_of(&f);
	CHECK(write_profile(&f, "one", "A"));
	CHECK_INT(store_profile(&f, "kvm-linux", "one", &m), 0);
	CHECK_INT(profile_find(&ps, "kvm-linux", &ref, &f.e), 0);
	trees = trees_open(&ps, &f.e);
	held = tree_lock(trees, TREE_LOCK_MAKE, profile_tree_name(m, tree),
			 LOCK_EXCLUSIVE, true);
	CHECK(trees >= 0 && held >= 0);
	starter = begin(resolve_it, &ps, ref);
	CHECK_INT(profile_remove(&ps, ref, false, &f.e), 0);
	closep(&held);
	CHECK_INT(end(starter), 1);
	CHECK(!profile_is_assembled(&ps, m));
}

static void by_force_it_is_removed_and_can_be_made_again(void)
{
	_cleanup_manifest_ struct profile_manifest *m = NULL, *again = NULL;
	_cleanup_(profile_freep) struct profile *p = NULL, *q = NULL;
	_cleanup_free_ char *ref = NULL;
	_cleanup_fixture_ struct fixture f;
	struct profiles ps;

	CHECK(fixture_open(&f));
	ps = profiles_of(&f);
	CHECK(write_profile(&f, "one", "A"));
	CHECK_INT(store_profile(&f, "kvm-linux", "one", &m), 0);
	CHECK_INT(profile_find(&ps, "kvm-linux", &ref, &f.e), 0);
	CHECK_INT(resolve_x86(&f, NULL, &p), 0);
	CHECK_INT(profile_remove(&ps, ref, true, &f.e), 0);
	/* While somebody still holds the lock of the old one. */
	CHECK_INT(store_profile(&f, "kvm-linux", "one", &again), 0);
	CHECK_INT(resolve_x86(&f, NULL, &q), 0);
	CHECK(links_object(&f, again, "lib/libc.so.6"));
}

int main(void)
{
	RUN(a_stored_directory_is_assembled_from_hard_links);
	RUN(a1_an_existing_link_is_never_written_to);
	RUN(a2_no_mode_changes_under_another_link);
	RUN(a3_half_a_tree_is_made_again);
	RUN(a4_another_version_leaves_a_running_one_alone);
	RUN(a8_a_damaged_object_is_not_assembled);
	RUN(a9_gc_waits_for_leases_and_takes_no_tree);
	RUN(a10_a12_copies_are_made_right_and_counted);
	RUN(a13_what_fails_leaves_nothing);
	RUN(a15_the_tag_decides_and_names_are_matched_whole);
	RUN(a18_what_a_profile_cannot_do_is_said_before_it_starts);
	RUN(a_profile_in_use_is_not_removed);
	RUN(a_start_while_it_is_removed_leaves_no_tree);
	RUN(a_tree_made_after_its_profile_is_gone_goes_too);
	RUN(by_force_it_is_removed_and_can_be_made_again);
	return tap_done();
}
