/* SPDX-License-Identifier: Apache-2.0 */
/* Property: whatever the tree, fsck.erofs accepts its image, extracts it as it was made,
 * and (as root) so does the kernel. Seeds are fixed; VOLT_SEED=n tries that one alone,
 * VOLT_SEEDS=n that many. */
#include <sys/mount.h>

#include "random-tree.h"
#include "rootfs/erofs.h"
#include "tree-compare.h"

#define SEEDS 16

static uint64_t seed_now;

static bool accepted(struct world *w)
{
	const char *const fsck[] = { "fsck.erofs", "-d1", world_path(w, "image"), NULL };
	_cleanup_close_ int fd = world_file(w, "image");

	return fine(w, erofs_write(w->t, w->f.store, &w->id, fd, NULL, &w->f.e)) &&
	       run_program(fsck);
}

static bool extracts(struct world *w)
{
	char option[300];
	const char *const argv[] = { "fsck.erofs", "-d1", option, world_path(w, "image"),
				     NULL };
	_cleanup_close_ int fd = -1;

	(void)snprintf(option, sizeof(option), "--extract=%s", world_path(w, "out"));
	if (!run_program(argv))
		return false;
	fd = openat(w->f.root, "out", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd >= 0 && same_tree(w, fd, COMPARE_TIME | COMPARE_OWNER);
}

static bool mounts(struct world *w)
{
	const char *const argv[] = { "mount",
				     "-t",
				     "erofs",
				     "-o",
				     "ro,loop",
				     world_path(w, "image"),
				     world_path(w, "mnt"),
				     NULL };
	bool same;
	int fd;

	if (mkdirat(w->f.root, "mnt", 0700) < 0 || !run_program(argv))
		return false;
	fd = openat(w->f.root, "mnt", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	same = fd >= 0 && same_tree(w, fd, COMPARE_ALL);
	(void)close(fd);
	(void)umount2(world_path(w, "mnt"), MNT_DETACH);
	return same;
}

static bool can_mount(void)
{
	return geteuid() == 0 && access("/dev/loop-control", R_OK | W_OK) == 0;
}

static void any_tree_is_accepted_and_comes_out_as_it_went_in(void)
{
	_cleanup_world_ struct world w;

	CHECK(world_open_in(&w, fixture_open_fast) && random_tree(seed_now, &w));
	CHECK(accepted(&w));
	if (geteuid() == 0)
		CHECK(extracts(&w));
	if (can_mount())
		CHECK(mounts(&w));
}

int main(void)
{
	const char *one = getenv("VOLT_SEED"), *many = getenv("VOLT_SEEDS");
	uint64_t first = one ? strtoull(one, NULL, 10) : 1;
	uint64_t n = one ? 1 : many ? strtoull(many, NULL, 10) : SEEDS;

	for (seed_now = first; seed_now < first + n; seed_now++) {
		printf("# seed %llu\n", (unsigned long long)seed_now);
		RUN(any_tree_is_accepted_and_comes_out_as_it_went_in);
	}
	return tap_done();
}
