/* SPDX-License-Identifier: Apache-2.0 */
#include <limits.h>
#include <sched.h>
#include <sys/mount.h>

#include "rootfs/erofs.h"
#include "tree-compare.h"

static bool make_image(struct world *w, const char *name, struct erofs_stats *stats)
{
	_cleanup_close_ int fd = world_file(w, name);

	return fine(w, erofs_write(w->t, w->f.store, &w->id, fd, stats, &w->f.e));
}

static bool fsck(const struct world *w, const char *image)
{
	const char *const argv[] = { "fsck.erofs", "-d1", world_path(w, image), NULL };

	return run_program(argv);
}

static bool extract(const struct world *w, const char *image, const char *to)
{
	char option[300];
	const char *const argv[] = { "fsck.erofs", "-d1", option, world_path(w, image),
				     NULL };

	(void)snprintf(option, sizeof(option), "--extract=%s", world_path(w, to));
	return run_program(argv);
}

/* Mounts an image and returns its root; world_unmount() undoes it. */
static int world_mount(const struct world *w, const char *image)
{
	const char *const argv[] = { "mount",
				     "-t",
				     "erofs",
				     "-o",
				     "ro,loop",
				     world_path(w, image),
				     world_path(w, "mnt"),
				     NULL };

	if (mkdirat(w->f.root, "mnt", 0700) < 0 || !run_program(argv))
		return -1;
	return openat(w->f.root, "mnt", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void world_unmount(const struct world *w, int fd)
{
	if (fd < 0)
		return;
	(void)close(fd);
	(void)umount2(world_path(w, "mnt"), MNT_DETACH);
	(void)unlinkat(w->f.root, "mnt", AT_REMOVEDIR);
}

static bool mounted_as_made(const struct world *w, const char *image)
{
	int fd = world_mount(w, image);
	bool same = fd >= 0 && same_tree(w, fd, COMPARE_ALL);

	world_unmount(w, fd);
	return same;
}

static bool extracted_as_made(const struct world *w, const char *image)
{
	_cleanup_close_ int fd = -1;
	unsigned what = COMPARE_TIME | (geteuid() == 0 ? COMPARE_OWNER : 0);

	if (!extract(w, image, "out"))
		return false;
	fd = openat(w->f.root, "out", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd >= 0 && same_tree(w, fd, what);
}

static bool can_mount(void)
{
	return geteuid() == 0 && access("/dev/loop-control", R_OK | W_OK) == 0;
}

/* One of everything. */
static bool add_samples(struct world *w)
{
	static const struct tree_xattr caps[] = {
		{ "security.capability", "\1\0\0\2\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20 },
		{ "user.empty", "", 0 },
	};
	char big[10000];
	struct tree_entry f = { .path = "big",
				.mode = S_IFREG | 04755,
				.uid = 70000,
				.gid = 80000,
				.mtime = 1700000000,
				.mtime_nsec = 123456789,
				.size = sizeof(big),
				.xattrs = caps,
				.n_xattrs = 2 };
	const struct tree_entry others[] = {
		{ .path = "dev/null",
		  .mode = S_IFCHR | 0666,
		  .rdev_major = 1,
		  .rdev_minor = 3 },
		{ .path = "dev/sd",
		  .mode = S_IFBLK | 0660,
		  .rdev_major = 259,
		  .rdev_minor = 70000 },
		{ .path = "fifo", .mode = S_IFIFO | 0600, .uid = 1 },
		{ .path = "sock", .mode = S_IFSOCK | 0755, .gid = 2 },
		{ .path = "link", .mode = S_IFLNK | 0777, .target = "dev/null" },
		{ .path = "empty-dir", .mode = S_IFDIR | 01777, .mtime = -5 },
		{ .path = "caps", .mode = S_IFREG | 0755, .xattrs = caps, .n_xattrs = 1 },
	};

	memset(big, 'b', sizeof(big));
	if (!fine(w,
		  ingest_add(w->g, big, sizeof(big), OBJECT_EXEC, &f.object, &w->f.e)) ||
	    !add_entry(w, &f))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		if (!add_entry(w, &others[i]))
			return false;
	return add_file(w, "etc/hostname", 0644, "volt\n", 5) &&
	       add_file(w, "etc/same", 0600, "volt\n", 5) &&
	       add_file(w, "empty", 0, "", 0) &&
	       fine(w, tree_builder_link(w->b, "usr/hard", "big", &w->f.e)) &&
	       fine(w, tree_builder_link(w->b, "usr/harder", "usr/hard", &w->f.e));
}

static void every_type_of_file_passes_fsck(void)
{
	_cleanup_world_ struct world w;
	struct erofs_stats stats = { 0 };

	CHECK(world_open(&w) && add_samples(&w) && world_finish(&w));
	CHECK(make_image(&w, "i", &stats));
	CHECK(fsck(&w, "i"));
	CHECK_INT(stats.inodes, w.t->n - 2);
	CHECK_INT(stats.bytes % 4096, 0);
}

static void every_type_of_file_is_as_made_when_mounted(void)
{
	_cleanup_world_ struct world w;

	CHECK(world_open(&w) && add_samples(&w) && world_finish(&w));
	CHECK(make_image(&w, "i", NULL));
	CHECK(mounted_as_made(&w, "i"));
}

static void every_type_of_file_is_as_made_when_extracted(void)
{
	_cleanup_world_ struct world w;

	CHECK(world_open(&w) && add_samples(&w) && world_finish(&w));
	CHECK(make_image(&w, "i", NULL));
	CHECK(extracted_as_made(&w, "i"));
}

static bool same_files(const struct world *w, const char *a, const char *b)
{
	_cleanup_free_ char *x = NULL, *y = NULL;
	size_t n = 0, m = 0;

	return read_file_at(w->f.root, a, 1 << 26, &x, &n) >= 0 &&
	       read_file_at(w->f.root, b, 1 << 26, &y, &m) >= 0 && n == m &&
	       memcmp(x, y, n) == 0;
}

static void the_same_tree_gives_the_same_bytes(void)
{
	_cleanup_world_ struct world w, v;
	_cleanup_free_ char *x = NULL, *y = NULL;
	size_t n = 0, m = 0;

	CHECK(world_open(&w) && add_samples(&w) && world_finish(&w));
	CHECK(make_image(&w, "i", NULL) && make_image(&w, "j", NULL));
	CHECK(same_files(&w, "i", "j"));
	CHECK(world_open(&v) && add_samples(&v) && world_finish(&v));
	CHECK(make_image(&v, "i", NULL));
	CHECK(read_file_at(w.f.root, "i", 1 << 26, &x, &n) == 0);
	CHECK(read_file_at(v.f.root, "i", 1 << 26, &y, &m) == 0);
	CHECK(n == m && memcmp(x, y, n) == 0);
	v.id.b[0] ^= 1;
	CHECK(make_image(&v, "k", NULL));
	CHECK(!same_files(&v, "i", "k"));
}

/* Of sizes below and above a block and what is gathered in a buffer, some of them twice. */
static bool add_many(struct world *w, int n)
{
	static const size_t sizes[] = { 9, 4096, 5000, 70000 };
	static char data[70000];
	char path[32];

	for (int i = 0; i < n; i++) {
		int content = i % 3 == 0 ? i / 2 : i;

		memset(data, content, sizeof(data));
		memcpy(data, &content, sizeof(content));
		(void)snprintf(path, sizeof(path), "d%d/%d", i % 7, i);
		if (!add_file(w, path, 0644, data, sizes[content % 4]))
			return false;
	}
	return true;
}

static void the_bytes_do_not_depend_on_the_processors(void)
{
	_cleanup_world_ struct world w;
	cpu_set_t all, one;

	CHECK(world_open(&w) && add_many(&w, 3000) && world_finish(&w));
	CHECK(make_image(&w, "i", NULL) && fsck(&w, "i") && extracted_as_made(&w, "i"));
	CHECK(sched_getaffinity(0, sizeof(all), &all) == 0);
	CPU_ZERO(&one);
	for (int i = 0; CPU_COUNT(&one) == 0; i++)
		if (CPU_ISSET(i, &all))
			CPU_SET(i, &one);
	CHECK(sched_setaffinity(0, sizeof(one), &one) == 0);
	CHECK(make_image(&w, "j", NULL) && same_files(&w, "i", "j"));
	CHECK(sched_setaffinity(0, sizeof(all), &all) == 0);
}

static void a_damaged_object_among_many_is_named(void)
{
	static const int only[] = { 1501, 2000, 2999 }; /* nobody has their content too */
	_cleanup_world_ struct world w;

	CHECK(world_open(&w) && add_many(&w, 3000) && world_finish(&w));
	for (size_t k = 0; k < ARRAY_SIZE(only); k++) {
		_cleanup_close_ int fd = world_file(&w, "i");
		char path[32], expected[64];
		int i = only[k];

		(void)snprintf(path, sizeof(path), "d%d/%d", i % 7, i);
		(void)snprintf(expected, sizeof(expected), "of '%s' does not have", path);
		CHECK(damage_object(&w, path, 7));
		CHECK_INT(erofs_write(w.t, w.f.store, &w.id, fd, NULL, &w.f.e), -EBADMSG);
		CHECK(strstr(w.f.e.msg, expected));
		CHECK(damage_object(&w, path, (off_t[]){ 9, 4096, 5000, 70000 }[i % 4]));
	}
}

static void an_empty_tree_is_an_empty_directory(void)
{
	_cleanup_world_ struct world w;

	CHECK(world_open(&w) && world_finish(&w));
	CHECK(make_image(&w, "i", NULL) && fsck(&w, "i"));
	CHECK(extracted_as_made(&w, "i"));
}

static void files_of_one_content_share_their_blocks(void)
{
	_cleanup_world_ struct world w;
	struct erofs_stats stats;
	static char data[1 << 20];
	char path[16];

	memset(data, 7, sizeof(data));
	CHECK(world_open(&w));
	for (int i = 0; i < 20; i++) {
		(void)snprintf(path, sizeof(path), "f%d", i);
		CHECK(add_file(&w, path, 0644, data, sizeof(data)));
	}
	CHECK(world_finish(&w) && make_image(&w, "i", &stats) && fsck(&w, "i"));
	CHECK(stats.bytes < sizeof(data) + 32768);
	CHECK(extracted_as_made(&w, "i"));
}

/* The objects of a directory, by a digest that is in no store. */
static void a_missing_object_is_named(void)
{
	_cleanup_world_ struct world w;
	struct tree_entry f = { .path = "usr/bin/x", .mode = S_IFREG | 0755, .size = 10 };
	_cleanup_close_ int fd = -1;

	memset(f.object.b, 0xab, sizeof(f.object.b));
	CHECK(world_open(&w) && add_entry(&w, &f) && world_finish(&w));
	fd = world_file(&w, "i");
	CHECK_INT(erofs_write(w.t, w.f.store, &w.id, fd, NULL, &w.f.e), -ENOENT);
	CHECK(strstr(w.f.e.msg, "'usr/bin/x'") && strstr(w.f.e.msg, "abababab"));
}

static void objects_of_another_size_are_named(void)
{
	static const off_t sizes[] = { 0, 99, 101, 5000 };
	static char large[100000];
	_cleanup_world_ struct world w;

	memset(large, 1, sizeof(large));
	CHECK(world_open(&w) && add_file(&w, "small", 0644, large, 100) &&
	      add_file(&w, "large", 0644, large, sizeof(large)) && world_finish(&w));
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		_cleanup_close_ int fd = world_file(&w, "i");

		CHECK(damage_object(&w, "large", 100000));
		CHECK(damage_object(&w, "small", sizes[i]));
		CHECK_INT(erofs_write(w.t, w.f.store, &w.id, fd, NULL, &w.f.e), -EBADMSG);
		CHECK(strstr(w.f.e.msg, "of 'small' does not have the 100 bytes"));
		CHECK(damage_object(&w, "small", 100));
		CHECK(damage_object(&w, "large", sizes[i]));
		CHECK_INT(erofs_write(w.t, w.f.store, &w.id, fd, NULL, &w.f.e), -EBADMSG);
		CHECK(strstr(w.f.e.msg, "of 'large' does not have the 100000 bytes"));
	}
}

static void sizes_beyond_16_tib_are_refused(void)
{
	static const uint64_t sizes[] = { UINT64_MAX, UINT64_MAX - 4095, 1ull << 63,
					  (1ull << 44) + 1 };
	_cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		_cleanup_world_ struct world w;
		struct tree_entry f = { .path = "x", .mode = S_IFREG, .size = sizes[i] };

		CHECK(world_open(&w) && add_entry(&w, &f) && world_finish(&w));
		CHECK_INT(erofs_write(w.t, w.f.store, &w.id, null, NULL, &w.f.e), -EFBIG);
		CHECK(strstr(w.f.e.msg, "16 TiB"));
	}
}

static void files_that_sum_to_more_than_16_tib_are_refused(void)
{
	_cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	_cleanup_world_ struct world w;
	char path[16];

	CHECK(world_open(&w));
	for (int i = 0; i < 17; i++) {
		struct tree_entry f = { .path = path,
					.mode = S_IFREG,
					.size = 1ull << 40 };

		memset(f.object.b, i, sizeof(f.object.b));
		(void)snprintf(path, sizeof(path), "f%d", i);
		CHECK(add_entry(&w, &f));
	}
	CHECK(world_finish(&w));
	CHECK_INT(erofs_write(w.t, w.f.store, &w.id, null, NULL, &w.f.e), -EFBIG);
	CHECK_STR(w.f.e.msg, "the image would be larger than 16 TiB");
}

static void device_numbers_that_do_not_fit_are_refused(void)
{
	_cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	_cleanup_world_ struct world w;
	struct tree_entry f = { .path = "d", .mode = S_IFCHR, .rdev_major = 4096 };

	CHECK(world_open(&w) && add_entry(&w, &f) && world_finish(&w));
	CHECK_INT(erofs_write(w.t, w.f.store, &w.id, null, NULL, &w.f.e), -EOVERFLOW);
	CHECK_STR(w.f.e.msg, "device 'd' has number 4096:0: too large");
}

/* Trees that tree_load() should never let through. */
static void broken_trees_are_refused(void)
{
	static const struct tree_entry root = { .path = "",
						.mode = S_IFDIR,
						.hardlink = TREE_NONE };
	static const struct tree_entry bad[] = {
		{ .path = "a/b", .mode = S_IFREG, .hardlink = TREE_NONE },
		{ .path = "..", .mode = S_IFREG, .hardlink = TREE_NONE },
		{ .path = "", .mode = S_IFDIR, .hardlink = TREE_NONE },
		{ .path = "x", .mode = S_IFREG, .hardlink = 0 },
		{ .path = "x", .mode = S_IFREG, .hardlink = 1 },
		{ .path = "x", .mode = S_IFREG, .hardlink = 77 },
	};
	_cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	_cleanup_world_ struct world w;

	CHECK(world_open(&w));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct tree_entry v[] = { root, bad[i] };
		const struct tree t = { .v = v, .n = 2 };

		CHECK_INT(erofs_write(&t, w.f.store, &w.id, null, NULL, &w.f.e),
			  -EBADMSG);
		CHECK(strncmp(w.f.e.msg, "broken tree: ", 13) == 0);
	}
}

static void names_of_every_byte_and_length_survive(void)
{
	_cleanup_world_ struct world w;
	char path[300];

	CHECK(world_open(&w));
	for (int c = 1; c < 256; c++) {
		if (c == '/')
			continue;
		(void)snprintf(path, sizeof(path), "%c%c", c, c == '.' ? 'x' : c);
		CHECK(add_file(&w, path, 0644, path, 2));
		memset(path, c == '.' ? '-' : c, 255);
		path[c] = '\0';
		CHECK(add_file(&w, path, 0644, path, 1));
	}
	CHECK(world_finish(&w) && make_image(&w, "i", NULL) && fsck(&w, "i"));
	CHECK(extracted_as_made(&w, "i"));
	if (can_mount())
		CHECK(mounted_as_made(&w, "i"));
}

static void a_directory_of_100000_entries_is_found_again(void)
{
	_cleanup_world_ struct world w;
	struct stat st;
	char path[64];
	int fd;

	CHECK(world_open(&w));
	for (int i = 0; i < 100000; i++) {
		(void)snprintf(path, sizeof(path), "d/%x-%d", i * 2654435761u, i);
		CHECK(add_file(&w, path, 0644, "", 0));
	}
	CHECK(world_finish(&w) && make_image(&w, "i", NULL) && fsck(&w, "i"));
	if (!can_mount())
		return;
	fd = world_mount(&w, "i");
	for (uint32_t i = 0; i < w.t->n; i++)
		CHECK(fstatat(fd, w.t->v[i].path[0] ? w.t->v[i].path : ".", &st, 0) == 0);
	CHECK(fstatat(fd, "d/none", &st, 0) < 0 && errno == ENOENT);
	CHECK_INT(count_names(openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)),
		  100001);
	world_unmount(&w, fd);
}

