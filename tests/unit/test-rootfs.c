/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "rootfs/rootfs.h"
#include "tree-compare.h"

static bool add_samples(struct world *w)
{
	static char big[300000];

	memset(big, 'x', sizeof(big));
	return add_file(w, "etc/hostname", 0644, "volt\n", 5) &&
	       add_file(w, "bin/sh", 0755, big, sizeof(big)) &&
	       add_file(w, "empty", 0600, "", 0);
}

static const char *cached(const struct world *w, const char *suffix)
{
	static char name[128];
	char hex[DIGEST_HEX_SIZE];

	(void)snprintf(name, sizeof(name), "rootfs/%s%s", digest_hex(&w->id, hex),
		       suffix);
	return name;
}

static int erofs(struct world *w)
{
	return rootfs_erofs(w->f.root, w->f.store, &w->id, &w->f.e);
}

static int tinyvol(struct world *w)
{
	return rootfs_tinyvol(w->f.root, w->f.store, &w->id, &w->f.e);
}

static void an_image_is_made_once_and_read_only(void)
{
	_cleanup_world_ struct world w;
	_cleanup_close_ int a = -1, b = -1;
	struct stat x, y;
	char magic[4];

	CHECK(world_open(&w) && add_samples(&w) && world_store(&w));
	a = erofs(&w);
	CHECK(fine(&w, a));
	b = erofs(&w);
	CHECK(fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_ino == y.st_ino);
	CHECK_INT(x.st_mode, S_IFREG | 0444);
	CHECK_INT(fcntl(a, F_GETFL) & O_ACCMODE, O_RDONLY);
	CHECK(pread(a, magic, 4, 1024) == 4 && memcmp(magic, "\xe2\xe1\xf5\xe0", 4) == 0);
	CHECK(faccessat(w.f.root, cached(&w, ".erofs"), F_OK, 0) == 0);
	CHECK_INT(count_entries(&w.f, "rootfs"), 2); /* and the lock */
}

static int both(struct world *w)
{
	_cleanup_close_ int a = erofs(w), b = a < 0 ? a : tinyvol(w);

	return b < 0 ? b : 0;
}

static void a5_makers_at_the_same_time_all_succeed(void)
{
	_cleanup_world_ struct world w;
	int status, bad = 0;

	CHECK(world_open(&w) && add_samples(&w) && world_store(&w));
	for (int i = 0; i < 8; i++)
		if (fork() == 0)
			_exit(!fine(&w, both(&w)));
	for (int i = 0; i < 8; i++)
		bad += wait(&status) < 0 || status != 0;
	CHECK_INT(bad, 0);
	CHECK_INT(count_entries(&w.f, "rootfs"), 3);
}

static void a3_a_killed_maker_leaves_nothing_that_counts(void)
{
	_cleanup_world_ struct world w;
	_cleanup_close_ int fd = -1;
	char path[32];

	CHECK(world_open(&w) && add_samples(&w));
	for (int i = 0; i < 500; i++) {
		(void)snprintf(path, sizeof(path), "d%d/f%d", i % 10, i);
		CHECK(add_file(&w, path, 0644, path, strlen(path)));
	}
	CHECK(world_store(&w));
	for (useconds_t us = 0; us < 20000; us += 500) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(both(&w) < 0);
		(void)usleep(us);
		(void)kill(pid, SIGKILL);
		CHECK(waitpid(pid, NULL, 0) == pid);
		CHECK(us % 2000 || rootfs_evict(w.f.root, &w.id, &w.f.e) == 0);
	}
	CHECK(fine(&w, both(&w)));
	CHECK_INT(count_entries(&w.f, "rootfs"), 3);
	fd = tinyvol(&w);
	CHECK_INT(count_names(openat(fd, "d3", O_RDONLY | O_DIRECTORY | O_CLOEXEC)), 101);
}

static void damaged_objects_are_named_and_nothing_is_left(void)
{
	static int (*const makers[])(struct world *) = { erofs, tinyvol };

	for (size_t i = 0; i < ARRAY_SIZE(makers); i++) {
		_cleanup_world_ struct world w;
		char hex[DIGEST_HEX_SIZE];

		CHECK(world_open(&w) && add_samples(&w) && world_store(&w));
		CHECK(damage_object(&w, "bin/sh", 299999));
		CHECK_INT(makers[i](&w), -EBADMSG);
		CHECK(strstr(w.f.e.msg, "'bin/sh'"));
		CHECK(strstr(w.f.e.msg,
			     digest_hex(&tree_find(w.t, "bin/sh")->object, hex)));
		CHECK_INT(count_entries(&w.f, "rootfs"), 1);
		CHECK(unlinkat(w.f.root,
			       object_path(&tree_find(w.t, "etc/hostname")->object, ""),
			       0) == 0);
		CHECK(damage_object(&w, "bin/sh", 300000));
		CHECK_INT(makers[i](&w), -ENOENT);
		CHECK(strstr(w.f.e.msg, "'etc/hostname'"));
		CHECK_INT(count_entries(&w.f, "rootfs"), 1);
	}
}

static void an_unknown_tree_is_refused(void)
{
	_cleanup_world_ struct world w;

	CHECK(world_open(&w));
	CHECK_INT(erofs(&w), -ENOENT);
	CHECK_INT(tinyvol(&w), -ENOENT);
	CHECK_INT(count_entries(&w.f, "rootfs"), 1);
}

