/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation
 *
 * blob_reader hashes and inflates; libarchive, which may use nothing but its tar reader
 * and no filter, takes the archive apart in the same buffers; contents go into the ingest
 * without being gathered, except small files, which are added whole; everything else goes
 * into a tree_builder. Memory is bounded by the limits, whatever the archive says: a size
 * in a header allocates nothing, and a header (with the map of a sparse file, which
 * libarchive keeps) is not read beyond four megabytes.
 *
 * A layer is hostile. Its names only ever become strings in a tree, never paths on the
 * host, so ".." and symbolic links can do no harm here; what they mean follows what
 * containers/storage does when it unpacks in a chroot: absolute names are taken as
 * relative, ".." that would leave the root is refused, and a file whose parent is a
 * symbolic link of the same layer goes where the link leads.
 */
#include "image/layer-read.h"

#include <errno.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/libarchive.h"
#include "image/layer-path.h"

#define SMALL_FILE      ((size_t)256 << 10)
#define CHECK_DISK_EACH ((uint64_t)64 << 20)
#define XATTRS_MAX      128u
#define XATTR_VALUE_MAX ((size_t)64 << 10)

/* What libarchive may read for one header or one piece of a file. It has no limit of its own
 * for the map of a sparse file, four bytes of which take it fifty. */
#define CALL_MAX ((uint64_t)4 << 20)

#define WHITEOUT        ".wh."
#define WHITEOUT_META   ".wh..wh."
#define WHITEOUT_OPAQUE ".wh..wh..opq"

const struct layer_limits layer_limits_default = {
	.blob = { .max_bytes = (uint64_t)256 << 30,
		  .max_ratio = 400,
		  .ratio_from = (uint64_t)1 << 30 },
	.max_content = (uint64_t)256 << 30,
	.max_entries = 2000000,
	.max_memory = (size_t)1 << 30,
	.min_free_disk = (uint64_t)64 << 20,
};

struct reader {
	const struct layer_input *in;
	struct blob_reader *blob;
	struct archive *archive;
	struct tree_builder *builder;
	struct layer_removal *removals;
	size_t n_removals, removals_size;
	struct tree_arena *arena; /* owns the removals' paths until the end */
	uint32_t n_entries;
	size_t memory;     /* of this layer, as taken from the budget */
	atomic_size_t own; /* where no other layers share it */
	struct tree_budget budget;
	uint64_t content, content_checked;
	const uint8_t *chunk; /* what libarchive was given last */
	size_t chunk_size;
	uint64_t chunk_end;      /* its end in the inflated stream */
	uint64_t call_end;       /* where libarchive must have had enough */
	struct volt_error error; /* recorded in a callback */
	char *small;             /* SMALL_FILE bytes */
};

static void reader_done(struct reader *r)
{
	if (r->archive)
		(void)archive_read_free(r->archive);
	blob_reader_free(r->blob);
	tree_builder_free(r->builder);
	tree_arena_free(r->arena);
	free(r->removals);
	free(r->small);
}

static int check_cancel(const struct reader *r, struct volt_error *e)
{
	if (r->in->cancel && atomic_load_explicit(r->in->cancel, memory_order_relaxed))
		return fail(e, ECANCELED, "cancelled");
	return 0;
}

/* Before each call of libarchive's that reads. */
static void begin_call(struct reader *r, uint64_t max)
{
	r->call_end = r->chunk_end + max;
}

static la_ssize_t on_read(struct archive *a, void *data, const void **ret)
{
	struct reader *r = data;
	ssize_t n = check_cancel(r, &r->error);

	if (n == 0 && r->chunk_end > r->call_end)
		n = fail(&r->error, E2BIG, "bad tar archive: a header without an end");
	if (n == 0)
		n = blob_reader_next(r->blob, ret, &r->error);
	if (n < 0) {
		archive_set_error(a, (int)-n, "%s", r->error.msg);
		return -1;
	}
	r->chunk = *ret;
	r->chunk_size = (size_t)n;
	r->chunk_end += (uint64_t)n;
	return n;
}

/* What libarchive says, or what our callback said before. */
static int archive_failed(struct reader *r, struct volt_error *e)
{
	const char *why = archive_error_string(r->archive);

	if (r->error.code != 0) {
		if (e)
			*e = r->error;
		return -r->error.code;
	}
	return fail(e, EBADMSG, "bad tar archive: %s", why ? why : "unknown error");
}

static int reader_init(struct reader *r, const struct layer_input *in,
		       struct volt_error *e)
{
	int code;

