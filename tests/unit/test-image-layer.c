/* SPDX-License-Identifier: Apache-2.0 */
/* Honest layers: what each kind of entry becomes. Hostile ones are in test-image-hostile. */
#include <errno.h>
#include <zlib.h>
#include <zstd.h>

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

static void contents_go_into_the_store(void)
{
	_cleanup_fixture_ struct fixture f;
	_cleanup_(layer_freep) struct layer *l = NULL;
	_cleanup_free_ char *text = NULL;
	const struct tree_entry *t;
	struct tar tar = { 0 };
	size_t size;

	CHECK(fixture_open(&f));
	TAR_TEXT(&tar, "a", "hello");
	TAR(&tar, .name = "run", .data = "#!", .size = 2, .mode = 0755);
	TAR(&tar, .name = "empty");
	CHECK_INT(read_tar(&f, &tar, &l), 0);
	CHECK_INT(ingest_commit(f.ingest, &f.e), 0);
	t = tree_find(l->tree, "a");
	CHECK_INT(store_read(f.store, &t->object, 100, &text, &size, &f.e), 0);
	CHECK_STR(text, "hello");
	CHECK(store_has(f.store, &t->object, OBJECT_PLAIN));
	CHECK(store_has(f.store, &tree_find(l->tree, "run")->object, OBJECT_EXEC));
	CHECK_INT(tree_find(l->tree, "empty")->size, 0);
}

static void a_large_file_is_streamed_whole(void)
{
	_cleanup_fixture_ struct fixture f;
	_cleanup_(layer_freep) struct layer *l = NULL;
	_cleanup_free_ char *data = NULL, *back = NULL;
	const size_t size = (3 << 20) + 17;
	struct tar tar = { 0 };
	size_t n;

	CHECK(fixture_open(&f));
	data = malloc(size);
	CHECK(data);
	for (size_t i = 0; i < size; i++)
		data[i] = (char)(i * 7 >> 3);
	TAR(&tar, .name = "big", .data = data, .size = size);
	TAR_TEXT(&tar, "after", "x");
	CHECK_INT(read_tar(&f, &tar, &l), 0);
	CHECK_INT(ingest_commit(f.ingest, &f.e), 0);
	CHECK_INT(store_read(f.store, &tree_find(l->tree, "big")->object, size, &back, &n,
			     &f.e),
		  0);
	CHECK_INT(n, size);
	CHECK(memcmp(back, data, size) == 0);
	CHECK(tree_find(l->tree, "after"));
}

/* --- names --- */

static void names_are_made_clean(void)
{
	_cleanup_fixture_ struct fixture f;
	_cleanup_(layer_freep) struct layer *l = NULL;
	struct tar tar = { 0 };

	CHECK(fixture_open(&f));
	TAR_TEXT(&tar, "/abs", "x");
	TAR_TEXT(&tar, "./dot/./x", "x");
	TAR_TEXT(&tar, "a//b", "x");
	TAR_TEXT(&tar, "p/q/../r", "x");
	CHECK_INT(read_tar(&f, &tar, &l), 0);
	CHECK(tree_find(l->tree, "abs"));
	CHECK(tree_find(l->tree, "dot/x"));
	CHECK(tree_find(l->tree, "a/b"));
	CHECK(tree_find(l->tree, "p/r"));
	CHECK(!tree_find(l->tree, "p/q"));
}

static void long_names_of_gnu_and_pax(void)
{
	_cleanup_fixture_ struct fixture f;
	_cleanup_(layer_freep) struct layer *l = NULL;
	char gnu[301], pax[901], component[256];
	struct tar tar = { 0 };

	CHECK(fixture_open(&f));
	memset(component, 'n', 255);
	component[255] = 0;
	memset(gnu, 'g', 300);
	gnu[150] = '/';
	gnu[300] = 0;
	for (int i = 0; i < 900; i++)
		pax[i] = i % 100 == 99 ? '/' : 'p';
	pax[899] = 'p';
	pax[900] = 0;
	tar_gnu(&tar, 'L', gnu);
	TAR_TEXT(&tar, "short", "1");
	tar_gnu(&tar, 'K', pax);
	TAR(&tar, .name = "link", .type = '2', .link = "x");
	tar_pax(&tar, "path", pax, strlen(pax));
	TAR_TEXT(&tar, "short", "2");
	tar_pax(&tar, "linkpath", gnu, strlen(gnu));
	TAR(&tar, .name = "link2", .type = '2', .link = "x");
	tar_pax(&tar, "path", component, strlen(component));
	TAR_TEXT(&tar, "short", "2");
	CHECK_INT(read_tar(&f, &tar, &l), 0);
	CHECK(tree_find(l->tree, gnu));
	CHECK(tree_find(l->tree, pax));
	CHECK(tree_find(l->tree, component));
	CHECK(!tree_find(l->tree, "short"));
	CHECK_STR(tree_find(l->tree, "link")->target, pax);
	CHECK_STR(tree_find(l->tree, "link2")->target, gnu);
}

