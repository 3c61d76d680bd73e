/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation
 *
 * A tree on disk is one object, made to be read fast: a header, fixed records in the
 * tree's order, then all strings. Reading is one hash over the object (which the store
 * does), one pass that checks every number, and no copy: paths, targets and attributes
 * point into the bytes that were read. Numbers are little-endian. doc/formats.md has the
 * tables. The checks do not rely on the hash: a tree may have been written by a broken
 * volt.
 */
#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/path.h"
#include "image/layer.h"
#include "image/tree-builder.h"
#include "store/ref.h"

#define MAGIC      "volt-tree-1\n"
#define MAGIC_SIZE (sizeof(MAGIC) - 1)
#define OBJECT_MAX ((size_t)2 << 30)

struct header {
	char magic[MAGIC_SIZE];
	uint32_t n_entries, n_removals, n_xattrs;
	uint64_t text_size;
};

struct record {
	uint32_t path, target;
	uint32_t mode, uid, gid, rdev_major, rdev_minor;
	uint32_t hardlink;
	uint32_t xattrs, n_xattrs;
	uint32_t mtime_nsec;
	uint32_t flags;
	uint64_t size;
	int64_t mtime;
	uint8_t object[32];
};

struct xattr_record {
	uint32_t name, value, size;
};

struct removal_record {
	uint32_t path, opaque;
};

static_assert(sizeof(struct header) == 32, "the header has no padding");
static_assert(sizeof(struct record) == 96, "a record has no padding");

void layer_free(struct layer *l)
{
	if (!l)
		return;
	tree_free(l->tree);
	free(l->removals);
	free(l);
}

/* --- writing --- */

struct encoder {
	FILE *text;
	uint64_t text_size;
	struct record *records;
	struct xattr_record *xattrs;
	struct removal_record *removals;
	uint32_t n_xattrs;
};

static void encoder_done(struct encoder *c)
{
	fclosep(&c->text);
	free(c->records);
	free(c->xattrs);
	free(c->removals);
}

static uint32_t put_text(struct encoder *c, const void *data, size_t size)
{
	uint32_t at = (uint32_t)c->text_size;

	(void)fwrite(data, 1, size, c->text);
	c->text_size += size;
	return htole32(at);
}

static uint32_t put_string(struct encoder *c, const char *s)
{
	return put_text(c, s, strlen(s) + 1);
}

static void put_xattrs(struct encoder *c, const struct tree_entry *t, struct record *r)
{
	r->xattrs = htole32(c->n_xattrs);
	r->n_xattrs = htole32(t->n_xattrs);
	for (uint32_t i = 0; i < t->n_xattrs; i++) {
		const struct tree_xattr *x = &t->xattrs[i];

		c->xattrs[c->n_xattrs++] = (struct xattr_record){
			.name = put_string(c, x->name),
			.value = put_text(c, x->value, x->size),
			.size = htole32(x->size),
		};
	}
}

static void put_entry(struct encoder *c, const struct tree_entry *t, struct record *r)
{
	*r = (struct record){
		.path = put_string(c, t->path),
		.mode = htole32(t->mode),
		.uid = htole32(t->uid),
		.gid = htole32(t->gid),
		.rdev_major = htole32(t->rdev_major),
		.rdev_minor = htole32(t->rdev_minor),
		.hardlink = htole32(t->hardlink),
		.mtime_nsec = htole32(t->mtime_nsec),
		.flags = htole32(t->flags),
		.size = htole64(t->size),
		.mtime = (int64_t)htole64((uint64_t)t->mtime),
	};
	if (t->hardlink != TREE_NONE)
		return; /* all else is the first name's */
	if (S_ISLNK(t->mode))
		r->target = put_string(c, t->target);
	if (S_ISREG(t->mode) && t->size > 0)
		memcpy(r->object, t->object.b, sizeof(r->object));
	put_xattrs(c, t, r);
}

static int encoder_init(struct encoder *c, const struct layer *l, char **text,
			size_t *size)
{
	size_t n_xattrs = 0;

	for (uint32_t i = 0; i < l->tree->n; i++)
		if (l->tree->v[i].hardlink == TREE_NONE)
			n_xattrs += l->tree->v[i].n_xattrs;
	c->text = open_memstream(text, size);
	c->records = calloc(l->tree->n + 1, sizeof(*c->records));
	c->xattrs = calloc(n_xattrs + 1, sizeof(*c->xattrs));
	c->removals = calloc(l->n_removals + 1, sizeof(*c->removals));
	return c->text && c->records && c->xattrs && c->removals ? 0 : -ENOMEM;
}

