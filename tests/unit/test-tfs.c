/* SPDX-License-Identifier: Apache-2.0 */
#include "rootfs-lib.h"
#include "rootfs/tfs-private.h"

/* A label, a file, a directory, a link, and two attributes, with nothing left free: as bytes,
 * but for zeros at the end of each sector. */
static const struct {
	size_t at, size;
	const char *bytes;
} vector[] = {
	{ 0, 32,
	  "NVMTFS\x05\x01\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f"
	  "vol\x00\x05\x02\x01\x01" },
	{ 512, 3, "hi\n" },
	{ 1024, 134,
	  "NVMTFS\x05\x01\x02\x7a\x7a\x93\x87program\xc2/a\x88\x09"
	  "arguments\xa2\xc1"
	  "a\xc1x\x88\x08"
	  "children\x93\x81"
	  "a\x92\x88\x0a"
	  "filelength\xb0\x03\x87"
	  "extents\x91\x81\x30\x93\x86"
	  "length\xb0\x01\x86"
	  "offset\xb0\x01\x88\x09"
	  "allocated\xb0\x01\x81"
	  "d\x91\x05\x90\x81l\x91\x88\x0alinktarget\xc2/a\x01" },
};

static bool add_link(struct world *w, const char *path, const char *target)
{
	const struct tree_entry f = { .path = path,
				      .mode = S_IFLNK | 0777,
				      .target = target };

	return add_entry(w, &f);
}

static bool add_dir(struct world *w, const char *path)
{
	const struct tree_entry f = { .path = path, .mode = S_IFDIR | 0755 };

	return add_entry(w, &f);
}

static void the_format_is_that_of_the_test_vector(void)
{
	_cleanup_world_ struct world w;
	_cleanup_close_ int fd = -1;
	json_t *j = json_pack("{s:s, s:[s, s]}", "program", "/a", "arguments", "a", "x");
	uint8_t want[1536] = { 0 }, have[1537];
	struct tfs_input in = { .label = "vol", .attributes = j };

	for (uint8_t i = 0; i < 16; i++)
		in.uuid[i] = i;
	for (size_t i = 0; i < ARRAY_SIZE(vector); i++)
		memcpy(want + vector[i].at, vector[i].bytes, vector[i].size);
	CHECK(world_open(&w) && add_file(&w, "a", 0644, "hi\n", 3) && add_dir(&w, "d") &&
	      add_link(&w, "l", "/a") && world_finish(&w));
	in.tree = w.t;
	in.data = w.f.store;
	fd = world_file(&w, "fs");
	CHECK(fine(&w, tfs_write_with(&in, 0, fd, 0, NULL, &w.f.e)));
	CHECK_INT(pread_full(fd, have, sizeof(have), 0), sizeof(want));
	for (size_t i = 0; i < sizeof(want); i++)
		if (have[i] != want[i])
			printf("# byte %zu: %02x, not %02x\n", i, have[i], want[i]);
	CHECK(memcmp(have, want, sizeof(want)) == 0);
	json_decref(j);
}

int main(void)
{
	RUN(the_format_is_that_of_the_test_vector);
	return tap_done();
}
