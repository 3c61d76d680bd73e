/* SPDX-License-Identifier: Apache-2.0 */
/* rootfs-writer ROOT TREE [files]: makes everything that the rootfs layer makes: the image
 * and the hard-link tree of TREE, and a disk and an overlay over it in ROOT; with "files", not the hard-link tree.
 * For test-rootfs-crash, which kills it at every call. It can be run again on what is
 * left. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "rootfs/overlay.h"
#include "rootfs/rootfs.h"
#include "rootfs/scratch.h"

static int make_overlay(int root, struct volt_error *e)
{
	_cleanup_close_ int base = openat(root, "disk", O_RDONLY | O_CLOEXEC);
	uint8_t sector[512] = "changed";
	const struct tfs_patch patch = { .at = 70000, .data = sector, .size = 512 };
	const struct overlay_wish w = {
		.base = base, .size = SCRATCH_SIZE_MIN, .patches = &patch, .n_patches = 1
	};
	int r = overlay_make(root, "overlay", &w, e);

	return r == -EEXIST ? 0 : r;
}

static int make_all(int root, const char *hex, bool with_tree, struct volt_error *e)
{
	_cleanup_(store_closep) struct store *s = NULL;
	_cleanup_close_ int image = -1, tree = -1;
	struct digest id;
	int r;

	if (digest_parse(hex, &id) < 0)
		return fail(e, EINVAL, "'%s' is no digest", hex);
	r = store_open(root, &s, e);
	if (r < 0)
		return r;
	image = rootfs_erofs(root, s, &id, e);
	if (image < 0)
		return image;
	tree = with_tree ? rootfs_tinyvol(root, s, &id, e) : -1;
	if (with_tree && tree < 0)
		return tree;
	r = scratch_make(root, SCRATCH_SIZE_MIN, root, "disk", e);
	return r == 0 || r == -EEXIST ? make_overlay(root, e) : r;
}

int main(int argc, char **argv)
{
	_cleanup_close_ int root =
		argc >= 3 ? open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	struct volt_error e = { 0 };

	if (root < 0 || make_all(root, argv[2], argc == 3, &e) < 0) {
		(void)fprintf(stderr, "%s\n", e.msg);
		return 1;
	}
	return 0;
}
