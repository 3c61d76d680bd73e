/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include "base/strv.h"
#include "store-lib.h"

/* Theory of operation
 *
 * store-writer does everything that writes to a store. Here it runs once for each of its
 * calls that write, and dies, or fails, at that call (tests/lib/crash-preload.c). After
 * each: nothing is damaged, every ref has all its objects, gc leaves what refs reach and
 * nothing else, and doing it again succeeds and ends in the same state. */

#define LAST_CALL 2000 /* more than the writer makes */

struct outcome {
	int status;    /* of waitpid() */
	char err[600]; /* its stderr */
	char call[64]; /* "17 renameat2" */
};

/* posix_spawn(), not fork(): copying the page tables of a sanitizer takes longer than all
 * that the writer does. */
static pid_t start_writer(const struct fixture *f, int err)
{
	char *argv[] = { (char *)STORE_WRITER, (char *)f->path, NULL };
	posix_spawn_file_actions_t actions;
	pid_t pid = -1;

	(void)posix_spawn_file_actions_init(&actions);
	if (err >= 0)
		(void)posix_spawn_file_actions_adddup2(&actions, err, STDERR_FILENO);
	if (posix_spawn(&pid, STORE_WRITER, &actions, NULL, argv, environ) != 0)
		pid = -1;
	(void)posix_spawn_file_actions_destroy(&actions);
	return pid;
}

static void set_crash(const struct fixture *f, int n, const char *how)
{
	char at[16], log[128];

	(void)snprintf(at, sizeof(at), "%d", n);
	(void)snprintf(log, sizeof(log), "%s/call", f->path);
	(void)setenv("LD_PRELOAD", CRASH_PRELOAD, 1);
	(void)setenv("VOLT_CRASH_AT", at, 1);
	(void)setenv("VOLT_CRASH_HOW", how, 1);
	(void)setenv("VOLT_CRASH_LOG", log, 1);
	if (n == 0)
		(void)setenv("VOLT_CRASH_PUBLISHED", "objects:refs", 1);
}

static void unset_crash(void)
{
	(void)unsetenv("LD_PRELOAD");
	(void)unsetenv("VOLT_CRASH_PUBLISHED");
}

static bool read_text(int dirfd, const char *name, char *text, size_t size)
{
	int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);

	text[n > 0 ? n : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';
	(void)close(fd);
	return n > 0;
}

/* Runs the writer; at call @n it does @how. 0: no call, but the order of syncs is watched;
 * negative: without the preload library. */