/* Data at the start, in the middle (at 20 MiB) and at the end; the size is one more. */
static bool add_sparse(struct world *w, const char *path, uint64_t mib)
{
	static char zero[1 << 20];
	struct tree_entry f = { .path = path,
				.mode = S_IFREG | 0644,
				.size = (mib << 20) + 1 };
	struct ingest_stream *s = NULL;
	bool good = fine(w, ingest_stream_new(w->g, OBJECT_PLAIN, &s, &w->f.e));

	for (uint64_t i = 0; good && i < mib; i++) {
		zero[5] = (char)(i == 0 || i == 20);
		good = ingest_stream_write(s, zero, sizeof(zero), &w->f.e) >= 0;
	}
	return good && ingest_stream_write(s, "x", 1, &w->f.e) >= 0 &&
	       fine(w, ingest_stream_finish(s, &f.object, &w->f.e)) && add_entry(w, &f);
}

static bool sparse_as_made(const struct world *w, const char *path, uint64_t mib)
{
	int dir = can_mount() ? world_mount(w, "i") : -1;
	int in = dir < 0 ? -1 : openat(dir, path, O_RDONLY | O_CLOEXEC);
	char end[2] = { 0 }, middle[2] = { 0 };
	bool good = !can_mount() ||
		    (pread(in, end, 2, (off_t)(mib << 20) - 1) == 2 && end[0] == 0 &&
		     end[1] == 'x' && pread(in, middle, 2, (20 << 20) + 4) == 2 &&
		     middle[0] == 0 && middle[1] == 1);

	(void)close(in);
	world_unmount(w, dir);
	return good;
}

