/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include "rootfs/rootfs.h"
#include "tree-compare.h"

/* Theory of operation
 *
 * rootfs-writer makes an image, a hard-link tree and a disk. Here it runs once for each of
 * its calls that write, and dies, or fails, at that call (tests/lib/crash-preload.c). After
 * each: what has its name is what a whole run makes, and doing it again succeeds and leaves
 * no temporary name. */

#define LAST_CALL 1000 /* more than the writer makes */

struct outcome {
	int status;    /* of waitpid() */
	char err[600]; /* its stderr */
	char call[64]; /* "17 renameat2" */
};

static struct world w;
static char hex[DIGEST_HEX_SIZE];
static struct start {
	char *data;
	ssize_t n;
	off_t size;
} image, disk; /* as a whole run makes them */
static long tree_names;

static void set_crash(int n, const char *how)
{
	char at[16];

	(void)snprintf(at, sizeof(at), "%d", n);
	(void)setenv("LD_PRELOAD", CRASH_PRELOAD, 1);
	(void)setenv("VOLT_CRASH_AT", at, 1);
	(void)setenv("VOLT_CRASH_HOW", how, 1);
	(void)setenv("VOLT_CRASH_LOG", world_path(&w, "call"), 1);
}

static void read_line(const char *name, char *text, size_t size)
{
	_cleanup_close_ int fd = openat(w.f.root, name, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);

	text[n > 0 ? n : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';
	(void)unlinkat(w.f.root, name, 0);
}

/* At call @n it does @how; 0: nothing happens; negative: the order of syncs is watched. */
static bool run_writer(int n, const char *how, struct outcome *o)
{
	char *argv[] = { (char *)ROOTFS_WRITER, w.f.path, hex,
			 n < 0 ? (char *)"files" : NULL, NULL };
	posix_spawn_file_actions_t actions;
	pid_t pid = -1;
	int err = openat(w.f.root, "err", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (n != 0)
		set_crash(n < 0 ? 0 : n, how);
	if (n < 0)
		(void)setenv("VOLT_CRASH_PUBLISHED", "rootfs", 1);
	(void)posix_spawn_file_actions_init(&actions);
	(void)posix_spawn_file_actions_adddup2(&actions, err, STDERR_FILENO);
	if (posix_spawn(&pid, ROOTFS_WRITER, &actions, NULL, argv, environ) != 0)
		pid = -1;
	(void)posix_spawn_file_actions_destroy(&actions);
	(void)unsetenv("LD_PRELOAD");
	(void)unsetenv("VOLT_CRASH_PUBLISHED");
	(void)close(err);
	if (pid < 0 || waitpid(pid, &o->status, 0) != pid)
		return false;
	read_line("err", o->err, sizeof(o->err));
	read_line("call", o->call, sizeof(o->call));
	return true;
}

static void clear(void)
{
	(void)remove_tree_at(w.f.root, "rootfs");
	(void)unlinkat(w.f.root, "disk", 0);
	(void)unlinkat(w.f.root, "disk.tmp", 0);
}

static const char *made(const char *suffix)
{
	static char name[128];

	(void)snprintf(name, sizeof(name), "rootfs/%s%s", hex, suffix);
	return name;
}

/* Of a disk the first part, where its superblock and group descriptors are. */
#define COMPARED ((size_t)1 << 20)

static ssize_t read_start(const char *name, char **ret, off_t *ret_size)
{
	_cleanup_close_ int fd = openat(w.f.root, name, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	*ret = malloc(COMPARED);
	*ret_size = st.st_size;
	return *ret ? read_full(fd, *ret, COMPARED) : -ENOMEM;
}

/* Absent, or the same as a whole run makes. */
static bool is_same_file(const char *name, const struct start *want)
{
	_cleanup_free_ char *data = NULL;
	off_t size = 0;
	ssize_t n = read_start(name, &data, &size);

	return n == -ENOENT || (n == want->n && size == want->size &&
				memcmp(data, want->data, (size_t)n) == 0);
}

static bool is_same_tree(const char *name)
{
	int fd = openat(w.f.root, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? errno == ENOENT : count_names(fd) == tree_names;
}

static bool is_sound(void)
{
	return is_same_file(made(".erofs"), &image) && is_same_tree(made(".tree")) &&
	       is_same_file("rootfs/scratch-67108864.ext4", &disk) &&
	       is_same_file("disk", &disk);
}

/* Image, tree, empty disk and lock; nothing temporary. */
static bool is_done(void)
{
	return is_sound() && count_entries(&w.f, "rootfs") == 4 &&
	       count_entries(&w.f, ".") == 3;
}

/* 1: it has gone through without reaching call @n. */
static int try_call(int n, const char *how, bool (*expected)(const struct outcome *o))
{
	struct outcome o;

	clear();
	if (!run_writer(n, how, &o))
		return -1;
	if (!o.call[0])
		return o.status == 0 && is_done() ? 1 : -1;
	if (!expected(&o) || !is_sound()) {
		printf("# at call %s: status %x, '%s'\n", o.call, o.status, o.err);
		return -1;
	}
	if (!run_writer(0, "", &o) || o.status != 0 || !is_done()) {
		printf("# again after call %d: status %x, '%s'\n", n, o.status, o.err);
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

/* Not to share blocks or to set room aside on this file system is no failure. */
static bool said_no_space(const struct outcome *o)
{
	if (strstr(o->call, "FICLONE") || strstr(o->call, "unlinkat"))
		return WIFEXITED(o->status);
	return WIFEXITED(o->status) && WEXITSTATUS(o->status) == 1 &&
	       strstr(o->err, "No space left on device");
}

static bool prepare(void)
{
	static char big[200000];
	struct outcome o;

	memset(big, 'b', sizeof(big));
	if (!world_open_in(&w, fixture_open_fast) ||
	    !add_file(&w, "a/big", 0755, big, sizeof(big)) ||
	    !add_file(&w, "a/small", 0644, "small", 5) ||
	    !add_file(&w, "b/empty", 0600, "", 0) || !world_store(&w))
		return false;
	(void)digest_hex(&w.id, hex);
	if (!run_writer(0, "", &o) || o.status != 0)
		return false;
	tree_names = count_names(
		openat(w.f.root, made(".tree"), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	image.n = read_start(made(".erofs"), &image.data, &image.size);
	disk.n = read_start("disk", &disk.data, &disk.size);
	return image.n > 0 && disk.n > 0;
}

static void a_whole_run_makes_everything(void)
{
	CHECK(prepare());
	CHECK(image.size > 200000 && disk.size == 64 << 20 && tree_names > 5);
	CHECK(is_done());
}

static void a3_killed_before_any_call_it_is_sound(void)
{
	CHECK_INT(try_all("kill", was_killed), 1);
}

static void a3_killed_in_the_middle_of_any_call_it_is_sound(void)
{
	CHECK_INT(try_all("torn", was_killed), 1);
}

static void a13_a_full_disk_at_any_call_is_one_clear_error(void)
{
	CHECK_INT(try_all("28", said_no_space), 1);
}

/* The hard-link tree is left out: it is synced as a whole file system. */
static void files_are_synced_before_they_get_their_names(void)
{
	struct outcome o;

	clear();
	CHECK(run_writer(-1, "kill", &o));
	if (o.status != 0)
		printf("# %s\n", o.err);
	CHECK_INT(o.status, 0);
}

int main(void)
{
	RUN(a_whole_run_makes_everything);
	RUN(files_are_synced_before_they_get_their_names);
	RUN(a3_killed_before_any_call_it_is_sound);
	RUN(a3_killed_in_the_middle_of_any_call_it_is_sound);
	RUN(a13_a_full_disk_at_any_call_is_one_clear_error);
	free(image.data);
	free(disk.data);
	world_close(&w);
	return tap_done();
}
