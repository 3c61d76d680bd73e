/* SPDX-License-Identifier: Apache-2.0 */
#include <spawn.h>
#include <sys/wait.h>

#include "crash-driver.h"
#include "profile-lib.h"

/* Theory of operation
 *
 * profile-writer stores, assembles, repairs and removes profiles. Here it runs once for each
 * of its calls that write, and dies, or fails, at that call (tests/lib/crash-preload.c). After
 * each: objects and refs are sound, a tree that has its name is complete, and doing it again
 * succeeds and leaves nothing temporary. */

static struct fixture f;
static char *const make[] = { (char *)PROFILE_WRITER, f.path, (char *)"make", NULL };
static char *const repair[] = { (char *)PROFILE_WRITER, f.path, (char *)"repair", NULL };
static char *const rm[] = { (char *)PROFILE_WRITER, f.path, (char *)"remove", NULL };

static bool begin(void)
{
	return fixture_open_fast(&f) && write_profile(&f, "one", "A") &&
	       write_profile(&f, "two", "B");
}

static void end(void)
{
	fixture_close(&f);
}

static bool run_whole(char *const *argv)
{
	struct crash_outcome o;

	return crash_run(argv, f.path, CRASH_NEVER, "", &o) && o.status == 0;
}

static bool run_make(int at, const char *how, struct crash_outcome *ret)
{
	return crash_run(make, f.path, at, how, ret);
}

static bool run_repair(int at, const char *how, struct crash_outcome *ret)
{
	return crash_run(repair, f.path, at, how, ret);
}

static bool run_remove(int at, const char *how, struct crash_outcome *ret)
{
	return crash_run(rm, f.path, at, how, ret);
}

/* -- what must hold ---------------------------------------------------------------- */

static void print_damage(void *data, const struct profile_damage *d)
{
	(void)data;
	printf("# %s: %s\n", d->path, d->why);
}

static void print_bad(void *data, const char *object, const char *why)
{
	(void)data;
	printf("# %s: %s\n", object, why);
}

/* Whatever has a version's name has that version's files, all of them and no others. */
static bool trees_are_whole(void)
{
	const struct profiles ps = profiles_of(&f);
	const struct profile_listener listener = { print_damage, NULL };
	struct profile_check n = { 0 };

	return profile_verify(&ps, NULL, false, &listener, &n, &f.e) >= 0 && n.bad == 0;
}

static bool is_sound(void)
{
	return trees_are_whole() && store_verify(f.store, print_bad, NULL, &f.e) == 0 &&
	       store_gc(f.store, false, true, NULL, &f.e) == 0;
}

/* How many names of qemu/ there are that begin so. */
static int count_trees(const char *prefix)
{
	_cleanup_close_ int fd = open_beneath(f.root, "qemu", O_RDONLY | O_DIRECTORY, 0);
	_cleanup_closedir_ DIR *dir = NULL;
	int n = 0;

	if (fd < 0 || dir_stream(fd, &dir) < 0)
		return 0;
	for (struct dirent *de; (de = dir_next(dir));)
		n += strncmp(de->d_name, prefix, strlen(prefix)) == 0;
	return n;
}

static bool nothing_temporary(void)
{
	return count_trees(".tmp-") == 0 && count_trees(".make-") == 0 &&
	       count_entries(&f, "cas/staging") == 0;
}

static bool is_made(void)
{
	const struct profiles ps = profiles_of(&f);
	_cleanup_free_ char *ref = NULL, *qemu = NULL;

	/* two trees, and the link to the second */
	return count_trees("kvm-linux") == 3 && nothing_temporary() &&
	       profile_find(&ps, "kvm-linux", &ref, &f.e) >= 0 &&
	       (qemu = read_below(&f, "qemu/kvm-linux/bin/qemu-system-x86_64")) &&
	       strcmp(qemu, "the emulator B") == 0;
}

static bool is_removed(void)
{
	return count_trees("kvm-linux") == 0 && nothing_temporary() &&
	       count_entries(&f, "cas/objects") == 0 &&
	       count_entries(&f, "cas/refs/tags") == 0;
}

/* Not to remove (which makes directories removable), to share blocks or to sweep (which opens
 * locks) is no failure of the whole; what has become of it is_sound() and the next run show. */
static bool said_no_space(const struct crash_outcome *o)
{
	if (strstr(o->call, "unlinkat") || strstr(o->call, "FICLONE") ||
	    ((strstr(o->call, "open") || strstr(o->call, "fchmod")) && o->status == 0))
		return WIFEXITED(o->status);
	return crash_was_no_space(o);
}

/* -- making: A3, A5, A13 ----------------------------------------------------------- */

static const struct crash_test making = { begin, end, run_make, is_sound, is_made, &f.e };

static void a3_killed_before_any_call_a_tree_is_absent_or_whole(void)
{
	CHECK_INT(crash_try_all(&making, "kill", crash_was_killed), 1);
}