static void names_keep_their_bytes(void)
{
	static const char *const names[] = { "caf\xc3\xa9", "cafe\xcc\x81", "lat\xe9",
					     "nl\nx",       "tab\tx",       "\xff\xfe" };
	_cleanup_fixture_ struct fixture f;
	_cleanup_(layer_freep) struct layer *l = NULL;
	struct tar tar = { 0 };
	char path[64];

	CHECK(fixture_open(&f));
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		TAR_TEXT(&tar, names[i], "x");
		(void)snprintf(path, sizeof(path), "pax/%s", names[i]);
		tar_pax(&tar, "path", path, strlen(path));
		TAR_TEXT(&tar, "y", "x");
		tar_pax(&tar, "linkpath", names[i], strlen(names[i]));
		(void)snprintf(path, sizeof(path), "l%zu", i);
		TAR(&tar, .name = path, .type = '2', .link = "y");
	}
	CHECK_INT(read_tar(&f, &tar, &l), 0);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		CHECK(tree_find(l->tree, names[i]));
		(void)snprintf(path, sizeof(path), "pax/%s", names[i]);
		CHECK(tree_find(l->tree, path));
		(void)snprintf(path, sizeof(path), "l%zu", i);
		CHECK_STR(tree_find(l->tree, path)->target, names[i]);
	}
}

/* As with everything that takes names as C strings, and so the same for whoever reads the
 * image later. */
static void a_name_ends_at_its_first_nul(void)
{
	_cleanup_fixture_ struct fixture f;
	_cleanup_(layer_freep) struct layer *l = NULL;
	struct tar tar = { 0 };

	CHECK(fixture_open(&f));
	tar_pax(&tar, "path", "etc/x\0/../../y", 15);
	TAR_TEXT(&tar, "z", "x");
	CHECK_INT(read_tar(&f, &tar, &l), 0);
	CHECK_INT(l->tree->n, 3);
	CHECK(tree_find(l->tree, "etc/x"));
}

static void pax_numbers_replace_the_header(void)
{
	_cleanup_fixture_ struct fixture f;
	_cleanup_(layer_freep) struct layer *l = NULL;
	const struct tree_entry *t;
	struct tar tar = { 0 };
	char records[256];
	size_t n;

	CHECK(fixture_open(&f));
	n = pax_record(records, "uid", "3000000000", 10);
	n += pax_record(records + n, "gid", "12", 2);
	n += pax_record(records + n, "mtime", "1700000000.123456789", 20);
	TAR(&tar, .name = "PaxHeaders/x", .type = 'x', .data = records, .size = n);
	TAR_TEXT(&tar, "a", "x");
	CHECK_INT(read_tar(&f, &tar, &l), 0);
	t = tree_find(l->tree, "a");
	CHECK_INT(t->uid, 3000000000);
	CHECK_INT(t->gid, 12);
	CHECK_INT(t->mtime, 1700000000);
	CHECK_INT(t->mtime_nsec, 123456789);
}