static int join(const struct encoder *c, const struct layer *l, const char *text,
		char **ret, size_t *ret_size)
{
	size_t records = l->tree->n * sizeof(*c->records);
	size_t xattrs = c->n_xattrs * sizeof(*c->xattrs);
	size_t removals = l->n_removals * sizeof(*c->removals);
	size_t size = sizeof(struct header) + records + xattrs + removals + c->text_size;
	struct header h = {
		.n_entries = htole32(l->tree->n),
		.n_removals = htole32(l->n_removals),
		.n_xattrs = htole32(c->n_xattrs),
		.text_size = htole64(c->text_size),
	};
	char *p = malloc(size);

	if (!p)
		return -ENOMEM;
	memcpy(h.magic, MAGIC, MAGIC_SIZE);
	*ret = p;
	*ret_size = size;
	p = mempcpy(p, &h, sizeof(h));
	p = mempcpy(p, c->records, records);
	p = mempcpy(p, c->xattrs, xattrs);
	p = mempcpy(p, c->removals, removals);
	memcpy(p, text, c->text_size);
	return 0;
}

int layer_encode(const struct layer *l, char **ret, size_t *ret_size,
		 struct volt_error *e)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_(encoder_done) struct encoder c = { 0 };
	size_t text_size;

	if (encoder_init(&c, l, &text, &text_size) < 0)
		return fail_oom(e);
	for (uint32_t i = 0; i < l->tree->n; i++)
		put_entry(&c, &l->tree->v[i], &c.records[i]);
	for (uint32_t i = 0; i < l->n_removals; i++)
		c.removals[i] = (struct removal_record){
			.path = put_string(&c, l->removals[i].path),
			.opaque = htole32(l->removals[i].opaque),
		};
	(void)fputc('\0', c.text); /* so that whatever begins in the text ends in it */
	c.text_size++;
	if (c.text_size > UINT32_MAX || c.text_size > OBJECT_MAX)
		return fail(e, E2BIG,
			    "tree: the names of its files are too long together");
	if (fflush(c.text) != 0 || join(&c, l, text, ret, ret_size) < 0)
		return fail_oom(e);
	return 0;
}

/* The object that keeps the contents alive. */
static int store_list(struct ingest *g, const struct tree *t, struct digest *ret,
		      struct volt_error *e)
{
	_cleanup_free_ struct digest *v = malloc((t->n + 1) * sizeof(*v));
	size_t n = 0;

	if (!v)
		return fail_oom(e);
	for (uint32_t i = 0; i < t->n; i++)
		if (S_ISREG(t->v[i].mode) && t->v[i].size > 0 &&
		    t->v[i].hardlink == TREE_NONE)
			v[n++] = t->v[i].object;
	return object_list_add(g, v, n, ret, e);
}

int layer_store(struct ingest *g, const struct layer *l, struct digest *ret_object,
		struct digest *ret_list, struct volt_error *e)
{
	_cleanup_free_ char *bytes = NULL;
	size_t size;
	int r;

	r = layer_encode(l, &bytes, &size, e);
	if (r < 0)
		return r;
	r = ingest_add(g, bytes, size, OBJECT_PLAIN, ret_object, e);
	if (r < 0)
		return r;
	return store_list(g, l->tree, ret_list, e);
}

int tree_store(struct ingest *g, const struct tree *t, struct digest *ret_tree,
	       struct digest *ret_list, struct volt_error *e)
{
	const struct layer l = { .tree = (struct tree *)t };

	return layer_store(g, &l, ret_tree, ret_list, e);
}

/* --- reading --- */

/* What is being read: the sections, and their sizes as checked. */
struct decoder {
	const struct record *records;
	const struct xattr_record *xattr_records;
	const struct removal_record *removal_records;
	const char *text;
	uint32_t n_entries, n_removals, n_xattrs, text_size;
	struct layer *l;
	struct tree_xattr *xattrs;
	const struct tree_entry *above[PATH_MAX / 2 + 2];
	unsigned depth;
};

static int broken(struct volt_error *e, const char *why)
{
	return fail(e, EBADMSG, "tree is broken: %s", why);
}

static int find_sections(struct decoder *d, const char *bytes, size_t size,
			 struct volt_error *e)
{
	struct header h;
	uint64_t need;

