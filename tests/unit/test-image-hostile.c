/* SPDX-License-Identifier: Apache-2.0 */
/* Layers that want harm: each gets an error that says why, and none leaves anything. */
#include <dirent.h>
#include <errno.h>
#include <zlib.h>
#include <zstd.h>

#include "image-lib.h"

static const struct layer_limits tight = {
	.blob = { .max_bytes = 1 << 20, .max_ratio = 50, .ratio_from = 100000 },
	.max_content = 1 << 19,
	.max_entries = 100,
	.max_memory = 4 << 20,
	.min_free_disk = 1,
};

static int count_files(int root, const char *dir)
{
	_cleanup_closedir_ DIR *d = NULL;
	int fd = openat(root, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), n = 0;
	struct dirent *entry;

	if (fd < 0 || !(d = fdopendir(fd)))
		return -1;
	while ((entry = readdir(d)) != NULL)
		n += entry->d_name[0] != '.';
	return n;
}

/* Reads a tar that must fail so, and must leave nothing once the ingest has ended. */
#define REFUSED(tar, limits, code, text)                                              \
	do {                                                                          \
		_cleanup_fixture_ struct fixture f;                                   \
		_cleanup_(layer_freep) struct layer *l = NULL;                        \
		CHECK(fixture_open(&f));                                              \
		CHECK_INT(read_bytes(&f, (tar)->v, (tar)->n, (limits), &l), -(code)); \
		if (!strstr(f.e.msg, (text)))                                         \
			printf("# message: %s\n", f.e.msg);                           \
		CHECK(strstr(f.e.msg, (text)));                                       \
		CHECK(!strchr(f.e.msg, '\n'));                                        \
		CHECK(!l);                                                            \
		ingest_end(TAKE_PTR(f.ingest));                                       \
		CHECK_INT(count_files(f.root, "cas/objects"), 0);                     \
		CHECK_INT(count_files(f.root, "cas/staging"), 0);                     \
		tar_done(tar);                                                        \
	} while (0)

static void a6_a_name_that_leaves_the_image_is_refused(void)
{
	static const char *const names[] = { "../x", "a/../../x", "/../x",
					     "..",   "./../x",    "a/b/../../../x" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct tar tar = { 0 };

		TAR_TEXT(&tar, "honest", "x");
		TAR_TEXT(&tar, names[i], "x");
		tar_end(&tar);
		REFUSED(&tar, NULL, EPERM, "leads out of the image");
	}
}

static void a_hard_link_out_of_the_image_is_refused(void)
{
	struct tar tar = { 0 };

	TAR(&tar, .name = "shadow", .type = '1', .link = "../../etc/shadow");
	tar_end(&tar);
	REFUSED(&tar, NULL, EPERM, "'shadow'");
	TAR(&tar, .name = "shadow", .type = '1', .link = "/etc/shadow");
	tar_end(&tar);
	REFUSED(&tar, NULL, ENOENT, "no file 'etc/shadow'");
	TAR(&tar, .name = "self", .type = '1', .link = "self");
	tar_end(&tar);
	REFUSED(&tar, NULL, ENOENT, "itself");
	TAR_DIR(&tar, "d");
	TAR(&tar, .name = "l", .type = '1', .link = "d");
	tar_end(&tar);
	REFUSED(&tar, NULL, EPERM, "is a directory");
}

static void a_loop_of_links_above_a_file_is_refused(void)
{
	struct tar tar = { 0 };

	TAR(&tar, .name = "a", .type = '2', .link = "b");
	TAR(&tar, .name = "b", .type = '2', .link = "a");
	TAR_TEXT(&tar, "a/x", "x");
	tar_end(&tar);
	REFUSED(&tar, NULL, ELOOP, "too many symbolic links");
}

static void a_file_below_a_file_is_refused(void)
{
	struct tar tar = { 0 };

	TAR_TEXT(&tar, "a", "x");
	TAR_TEXT(&tar, "a/b", "x");
	tar_end(&tar);
	REFUSED(&tar, NULL, ENOTDIR, "below a file");
}