static bool run_writer(const struct fixture *f, int n, const char *how, struct outcome *o)
{
	int err = openat(f->root, "err", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	pid_t pid;

	if (n >= 0)
		set_crash(f, n, how);
	pid = start_writer(f, err);
	unset_crash();
	(void)close(err);
	if (pid < 0 || waitpid(pid, &o->status, 0) != pid)
		return false;
	(void)read_text(f->root, "err", o->err, sizeof(o->err));
	(void)read_text(f->root, "call", o->call, sizeof(o->call));
	(void)unlinkat(f->root, "call", 0);
	return true;
}

static void print_bad(void *data, const char *object, const char *why)
{
	(void)data;
	printf("# %s: %s\n", object, why);
}

static bool no_tmp_files(const struct fixture *f, const char *path)
{
	int fd = openat(f->root, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
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
static bool is_sound(struct fixture *f)
{
	struct store_usage u;

	if (store_verify(f->store, print_bad, NULL, &f->e) != 0)
		return false;
	if (store_gc(f->store, false, true, NULL, &f->e) < 0)
		return false;
	if (store_usage(f->store, &u, &f->e) < 0 || u.unreferenced != 0)
		return false;
	return count_entries(f, "cas/staging") == 0 && no_tmp_files(f, "cas/refs") &&
	       no_tmp_files(f, "cas/refs/images") && no_tmp_files(f, "cas/refs/tags") &&
	       store_verify(f->store, print_bad, NULL, &f->e) == 0;
}

/* The state after one whole run: 22 objects and a list, 2 and a list. */
static bool is_done(struct fixture *f)
{
	_cleanup_free_ char *tag = NULL;

	return count_entries(f, "cas/objects") == 22 + 1 + 2 + 1 &&
	       ref_tag_read(f->store, "kvm-linux", &tag, &f->e) == 0 &&
	       strcmp(tag, "kvm-linux-00000002") == 0;
}

/* 1: it has gone through without reaching call @n. */
static int try_call(int n, const char *how, bool (*expected)(const struct outcome *o))
{
	_cleanup_fixture_ struct fixture f;
	struct outcome o;

	if (!fixture_open_fast(&f) || !run_writer(&f, n, how, &o))
		return -1;
	if (!o.call[0]) /* there is no such call */
		return WIFEXITED(o.status) && WEXITSTATUS(o.status) == 0 && is_done(&f)
			       ? 1
			       : -1;
	if (!expected(&o) || !is_sound(&f)) {
		printf("# at call %s: status %x, '%s', '%s'\n", o.call, o.status, o.err,
		       f.e.msg);
		return -1;
	}
	if (!run_writer(&f, -1, "", &o) || o.status != 0 || !is_sound(&f) ||
	    !is_done(&f)) {
		printf("# again after call %s: status %x, '%s', '%s'\n", o.call, o.status,
		       o.err, f.e.msg);
		return -1;
	}
	return 0;
}

static int try_all(const char *how, bool (*expected)(const struct outcome *o))
{
	int n, r = 0;

	for (n = 1; n < LAST_CALL && r == 0; n++)
		r = try_call(n, how, expected);
	printf("# %d calls\n", n - 2);
	return r;
}

static bool was_killed(const struct outcome *o)
{
	return WIFSIGNALED(o->status) && WTERMSIG(o->status) == SIGKILL;
}

/* Failing to remove, to share blocks, or to make a directory removable is no failure of
 * the whole (and is_sound() looks at objects' modes). */
static bool said_no_space(const struct outcome *o)
{
	if (strstr(o->call, "unlinkat") || strstr(o->call, "FICLONE") ||
	    (strstr(o->call, "fchmod") && o->status == 0))
		return WIFEXITED(o->status);
	return WIFEXITED(o->status) && WEXITSTATUS(o->status) == 1 &&
	       strstr(o->err, "No space left on device");
}

static void killed_before_any_call_it_is_sound(void)
{
	CHECK_INT(try_all("kill", was_killed), 1);
}

static void killed_in_the_middle_of_any_call_it_is_sound(void)
{
	CHECK_INT(try_all("torn", was_killed), 1);
}

static void full_disk_at_any_call_is_one_clear_error(void)
{
	CHECK_INT(try_all("28", said_no_space), 1);
}

/* Nothing gets its name before its bytes are on the disk, and no ref before the names of
 * its objects are: the preload library aborts the writer at the first breach. */
static void order_of_syncs_survives_a_loss_of_power(void)
{
	_cleanup_fixture_ struct fixture f;
	struct outcome o;

	CHECK(fixture_open_fast(&f));
	CHECK(run_writer(&f, 0, "kill", &o));
	if (o.status != 0)
		printf("# %s\n", o.err);
	CHECK_INT(o.status, 0);
	CHECK(is_done(&f));
}

static void writers_at_once_of_the_same_all_succeed(void)
{
	enum {
		WRITERS = 6
	};
	_cleanup_fixture_ struct fixture f;
	pid_t pids[WRITERS];
	int i, status, bad = 0;

	CHECK(fixture_open_fast(&f));
	for (i = 0; i < WRITERS; i++)
		pids[i] = start_writer(&f, -1);
	for (i = 0; i < WRITERS; i++) {
		CHECK_INT(waitpid(pids[i], &status, 0), pids[i]);
		bad += status != 0;
	}
	CHECK_INT(bad, 0);
	CHECK(is_sound(&f));
	CHECK(is_done(&f));
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