	r->in = in;
	r->budget.used = in->memory ? in->memory : &r->own;
	r->budget.max = in->limits->max_memory;
	code = archive_load(e);
	if (code < 0)
		return code;
	code = blob_reader_new(in->fd, &in->limits->blob, &r->blob, e);
	if (code < 0)
		return code;
	code = tree_builder_new(&r->builder, e);
	if (code < 0)
		return code;
	r->archive = archive_read_new();
	r->small = malloc(SMALL_FILE);
	if (!r->archive || !r->small || tree_arena_new(&r->arena) < 0)
		return fail_oom(e);
	(void)archive_read_support_filter_none(r->archive);
	(void)archive_read_support_format_tar(r->archive);
	(void)archive_read_support_format_empty(r->archive);
	begin_call(r, CALL_MAX);
	if (archive_read_open(r->archive, r, NULL, on_read, NULL) != ARCHIVE_OK)
		return archive_failed(r, e);
	return 0;
}

/* --- contents --- */

static int count_content(struct reader *r, uint64_t n, struct volt_error *e)
{
	struct statvfs v;

	if (n > r->in->limits->max_content - r->content)
		return fail(e, EFBIG, "its files have more than %llu bytes",
			    (unsigned long long)r->in->limits->max_content);
	r->content += n;
	if (r->content_checked > 0 && r->content - r->content_checked < CHECK_DISK_EACH)
		return 0;
	r->content_checked = r->content;
	if (fstatvfs(r->in->disk, &v) == 0 &&
	    v.f_bavail * v.f_frsize < r->in->limits->min_free_disk)
		return fail(e, ENOSPC, "the disk is full");
	return 0;
}

/* A piece of the file, or 0 at its end. Pieces come in order; what is between them is a
 * hole. */
static int next_piece(struct reader *r, const void **data, size_t *size, int64_t *offset,
		      struct volt_error *e)
{
	la_int64_t at;
	int code;

	begin_call(r, CALL_MAX);
	code = archive_read_data_block(r->archive, data, size, &at);
	if (code == ARCHIVE_EOF)
		return 0;
	if (code < ARCHIVE_WARN || code == ARCHIVE_RETRY)
		return archive_failed(r, e);
	*offset = at;
	return 1;
}

static int add_small(struct reader *r, struct tree_entry *t, enum object_kind kind,
		     struct volt_error *e)
{
	size_t end = 0, n;
	const void *data;
	int64_t at = 0;
	int code;

	while ((code = next_piece(r, &data, &n, &at, e)) > 0) {
		if (at == 0 && n == t->size)
			return ingest_add(r->in->ingest, data, n, kind, &t->object, e);
		if (at < (int64_t)end || (uint64_t)at > t->size ||
		    n > t->size - (uint64_t)at)
			return fail(e, EBADMSG, "bad tar archive: '%s' overlaps itself",
				    t->path);
		memset(r->small + end, 0, (size_t)at - end);
		memcpy(r->small + at, data, n);
		end = (size_t)at + n;
	}
	if (code < 0)
		return code;
	memset(r->small + end, 0, t->size - end);
	return ingest_add(r->in->ingest, r->small, t->size, kind, &t->object, e);
}

static int write_hole(struct reader *r, struct ingest_stream *w, uint64_t n,
		      struct volt_error *e)
{
	memset(r->small, 0, n < SMALL_FILE ? n : SMALL_FILE);
	while (n > 0) {
		size_t some = n < SMALL_FILE ? n : SMALL_FILE;
		int code = check_cancel(r, e);

		if (code == 0)
			code = ingest_stream_write(w, r->small, some, e);
		if (code < 0)
			return code;
		n -= some;
	}
	return 0;
}

static int write_pieces(struct reader *r, const struct tree_entry *t,
			struct ingest_stream *w, struct volt_error *e)
{
	uint64_t end = 0;
	const void *data;
	int64_t at = 0;
	size_t n;
	int code;

	while ((code = next_piece(r, &data, &n, &at, e)) > 0) {
		if (at < (int64_t)end || (uint64_t)at > t->size ||
		    n > t->size - (uint64_t)at)
			return fail(e, EBADMSG, "bad tar archive: '%s' overlaps itself",
				    t->path);
		code = write_hole(r, w, (uint64_t)at - end, e);
		if (code == 0)
			code = ingest_stream_write(w, data, n, e);
		if (code < 0)
			return code;
		end = (uint64_t)at + n;
	}
	return code < 0 ? code : write_hole(r, w, t->size - end, e);
}