	if (size < sizeof(h) || memcmp(bytes, MAGIC, MAGIC_SIZE) != 0)
		return broken(e, "no such format");
	memcpy(&h, bytes, sizeof(h));
	d->n_entries = le32toh(h.n_entries);
	d->n_removals = le32toh(h.n_removals);
	d->n_xattrs = le32toh(h.n_xattrs);
	need = sizeof(h) + (uint64_t)d->n_entries * sizeof(struct record) +
	       (uint64_t)d->n_xattrs * sizeof(struct xattr_record) +
	       (uint64_t)d->n_removals * sizeof(struct removal_record);
	if (need >= size || size - need != le64toh(h.text_size) ||
	    size - need > UINT32_MAX || bytes[size - 1] != '\0')
		return broken(e, "its sizes do not add up");
	d->text_size = (uint32_t)(size - need);
	d->records = (const void *)(bytes + sizeof(h));
	d->xattr_records = (const void *)(d->records + d->n_entries);
	d->removal_records = (const void *)(d->xattr_records + d->n_xattrs);
	d->text = (const char *)(d->removal_records + d->n_removals);
	return 0;
}

/* A string of the text, or NULL: the text ends with a NUL, so its beginning decides. */
static const char *get_string(const struct decoder *d, uint32_t at)
{
	at = le32toh(at);
	return at < d->text_size ? d->text + at : NULL;
}

static int get_xattrs(struct decoder *d, const struct record *r, struct tree_entry *t,
		      struct volt_error *e)
{
	uint32_t first = le32toh(r->xattrs), n = le32toh(r->n_xattrs);

	if (n > d->n_xattrs || first > d->n_xattrs - n)
		return broken(e, "extended attributes out of range");
	for (uint32_t i = first; i < first + n; i++) {
		const struct xattr_record *x = &d->xattr_records[i];
		uint32_t value = le32toh(x->value), size = le32toh(x->size);
		const char *name = get_string(d, x->name);

		if (!name || !*name || size > d->text_size || value > d->text_size - size)
			return broken(e, "extended attribute out of range");
		d->xattrs[i] = (struct tree_xattr){ name, d->text + value, size };
	}
	t->xattrs = n > 0 ? d->xattrs + first : NULL;
	t->n_xattrs = n;
	return 0;
}

static bool type_is_known(uint32_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
	case S_IFDIR:
	case S_IFLNK:
	case S_IFCHR:
	case S_IFBLK:
	case S_IFIFO:
	case S_IFSOCK:
		return (mode & ~(S_IFMT | 07777u)) == 0;
	default:
		return false;
	}
}

static int get_link(const struct decoder *d, const struct record *r, struct tree_entry *t,
		    struct volt_error *e)
{
	uint32_t index = (uint32_t)(t - d->l->tree->v), first = le32toh(r->hardlink);
	const struct tree_entry *to = &d->l->tree->v[first];
	const char *path = t->path;

	if (first >= index || to->hardlink != TREE_NONE || S_ISDIR(to->mode))
		return broken(e, "hard link to no earlier file");
	*t = *to;
	t->path = path;
	t->hardlink = first;
	return 0;
}

static int get_file(struct decoder *d, const struct record *r, struct tree_entry *t,
		    struct volt_error *e)
{
	t->mode = le32toh(r->mode);
	t->uid = le32toh(r->uid);
	t->gid = le32toh(r->gid);
	t->rdev_major = le32toh(r->rdev_major);
	t->rdev_minor = le32toh(r->rdev_minor);
	t->size = le64toh(r->size);
	t->mtime = (int64_t)le64toh((uint64_t)r->mtime);
	t->mtime_nsec = le32toh(r->mtime_nsec);
	t->flags = le32toh(r->flags);
	t->hardlink = TREE_NONE;
	memcpy(t->object.b, r->object, sizeof(t->object.b));
	if (!type_is_known(t->mode))
		return broken(e, "unknown file type");
	if (t->mtime_nsec >= 1000000000)
		return broken(e, "a time out of range");
	if (S_ISLNK(t->mode)) {
		t->target = get_string(d, r->target);
		if (!t->target || !*t->target || strlen(t->target) != t->size)
			return broken(e, "symbolic link without a target");
	}
	return get_xattrs(d, r, t, e);
}

static bool is_above(const char *up, const char *path)
{
	size_t n = strlen(up);

	return n == 0 || (strncmp(up, path, n) == 0 && path[n] == '/');
}

