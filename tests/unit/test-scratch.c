/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/mount.h>
#include <sys/wait.h>

#include "rootfs-lib.h"
#include "rootfs/rootfs.h"
#include "rootfs/scratch.h"

#define MIB (1ull << 20)

static bool make(struct world *w, uint64_t size, const char *name)
{
	return fine(w, scratch_make(w->f.root, size, w->f.root, name, &w->f.e));
}

static void a_disk_is_an_empty_ext4_that_e2fsck_likes(void)
{
	static const uint64_t sizes[] = { SCRATCH_SIZE_MIN, 100 * MIB,
					  SCRATCH_SIZE_DEFAULT, 100ull << 30 };
	_cleanup_world_ struct world w;
	struct stat st;
	char name[16];

	CHECK(world_open(&w));
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		(void)snprintf(name, sizeof(name), "disk%zu", i);
		CHECK(make(&w, sizes[i], name));
		CHECK(run_program((const char *const[]){ "e2fsck", "-fn",
							 world_path(&w, name), NULL }));
		CHECK(fstatat(w.f.root, name, &st, 0) == 0);
		CHECK_INT(st.st_size, sizes[i]);
		CHECK_INT(st.st_mode, S_IFREG | 0600);
		CHECK(st.st_blocks * 512 < (off_t)(20 * MIB));
	}
}

static void an_empty_disk_of_10_gib_takes_less_than_a_megabyte(void)
{
	_cleanup_world_ struct world w;
	struct stat st;

	CHECK(world_open(&w) && make(&w, SCRATCH_SIZE_DEFAULT, "d"));
	CHECK(fstatat(w.f.root, "d", &st, 0) == 0);
	CHECK(st.st_blocks * 512 < (off_t)MIB);
}

/* The template has a byte changed, so that a second mke2fs would show. */
static void the_second_disk_is_a_copy_of_the_first(void)
{
	_cleanup_world_ struct world w;
	_cleanup_close_ int in = -1, out = -1;
	char byte = 0;

	CHECK(world_open(&w) && make(&w, 64 * MIB, "a"));
	CHECK(fchmodat(w.f.root, "rootfs/scratch-67108864.ext4", 0600, 0) == 0);
	in = openat(w.f.root, "rootfs/scratch-67108864.ext4", O_RDWR | O_CLOEXEC);
	CHECK(pwrite(in, "X", 1, 50 * MIB) == 1);
	CHECK(make(&w, 64 * MIB, "b"));
	out = openat(w.f.root, "b", O_RDONLY | O_CLOEXEC);
	CHECK(pread(out, &byte, 1, 50 * MIB) == 1);
	CHECK_INT(byte, 'X');
}

static void a_disk_that_is_there_is_never_replaced(void)
{
	_cleanup_world_ struct world w;

	CHECK(world_open(&w) && make(&w, 64 * MIB, "d"));
	CHECK_INT(scratch_make(w.f.root, 64 * MIB, w.f.root, "d", &w.f.e), -EEXIST);
	CHECK(strstr(w.f.e.msg, "'d'"));
	CHECK_INT(count_entries(&w.f, "."), 3); /* cas, rootfs, d */
}

static void sizes_and_names_that_make_no_sense_are_refused(void)
{
	static const uint64_t sizes[] = { 0,
					  1,
					  SCRATCH_SIZE_MIN - 1,
					  SCRATCH_SIZE_MIN + 1,
					  SCRATCH_SIZE_MAX + MIB,
					  UINT64_MAX };
	static const char *const names[] = { "", ".", "..", "a/b", "/x" };
	_cleanup_world_ struct world w;

	CHECK(world_open(&w));
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		CHECK_INT(scratch_make(w.f.root, sizes[i], w.f.root, "d", &w.f.e),
			  -EINVAL);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		CHECK_INT(scratch_make(w.f.root, MIB * 64, w.f.root, names[i], &w.f.e),
			  -EINVAL);
	CHECK_INT(count_entries(&w.f, "."), 1);
}

static void what_a_crash_left_is_removed(void)
{
	_cleanup_world_ struct world w;

	CHECK(world_open(&w) && make(&w, 64 * MIB, "a"));
	CHECK(close(openat(w.f.root, "rootfs/scratch-1048576.ext4.tmp",
			   O_CREAT | O_WRONLY | O_CLOEXEC, 0600)) == 0);
	CHECK(mkdirat(w.f.root, "rootfs/abc.tree.tmp", 0) == 0);
	CHECK(make(&w, 65 * MIB, "b"));
	CHECK_INT(count_entries(&w.f, "rootfs"), 3); /* lock and two disks */
}

