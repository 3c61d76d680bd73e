/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/macro.h"
#include "profile/artifact-bound.h"
#include "tap.h"

#define MIB ((off_t)1 << 20)

static const char *const files[] = { "layout/blobs/sha256/come",
				     "layout/blobs/sha256/held", "layout/put-blob" };
static const char *const dirs[] = { "layout/blobs/sha256", "layout/blobs", "layout" };

static char path[] = "/tmp/test-artifact-bound-XXXXXX";
static int staging = -1;
static bool renames;

/* Instead of libc's: a program that writes goes on while its files are counted. */
int fstatat(int dir, const char *name, struct stat *st, int flags)
{
	_cleanup_close_ int fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	int r = fd < 0 ? -1 : fstat(fd, st);

	(void)flags;
	if (renames && strcmp(name, "put-blob") == 0)
		r |= renameat(staging, files[2], staging, files[0]);
	return r;
}

static bool has(const char *file, off_t size)
{
	_cleanup_close_ int fd =
		openat(staging, file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	return fd >= 0 && ftruncate(fd, size) == 0;
}

static void remove_files(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		(void)unlinkat(staging, files[i], 0);
}

static int count(struct bound *b, struct volt_error *e)
{
	struct spawn s = SPAWN_INIT;

	bound_apply(b, &s);
	return s.watch(s.watch_data, e);
}

static void what_is_renamed_while_it_is_counted_counts_once(void)
{
	_cleanup_(bound_done) struct bound b = BOUND_INIT;
	struct volt_error e = { 0 };

	CHECK_INT(bound_begin(&b, staging, 0, &e), 0);
	CHECK(has("layout/put-blob", 10 * MIB));
	renames = true;
	CHECK_INT(count(&b, &e), 0);
	renames = false;
	CHECK_INT(faccessat(staging, files[0], F_OK, 0), 0);
	remove_files();
}

static void what_was_there_before_has_not_arrived(void)
{
	_cleanup_(bound_done) struct bound b = BOUND_INIT;
	struct volt_error e = { 0 };

	CHECK(has("layout/blobs/sha256/held", 20 * MIB));
	CHECK_INT(bound_begin(&b, staging, MIB, &e), 0);
	CHECK_INT(count(&b, &e), 0);
	CHECK(has("layout/put-blob", 17 * MIB));
	CHECK_INT(count(&b, &e), 0);
	CHECK(has("layout/put-blob", 17 * MIB + 1));
	CHECK_INT(count(&b, &e), -EFBIG);
	CHECK_STR(e.msg,
		  "the registry sends more than the 1048576 bytes that its manifest "
		  "announces");
	remove_files();
}

int main(void)
{
	if (!mkdtemp(path) ||
	    (staging = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0)
		return 1;
	for (size_t i = ARRAY_SIZE(dirs); i-- > 0;)
		if (mkdirat(staging, dirs[i], 0700) < 0)
			return 1;
	RUN(what_is_renamed_while_it_is_counted_counts_once);
	RUN(what_was_there_before_has_not_arrived);
	remove_files();
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
		(void)unlinkat(staging, dirs[i], AT_REMOVEDIR);
	(void)rmdir(path);
	return tap_done();
}