static void extended_attributes_are_kept_and_sorted(void)
{
	static const unsigned char cap[] = { 1, 0, 0, 2, 0, 4, 0, 0, 0, 0,
					     0, 0, 0, 0, 0, 0, 0, 0, 0, 0 };
	_cleanup_fixture_ struct fixture f;
	_cleanup_(layer_freep) struct layer *l = NULL;
	const struct tree_entry *t;
	struct tar tar = { 0 };
	char records[512];
	size_t n;

	CHECK(fixture_open(&f));
	n = pax_record(records, "SCHILY.xattr.user.b", "2", 1);
	n += pax_record(records + n, "SCHILY.xattr.user.a", "", 0);
	n += pax_record(records + n, "SCHILY.xattr.security.capability", cap,
			sizeof(cap));
	n += pax_record(records + n, "SCHILY.xattr.trusted.overlay.opaque", "y", 1);
	n += pax_record(records + n, "SCHILY.xattr.user.overlay.redirect", "/x", 2);
	TAR(&tar, .name = "PaxHeaders/x", .type = 'x', .data = records, .size = n);
	TAR_TEXT(&tar, "a", "x");
	CHECK_INT(read_tar(&f, &tar, &l), 0);
	t = tree_find(l->tree, "a");
	CHECK_INT(t->n_xattrs, 3);
	CHECK_STR(t->xattrs[0].name, "security.capability");
	CHECK_INT(t->xattrs[0].size, sizeof(cap));
	CHECK(memcmp(t->xattrs[0].value, cap, sizeof(cap)) == 0);
	CHECK_STR(t->xattrs[1].name, "user.a");
	CHECK_INT(t->xattrs[1].size, 0);
	CHECK_STR(t->xattrs[2].name, "user.b");
}

/* --- sparse files --- */

static void check_sparse(struct fixture *f, struct layer *l, const char *path)
{
	_cleanup_free_ char *text = NULL;
	const struct tree_entry *t = tree_find(l->tree, path);
	size_t size;

	CHECK(t);
	CHECK_INT(t->size, 12288);
	CHECK_INT(store_read(f->store, &t->object, 1 << 20, &text, &size, &f->e), 0);
	CHECK_INT(size, 12288);
	CHECK(memcmp(text + 4096, "data", 4) == 0);
	for (size_t i = 0; i < size; i++)
		CHECK(text[i] == 0 || (i >= 4096 && i < 4100));
}

static void sparse_files_of_gnu_and_pax_are_whole(void)
{
	_cleanup_fixture_ struct fixture f;
	_cleanup_(layer_freep) struct layer *l = NULL;
	struct tar tar = { 0 };
	char records[512], block[516] = "1\n4096\n4\n";
	unsigned char *h;
	unsigned sum = 0;
	size_t n, at;

	CHECK(fixture_open(&f));
	/* PAX 0.1 */
	n = pax_record(records, "GNU.sparse.major", "0", 1);
	n += pax_record(records + n, "GNU.sparse.minor", "1", 1);
	n += pax_record(records + n, "GNU.sparse.name", "pax01", 5);
	n += pax_record(records + n, "GNU.sparse.size", "12288", 5);
	n += pax_record(records + n, "GNU.sparse.numblocks", "1", 1);
	n += pax_record(records + n, "GNU.sparse.map", "4096,4", 6);
	TAR(&tar, .name = "PaxHeaders/x", .type = 'x', .data = records, .size = n);
	TAR_TEXT(&tar, "GNUSparseFile.0/x", "data");
	/* PAX 1.0: the map stands before the data */
	n = pax_record(records, "GNU.sparse.major", "1", 1);
	n += pax_record(records + n, "GNU.sparse.minor", "0", 1);
	n += pax_record(records + n, "GNU.sparse.name", "pax10", 5);
	n += pax_record(records + n, "GNU.sparse.realsize", "12288", 5);
	TAR(&tar, .name = "PaxHeaders/x", .type = 'x', .data = records, .size = n);
	memcpy(block + 512, "data", 4);
	TAR(&tar, .name = "GNUSparseFile.0/x", .data = block, .size = sizeof(block));
	/* GNU's own: type S, the map in the header */
	at = tar.n;
	tar_header(&tar, &(struct tar_file){ .name = "gnu", .type = 'S', .size = 4 });
	h = (unsigned char *)tar.v + at;
	memcpy(h + 257, "ustar  ", 8);
	memset(h + 329, 0, 16);
	tar_number((char *)h + 386, 12, 4096);
	tar_number((char *)h + 398, 12, 4);
	tar_number((char *)h + 483, 12, 12288);
	memset(h + 148, ' ', 8);
	for (int i = 0; i < 512; i++)
		sum += h[i];
	(void)snprintf((char *)h + 148, 8, "%06o", sum);
	tar_bytes(&tar, "data", 4);
	tar_pad(&tar);
	TAR_TEXT(&tar, "after", "x");
	CHECK_INT(read_tar(&f, &tar, &l), 0);
	CHECK_INT(ingest_commit(f.ingest, &f.e), 0);
	check_sparse(&f, l, "pax01");
	check_sparse(&f, l, "pax10");
	check_sparse(&f, l, "gnu");
	CHECK(tree_find(l->tree, "after"));
}

