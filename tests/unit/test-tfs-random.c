/* SPDX-License-Identifier: Apache-2.0 */
/* Property: whatever the tree, what is written of it is read back, also when a record was
 * appended. Seeds are fixed; VOLT_SEED=n tries that one alone, VOLT_SEEDS=n that many. */
#include "random-tree.h"
#include "rootfs/tfs.h"
#include "tfs-write-lib.h"

#define SEEDS 24

static uint64_t seed_now;

static void any_tree_is_read_back_as_it_was_written(void)
{
	_cleanup_world_ struct world w;
	json_t *j = json_pack("{s:s, s:{s:s}}", "program", "/a", "etc", "a", "b");
	struct tfs_input in = { .attributes = j, .label = "random" };
	uint64_t at = seed_now % 3 * 512 + 4096;
	_cleanup_close_ int fd = -1;

	CHECK(world_open_in(&w, fixture_open_fast) && random_tree(seed_now, &w));
	in.tree = w.t;
	in.data = w.f.store;
	fd = world_file(&w, "fs");
	CHECK(fine(&w, tfs_write(&in, fd, at, NULL, &w.f.e)));
	CHECK(reads_back(&w, "fs", at));
	CHECK(append(&w, "fs", at, j) && append(&w, "fs", at, j));
	CHECK(reads_back(&w, "fs", at) && names_are_distinct(&w, "fs", at));
	json_decref(j);
}

int main(void)
{
	const char *one = getenv("VOLT_SEED"), *many = getenv("VOLT_SEEDS");
	uint64_t first = one ? strtoull(one, NULL, 10) : 1;
	uint64_t n = one ? 1 : many ? strtoull(many, NULL, 10) : SEEDS;

	for (seed_now = first; seed_now < first + n; seed_now++) {
		printf("# seed %llu\n", (unsigned long long)seed_now);
		RUN(any_tree_is_read_back_as_it_was_written);
	}
	return tap_done();
}
