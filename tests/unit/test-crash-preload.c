/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/path.h"
#include "tap.h"

/* What crash-victim does: 1 mkdirat, 2 mkdirat, 3 openat, 4 write, 5 fdatasync,
 * 6 renameat, 7 fsync, and 3 to 7 once more. */
#define CALLS 12

struct run {
	char dir[40];
	int status;
	char err[200];
	struct stat tmp, file; /* st_size -1: not there */
};

static void look(int root, const char *path, struct stat *st)
{
	if (fstatat(root, path, st, 0) < 0)
		st->st_size = -1;
}

static int spawn_victim(struct run *r, const char *what, int err)
{
	char *argv[] = { (char *)CRASH_VICTIM, r->dir, (char *)what, NULL };
	posix_spawn_file_actions_t actions;
	pid_t pid = -1;
	int status = -1;

	(void)posix_spawn_file_actions_init(&actions);
	(void)posix_spawn_file_actions_adddup2(&actions, err, STDERR_FILENO);
	(void)setenv("LD_PRELOAD", CRASH_PRELOAD, 1);
	if (posix_spawn(&pid, CRASH_VICTIM, &actions, NULL, argv, environ) == 0)
		(void)waitpid(pid, &status, 0);
	(void)unsetenv("LD_PRELOAD");
	(void)posix_spawn_file_actions_destroy(&actions);
	return status;
}

static void remove_dir(const struct run *r)
{
	int tmp = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)remove_tree_at(tmp, r->dir + strlen("/tmp/"));
	(void)close(tmp);
}

static bool run_victim(struct run *r, const char *at, const char *how, const char *what)
{
	int root, err;
	ssize_t n;

	memcpy(r->dir, "/tmp/volt-test-crash.XXXXXX",
	       sizeof("/tmp/volt-test-crash.XXXXXX"));
	if (!mkdtemp(r->dir))
		return false;
	root = open(r->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	err = openat(root, "err", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	(void)setenv("VOLT_CRASH_AT", at, 1);
	(void)setenv("VOLT_CRASH_HOW", how, 1);
	(void)setenv("VOLT_CRASH_PUBLISHED", "nothing:published", 1);
	r->status = spawn_victim(r, what, err);
	n = pread(err, r->err, sizeof(r->err) - 1, 0);
	r->err[n > 0 ? n : 0] = '\0';
	look(root, "published/tmp", &r->tmp);
	look(root, "published/file", &r->file);
	(void)close(err);
	(void)close(root);
	remove_dir(r);
	return true;
}

static void without_a_call_to_die_at_nothing_happens(void)
{
	struct run r;

	CHECK(run_victim(&r, "0", "kill", "good"));
	CHECK_INT(r.status, 0);
	CHECK_INT(r.file.st_size, 10);
}

static void every_call_that_writes_is_counted(void)
{
	struct run r;
	char at[16];
	int i;

	for (i = 1; i <= CALLS; i++) {
		(void)snprintf(at, sizeof(at), "%d", i);
		CHECK(run_victim(&r, at, "kill", "good"));
		CHECK(WIFSIGNALED(r.status));
		CHECK_INT(WTERMSIG(r.status), SIGKILL);
	}
	(void)snprintf(at, sizeof(at), "%d", i);
	CHECK(run_victim(&r, at, "kill", "good"));
	CHECK_INT(r.status, 0);
}

static void killed_before_the_call(void)
{
	struct run r;

	CHECK(run_victim(&r, "4", "kill", "good"));
	CHECK_INT(r.tmp.st_size, 0); /* opened, not written */
	CHECK(run_victim(&r, "6", "kill", "good"));
	CHECK_INT(r.file.st_size, -1); /* not renamed */
}

static void torn_is_half_a_write_or_just_after_another_call(void)
{
	struct run r;

	CHECK(run_victim(&r, "4", "torn", "good"));
	CHECK_INT(WTERMSIG(r.status), SIGKILL);
	CHECK_INT(r.tmp.st_size, 5);
	CHECK(run_victim(&r, "6", "torn", "good"));
	CHECK_INT(WTERMSIG(r.status), SIGKILL);
	CHECK_INT(r.file.st_size, 10);
}

static void failing_call_has_the_errno_that_was_asked_for(void)
{
	struct run r;

	CHECK(run_victim(&r, "4", "28", "good"));
	CHECK_INT(WEXITSTATUS(r.status), 1);
	CHECK_STR(r.err, "crash-victim: No space left on device\n");
	CHECK_INT(r.tmp.st_size, 0);
}

static void missing_syncs_are_breaches(void)
{
	static const struct {
		const char *what, *message;
	} cases[] = {
		{ "unsynced", "a file gets its name before it is synced: 'file'" },
		{ "skip", "a directory is not synced before the next changes: 'file'" },
		{ "undurable", "the last directory is not synced at the end" },
	};
	struct run r;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		CHECK(run_victim(&r, "0", "kill", cases[i].what));
		CHECK(WIFSIGNALED(r.status));
		CHECK_INT(WTERMSIG(r.status), SIGABRT);
		CHECK(strstr(r.err, cases[i].message));
	}
}

int main(void)
{
	RUN(without_a_call_to_die_at_nothing_happens);
	RUN(every_call_that_writes_is_counted);
	RUN(killed_before_the_call);
	RUN(torn_is_half_a_write_or_just_after_another_call);
	RUN(failing_call_has_the_errno_that_was_asked_for);
	RUN(missing_syncs_are_breaches);
	return tap_done();
}