static void holes_stay_holes(void)
{
	static const uint64_t sizes[] = { 30, 4096 }; /* MiB */

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		_cleanup_world_ struct world w;
		struct stat st;

		CHECK(world_open(&w) && add_sparse(&w, "sparse", sizes[i]) &&
		      world_finish(&w));
		CHECK(make_image(&w, "i", NULL));
		CHECK(fstatat(w.f.root, "i", &st, 0) == 0);
		CHECK(st.st_size > (off_t)(sizes[i] << 20));
		CHECK(st.st_blocks * 512 < 1 << 20);
		CHECK(sparse_as_made(&w, "sparse", sizes[i]));
	}
}

/* What a program maps beyond the end of a file is the rest of its block. */
static void padding_is_zero_not_another_file(void)
{
	static char ff[65536], ones[4100];
	_cleanup_world_ struct world w;
	_cleanup_free_ char *data = NULL;
	char path[16];
	size_t size = 0, seen = 0;

	memset(ff, 0xff, sizeof(ff));
	memset(ones, 0x11, sizeof(ones));
	CHECK(world_open(&w));
	for (int i = 0; i < 60; i++) {
		bool large = i < 40;
		char *content = large ? ff : ones;

		content[0] = (char)i; /* no twins */
		(void)snprintf(path, sizeof(path), "f%02d", i);
		CHECK(add_file(&w, path, 0644, content,
			       large ? sizeof(ff) : sizeof(ones)));
	}
	CHECK(world_finish(&w) && make_image(&w, "i", NULL));
	CHECK(read_file_at(w.f.root, "i", 1 << 26, &data, &size) == 0);
	for (size_t at = 0; at < size; at += 4096) {
		if (data[at] != 0x11 || data[at + 3] != 0x11 || data[at + 5] == 0x11)
			continue;
		seen++;
		for (size_t i = 4; i < 4096; i++)
			CHECK_INT(data[at + i], 0);
	}
	CHECK_INT(seen, 20);
}