/* What AUFS kept in the root, and links may have too: data that nobody reads. */
static void data_that_nobody_asked_for_is_skipped(void)
{
	_cleanup_fixture_ struct fixture f;
	_cleanup_(layer_freep) struct layer *l = NULL;
	struct tar tar = { 0 };
	size_t size = (size_t)10 << 20;
	char *data = calloc(1, size);

	CHECK(data && fixture_open(&f));
	TAR(&tar, .name = ".wh..wh.plnk/1", .data = data, .size = size);
	TAR_TEXT(&tar, "after", "x");
	free(data);
	CHECK_INT(read_tar(&f, &tar, &l), 0);
	CHECK(tree_find(l->tree, "after"));
	CHECK_INT(l->tree->n, 2);
}

/* --- several entries for one name --- */

static void the_last_entry_of_a_name_wins(void)
{
	_cleanup_fixture_ struct fixture f;
	_cleanup_(layer_freep) struct layer *l = NULL;
	struct tar tar = { 0 };

	CHECK(fixture_open(&f));
	TAR_TEXT(&tar, "a", "first");
	TAR(&tar, .name = "b", .type = '1', .link = "a");
	TAR(&tar, .name = "a", .type = '2', .link = "b");
	TAR_TEXT(&tar, "d/x", "gone with its directory");
	TAR_TEXT(&tar, "d", "a file now");
	TAR_TEXT(&tar, "keep/x", "kept");
	TAR(&tar, .name = "keep", .type = '5', .mode = 0700);
	TAR_TEXT(&tar, "f", "a file first");
	TAR_DIR(&tar, "f");
	TAR_TEXT(&tar, "f/x", "x");
	CHECK_INT(read_tar(&f, &tar, &l), 0);
	CHECK(S_ISLNK(tree_find(l->tree, "a")->mode));
	CHECK_INT(tree_find(l->tree, "b")->size, 5);
	CHECK_INT(tree_find(l->tree, "b")->hardlink, TREE_NONE);
	CHECK(S_ISREG(tree_find(l->tree, "d")->mode));
	CHECK(!tree_find(l->tree, "d/x"));
	CHECK(tree_find(l->tree, "keep/x"));
	CHECK_INT(tree_find(l->tree, "keep")->mode, S_IFDIR | 0700);
	CHECK(tree_find(l->tree, "f/x"));
}

static void a_file_below_a_link_goes_where_the_link_leads(void)
{
	_cleanup_fixture_ struct fixture f;
	_cleanup_(layer_freep) struct layer *l = NULL;
	struct tar tar = { 0 };

	CHECK(fixture_open(&f));
	TAR_DIR(&tar, "usr/bin");
	TAR(&tar, .name = "bin", .type = '2', .link = "usr/bin");
	TAR(&tar, .name = "abs", .type = '2', .link = "/usr");
	TAR(&tar, .name = "out", .type = '2', .link = "../../../../etc");
	TAR_TEXT(&tar, "bin/sh", "x");
	TAR_TEXT(&tar, "abs/lib/libc", "x");
	TAR_TEXT(&tar, "out/passwd", "x");
	CHECK_INT(read_tar(&f, &tar, &l), 0);
	CHECK(S_ISLNK(tree_find(l->tree, "bin")->mode));
	CHECK(tree_find(l->tree, "usr/bin/sh"));
	CHECK(tree_find(l->tree, "usr/lib/libc"));
	CHECK(tree_find(l->tree, "etc/passwd"));
	CHECK(!tree_find(l->tree, "bin/sh"));
}

/* --- whiteouts --- */

static void whiteouts_are_removals(void)
{
	_cleanup_fixture_ struct fixture f;
	_cleanup_(layer_freep) struct layer *l = NULL;
	struct tar tar = { 0 };

	CHECK(fixture_open(&f));
	TAR_DIR(&tar, "d");
	TAR(&tar, .name = "d/.wh..wh..opq");
	TAR(&tar, .name = "d/.wh.gone");
	TAR(&tar, .name = ".wh.top");
	TAR(&tar, .name = ".wh.top");
	TAR(&tar, .name = ".wh..wh.plnk", .type = '5');
	TAR_TEXT(&tar, ".wh..wh.plnk/123.45", "aufs");
	TAR(&tar, .name = ".wh..wh.aufs");
	CHECK_INT(read_tar(&f, &tar, &l), 0);
	CHECK_INT(l->n_removals, 3);
	CHECK_STR(l->removals[0].path, "d");
	CHECK(l->removals[0].opaque);
	CHECK_STR(l->removals[1].path, "d/gone");
	CHECK(!l->removals[1].opaque);
	CHECK_STR(l->removals[2].path, "top");
	CHECK_INT(l->tree->n, 2);
}