static int add_large(struct reader *r, struct tree_entry *t, enum object_kind kind,
		     struct volt_error *e)
{
	_cleanup_(ingest_stream_abortp) struct ingest_stream *w = NULL;
	int code;

	code = ingest_stream_new(r->in->ingest, kind, &w, e);
	if (code == 0)
		code = write_pieces(r, t, w, e);
	if (code < 0)
		return code;
	return ingest_stream_finish(TAKE_PTR(w), &t->object, e);
}

static int read_content(struct reader *r, struct tree_entry *t, struct volt_error *e)
{
	enum object_kind kind = (t->mode & 0111) != 0 ? OBJECT_EXEC : OBJECT_PLAIN;
	int code;

	if (t->size == 0)
		return 0;
	code = count_content(r, t->size, e);
	if (code < 0)
		return code;
	return t->size <= SMALL_FILE ? add_small(r, t, kind, e)
				     : add_large(r, t, kind, e);
}

/* --- entries --- */

static int compare_xattrs(const void *a, const void *b)
{
	return strcmp(((const struct tree_xattr *)a)->name,
		      ((const struct tree_xattr *)b)->name);
}

/* The kernel takes overlay's own attributes on a lower layer as orders: never from an
 * image. */
static bool xattr_is_kept(const char *name)
{
	return strncmp(name, "trusted.overlay.", 16) != 0 &&
	       strncmp(name, "user.overlay.", 13) != 0;
}

/* Sorted by name; borrowed from @from. */
static int get_xattrs(struct archive_entry *from, struct tree_xattr v[XATTRS_MAX],
		      struct tree_entry *t, struct volt_error *e)
{
	const char *name;
	const void *value;
	size_t size;
	uint32_t n = 0;

	(void)archive_entry_xattr_reset(from);
	while (archive_entry_xattr_next(from, &name, &value, &size) == ARCHIVE_OK) {
		if (!name || !xattr_is_kept(name))
			continue;
		if (n == XATTRS_MAX || *name == '\0' || strlen(name) > XATTR_NAME_MAX ||
		    size > XATTR_VALUE_MAX)
			return fail(e, E2BIG, "'%s': bad or too many extended attributes",
				    t->path);
		v[n++] = (struct tree_xattr){ name, value, (uint32_t)size };
	}
	qsort(v, n, sizeof(*v), compare_xattrs);
	for (uint32_t i = 1; i < n; i++)
		if (strcmp(v[i - 1].name, v[i].name) == 0)
			return fail(e, EBADMSG, "'%s': extended attribute '%s' twice",
				    t->path, v[i].name);
	t->xattrs = v;
	t->n_xattrs = n;
	return 0;
}

static int get_numbers(struct archive_entry *from, struct tree_entry *t,
		       struct volt_error *e)
{
	int64_t uid = archive_entry_uid(from), gid = archive_entry_gid(from);
	int64_t size = archive_entry_size(from);
	long nsec = archive_entry_mtime_nsec(from);

	if (uid < 0 || gid < 0 || uid >= UINT32_MAX || gid >= UINT32_MAX)
		return fail(e, ERANGE, "'%s': its owner is out of range", t->path);
	if (size < 0)
		return fail(e, ERANGE, "'%s': its size is out of range", t->path);
	t->mode = archive_entry_filetype(from) | (archive_entry_perm(from) & 07777);
	t->uid = (uint32_t)uid;
	t->gid = (uint32_t)gid;
	t->mtime = archive_entry_mtime(from);
	t->mtime_nsec = nsec >= 0 && nsec < 1000000000 ? (uint32_t)nsec : 0;
	if (S_ISCHR(t->mode) || S_ISBLK(t->mode)) {
		t->rdev_major = (uint32_t)archive_entry_rdevmajor(from);
		t->rdev_minor = (uint32_t)archive_entry_rdevminor(from);
	}
	if (S_ISREG(t->mode))
		t->size = (uint64_t)size;
	return 0;
}

static int add_file(struct reader *r, struct archive_entry *from, const char *path,
		    struct volt_error *e)
{
	struct tree_xattr xattrs[XATTRS_MAX];
	struct tree_entry t = { .path = path, .hardlink = TREE_NONE };
	int code;

	code = get_numbers(from, &t, e);
	if (code == 0)
		code = get_xattrs(from, xattrs, &t, e);
	if (code < 0)
		return code;
	if (S_ISLNK(t.mode)) {
		t.target = archive_entry_symlink(from);
		if (!t.target || strlen(t.target) >= PATH_MAX)
			return fail(e, EBADMSG, "symbolic link '%s': bad target", path);
	}
	if (S_ISREG(t.mode)) {
		code = read_content(r, &t, e);
		if (code < 0)
			return code;
	}
	return tree_builder_add(r->builder, &t, e);
}