static void the_root_cannot_be_a_file(void)
{
	struct tar tar = { 0 };

	TAR(&tar, .name = "./", .type = '2', .link = "/etc");
	tar_end(&tar);
	REFUSED(&tar, NULL, ENOTDIR, "root");
	TAR_TEXT(&tar, "a/..", "x");
	tar_end(&tar);
	REFUSED(&tar, NULL, ENOTDIR, "root");
}

static void names_that_are_too_long_are_refused(void)
{
	static char component[300], path[6000];
	struct tar tar = { 0 };

	memset(component, 'n', 256);
	tar_gnu(&tar, 'L', component);
	TAR_TEXT(&tar, "x", "x");
	tar_end(&tar);
	REFUSED(&tar, NULL, ENAMETOOLONG, "is too long");
	for (size_t i = 0; i < sizeof(path) - 1; i++)
		path[i] = i % 50 == 49 ? '/' : 'p';
	tar_pax(&tar, "path", path, strlen(path));
	TAR_TEXT(&tar, "x", "x");
	tar_end(&tar);
	REFUSED(&tar, NULL, ENAMETOOLONG, "is too long");
	TAR(&tar, .name = "l", .type = '2', .link = "");
	tar_end(&tar);
	REFUSED(&tar, NULL, EBADMSG, "bad target");
	tar_pax(&tar, "linkpath", path, strlen(path));
	TAR(&tar, .name = "l", .type = '2', .link = "x");
	tar_end(&tar);
	REFUSED(&tar, NULL, EBADMSG, "bad target");
}

static void control_bytes_of_a_name_do_not_reach_the_message(void)
{
	struct tar tar = { 0 };

	TAR_TEXT(&tar, "../a\nb\033[2J", "x");
	tar_end(&tar);
	REFUSED(&tar, NULL, EPERM, "'../a?b?[2J'");
}

static void more_files_than_allowed_are_refused(void)
{
	struct tar tar = { 0 };
	char name[16];

	for (int i = 0; i < 101; i++) {
		(void)snprintf(name, sizeof(name), "f%d", i % 3);
		TAR(&tar, .name = name);
	}
	tar_end(&tar);
	REFUSED(&tar, &tight, E2BIG, "more than 100 files");
}

static void names_that_take_too_much_memory_are_refused(void)
{
	struct layer_limits small = tight;
	struct tar tar = { 0 };
	char *value = calloc(1, 60000);

	small.max_memory = 400000;
	CHECK(value);
	for (int i = 0; i < 20; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "f%d", i);
		tar_pax(&tar, "SCHILY.xattr.user.x", value, 60000);
		TAR(&tar, .name = name);
	}
	free(value);
	tar_end(&tar);
	REFUSED(&tar, &small, E2BIG, "take more than");
}

/* The directories above a file need not be in the layer, but are in the tree. */
static void parents_that_take_too_much_memory_are_refused(void)
{
	struct layer_limits small = tight;
	struct tar tar = { 0 };
	char path[4000];

	for (size_t i = 0; i < sizeof(path) - 1; i++)
		path[i] = i % 2 == 1 ? '/' : 'p';
	path[sizeof(path) - 1] = '\0';
	for (int i = 0; i < 10; i++) {
		path[0] = (char)('0' + i);
		tar_gnu(&tar, 'L', path);
		TAR(&tar, .name = "x");
	}
	tar_end(&tar);
	small.max_memory = 1 << 20;
	REFUSED(&tar, &small, E2BIG, "take more than 1048576 bytes");
}

/* Each of two layers has less than the limit. */
static void names_in_all_layers_of_an_image_count_together(void)
{
	_cleanup_fixture_ struct fixture f;
	_cleanup_(layer_freep) struct layer *first = NULL, *second = NULL;
	_cleanup_close_ int fd = -1;
	struct layer_limits small = tight;
	atomic_size_t memory = 0;
	struct layer_input in = { .limits = &small, .memory = &memory };
	struct blob_sums sums;
	struct tar tar = { 0 };
	static const char value[60000];

	for (int i = 0; i < 20; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "f%d", i);
		tar_pax(&tar, "SCHILY.xattr.user.x", value, sizeof(value));
		TAR(&tar, .name = name);
	}
	tar_end(&tar);
	fd = bytes_fd(tar.v, tar.n);
	tar_done(&tar);
	small.blob.max_bytes = 4 << 20;
	small.blob.max_ratio = 400;
	small.max_memory = 2 << 20;
	CHECK(fixture_open(&f));
	in.fd = fd;
	in.ingest = f.ingest;
	in.disk = f.root;
	CHECK_INT(layer_read(&in, &first, &sums, &f.e), 0);
	CHECK_INT(layer_read(&in, &second, &sums, &f.e), -E2BIG);
	CHECK(strstr(f.e.msg, "take more than 2097152 bytes"));
}