static void a_swept_template_is_made_again(void)
{
	_cleanup_world_ struct world w;

	CHECK(world_open(&w) && make(&w, 64 * MIB, "a") && make(&w, 65 * MIB, "b"));
	CHECK_INT(count_entries(&w.f, "rootfs"), 3);
	CHECK(fine(&w, rootfs_sweep(w.f.root, w.f.store, &w.f.e)));
	CHECK_INT(count_entries(&w.f, "rootfs"), 1);
	CHECK(make(&w, 64 * MIB, "c"));
	CHECK_INT(count_entries(&w.f, "rootfs"), 2);
}

static void makers_at_the_same_time_all_succeed(void)
{
	_cleanup_world_ struct world w;
	int status, bad = 0;

	CHECK(world_open(&w));
	for (int i = 0; i < 8; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "d%d", i);
		if (fork() == 0)
			_exit(!make(&w, 64 * MIB, name));
	}
	for (int i = 0; i < 8; i++)
		bad += wait(&status) < 0 || status != 0;
	CHECK_INT(bad, 0);
	CHECK_INT(count_entries(&w.f, "rootfs"), 2);
	CHECK_INT(count_entries(&w.f, "."), 10);
}

static void a_disk_can_be_mounted_and_written(void)
{
	_cleanup_world_ struct world w;
	int fd;

	CHECK(world_open(&w) && make(&w, 64 * MIB, "d"));
	CHECK(mkdirat(w.f.root, "m", 0700) == 0);
	CHECK(run_program((const char *const[]){
		"mount", "-o", "loop", world_path(&w, "d"), world_path(&w, "m"), NULL }));
	fd = openat(w.f.root, "m/x", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	CHECK(write(fd, "x", 1) == 1);
	(void)close(fd);
	CHECK(umount2(world_path(&w, "m"), MNT_DETACH) == 0);
}

static bool mount_disk(const struct world *w, const char *disk)
{
	return run_program((const char *const[]){
		"mount", "-o", "loop", world_path(w, disk), world_path(w, "m"), NULL });
}

/* The copy is what a host has after its guest died: never unmounted, journal in use. */
static bool write_and_crash(struct world *w)
{
	char path[32];
	bool good = mount_disk(w, "d");
	int fd = -1;

	for (int i = 0; good && i < 200; i++) {
		(void)snprintf(path, sizeof(path), "m/file%d", i);
		fd = openat(w->f.root, path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
		good = fd >= 0 && write(fd, path, sizeof(path)) > 0 && fsync(fd) == 0;
		(void)close(fd);
		good = good && (i % 2 || unlinkat(w->f.root, path, 0) == 0);
	}
	good = good &&
	       run_program((const char *const[]){ "cp", world_path(w, "d"),
						  world_path(w, "crashed"), NULL });
	(void)umount2(world_path(w, "m"), MNT_DETACH);
	return good;
}

static void a_disk_survives_the_death_of_its_guest(void)
{
	_cleanup_world_ struct world w;
	bool mounted, there;

	CHECK(world_open(&w) && make(&w, 64 * MIB, "d"));
	CHECK(mkdirat(w.f.root, "m", 0700) == 0);
	CHECK(write_and_crash(&w));
	mounted = mount_disk(&w, "crashed");
	there = faccessat(w.f.root, "m/file199", F_OK, 0) == 0;
	if (mounted)
		CHECK(umount2(world_path(&w, "m"), 0) == 0);
	CHECK(mounted && there);
	CHECK(run_program((const char *const[]){ "e2fsck", "-fn",
						 world_path(&w, "crashed"), NULL }));
}

int main(void)
{
	bool can = geteuid() == 0 && access("/dev/loop-control", R_OK | W_OK) == 0;

	RUN(a_disk_is_an_empty_ext4_that_e2fsck_likes);
	RUN(an_empty_disk_of_10_gib_takes_less_than_a_megabyte);
	RUN(the_second_disk_is_a_copy_of_the_first);
	RUN(a_disk_that_is_there_is_never_replaced);
	RUN(sizes_and_names_that_make_no_sense_are_refused);
	RUN(what_a_crash_left_is_removed);
	RUN(a_swept_template_is_made_again);
	RUN(makers_at_the_same_time_all_succeed);
	RUN_IF(can, "needs root and loop devices", a_disk_can_be_mounted_and_written);
	RUN_IF(can, "needs root and loop devices",
	       a_disk_survives_the_death_of_its_guest);
	return tap_done();
}
