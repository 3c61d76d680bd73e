/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <sys/wait.h>

#include "rootfs/nanos-base.h"
#include "rootfs/rootfs-private.h"
#include "tree-compare.h"

static const struct digest key = { { 0x12, 0x34 } }, other_key = { { 0x99 } };

static bool world_make(struct world *w)
{
	return world_open(w) && add_file(w, "bin/a", 0755, "program", 7) &&
	       add_file(w, "etc/b", 0644, "text\n", 5) && world_store(w);
}

static int base(struct world *w, const struct digest *k)
{
	const struct nanos_disk_input in = {
		.root = { .tree = w->t, .data = w->f.store, .room = 1 << 20 },
		.boot = NANOS_DIRECT,
		.kernel = -1,
		.boot_img = -1,
		.uefi_loader = -1
	};
	char name[NANOS_BASE_SIZE];

	nanos_base_name(&w->id, k, name);
	return nanos_base_make(w->f.root, w->f.store, name, &in, &w->f.e);
}

static bool is_there(struct world *w, const struct digest *k)
{
	char name[NANOS_BASE_SIZE];
	_cleanup_close_ int fd = -1;

	nanos_base_name(&w->id, k, name);
	fd = nanos_base_open(w->f.root, name, &w->f.e);
	return fd >= 0;
}

static void a_base_is_made_once(void)
{
	_cleanup_world_ struct world w;
	_cleanup_close_ int a = -1, b = -1;
	struct stat x, y;

	CHECK(world_make(&w));
	CHECK(!is_there(&w, &key));
	a = base(&w, &key);
	CHECK(fine(&w, a));
	b = base(&w, &key);
	CHECK(fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_ino == y.st_ino);
	CHECK(is_there(&w, &key) && !is_there(&w, &other_key));
	CHECK_INT(count_entries(&w.f, "rootfs"), 2); /* and the lock */
}

static void a_base_cannot_be_written(void)
{
	_cleanup_world_ struct world w;
	_cleanup_close_ int a = -1;
	struct stat st;

	CHECK(world_make(&w));
	a = base(&w, &key);
	CHECK(fstat(a, &st) == 0);
	CHECK_INT(st.st_mode, S_IFREG | 0444);
	CHECK_INT(fcntl(a, F_GETFL) & O_ACCMODE, O_RDONLY);
}

static void a5_makers_of_one_base_all_succeed(void)
{
	_cleanup_world_ struct world w;
	int status, bad = 0;

	CHECK(world_make(&w));
	for (int i = 0; i < 8; i++)
		if (fork() == 0)
			_exit(base(&w, i % 2 ? &key : &other_key) < 0);
	for (int i = 0; i < 8; i++)
		bad += wait(&status) < 0 || status != 0;
	CHECK_INT(bad, 0);
	CHECK_INT(count_entries(&w.f, "rootfs"), 3);
}

static void bases_go_when_their_tree_is_evicted(void)
{
	_cleanup_world_ struct world w;
	_cleanup_close_ int a = -1, b = -1;
	struct digest other = { { 1 } };

	CHECK(world_make(&w));
	a = base(&w, &key);
	b = base(&w, &other_key);
	CHECK_INT(rootfs_evict(w.f.root, &other, &w.f.e), 0);
	CHECK(is_there(&w, &key) && is_there(&w, &other_key));
	CHECK_INT(rootfs_evict(w.f.root, &w.id, &w.f.e), 0);
	CHECK(!is_there(&w, &key) && !is_there(&w, &other_key));
	CHECK(a >= 0 && b >= 0); /* what is open stays usable */
}

static void a_sweep_leaves_bases_of_trees_that_are_there(void)
{
	_cleanup_world_ struct world w;
	_cleanup_close_ int a = -1, b = -1;
	struct digest tree;

	CHECK(world_make(&w));
	a = base(&w, &key);
	CHECK_INT(rootfs_sweep(w.f.root, w.f.store, &w.f.e), 0);
	CHECK(is_there(&w, &key));
	tree = w.id;
	w.id = (struct digest){ { 7 } }; /* of no object */
	b = base(&w, &key);
	CHECK(fine(&w, b));
	CHECK_INT(rootfs_sweep(w.f.root, w.f.store, &w.f.e), 0);
	CHECK(!is_there(&w, &key));
	w.id = tree;
	CHECK(is_there(&w, &key));
}

static void what_cannot_be_written_leaves_nothing(void)
{
	_cleanup_world_ struct world w;

	CHECK(world_make(&w));
	CHECK(damage_object(&w, "etc/b", 2));
	CHECK_INT(base(&w, &key), -EBADMSG);
	CHECK(strstr(w.f.e.msg, "make the Nanos disk: ") && strstr(w.f.e.msg, "etc/b"));
	CHECK(!is_there(&w, &key));
	CHECK_INT(count_entries(&w.f, "rootfs"), 1);
}

static void only_names_of_bases_are_opened(void)
{
	static const char *const bad[] = { "", "lock", "../x", "x.nanos" };
	_cleanup_world_ struct world w;
	char name[NANOS_BASE_SIZE];
	struct digest tree;

	CHECK(world_make(&w));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		CHECK_INT(nanos_base_open(w.f.root, bad[i], &w.f.e), -EBADMSG);
	CHECK(strstr(w.f.e.msg, "'x.nanos' is no name of a Nanos disk"));
	nanos_base_name(&w.id, &key, name);
	CHECK(rootfs_is_nanos(name, &tree) && digest_equal(&tree, &w.id));
	name[70] = 'G';
	CHECK_INT(nanos_base_open(w.f.root, name, &w.f.e), -EBADMSG);
}

int main(void)
{
	RUN(a_base_is_made_once);
	RUN(a_base_cannot_be_written);
	RUN(a5_makers_of_one_base_all_succeed);
	RUN(bases_go_when_their_tree_is_evicted);
	RUN(a_sweep_leaves_bases_of_trees_that_are_there);
	RUN(what_cannot_be_written_leaves_nothing);
	RUN(only_names_of_bases_are_opened);
	return tap_done();
}
