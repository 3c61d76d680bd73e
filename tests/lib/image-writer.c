/* SPDX-License-Identifier: Apache-2.0 */
/* Does all that writes for images, without skopeo: makes one from a program, names it,
 * removes another. For tests/unit/test-image-crash.c.
 *
 *	image-writer ROOT PROGRAM */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "image/build.h"
#include "image/image.h"

static int build(struct images *is, const char *program, const char *place,
		 const char *name, struct volt_error *e)
{
	const struct image_binary b = { .path = program, .name_in_image = place };
	_cleanup_(image_freep) struct image *img = NULL;

	return image_build_binary(is, &b, name, &img, e);
}

static int write_all_of(struct images *is, const char *program, struct volt_error *e)
{
	struct image_removed gone = { 0 };
	int r = build(is, program, "/one", "kept", e);

	if (r == 0)
		r = build(is, program, "/two", "gone", e);
	if (r == 0)
		r = image_tag(is, "kept", "also", e);
	if (r == 0)
		r = image_remove(is, "gone", 0, &gone, e);
	image_removed_done(&gone);
	return r;
}

int main(int argc, char **argv)
{
	struct volt_error e = { 0 };
	struct images *is = NULL;
	struct store *s = NULL;
	int root, r;

	if (argc != 3)
		return 2;
	root = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = store_open(root, &s, &e);
	if (r == 0)
		r = images_open(root, s, &is, &e);
	if (r == 0)
		r = write_all_of(is, argv[2], &e);
	if (r < 0)
		(void)fprintf(stderr, "%s\n", e.msg);
	images_close(is);
	store_close(s);
	(void)close(root);
	return r < 0;
}