static void a3_killed_in_the_middle_of_any_call_a_tree_is_absent_or_whole(void)
{
	CHECK_INT(crash_try_all(&making, "torn", crash_was_killed), 1);
}

static void a13_a_full_disk_at_any_call_is_one_clear_error(void)
{
	CHECK_INT(crash_try_all(&making, "28", said_no_space), 1);
}

/* A tree's directories are synced as a whole, before it gets its name. */
static void order_of_syncs_survives_a_loss_of_power(void)
{
	bool good = begin() && crash_watch(make, f.path, "objects:refs") && is_made();

	end();
	CHECK(good);
}

static bool run_at_once(char *const *argv, int n)
{
	pid_t pids[16];
	int i, started, status;
	bool good = true;

	for (started = 0; started < n; started++)
		if (posix_spawn(&pids[started], argv[0], NULL, NULL, argv, environ) != 0)
			break;
	for (i = 0; i < started; i++)
		good &= waitpid(pids[i], &status, 0) == pids[i] && status == 0;
	return good && started == n;
}

/* A5 */
static void a5_six_at_once_make_each_tree_once(void)
{
	bool good = begin() && run_at_once(make, 6) && is_sound() && is_made();

	end();
	CHECK(good);
}

/* -- repairing --------------------------------------------------------------------- */

static bool overwrite(const char *path)
{
	_cleanup_close_ int fd = -1;

	if (fchmodat(f.root, path, 0644, 0) < 0)
		return false;
	fd = openat(f.root, path, O_WRONLY | O_CLOEXEC);
	return fd >= 0 && pwrite(fd, "X", 1, 0) == 1 &&
	       fchmodat(f.root, path, 0444, 0) == 0;
}

static bool begin_damaged(void)
{
	_cleanup_manifest_ struct profile_manifest *m = NULL;
	_cleanup_free_ char *ref = NULL;
	struct profiles ps;

	if (!begin() || !run_whole(make))
		return false;
	ps = profiles_of(&f);
	return profile_find(&ps, "kvm-linux", &ref, &f.e) >= 0 &&
	       profile_read(&ps, ref, &m, &f.e) >= 0 &&
	       overwrite(object_path(&profile_manifest_find(m, "lib/libc.so.6")->digest,
				     "")) &&
	       unlinkat(f.root, "qemu/kvm-linux/firmware/bios-256k.bin", 0) == 0;
}

/* Damage is there or not, as far as the repair has come; nothing else is. */
static void expect_old_damage(void *data, const struct profile_damage *d)
{
	bool *good = data;

	if (strcmp(d->path, "lib/libc.so.6") != 0 &&
	    strcmp(d->path, "firmware/bios-256k.bin") != 0) {
		print_damage(NULL, d);
		*good = false;
	}
}

static bool is_repairable(void)
{
	const struct profiles ps = profiles_of(&f);
	bool good = true;
	const struct profile_listener listener = { expect_old_damage, &good };

	return profile_verify(&ps, NULL, false, &listener, NULL, &f.e) >= 0 && good &&
	       store_gc(f.store, false, true, NULL, &f.e) == 0;
}

static bool is_repaired(void)
{
	return trees_are_whole() && store_verify(f.store, print_bad, NULL, &f.e) == 0 &&
	       is_made();
}

static const struct crash_test repairing = { begin_damaged, end,         run_repair,
					     is_repairable, is_repaired, &f.e };

static void killed_at_any_call_a_repair_can_be_done_again(void)
{
	CHECK_INT(crash_try_all(&repairing, "kill", crash_was_killed), 1);
}

static void killed_in_the_middle_of_any_call_a_repair_can_be_done_again(void)
{
	CHECK_INT(crash_try_all(&repairing, "torn", crash_was_killed), 1);
}

/* -- removing ---------------------------------------------------------------------- */

static bool begin_made(void)
{
	return begin() && run_whole(make);
}

static const struct crash_test removing = { begin_made, end,        run_remove,
					    is_sound,   is_removed, &f.e };

static void killed_at_any_call_a_removal_can_be_done_again(void)
{
	CHECK_INT(crash_try_all(&removing, "kill", crash_was_killed), 1);
}

int main(void)
{
	RUN(order_of_syncs_survives_a_loss_of_power);
	RUN(a3_killed_before_any_call_a_tree_is_absent_or_whole);
	RUN(a3_killed_in_the_middle_of_any_call_a_tree_is_absent_or_whole);
	RUN(a13_a_full_disk_at_any_call_is_one_clear_error);
	RUN(a5_six_at_once_make_each_tree_once);
	RUN(killed_at_any_call_a_repair_can_be_done_again);
	RUN(killed_in_the_middle_of_any_call_a_repair_can_be_done_again);
	RUN(killed_at_any_call_a_removal_can_be_done_again);
	return tap_done();
}