static void a_whiteout_of_nothing_is_refused(void)
{
	static const char *const names[] = { ".wh.", "d/.wh.", ".wh..", "d/.wh...",
					     ".wh..." };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_fixture_ struct fixture f;
		_cleanup_(layer_freep) struct layer *l = NULL;
		struct tar tar = { 0 };

		CHECK(fixture_open(&f));
		TAR(&tar, .name = names[i]);
		CHECK_INT(read_tar(&f, &tar, &l), -EBADMSG);
		CHECK(strstr(f.e.msg, "removes no file"));
	}
}

/* --- compression --- */

static size_t gzip_with(gz_header *h, const void *data, size_t size, unsigned char *out,
			size_t room)
{
	z_stream z = { 0 };

	if (deflateInit2(&z, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		abort();
	if (h && deflateSetHeader(&z, h) != Z_OK)
		abort();
	z.next_in = (Bytef *)data;
	z.avail_in = (uInt)size;
	z.next_out = out;
	z.avail_out = (uInt)room;
	if (deflate(&z, Z_FINISH) != Z_STREAM_END)
		abort();
	(void)deflateEnd(&z);
	return z.total_out;
}

static size_t gzip(const void *data, size_t size, unsigned char *out, size_t room)
{
	return gzip_with(NULL, data, size, out, room);
}

/* A tar of some hundred KiB, so that buffers fill. */
static void make_tar(struct tar *tar)
{
	static char data[300000];

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (char)((i * 2654435761u) >> 13);
	TAR_TEXT(tar, "a", "hello");
	TAR(tar, .name = "b", .data = data, .size = sizeof(data));
	TAR(tar, .name = "c", .data = data, .size = 100000);
	tar_end(tar);
}

static void gzip_members_and_zstd_frames_make_one_stream(void)
{
	_cleanup_fixture_ struct fixture f;
	static unsigned char out[1 << 20];
	struct tar tar = { 0 };
	size_t n;

	CHECK(fixture_open(&f));
	make_tar(&tar);
	for (size_t piece = 1000; piece < tar.n * 2; piece *= 7) {
		_cleanup_(layer_freep) struct layer *a = NULL, *b = NULL;

		n = 0;
		for (size_t at = 0; at < tar.n; at += piece)
			n += gzip(tar.v + at, tar.n - at < piece ? tar.n - at : piece,
				  out + n, sizeof(out) - n);
		CHECK_INT(read_bytes(&f, out, n, NULL, &a), 0);
		CHECK_INT(a->tree->n, 4);
		n = 0;
		for (size_t at = 0; at < tar.n; at += piece)
			n += ZSTD_compress(out + n, sizeof(out) - n, tar.v + at,
					   tar.n - at < piece ? tar.n - at : piece, 1);
		CHECK_INT(read_bytes(&f, out, n, NULL, &b), 0);
		CHECK_INT(b->tree->n, 4);
	}
	tar_done(&tar);
}

/* Members of many sizes, so that headers with all their fields and trailers fall on every
 * side of the reader's buffers. */
static void gzip_headers_may_have_fields_and_stand_anywhere(void)
{
	static const unsigned lengths[] = { 0, 1, 26, 400, 5000, 60000 };
	static unsigned char out[8 << 20], extra[60000];
	_cleanup_fixture_ struct fixture f;
	char text[500];
	struct tar tar = { 0 };

	CHECK(fixture_open(&f));
	make_tar(&tar);
	memset(text, 'n', sizeof(text));
	text[sizeof(text) - 1] = 0;
	for (unsigned turn = 0; turn < 12; turn++) {
		_cleanup_(layer_freep) struct layer *l = NULL;
		size_t n = 0, piece = 9000 + turn * 1777;

		for (size_t at = 0, i = turn; at < tar.n; at += piece, i++) {
			gz_header h = { .extra = i % 4 ? extra : NULL,
					.extra_len = lengths[i % ARRAY_SIZE(lengths)],
					.name = i % 3 ? NULL : (Bytef *)text,
					.comment = i % 5 ? NULL : (Bytef *)text,
					.hcrc = i % 2 };

			n += gzip_with(&h, tar.v + at,
				       tar.n - at < piece ? tar.n - at : piece, out + n,
				       sizeof(out) - n);
		}
		CHECK_INT(read_bytes(&f, out, n, NULL, &l), 0);
		CHECK_INT(l->tree->n, 4);
	}
	tar_done(&tar);
}

static void zstd_may_begin_with_a_skippable_frame(void)
{
	_cleanup_fixture_ struct fixture f;
	_cleanup_(layer_freep) struct layer *l = NULL;
	static unsigned char out[1 << 20] = { 0x53, 0x2a, 0x4d, 0x18, 3,  0,
					      0,    0,    'a',  'b',  'c' };
	struct tar tar = { 0 };
	size_t n = 11;

	CHECK(fixture_open(&f));
	make_tar(&tar);
	n += ZSTD_compress(out + n, sizeof(out) - n, tar.v, tar.n, 1);
	CHECK_INT(read_bytes(&f, out, n, NULL, &l), 0);
	CHECK_INT(l->tree->n, 4);
	tar_done(&tar);
}

static void both_digests_are_of_what_was_sent_and_of_the_tar(void)
{
	_cleanup_fixture_ struct fixture f;
	_cleanup_(layer_freep) struct layer *l = NULL;
	static unsigned char out[1 << 20];
	_cleanup_close_ int fd = -1;
	struct tar tar = { 0 };
	struct blob_sums sums;
	struct digest blob, diff;
	size_t n;

	CHECK(fixture_open(&f));
	make_tar(&tar);
	n = gzip(tar.v, tar.n, out, sizeof(out));
	fd = bytes_fd(out, n);
	CHECK_INT(layer_read(&(struct layer_input){ .fd = fd,
						    .ingest = f.ingest,
						    .disk = f.root,
						    .limits = &layer_limits_default },
			     &l, &sums, &f.e),
		  0);
	CHECK_INT(sha256_bytes(out, n, &blob), 0);
	CHECK_INT(sha256_bytes(tar.v, tar.n, &diff), 0);
	CHECK(digest_equal(&sums.blob, &blob));
	CHECK(digest_equal(&sums.diff, &diff));
	CHECK_INT(sums.blob_size, n);
	CHECK_INT(sums.diff_size, tar.n);
	tar_done(&tar);
}

static void an_empty_layer_is_empty(void)
{
	_cleanup_fixture_ struct fixture f;
	_cleanup_(layer_freep) struct layer *a = NULL, *b = NULL;
	struct tar tar = { 0 };

	CHECK(fixture_open(&f));
	CHECK_INT(read_tar(&f, &tar, &a), 0);
	CHECK_INT(a->tree->n, 1);
	CHECK_INT(read_bytes(&f, "", 0, NULL, &b), 0);
	CHECK_INT(b->tree->n, 1);
}

int main(void)
{
	RUN(a_layer_has_all_kinds_of_files);
	RUN(contents_go_into_the_store);
	RUN(a_large_file_is_streamed_whole);
	RUN(names_are_made_clean);
	RUN(long_names_of_gnu_and_pax);
	RUN(names_keep_their_bytes);
	RUN(a_name_ends_at_its_first_nul);
	RUN(pax_numbers_replace_the_header);
	RUN(extended_attributes_are_kept_and_sorted);
	RUN(sparse_files_of_gnu_and_pax_are_whole);
	RUN(data_that_nobody_asked_for_is_skipped);
	RUN(the_last_entry_of_a_name_wins);
	RUN(a_file_below_a_link_goes_where_the_link_leads);
	RUN(whiteouts_are_removals);
	RUN(a_whiteout_of_nothing_is_refused);
	RUN(gzip_members_and_zstd_frames_make_one_stream);
	RUN(gzip_headers_may_have_fields_and_stand_anywhere);
	RUN(zstd_may_begin_with_a_skippable_frame);
	RUN(both_digests_are_of_what_was_sent_and_of_the_tar);
	RUN(an_empty_layer_is_empty);
	return tap_done();
}