/* As containers/storage: the target must be in this layer, and before its link. */
static int add_link(struct reader *r, const char *path, const char *to,
		    struct volt_error *e)
{
	char target[PATH_MAX];
	int code;

	code = layer_path_clean(to, target, e);
	if (code == 0)
		code = layer_path_resolve(r->builder, target, e);
	if (code < 0)
		return fail_in(e, code, "hard link '%s'", path);
	if (strcmp(path, target) == 0) /* itself: nothing changes, but it must be there */
		return tree_builder_find(r->builder, path)
			       ? 0
			       : fail(e, ENOENT, "hard link '%s' to itself", path);
	return tree_builder_link(r->builder, path, target, e);
}

static int add_removal(struct reader *r, const char *path, bool opaque,
		       struct volt_error *e)
{
	const char *copy = tree_arena_copy(r->arena, path, strlen(path) + 1);

	if (!copy)
		return fail_oom(e);
	if (r->n_removals == r->removals_size) {
		size_t size = r->removals_size > 0 ? r->removals_size * 2 : 64;
		void *v = reallocarray(r->removals, size, sizeof(*r->removals));

		if (!v)
			return fail_oom(e);
		r->removals = v;
		r->removals_size = size;
	}
	r->removals[r->n_removals++] = (struct layer_removal){ copy, opaque };
	return 0;
}

/* @path ends in ".wh.NAME": NAME goes, or for ".wh..wh..opq" all that the directory had.
 * Other ".wh..wh." names are what AUFS kept for itself. */
