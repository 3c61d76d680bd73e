/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/io.h"
#include "store-lib.h"

/* Adds a large object as a stream; the error of whatever fails first. */
static int put_large(struct fixture *f, size_t size)
{
	_cleanup_(ingest_endp) struct ingest *g = NULL;
	struct ingest_stream *w = NULL;
	char block[8192];
	struct digest d;
	int r;

	memset(block, 'x', sizeof(block));
	r = ingest_begin(f->store, &g, &f->e);
	if (r >= 0)
		r = ingest_stream_new(g, OBJECT_PLAIN, &w, &f->e);
	for (size_t at = 0; at < size && r >= 0; at += sizeof(block))
		r = ingest_stream_write(w, block, sizeof(block), &f->e);
	if (r < 0) {
		ingest_stream_abort(w);
		return r;
	}
	r = ingest_stream_finish(w, &d, &f->e);
	return r < 0 ? r : ingest_commit(g, &f->e);
}

static bool left_nothing(struct fixture *f)
{
	return count_entries(f, "cas/objects") == 0 &&
	       count_entries(f, "cas/staging") == 0;
}

static void file_size_limit_is_a_clear_error_that_leaves_nothing(void)
{
	const struct rlimit small = { 100000, RLIM_INFINITY };
	_cleanup_fixture_ struct fixture f;
	struct rlimit old;
	int r;

	CHECK(fixture_open(&f));
	(void)signal(SIGXFSZ, SIG_IGN);
	CHECK_INT(getrlimit(RLIMIT_FSIZE, &old), 0);
	CHECK_INT(setrlimit(RLIMIT_FSIZE, &small), 0);
	r = put_large(&f, 1 << 20);
	CHECK_INT(setrlimit(RLIMIT_FSIZE, &old), 0);
	CHECK_INT(r, -EFBIG);
	CHECK(strstr(f.e.msg, "write an object of"));
	CHECK(strstr(f.e.msg, "File too large"));
	CHECK(left_nothing(&f));
	CHECK_INT(put_large(&f, 1 << 20), 0);
}

static void failed_ingest_cannot_be_committed(void)
{
	const struct rlimit small = { 10, RLIM_INFINITY };
	_cleanup_fixture_ struct fixture f;
	_cleanup_(ingest_endp) struct ingest *g = NULL;
	struct rlimit old;
	struct digest d;
	int r;

	CHECK(fixture_open(&f));
	(void)signal(SIGXFSZ, SIG_IGN);
	CHECK_INT(ingest_begin(f.store, &g, &f.e), 0);
	CHECK_INT(ingest_add(g, "small", 5, OBJECT_PLAIN, &d, &f.e), 0);
	CHECK_INT(getrlimit(RLIMIT_FSIZE, &old), 0);
	CHECK_INT(setrlimit(RLIMIT_FSIZE, &small), 0);
	r = ingest_add(g, "more than ten bytes", 19, OBJECT_PLAIN, &d, &f.e);
	CHECK_INT(setrlimit(RLIMIT_FSIZE, &old), 0);
	CHECK_INT(r, -EFBIG);
	CHECK_INT(ingest_commit(g, &f.e), -ECANCELED);
	CHECK_INT(count_entries(&f, "cas/objects"), 0);
}

static void store_without_permission_is_a_clear_error(void)
{
	_cleanup_fixture_ struct fixture f;
	struct store *s = NULL;
	uid_t me = geteuid();
	int r, lease;

	CHECK(fixture_open(&f));
	if (me == 0)
		CHECK_INT(seteuid(65534), 0);
	else
		CHECK_INT(fchmodat(f.root, "cas", 0, 0), 0);
	r = store_open(f.root, &s, &f.e);
	lease = lease_take(f.store, NULL);
	if (me == 0)
		CHECK_INT(seteuid(0), 0);
	else
		CHECK_INT(fchmodat(f.root, "cas", 0700, 0), 0);
	CHECK_INT(r, -EACCES);
	CHECK(strstr(f.e.msg, "open the store's directory '"));
	CHECK(strstr(f.e.msg, "Permission denied"));
	CHECK(lease < 0);
	CHECK(!s);
}

static int write_text(const char *path, const char *text)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd < 0 ? -errno : write_all(fd, text, strlen(text));
}

/* A mount namespace of its own, so that nothing stays mounted; without root in a user
 * namespace, whose files need an owner that exists. */
static int own_mounts(void)
{
	char uid_map[32], gid_map[32];

	(void)snprintf(uid_map, sizeof(uid_map), "0 %u 1", geteuid());
	(void)snprintf(gid_map, sizeof(gid_map), "0 %u 1", getegid());
	if (geteuid() == 0)
		return unshare(CLONE_NEWNS);
	if (unshare(CLONE_NEWNS | CLONE_NEWUSER) < 0 ||
	    write_text("/proc/self/setgroups", "deny") < 0 ||
	    write_text("/proc/self/gid_map", gid_map) < 0)
		return -1;
	return write_text("/proc/self/uid_map", uid_map);
}

static int full_disk(void)
{
	struct fixture f;
	int r;

	if (own_mounts() < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("volt-test", "/mnt", "tmpfs", 0, "size=512k,mode=0777") < 0)
		return 77;
	if (!fixture_open_in(&f, "/mnt"))
		return 1;
	r = put_large(&f, 2 << 20);
	if (r != -ENOSPC || !strstr(f.e.msg, "No space left on device"))
		return 2;
	if (!left_nothing(&f))
		return 3;
	if (put_large(&f, 64 << 10) < 0) /* what fits goes in after that */
		return 4;
	fixture_close(&f);
	return 0;
}

static void full_disk_is_a_clear_error_that_leaves_nothing(void)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(full_disk());
	CHECK_INT(waitpid(pid, &status, 0), pid);
	CHECK(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		printf("# no mount namespace here: test-store-crash has the simulated one\n");
	else
		CHECK_INT(WEXITSTATUS(status), 0);
}

int main(void)
{
	RUN(file_size_limit_is_a_clear_error_that_leaves_nothing);
	RUN(failed_ingest_cannot_be_committed);
	RUN(store_without_permission_is_a_clear_error);
	RUN(full_disk_is_a_clear_error_that_leaves_nothing);
	return tap_done();
}