/* Sixty kilobytes of gzip took libarchive 700 MB: it keeps each pair of numbers. */
static void the_map_of_a_sparse_file_is_bounded(void)
{
	enum {
		PAIRS = 2000000
	};
	struct tar tar = { 0 };
	char records[256], *map = malloc(16 + 4 * (size_t)PAIRS);
	size_t n;

	CHECK(map);
	n = pax_record(records, "GNU.sparse.major", "1", 1);
	n += pax_record(records + n, "GNU.sparse.minor", "0", 1);
	n += pax_record(records + n, "GNU.sparse.name", "x", 1);
	n += pax_record(records + n, "GNU.sparse.realsize", "1000", 4);
	TAR(&tar, .name = "PaxHeaders/x", .type = 'x', .data = records, .size = n);
	n = (size_t)sprintf(map, "%d\n", PAIRS);
	for (int i = 0; i < PAIRS; i++, n += 4)
		memcpy(map + n, "0\n0\n", 4);
	TAR(&tar, .name = "GNUSparseFile.0/x", .data = map, .size = n);
	free(map);
	tar_end(&tar);
	REFUSED(&tar, NULL, E2BIG, "a header without an end");
}

static void contents_beyond_the_limit_are_refused_before_they_are_read(void)
{
	struct tar tar = { 0 };

	tar_header(&tar, &(struct tar_file){ .name = "huge", .size = 1 << 20 });
	tar_end(&tar);
	REFUSED(&tar, &tight, EFBIG, "its files have more than");
	/* A hole costs nothing in the archive, but must be hashed. */
	char records[256];
	size_t n = pax_record(records, "GNU.sparse.major", "0", 1);

	n += pax_record(records + n, "GNU.sparse.minor", "1", 1);
	n += pax_record(records + n, "GNU.sparse.size", "4611686018427387904", 19);
	n += pax_record(records + n, "GNU.sparse.numblocks", "0", 1);
	n += pax_record(records + n, "GNU.sparse.map", "0,0", 3);
	TAR(&tar, .name = "PaxHeaders/x", .type = 'x', .data = records, .size = n);
	TAR(&tar, .name = "hole");
	tar_end(&tar);
	REFUSED(&tar, NULL, EFBIG, "its files have more than");
}

static void a_full_disk_is_said_early(void)
{
	struct layer_limits greedy = layer_limits_default;
	struct tar tar = { 0 };

	greedy.min_free_disk = (uint64_t)1 << 62;
	TAR_TEXT(&tar, "a", "x");
	tar_end(&tar);
	REFUSED(&tar, &greedy, ENOSPC, "disk is full");
}

static void owners_and_sizes_out_of_range_are_refused(void)
{
	struct tar tar = { 0 };

	tar_pax(&tar, "uid", "4294967295", 10);
	TAR_TEXT(&tar, "a", "x");
	tar_end(&tar);
	REFUSED(&tar, NULL, ERANGE, "'a': its owner");
	tar_pax(&tar, "gid", "99999999999999999999", 20);
	TAR_TEXT(&tar, "a", "x");
	tar_end(&tar);
	REFUSED(&tar, NULL, ERANGE, "'a': its owner");
}

/* --- compression --- */