static int add_whiteout(struct reader *r, char *path, struct volt_error *e)
{
	char *slash = strrchr(path, '/');
	char *base = slash ? slash + 1 : path;
	const char *name = base + strlen(WHITEOUT);

	if (strcmp(base, WHITEOUT_OPAQUE) == 0) {
		*(slash ? slash : path) = '\0';
		return add_removal(r, path, true, e);
	}
	if (strncmp(base, WHITEOUT_META, strlen(WHITEOUT_META)) == 0)
		return 0;
	if (*name == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return fail(e, EBADMSG, "'%s' removes no file", path);
	memmove(base, name, strlen(name) + 1);
	return add_removal(r, path, false, e);
}

/* What AUFS kept in the root for itself may hold files too. */
static bool is_below_meta(const char *path)
{
	return strncmp(path, WHITEOUT_META, strlen(WHITEOUT_META)) == 0 &&
	       strchr(path, '/') != NULL;
}

static bool is_whiteout(const char *path)
{
	const char *slash = strrchr(path, '/');

	return strncmp(slash ? slash + 1 : path, WHITEOUT, strlen(WHITEOUT)) == 0;
}

/* All layers of an image are in memory at once, so they share one limit. */
static int count_memory(struct reader *r, struct volt_error *e)
{
	size_t now = tree_builder_memory(r->builder) + tree_arena_size(r->arena);
	size_t more = now - r->memory;

	r->memory = now;
	return tree_budget_take(&r->budget, more, e);
}

static int add_entry(struct reader *r, struct archive_entry *from, struct volt_error *e)
{
	const char *name = archive_entry_pathname(from),
		   *link = archive_entry_hardlink(from);
	const struct layer_limits *limits = r->in->limits;
	char path[PATH_MAX];
	int code;

	if (++r->n_entries > limits->max_entries)
		return fail(e, E2BIG, "more than %u files", limits->max_entries);
	code = count_memory(r, e);
	if (code < 0)
		return code;
	if (!name || *name == '\0')
		return fail(e, EBADMSG, "bad tar archive: a file without a name");
	code = layer_path_clean(name, path, e);
	if (code == 0)
		code = layer_path_resolve(r->builder, path, e);
	if (code < 0)
		return code;
	if (is_below_meta(path))
		return 0;
	if (is_whiteout(path))
		return add_whiteout(r, path, e);
	if (link)
		return add_link(r, path, link, e);
	return add_file(r, from, path, e);
}

/* What has not been read of a file: what belongs to a link, or to AUFS. */
static int skip_rest(struct reader *r, struct volt_error *e)
{
	begin_call(r, UINT64_MAX - r->chunk_end);
	return archive_read_data_skip(r->archive) < ARCHIVE_WARN ? archive_failed(r, e)
								 : 0;
}

static int read_entries(struct reader *r, struct volt_error *e)
{
	for (;;) {
		struct archive_entry *entry;
		int code;

		begin_call(r, CALL_MAX);
		code = archive_read_next_header(r->archive, &entry);
		/* While it guesses the format, a read that fails looks like an end. */
		if (code == ARCHIVE_EOF)
			return r->error.code == 0 ? 0 : archive_failed(r, e);
		if (code == ARCHIVE_WARN || code == ARCHIVE_OK)
			code = add_entry(r, entry, e);
		else
			code = archive_failed(r, e);
		if (code == 0)
			code = skip_rest(r, e);
		if (code < 0)
			return code;
	}
}

/* --- the end --- */

static bool is_zero(const uint8_t *p, size_t n)
{
	return n == 0 || (p[0] == 0 && memcmp(p, p + 1, n - 1) == 0);
}

/* The archive ends in zeroes, as many as its writer liked; they are part of the digest. */
static int read_tail(struct reader *r, struct volt_error *e)
{
	uint64_t used = (uint64_t)archive_filter_bytes(r->archive, 0);
	size_t left = used < r->chunk_end ? (size_t)(r->chunk_end - used) : 0;
	const void *data;
	ssize_t n;

	if (left > r->chunk_size)
		left = r->chunk_size;
	if (left > 0 && !is_zero(r->chunk + r->chunk_size - left, left))
		return fail(e, EBADMSG, "garbage after the end of the tar archive");
	while ((n = blob_reader_next(r->blob, &data, e)) > 0) {
		if (!is_zero(data, (size_t)n))
			return fail(e, EBADMSG,
				    "garbage after the end of the tar archive");
	}
	return (int)n;
}

static int compare_removals(const void *a, const void *b)
{
	const struct layer_removal *x = a, *y = b;
	int c = tree_path_compare(x->path, y->path);

	return c != 0 ? c : (int)x->opaque - (int)y->opaque;
}

/* Sorted, one a path: removing a directory includes making it opaque. */
static size_t sort_removals(struct layer_removal *v, size_t n)
{
	size_t out = 0;

	if (n > 0)
		qsort(v, n, sizeof(*v), compare_removals);
	for (size_t i = 0; i < n; i++)
		if (out == 0 || strcmp(v[out - 1].path, v[i].path) != 0)
			v[out++] = v[i];
	return out;
}

static int make_layer(struct reader *r, struct layer **ret, struct volt_error *e)
{
	_cleanup_(layer_freep) struct layer *l = calloc(1, sizeof(*l));
	int code;

	if (!l)
		return fail_oom(e);
	code = tree_builder_finish(r->builder, &r->budget, &l->tree, e);
	if (code < 0)
		return code;
	l->n_removals = (uint32_t)sort_removals(r->removals, r->n_removals);
	for (uint32_t i = 0; i < l->n_removals; i++) {
		const char *p = r->removals[i].path;

		r->removals[i].path = tree_arena_copy(l->tree->arena, p, strlen(p) + 1);
		if (!r->removals[i].path)
			return fail_oom(e);
	}
	l->removals = TAKE_PTR(r->removals);
	*ret = TAKE_PTR(l);
	return 0;
}

/* libarchive converts the names of PAX headers to the thread's locale. In a UTF-8 one it
 * composes accents, which makes other names of them; in the C locale it takes what it
 * cannot convert as it is, and that is what we want: bytes. */
static locale_t enter_c(locale_t *ret)
{
	*ret = newlocale(LC_CTYPE_MASK, "C", (locale_t)0);
	return *ret ? uselocale(*ret) : (locale_t)0;
}

static void leave_c(locale_t old, locale_t own)
{
	if (old)
		(void)uselocale(old);
	if (own)
		freelocale(own);
}

static int read_all_of(struct reader *r, const struct layer_input *in,
		       struct volt_error *e)
{
	int code = reader_init(r, in, e);

	if (code == 0)
		code = read_entries(r, e);
	if (code == 0)
		code = read_tail(r, e);
	return code;
}

int layer_read(const struct layer_input *in, struct layer **ret, struct blob_sums *sums,
	       struct volt_error *e)
{
	_cleanup_(reader_done) struct reader r = { 0 };
	locale_t own, old = enter_c(&own);
	int code = read_all_of(&r, in, e);

	leave_c(old, own);
	if (code < 0)
		return code;
	code = blob_reader_sums(r.blob, sums, e);
	return code < 0 ? code : make_layer(&r, ret, e);
}
