/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation
 *
 * An empty ext4 of one size is always the same bytes: its UUID, hash seed and times are
 * fixed. So mke2fs runs once for each size, into rootfs/scratch-<bytes>.ext4, and a
 * machine gets a copy of the few blocks that are not holes.
 *
 * The file system keeps a journal (small: 16 MiB), because a guest may die at any moment
 * and nothing in it can run e2fsck: replaying the journal is all a mount needs. Inode
 * tables and journal are known to be zeroes, as holes are, so that no guest spends its
 * first minutes writing them. Features are those Linux 6.1 has, given one by one, so that
 * the host's mke2fs.conf has no say.
 */
#include "rootfs/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/path.h"
#include "base/spawn.h"
#include "rootfs/rootfs-private.h"

#define MIB        (1ull << 20)
#define SMALL_DISK (256 * MIB)
#define UUID       "766f6c74-0000-8000-8000-000000000001"

static const char options[] = "lazy_journal_init=1,root_owner=0:0,hash_seed=" UUID;
static const char features[] =
	"none,has_journal,ext_attr,dir_index,filetype,extent,64bit,flex_bg,"
	"sparse_super,large_file,huge_file,dir_nlink,extra_isize,metadata_csum";

static int run_mke2fs(int dir, const char *name, uint64_t size, struct volt_error *e)
{
	static const char *const env[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C",
					   "MKE2FS_CONFIG=/dev/null",
					   "E2FSPROGS_FAKE_TIME=1700000000", NULL };
	const char *journal = size < SMALL_DISK ? "size=4" : "size=16";
	const char *const argv[] = {
		/* clang-format off */
		"mke2fs", "-q", "-F", "-b", "4096", "-I", "256", "-i", "16384", "-m", "0",
		"-J", journal, "-U", UUID, "-L", "volt", "-E", options, "-O", features,
		name, NULL
		/* clang-format on */
	};
	struct spawn s = SPAWN_INIT;
	int r;

	s.argv = argv;
	s.env = env;
	s.cwd = dir;
	r = spawn_run(&s, 4096, NULL, e);
	if (r == -ENOENT)
		return fail(e, ENOENT,
			    "no program 'mke2fs': install package 'e2fsprogs'");
	return r;
}

static int make_template(const struct rootfs_making *k, uint64_t size,
			 struct volt_error *e)
{
	_cleanup_close_ int fd =
		openat(k->dir, k->tmp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int r;

	if (fd < 0)
		return fail_errno(e, "make '%s'", k->tmp);
	if (ftruncate(fd, (off_t)size) < 0)
		return fail_errno(e, "size '%s' to %llu bytes", k->tmp,
				  (unsigned long long)size);
	r = run_mke2fs(k->dir, k->tmp, size, e);
	if (r < 0)
		return r;
	if (fchmod(fd, 0444) < 0 || fsync(fd) < 0)
		return fail_errno(e, "sync '%s'", k->tmp);
	return 0;
}

static int open_template(int dir, uint64_t size, struct volt_error *e)
{
	_cleanup_(rootfs_making_done) struct rootfs_making k = { .lock = -1 };
	char name[64];
	int fd, r;

	(void)snprintf(name, sizeof(name), SCRATCH_PREFIX "%llu" SCRATCH_SUFFIX,
		       (unsigned long long)size);
	fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd >= 0 || errno != ENOENT)
		return fd < 0 ? fail_errno(e, "open '%s'", name) : fd;
	r = rootfs_making_begin(&k, dir, name, e);
	if (r < 0)
		return r;
	fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd >= 0)
		return fd;
	r = make_template(&k, size, e);
	if (r >= 0)
		r = rootfs_making_commit(&k, e);
	if (r < 0)
		return r;
	fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	return fd < 0 ? fail_errno(e, "open '%s'", name) : fd;
}

static int copy_data(int in, int out, uint64_t size)
{
	off_t data = 0, hole;
	int r;

	if (ioctl(out, FICLONE, in) == 0)
		return 0;
	if (ftruncate(out, (off_t)size) < 0)
		return -errno;
	while ((data = lseek(in, data, SEEK_DATA)) >= 0) {
		hole = lseek(in, data, SEEK_HOLE);
		if (hole < 0)
			return -errno;
		r = copy_bytes(in, data, out, data, (uint64_t)(hole - data));
		if (r < 0)
			return r;
		data = hole;
	}
	return errno == ENXIO ? 0 : -errno;
}

static int copy_template(int in, uint64_t size, int dirfd, const char *tmp)
{
	_cleanup_close_ int out =
		openat(dirfd, tmp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int r;

	if (out < 0)
		return -errno;
	r = copy_data(in, out, size);
	return r >= 0 && fsync(out) < 0 ? -errno : r;
}

/* The temporary name follows from @name, which is one caller's alone, so that the next try
 * removes what a crash left. */
static int copy_as(int in, uint64_t size, int dirfd, const char *name,
		   struct volt_error *e)
{
	char tmp[NAME_MAX + 1];
	int r;

	(void)snprintf(tmp, sizeof(tmp), "%s.tmp", name);
	if (unlinkat(dirfd, tmp, 0) < 0 && errno != ENOENT)
		return fail_errno(e, "remove '%s'", tmp);
	r = copy_template(in, size, dirfd, tmp);
	if (r < 0)
		r = fail_code(e, r, "copy the empty disk to '%s'", name);
	else if (renameat2(dirfd, tmp, dirfd, name, RENAME_NOREPLACE) < 0)
		r = fail_errno(e, "make disk '%s'", name);
	else if (fsync(dirfd) < 0)
		return fail_errno(e, "sync the directory of '%s'", name);
	if (r < 0)
		(void)unlinkat(dirfd, tmp, 0);
	return r;
}

int scratch_make(int rootfd, uint64_t size, int dirfd, const char *name,
		 struct volt_error *e)
{
	_cleanup_close_ int dir = -1, in = -1;

	if (size < SCRATCH_SIZE_MIN || size > SCRATCH_SIZE_MAX || size % MIB != 0)
		return fail(e, EINVAL,
			    "a disk of %llu bytes: between 64 MiB and 16 TiB, in whole "
			    "MiB, are possible",
			    (unsigned long long)size);
	if (!path_is_name(name) || strlen(name) + strlen(".tmp") > NAME_MAX)
		return fail(e, EINVAL, "disk name '%s' is no file name", name);
	dir = rootfs_open(rootfd, e);
	if (dir < 0)
		return dir;
	in = open_template(dir, size, e);
	return in < 0 ? in : copy_as(in, size, dirfd, name, e);
}
