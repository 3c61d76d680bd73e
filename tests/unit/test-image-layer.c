/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "image-lib.h"

static void a_layer_has_all_kinds_of_files(void)
{
	_cleanup_fixture_ struct fixture f;
	_cleanup_(layer_freep) struct layer *l = NULL;
	const struct tree_entry *t;
	struct tar tar = { 0 };

	CHECK(fixture_open(&f));
	TAR_DIR(&tar, "./");
	TAR(&tar, .name = "etc/", .type = '5', .mode = 0700, .uid = 1, .gid = 2);
	TAR(&tar, .name = "etc/passwd", .data = "root", .size = 4, .mode = 04755,
	    .mtime = 77);
	TAR(&tar, .name = "etc/link", .type = '2', .link = "../x");
	TAR(&tar, .name = "etc/hard", .type = '1', .link = "etc/passwd");
	TAR(&tar, .name = "dev/null", .type = '3', .major = 1, .minor = 3);
	TAR(&tar, .name = "dev/sda", .type = '4', .major = 8);
	TAR(&tar, .name = "fifo", .type = '6');
	CHECK_INT(read_tar(&f, &tar, &l), 0);
	CHECK_INT(l->tree->n, 9);
	CHECK_INT(l->n_removals, 0);
	CHECK_INT(tree_find(l->tree, "")->flags, 0);
	CHECK_INT(tree_find(l->tree, "dev")->flags, TREE_IMPLIED);
	t = tree_find(l->tree, "etc");
	CHECK_INT(t->mode, S_IFDIR | 0700);
	CHECK_INT(t->uid, 1);
	CHECK_INT(t->gid, 2);
	t = tree_find(l->tree, "etc/passwd");
	CHECK_INT(t->mode, S_IFREG | 04755);
	CHECK_INT(t->size, 4);
	CHECK_INT(t->mtime, 77);
	CHECK_STR(tree_find(l->tree, "etc/link")->target, "../x");
	CHECK_STR(l->tree->v[t->hardlink].path, "etc/hard");
	t = tree_find(l->tree, "dev/null");
	CHECK_INT(t->mode, S_IFCHR | 0644);
	CHECK_INT(t->rdev_major, 1);
	CHECK_INT(t->rdev_minor, 3);
	CHECK_INT(tree_find(l->tree, "dev/sda")->mode, S_IFBLK | 0644);
	CHECK_INT(tree_find(l->tree, "fifo")->mode, S_IFIFO | 0644);
}

int main(void)
{
	RUN(a_layer_has_all_kinds_of_files);
	return tap_done();
}