static void owners_above_16_bits_survive(void)
{
	_cleanup_world_ struct world w;
	const struct tree_entry v[] = {
		{ .path = "u", .mode = S_IFREG, .uid = 65536 },
		{ .path = "g", .mode = S_IFREG, .gid = 65536 },
		{ .path = "b", .mode = S_IFDIR, .uid = UINT32_MAX - 1, .gid = 65535 },
	};

	CHECK(world_open(&w));
	for (size_t i = 0; i < ARRAY_SIZE(v); i++)
		CHECK(add_entry(&w, &v[i]));
	CHECK(world_finish(&w) && make_image(&w, "i", NULL));
	CHECK(extracted_as_made(&w, "i"));
}

int main(void)
{
	const char *why = "needs root and loop devices";

	RUN(every_type_of_file_passes_fsck);
	RUN_IF(can_mount(), why, every_type_of_file_is_as_made_when_mounted);
	RUN_IF(geteuid() == 0, "needs root",
	       every_type_of_file_is_as_made_when_extracted);
	RUN(the_same_tree_gives_the_same_bytes);
	RUN(the_bytes_do_not_depend_on_the_processors);
	RUN(a_damaged_object_among_many_is_named);
	RUN(an_empty_tree_is_an_empty_directory);
	RUN(padding_is_zero_not_another_file);
	RUN_IF(geteuid() == 0, "needs root", owners_above_16_bits_survive);
	RUN(files_of_one_content_share_their_blocks);
	RUN(a_missing_object_is_named);
	RUN(objects_of_another_size_are_named);
	RUN(sizes_beyond_16_tib_are_refused);
	RUN(files_that_sum_to_more_than_16_tib_are_refused);
	RUN(device_numbers_that_do_not_fit_are_refused);
	RUN(broken_trees_are_refused);
	RUN(names_of_every_byte_and_length_survive);
	RUN(a_directory_of_100000_entries_is_found_again);
	RUN(holes_stay_holes);
	return tap_done();
}
