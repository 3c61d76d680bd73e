/* SPDX-License-Identifier: Apache-2.0 */
#include <spawn.h>
#include <sys/wait.h>

#include "crash-driver.h"
#include "store-lib.h"

/* Theory of operation
 *
 * store-writer does everything that writes to a store. Here it runs once for each of its
 * calls that write, and dies, or fails, at that call (tests/lib/crash-preload.c). After
 * each: nothing is damaged, every ref has all its objects, gc leaves what refs reach and
 * nothing else, and doing it again succeeds and ends in the same state. */

static struct fixture f;
static char *const writer[] = { (char *)STORE_WRITER, f.path, NULL };

static bool begin(void)
{
	return fixture_open_fast(&f);
}

static void end(void)
{
	fixture_close(&f);
}

static bool run(int at, const char *how, struct crash_outcome *ret)
{
	return crash_run(writer, f.path, at, how, ret);
}

static void print_bad(void *data, const char *object, const char *why)
{
	(void)data;
	printf("# %s: %s\n", object, why);
}

static bool no_tmp_files(const char *path)
{
	int fd = openat(f.root, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	bool clean = true;

	if (!dir)
		return true; /* not made yet */
	for (struct dirent *de; (de = readdir(dir));)
		clean &= strncmp(de->d_name, ".tmp-", 5) != 0;
	(void)closedir(dir);
	return clean;
}

/* What must hold whatever has happened to writers before. */
static bool is_sound(void)
{
	struct store_usage u;

	if (store_verify(f.store, print_bad, NULL, &f.e) != 0)
		return false;
	if (store_gc(f.store, false, true, NULL, &f.e) < 0)
		return false;
	if (store_usage(f.store, &u, &f.e) < 0 || u.unreferenced != 0)
		return false;
	return count_entries(&f, "cas/staging") == 0 && no_tmp_files("cas/refs") &&
	       no_tmp_files("cas/refs/images") && no_tmp_files("cas/refs/tags") &&
	       store_verify(f.store, print_bad, NULL, &f.e) == 0;
}

/* The state after one whole run: 22 objects and a list, 2 and a list. */
static bool is_done(void)
{
	_cleanup_free_ char *tag = NULL;

	return count_entries(&f, "cas/objects") == 22 + 1 + 2 + 1 &&
	       ref_tag_read(f.store, "kvm-linux", &tag, &f.e) == 0 &&
	       strcmp(tag, "kvm-linux-00000002") == 0;
}

static const struct crash_test test = { begin, end, run, is_sound, is_done, &f.e };

/* Failing to remove, to share blocks, or to make a directory removable is no failure of
 * the whole (and is_sound() looks at objects' modes). */
static bool said_no_space(const struct crash_outcome *o)
{
	if (strstr(o->call, "unlinkat") || strstr(o->call, "FICLONE") ||
	    (strstr(o->call, "fchmod") && o->status == 0))
		return WIFEXITED(o->status);
	return crash_was_no_space(o);
}

static void killed_before_any_call_it_is_sound(void)
{
	CHECK_INT(crash_try_all(&test, "kill", crash_was_killed), 1);
}

static void killed_in_the_middle_of_any_call_it_is_sound(void)
{
	CHECK_INT(crash_try_all(&test, "torn", crash_was_killed), 1);
}

static void full_disk_at_any_call_is_one_clear_error(void)
{
	CHECK_INT(crash_try_all(&test, "28", said_no_space), 1);
}

/* Nothing gets its name before its bytes are on the disk, and no ref before the names of
 * its objects are: the preload library aborts the writer at the first breach. */
static void order_of_syncs_survives_a_loss_of_power(void)
{
	bool good = begin() && crash_watch(writer, f.path, "objects:refs") && is_done();

	end();
	CHECK(good);
}

static bool run_at_once(int n)
{
	pid_t pids[16];
	int i, started, status;
	bool good = true;

	for (started = 0; started < n; started++)
		if (posix_spawn(&pids[started], writer[0], NULL, NULL, writer, environ) !=
		    0)
			break;
	for (i = 0; i < started; i++)
		good &= waitpid(pids[i], &status, 0) == pids[i] && status == 0;
	return good && started == n;
}

static void writers_at_once_of_the_same_all_succeed(void)
{
	bool good = begin() && run_at_once(6) && is_sound() && is_done();

	end();
	CHECK(good);
}

int main(void)
{
	RUN(order_of_syncs_survives_a_loss_of_power);
	RUN(killed_before_any_call_it_is_sound);
	RUN(killed_in_the_middle_of_any_call_it_is_sound);
	RUN(full_disk_at_any_call_is_one_clear_error);
	RUN(writers_at_once_of_the_same_all_succeed);
	return tap_done();
}