/* Order, and a directory above: what every user of a tree relies on. */
static int check_place(struct decoder *d, const struct tree_entry *t,
		       struct volt_error *e)
{
	const struct tree_entry *up;
	const char *slash = strrchr(t->path, '/');

	if (d->depth == 0) {
		d->above[d->depth++] = t;
		return *t->path || !S_ISDIR(t->mode) ? broken(e, "no root directory") : 0;
	}
	if (!path_is_clean(t->path))
		return broken(e, "a path that is not clean");
	if (tree_path_compare(t[-1].path, t->path) >= 0)
		return broken(e, "paths out of order");
	while (!is_above(d->above[d->depth - 1]->path, t->path))
		d->depth--;
	up = d->above[d->depth - 1];
	if (!S_ISDIR(up->mode) ||
	    strlen(up->path) != (size_t)(slash ? slash - t->path : 0))
		return broken(e, "a file outside any directory");
	d->above[d->depth++] = t;
	return 0;
}

static int get_entries(struct decoder *d, struct volt_error *e)
{
	for (uint32_t i = 0; i < d->n_entries; i++) {
		const struct record *r = &d->records[i];
		struct tree_entry *t = &d->l->tree->v[i];
		int code;

		t->path = get_string(d, r->path);
		if (!t->path)
			return broken(e, "a path out of range");
		if (r->hardlink == htole32(TREE_NONE))
			code = get_file(d, r, t, e);
		else
			code = get_link(d, r, t, e);
		if (code == 0)
			code = check_place(d, t, e);
		if (code < 0)
			return code;
	}
	return d->n_entries > 0 ? 0 : broken(e, "no root directory");
}

static int get_removals(struct decoder *d, struct volt_error *e)
{
	for (uint32_t i = 0; i < d->n_removals; i++) {
		struct layer_removal *v = &d->l->removals[i];

		v->path = get_string(d, d->removal_records[i].path);
		v->opaque = d->removal_records[i].opaque != 0;
		if (!v->path || (*v->path ? !path_is_clean(v->path) : !v->opaque))
			return broken(e, "a removal that is not clean");
		if (i > 0 && tree_path_compare(v[-1].path, v->path) >= 0)
			return broken(e, "removals out of order");
	}
	return 0;
}

int layer_decode(char *bytes, size_t size, struct layer **ret, struct volt_error *e)
{
	_cleanup_(layer_freep) struct layer *l = calloc(1, sizeof(*l));
	_cleanup_free_ struct decoder *d = calloc(1, sizeof(*d));
	struct tree *t = calloc(1, sizeof(*t));
	int r;

	if (!l || !d || !t) {
		free(t);
		return fail_oom(e);
	}
	l->tree = t;
	d->l = l;
	r = find_sections(d, bytes, size, e);
	if (r < 0)
		return r;
	if (tree_arena_new(&t->arena) < 0)
		return fail_oom(e);
	t->v = calloc((size_t)d->n_entries + 1, sizeof(*t->v));
	l->removals = calloc((size_t)d->n_removals + 1, sizeof(*l->removals));
	d->xattrs = tree_arena_alloc(t->arena, d->n_xattrs * sizeof(*d->xattrs));
	if (!t->v || !l->removals || !d->xattrs)
		return fail_oom(e);
	t->n = d->n_entries;
	l->n_removals = d->n_removals;
	r = get_entries(d, e);
	if (r == 0)
		r = get_removals(d, e);
	if (r < 0)
		return r;
	if (tree_arena_adopt(t->arena, bytes, size) < 0)
		return fail_oom(e);
	*ret = TAKE_PTR(l);
	return 0;
}

int layer_load(const struct store *s, const struct digest *d, struct layer **ret,
	       struct volt_error *e)
{
	_cleanup_free_ char *bytes = NULL;
	char hex[DIGEST_HEX_SIZE];
	size_t size;
	int r;

	r = store_read(s, d, OBJECT_MAX, &bytes, &size, e);
	if (r < 0)
		return r;
	r = layer_decode(bytes, size, ret, e);
	if (r < 0)
		return fail_in(e, r, "object '%s'", digest_hex(d, hex));
	(void)TAKE_PTR(bytes);
	return 0;
}

int tree_load(const struct store *s, const struct digest *d, struct tree **ret,
	      struct volt_error *e)
{
	_cleanup_(layer_freep) struct layer *l = NULL;
	int r;

	r = layer_load(s, d, &l, e);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(l->tree);
	return 0;
}