static void a_full_disk_is_an_error_that_leaves_nothing(void)
{
	_cleanup_world_ struct world w;
	_cleanup_(store_closep) struct store *s = NULL;
	_cleanup_close_ int small = -1;

	CHECK(world_open(&w) && add_samples(&w) && world_store(&w));
	CHECK(mkdirat(w.f.root, "small", 0700) == 0);
	CHECK(mount("tmpfs", world_path(&w, "small"), "tmpfs", 0, "size=200k") == 0);
	small = openat(w.f.root, "small", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK_INT(rootfs_erofs(small, w.f.store, &w.id, &w.f.e), -ENOSPC);
	CHECK(strstr(w.f.e.msg, "make room for an EROFS image"));
	CHECK_INT(count_entries(&w.f, "small/rootfs"), 1);
	/* Links to another file system are copies, which do not fit either. */
	CHECK_INT(rootfs_tinyvol(small, w.f.store, &w.id, &w.f.e), -ENOSPC);
	CHECK_INT(count_entries(&w.f, "small/rootfs"), 1);
	(void)umount2(world_path(&w, "small"), MNT_DETACH);
}

static void what_is_open_survives_eviction(void)
{
	_cleanup_world_ struct world w;
	_cleanup_close_ int fd = -1;
	char magic[4];

	CHECK(world_open(&w) && add_samples(&w) && world_store(&w));
	CHECK_INT(rootfs_evict(w.f.root, &w.id, &w.f.e), 0);
	fd = erofs(&w);
	CHECK(fd >= 0);
	CHECK_INT(rootfs_evict(w.f.root, &w.id, &w.f.e), 0);
	CHECK_INT(count_entries(&w.f, "rootfs"), 1);
	CHECK(pread(fd, magic, 4, 1024) == 4 &&
	      memcmp(magic, "\xe2\xe1\xf5\xe0", 4) == 0);
}

static void a_hard_link_tree_in_use_is_not_evicted(void)
{
	_cleanup_world_ struct world w;
	int fd, copy;

	CHECK(world_open(&w) && add_samples(&w) && world_store(&w));
	fd = tinyvol(&w);
	CHECK(fine(&w, fd));
	copy = dup(fd); /* as a program started with it would have */
	(void)close(fd);
	CHECK_INT(rootfs_evict(w.f.root, &w.id, &w.f.e), -EBUSY);
	CHECK(strstr(w.f.e.msg, "is in use by a machine"));
	CHECK(faccessat(copy, "bin/sh", F_OK, 0) == 0);
	(void)close(copy);
	CHECK_INT(rootfs_evict(w.f.root, &w.id, &w.f.e), 0);
	CHECK_INT(count_entries(&w.f, "rootfs"), 1);
}

static void a_sweep_takes_what_is_made_of_no_tree_of_the_store(void)
{
	_cleanup_world_ struct world w;
	int fd;

	CHECK(world_open(&w) && add_samples(&w) && world_store(&w));
	CHECK(fine(&w, both(&w)));
	CHECK(fine(&w, rootfs_sweep(w.f.root, w.f.store, &w.f.e)));
	CHECK_INT(count_entries(&w.f, "rootfs"), 3);
	CHECK(unlinkat(w.f.root, object_path(&w.id, ""), 0) == 0);
	fd = openat(w.f.root, cached(&w, ".tree"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK(flock(fd, LOCK_SH) == 0);
	CHECK(fine(&w, rootfs_sweep(w.f.root, w.f.store, &w.f.e)));
	CHECK(faccessat(fd, "bin/sh", F_OK, 0) == 0); /* in use */
	CHECK_INT(count_entries(&w.f, "rootfs"), 2);
	(void)close(fd);
	CHECK(fine(&w, rootfs_sweep(w.f.root, w.f.store, &w.f.e)));
	CHECK_INT(count_entries(&w.f, "rootfs"), 1);
}

static void a_sweep_leaves_what_is_not_ours(void)
{
	static const char *const names[] = { "notes", "scratch-1.ext4.bak", "a.erofs" };
	_cleanup_world_ struct world w;

	CHECK(world_open(&w) && add_samples(&w) && world_store(&w));
	CHECK(fine(&w, both(&w)));
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		char path[64];

		(void)snprintf(path, sizeof(path), "rootfs/%s", names[i]);
		(void)close(world_file(&w, path));
	}
	CHECK(fine(&w, rootfs_sweep(w.f.root, w.f.store, &w.f.e)));
	CHECK_INT(count_entries(&w.f, "rootfs"), 3 + ARRAY_SIZE(names));
}

int main(void)
{
	RUN(an_image_is_made_once_and_read_only);
	RUN(a5_makers_at_the_same_time_all_succeed);
	RUN(a3_a_killed_maker_leaves_nothing_that_counts);
	RUN(damaged_objects_are_named_and_nothing_is_left);
	RUN(an_unknown_tree_is_refused);
	RUN_IF(geteuid() == 0, "needs root", a_full_disk_is_an_error_that_leaves_nothing);
	RUN(what_is_open_survives_eviction);
	RUN(a_hard_link_tree_in_use_is_not_evicted);
	RUN(a_sweep_takes_what_is_made_of_no_tree_of_the_store);
	RUN(a_sweep_leaves_what_is_not_ours);
	return tap_done();
}