static void compress_gzip(struct tar *tar)
{
	z_stream z = { 0 };
	char *out = malloc(tar->n + 10000);

	if (!out || deflateInit2(&z, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		abort();
	z.next_in = (Bytef *)tar->v;
	z.avail_in = (uInt)tar->n;
	z.next_out = (Bytef *)out;
	z.avail_out = (uInt)tar->n + 10000;
	if (deflate(&z, Z_FINISH) != Z_STREAM_END)
		abort();
	(void)deflateEnd(&z);
	free(tar->v);
	tar->v = out;
	tar->n = z.total_out;
}

static void compress_zstd(struct tar *tar)
{
	size_t room = ZSTD_compressBound(tar->n), n;
	char *out = malloc(room);

	if (!out)
		abort();
	n = ZSTD_compress(out, room, tar->v, tar->n, 1);
	free(tar->v);
	tar->v = out;
	tar->n = n;
}

static void make_zeroes(struct tar *tar, size_t size)
{
	char *zero = calloc(1, size);

	if (!zero)
		abort();
	TAR(tar, .name = "zero", .data = zero, .size = size);
	tar_end(tar);
	free(zero);
}

static void a_bomb_is_refused(void)
{
	struct layer_limits limits = tight;
	struct tar tar = { 0 };

	limits.max_content = 1 << 30;
	make_zeroes(&tar, 900000);
	compress_gzip(&tar);
	REFUSED(&tar, &limits, EFBIG, "a bomb");
	make_zeroes(&tar, 900000);
	compress_zstd(&tar);
	REFUSED(&tar, &limits, EFBIG, "a bomb");
	limits.blob.max_ratio = 100000;
	make_zeroes(&tar, 2 << 20);
	compress_gzip(&tar);
	REFUSED(&tar, &limits, EFBIG, "inflates to more than 1048576 bytes");
	/* The same in what follows the archive. */
	tar_end(&tar);
	tar_bytes(&tar, tar.v, 0);
	tar.v = realloc(tar.v, 3 << 20);
	memset(tar.v + tar.n, 0, (3 << 20) - tar.n);
	tar.n = 3 << 20;
	compress_gzip(&tar);
	REFUSED(&tar, &limits, EFBIG, "inflates to more than 1048576 bytes");
}

/* Cut anywhere, an archive is refused: it never becomes a shorter layer. */
static void a_truncated_layer_is_refused(void)
{
	for (size_t cut = 1; cut < 2400; cut += 61) {
		_cleanup_fixture_ struct fixture f;
		_cleanup_(layer_freep) struct layer *l = NULL;
		struct tar tar = { 0 };
		uint32_t seed = 1;
		char noise[3000];
		int r;

		for (size_t i = 0; i < sizeof(noise); i++)
			noise[i] = (char)((seed = seed * 1103515245 + 12345) >> 16);
		CHECK(fixture_open(&f));
		TAR(&tar, .name = "a", .data = noise, .size = sizeof(noise));
		tar_end(&tar);
		if (cut % 2)
			compress_gzip(&tar);
		else
			compress_zstd(&tar);
		r = read_bytes(&f, tar.v, tar.n - cut, NULL, &l);
		tar_done(&tar);
		CHECK_INT(r, -EBADMSG);
		if (!strstr(f.e.msg, "truncated"))
			printf("# cut %zu: %s\n", cut, f.e.msg);
		CHECK(strstr(f.e.msg, "truncated"));
	}
}

static void a_truncated_plain_tar_is_refused(void)
{
	struct tar tar = { 0 };

	TAR_TEXT(&tar, "a", "some text");
	tar.n -= 300;
	REFUSED(&tar, NULL, EBADMSG, "bad tar archive");
	TAR_TEXT(&tar, "a", "some text");
	tar.n -= 800;
	REFUSED(&tar, NULL, EBADMSG, "bad tar archive");
}

static void damaged_compression_is_refused(void)
{
	struct tar tar = { 0 };

	make_zeroes(&tar, 5000);
	compress_gzip(&tar);
	tar.v[tar.n - 6] ^= 1; /* the checksum */
	REFUSED(&tar, NULL, EBADMSG, "damaged gzip data");
	make_zeroes(&tar, 5000);
	compress_gzip(&tar);
	tar.v[3] = (char)0xe0; /* reserved flags, or nonsense after the header */
	tar.v[12] ^= 0x55;
	REFUSED(&tar, NULL, EBADMSG, "gzip data");
	make_zeroes(&tar, 5000);
	compress_zstd(&tar);
	tar.v[4] = (char)0xff;
	REFUSED(&tar, NULL, EBADMSG, "zstd data");
}

static void garbage_after_the_data_is_refused(void)
{
	struct tar tar = { 0 };

	make_zeroes(&tar, 5000);
	compress_gzip(&tar);
	tar_bytes(&tar, "garbage", 7);
	REFUSED(&tar, NULL, EBADMSG, "garbage after the gzip data");
	make_zeroes(&tar, 5000);
	compress_zstd(&tar);
	tar_bytes(&tar, "garbage", 7);
	REFUSED(&tar, NULL, EBADMSG, "damaged zstd data");
	TAR_TEXT(&tar, "a", "x");
	tar_end(&tar);
	tar_bytes(&tar, "garbage", 7);
	REFUSED(&tar, NULL, EBADMSG, "garbage after the end of the tar archive");
	/* …also where it is far behind the archive. */
	TAR_TEXT(&tar, "a", "x");
	tar_end(&tar);
	tar.v = realloc(tar.v, 2 << 20);
	memset(tar.v + tar.n, 0, (2 << 20) - tar.n);
	tar.v[(2 << 20) - 1] = 1;
	tar.n = 2 << 20;
	REFUSED(&tar, NULL, EBADMSG, "garbage after the end of the tar archive");
}

static void what_is_no_tar_is_refused(void)
{
	struct tar tar = { 0 };

	tar_bytes(&tar, "{\"schemaVersion\": 2}", 20);
	REFUSED(&tar, NULL, EBADMSG, "bad tar archive");
	tar_bytes(&tar, "BZh91AY&SY", 10);
	REFUSED(&tar, NULL, ENOTSUP, "bzip2 or xz");
	tar_bytes(&tar, "\3757zXZ\0", 6);
	REFUSED(&tar, NULL, ENOTSUP, "bzip2 or xz");
	/* Formats and filters that libarchive would know. */
	tar_bytes(
		&tar,
		"!<arch>\ndebian-binary   1342943816  0     0     100644  4         `\n",
		68);
	REFUSED(&tar, NULL, EBADMSG, "bad tar archive");
}

static void a_cancelled_read_ends(void)
{
	_cleanup_fixture_ struct fixture f;
	_cleanup_(layer_freep) struct layer *l = NULL;
	_cleanup_close_ int fd = -1;
	atomic_bool cancel = true;
	struct tar tar = { 0 };
	struct blob_sums sums;
	struct layer_input in = { .cancel = &cancel, .limits = &layer_limits_default };

	CHECK(fixture_open(&f));
	TAR_TEXT(&tar, "a", "x");
	tar_end(&tar);
	fd = bytes_fd(tar.v, tar.n);
	tar_done(&tar);
	in.fd = fd;
	in.ingest = f.ingest;
	in.disk = f.root;
	CHECK_INT(layer_read(&in, &l, &sums, &f.e), -ECANCELED);
}

int main(void)
{
	RUN(a6_a_name_that_leaves_the_image_is_refused);
	RUN(a_hard_link_out_of_the_image_is_refused);
	RUN(a_loop_of_links_above_a_file_is_refused);
	RUN(a_file_below_a_file_is_refused);
	RUN(the_root_cannot_be_a_file);
	RUN(names_that_are_too_long_are_refused);
	RUN(control_bytes_of_a_name_do_not_reach_the_message);
	RUN(more_files_than_allowed_are_refused);
	RUN(names_that_take_too_much_memory_are_refused);
	RUN(parents_that_take_too_much_memory_are_refused);
	RUN(names_in_all_layers_of_an_image_count_together);
	RUN(the_map_of_a_sparse_file_is_bounded);
	RUN(contents_beyond_the_limit_are_refused_before_they_are_read);
	RUN(a_full_disk_is_said_early);
	RUN(owners_and_sizes_out_of_range_are_refused);
	RUN(a_bomb_is_refused);
	RUN(a_truncated_layer_is_refused);
	RUN(a_truncated_plain_tar_is_refused);
	RUN(damaged_compression_is_refused);
	RUN(garbage_after_the_data_is_refused);
	RUN(what_is_no_tar_is_refused);
	RUN(a_cancelled_read_ends);
	return tap_done();
}
