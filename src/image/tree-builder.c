/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation
 *
 * A name (a path) and a file (what tree_entry describes) are kept apart, so that a hard
 * link is one more name of a file and replacing a name leaves the file's others alone. A
 * hash table finds names by path. What was below a directory that something else took the
 * place of is recognised by its age: it was added before the moment that the name of the
 * directory remembers as "cleared". Directories that nobody added have no name until the end.
 */
#include "image/tree-builder.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/path.h"

#define NO_NAME  UINT32_MAX /* an empty slot of the table */
#define MAX_SIZE (UINT32_MAX / 2)

struct name {
	const char *path;
	uint32_t hash;
	uint32_t file;
	uint64_t added;   /* when it last got a file */
	uint64_t cleared; /* whatever is below and was added earlier is gone */
};

struct tree_builder {
	struct tree_arena *arena;
	struct name *names;
	size_t n_names, names_size;
	struct tree_entry *files;
	size_t n_files, files_size;
	uint32_t *table; /* indexes into names; the size is a power of two */
	size_t table_size;
	uint64_t now;
	uint64_t seed[2];
};

int tree_builder_new(struct tree_builder **ret, struct volt_error *e)
{
	_cleanup_(tree_builder_freep) struct tree_builder *b = calloc(1, sizeof(*b));

	if (!b || tree_arena_new(&b->arena) < 0)
		return fail_oom(e);
	if (getrandom(b->seed, sizeof(b->seed), 0) != (ssize_t)sizeof(b->seed))
		return fail(e, EIO, "get random bytes");
	*ret = TAKE_PTR(b);
	return 0;
}

static void builder_empty(struct tree_builder *b)
{
	struct tree_builder fresh = { 0 };

	tree_arena_free(b->arena);
	free(b->names);
	free(b->files);
	free(b->table);
	memcpy(fresh.seed, b->seed, sizeof(fresh.seed));
	*b = fresh;
}

void tree_builder_free(struct tree_builder *b)
{
	if (!b)
		return;
	builder_empty(b);
	free(b);
}

size_t tree_builder_memory(const struct tree_builder *b)
{
	return tree_arena_size(b->arena) + b->names_size * sizeof(*b->names) +
	       b->files_size * sizeof(*b->files) + b->table_size * sizeof(*b->table);
}

int tree_budget_take(const struct tree_budget *m, size_t size, struct volt_error *e)
{
	if (atomic_fetch_add(m->used, size) + size > m->max)
		return fail(e, E2BIG, "the names of its files take more than %zu bytes",
			    m->max);
	return 0;
}

/* As FNV, but nobody can choose names that are alike in it. Taken byte by byte, so that one
 * pass over a path gives the hash of everything above it as well. */
static uint64_t hash_on(const struct tree_builder *b, uint64_t h, char c)
{
	return (h ^ (unsigned char)c) * (b->seed[1] | 1);
}

static uint32_t hash_end(uint64_t h)
{
	return (uint32_t)(h ^ h >> 32);
}

static uint32_t path_hash(const struct tree_builder *b, const char *path)
{
	uint64_t h = b->seed[0];

	for (; *path; path++)
		h = hash_on(b, h, *path);
	return hash_end(h);
}

static void table_put(struct tree_builder *b, uint32_t name)
{
	size_t mask = b->table_size - 1;
	size_t i = b->names[name].hash & mask;

	while (b->table[i] != NO_NAME)
		i = (i + 1) & mask;
	b->table[i] = name;
}

static int table_grow(struct tree_builder *b)
{
	size_t size = b->table_size > 0 ? b->table_size * 2 : 1024;
	uint32_t *table = malloc(size * sizeof(*table));

	if (!table)
		return -ENOMEM;
	memset(table, 0xff, size * sizeof(*table));
	free(b->table);
	b->table = table;
	b->table_size = size;
	for (size_t i = 0; i < b->n_names; i++)
		table_put(b, (uint32_t)i);
	return 0;
}

/* The name that is the first @size bytes of @path. */
static struct name *name_look_up(const struct tree_builder *b, const char *path,
				 size_t size, uint32_t hash)
{
	size_t mask = b->table_size - 1;

	if (b->table_size == 0)
		return NULL;
	for (size_t i = hash & mask; b->table[i] != NO_NAME; i = (i + 1) & mask) {
		struct name *n = &b->names[b->table[i]];

		if (n->hash == hash && strncmp(n->path, path, size) == 0 &&
		    n->path[size] == '\0')
			return n;
	}
	return NULL;
}

static struct name *name_find(const struct tree_builder *b, const char *path)
{
	return name_look_up(b, path, strlen(path), path_hash(b, path));
}

/* A way down a path from the top, in one pass: layers may have paths of two thousand
 * directories, a million times. */
struct descent {
	const char *path;
	size_t at; /* bytes that are behind */
	uint64_t hash;
};

static struct descent descent_begin(const struct tree_builder *b, const char *path)
{
	return (struct descent){ .path = path, .hash = b->seed[0] };
}

/* The next above the path that somebody added, whose name ends at @d->at; NULL: no more. */
static const struct name *descend(const struct tree_builder *b, struct descent *d)
{
	const struct name *n = NULL;

	while (!n && d->path[d->at] != '\0') {
		d->hash = hash_on(b, d->hash, d->path[d->at++]);
		if (d->path[d->at] == '/')
			n = name_look_up(b, d->path, d->at, hash_end(d->hash));
	}
	return n;
}

/* Room for one more of what *@v holds. */
static int grow(void **v, size_t n, size_t *size, size_t each)
{
	size_t want = *size > 0 ? *size * 2 : 256;
	void *p;

	if (n < *size)
		return 0;
	if (want > MAX_SIZE)
		return -ENOMEM;
	p = reallocarray(*v, want, each);
	if (!p)
		return -ENOMEM;
	*v = p;
	*size = want;
	return 0;
}

static struct name *name_add(struct tree_builder *b, const char *path)
{
	struct name *n;

	if (grow((void **)&b->names, b->n_names, &b->names_size, sizeof(*b->names)) < 0)
		return NULL;
	if (b->n_names >= b->table_size / 2 && table_grow(b) < 0)
		return NULL;
	n = &b->names[b->n_names];
	*n = (struct name){
		.path = tree_arena_copy(b->arena, path, strlen(path) + 1),
		.hash = path_hash(b, path),
	};
	if (!n->path)
		return NULL;
	table_put(b, (uint32_t)b->n_names++);
	return n;
}

static bool is_directory(const struct tree_builder *b, const struct name *n)
{
	return S_ISDIR(b->files[n->file].mode);
}

static int name_set(struct tree_builder *b, const char *path, uint32_t file,
		    struct volt_error *e)
{
	struct name *n = name_find(b, path);
	bool keeps_content = !n || is_directory(b, n);

	if (!n)
		n = name_add(b, path);
	if (!n)
		return fail_oom(e);
	n->file = file;
	n->added = b->now;
	if (!keeps_content || !is_directory(b, n))
		n->cleared = b->now;
	return 0;
}

static int copy_xattrs(struct tree_builder *b, struct tree_entry *f)
{
	struct tree_xattr *x;

	if (f->n_xattrs == 0) {
		f->xattrs = NULL;
		return 0;
	}
	x = tree_arena_alloc(b->arena, f->n_xattrs * sizeof(*x));
	if (!x)
		return -ENOMEM;
	for (uint32_t i = 0; i < f->n_xattrs; i++) {
		const struct tree_xattr *from = &f->xattrs[i];

		x[i].name = tree_arena_copy(b->arena, from->name, strlen(from->name) + 1);
		x[i].value = tree_arena_copy(b->arena, from->value, from->size);
		x[i].size = from->size;
		if (!x[i].name || !x[i].value)
			return -ENOMEM;
	}
	f->xattrs = x;
	return 0;
}

static int file_add(struct tree_builder *b, const struct tree_entry *from, uint32_t *ret)
{
	struct tree_entry *f;

	if (grow((void **)&b->files, b->n_files, &b->files_size, sizeof(*b->files)) < 0)
		return -ENOMEM;
	f = &b->files[b->n_files];
	*f = *from;
	f->hardlink = TREE_NONE;
	f->flags = 0;
	if (S_ISLNK(f->mode)) {
		f->size = strlen(from->target);
		f->target = tree_arena_copy(b->arena, from->target, f->size + 1);
		if (!f->target)
			return -ENOMEM;
	} else {
		f->target = NULL;
	}
	if (copy_xattrs(b, f) < 0)
		return -ENOMEM;
	*ret = (uint32_t)b->n_files++;
	return 0;
}

static int check_path(const char *path, struct volt_error *e)
{
	if (path[0] != '\0' && !path_is_clean(path))
		return fail(e, EINVAL, "path '%s' is not clean", path);
	return 0;
}

static int check_entry(const struct tree_entry *f, struct volt_error *e)
{
	int r = check_path(f->path, e);

	if (r < 0)
		return r;
	if (f->path[0] == '\0' && !S_ISDIR(f->mode))
		return fail(e, ENOTDIR, "the root is not a directory");
	switch (f->mode & S_IFMT) {
	case S_IFLNK:
		if (!f->target || f->target[0] == '\0')
			return fail(e, EINVAL, "symbolic link '%s' has no target",
				    f->path);
		return 0;
	case S_IFREG:
	case S_IFDIR:
	case S_IFCHR:
	case S_IFBLK:
	case S_IFIFO:
	case S_IFSOCK:
		return 0;
	default:
		return fail(e, EINVAL, "'%s' has no known file type (mode %o)", f->path,
			    f->mode);
	}
}

int tree_builder_add(struct tree_builder *b, const struct tree_entry *entry,
		     struct volt_error *e)
{
	uint32_t file;
	int r;

	r = check_entry(entry, e);
	if (r < 0)
		return r;
	b->now++;
	if (file_add(b, entry, &file) < 0)
		return fail_oom(e);
	return name_set(b, entry->path, file, e);
}

/* Whether something that came later than @n has taken the place of a directory above. */
static bool is_buried(const struct tree_builder *b, const struct name *n)
{
	struct descent d = descent_begin(b, n->path);
	const struct name *up;

	while ((up = descend(b, &d)) != NULL)
		if (up->cleared > n->added)
			return true;
	return false;
}

int tree_builder_link(struct tree_builder *b, const char *path, const char *target,
		      struct volt_error *e)
{
	const struct name *to;
	int r;

	r = check_path(path, e);
	if (r < 0)
		return r;
	to = name_find(b, target);
	if (!to || is_buried(b, to))
		return fail(e, ENOENT, "hard link '%s': no file '%s'", path, target);
	if (is_directory(b, to) || path[0] == '\0')
		return fail(e, EPERM, "hard link '%s': '%s' is a directory", path,
			    path[0] ? target : "/");
	b->now++;
	return name_set(b, path, to->file, e);
}

static const struct tree_entry *entry_of(const struct tree_builder *b,
					 const struct name *n)
{
	b->files[n->file].path = n->path;
	return &b->files[n->file];
}

const struct tree_entry *tree_builder_find(const struct tree_builder *b, const char *path)
{
	const struct name *n = name_find(b, path);

	return n && !is_buried(b, n) ? entry_of(b, n) : NULL;
}

const struct tree_entry *tree_builder_obstacle(const struct tree_builder *b,
					       const char *path, size_t *ret_end)
{
	struct descent d = descent_begin(b, path);
	const struct name *n;
	uint64_t cleared = 0; /* by what is above */

	while ((n = descend(b, &d)) != NULL) {
		if (cleared <= n->added && !is_directory(b, n)) {
			*ret_end = d.at;
			return entry_of(b, n);
		}
		if (n->cleared > cleared)
			cleared = n->cleared;
	}
	return NULL;
}

static int compare_names(const void *a, const void *b)
{
	return tree_path_compare(((const struct name *)a)->path,
				 ((const struct name *)b)->path);
}

/* The walk over the sorted names: the stack holds the entry last written and those above
 * it, which is enough to see which parents are missing. */
struct finish {
	struct tree_builder *b;
	const struct tree_budget *budget; /* NULL: no limit */
	struct tree_entry *v;
	size_t n, size;
	uint32_t *first; /* per file: its first entry, or TREE_NONE */
	uint32_t stack[PATH_MAX / 2 + 2];
	unsigned depth;
};

static const struct tree_entry implied = { .mode = S_IFDIR | 0755,
					   .hardlink = TREE_NONE,
					   .flags = TREE_IMPLIED };

static void finish_done(struct finish *f)
{
	free(f->v);
	free(f->first);
}

static bool is_above(const char *up, const char *path)
{
	size_t n = strlen(up);

	if (n == 0)
		return path[0] != '\0';
	return strncmp(up, path, n) == 0 && path[n] == '/';
}

static int put(struct finish *f, const char *path, const struct tree_entry *file)
{
	struct tree_entry *v;

	if (grow((void **)&f->v, f->n, &f->size, sizeof(*f->v)) < 0)
		return -ENOMEM;
	v = &f->v[f->n];
	*v = *file;
	v->path = path;
	f->stack[f->depth++] = (uint32_t)f->n++;
	return 0;
}

/* The first @n bytes of @path, which nobody added. */
static int put_implied(struct finish *f, const char *path, size_t n, struct volt_error *e)
{
	char *copy;
	int r = f->budget ? tree_budget_take(f->budget, n + 1 + sizeof(*f->v), e) : 0;

	if (r < 0)
		return r;
	copy = tree_arena_copy(f->b->arena, path, n + 1);
	if (!copy)
		return fail_oom(e);
	copy[n] = '\0';
	return put(f, copy, &implied) < 0 ? fail_oom(e) : 0;
}

/* Writes the directories between the top of the stack and @path that nobody added. */
static int put_parents(struct finish *f, const char *path, struct volt_error *e)
{
	size_t have;
	int r = 0;

	if (path[0] == '\0')
		return 0;
	if (f->n == 0 && put(f, "", &implied) < 0)
		return fail_oom(e);
	have = strlen(f->v[f->stack[f->depth - 1]].path);
	for (const char *slash = strchr(path + have + 1, '/'); r == 0 && slash;
	     slash = strchr(slash + 1, '/'))
		r = put_implied(f, path, (size_t)(slash - path), e);
	return r;
}

static int finish_name(struct finish *f, const struct name *n, struct volt_error *e)
{
	const struct tree_entry *up;
	int r;

	while (f->depth > 0 && !is_above(f->v[f->stack[f->depth - 1]].path, n->path))
		f->depth--;
	up = f->depth > 0 ? &f->v[f->stack[f->depth - 1]] : NULL;
	if (up && !S_ISDIR(up->mode))
		return fail(e, ENOTDIR, "'%s' is below '%s', which is not a directory",
			    n->path, up->path);
	r = put_parents(f, n->path, e);
	if (r < 0)
		return r;
	if (put(f, n->path, &f->b->files[n->file]) < 0)
		return fail_oom(e);
	if (f->first[n->file] == TREE_NONE)
		f->first[n->file] = (uint32_t)f->n - 1;
	else
		f->v[f->n - 1].hardlink = f->first[n->file];
	return 0;
}

/* Drops the names that are gone and sorts the others. The table is of no use after. */
static size_t names_sort(struct tree_builder *b)
{
	size_t n = 0;

	for (size_t i = 0; i < b->n_names; i++)
		if (is_buried(b, &b->names[i]))
			b->names[i].added = 0;
	for (size_t i = 0; i < b->n_names; i++)
		if (b->names[i].added > 0)
			b->names[n++] = b->names[i];
	if (n > 0)
		qsort(b->names, n, sizeof(*b->names), compare_names);
	return n;
}

static int finish_walk(struct finish *f, struct volt_error *e)
{
	size_t n;
	int r;

	f->first = malloc((f->b->n_files + 1) * sizeof(*f->first));
	if (!f->first)
		return fail_oom(e);
	memset(f->first, 0xff, (f->b->n_files + 1) * sizeof(*f->first));
	n = names_sort(f->b);
	for (size_t i = 0; i < n; i++) {
		r = finish_name(f, &f->b->names[i], e);
		if (r < 0)
			return r;
	}
	if (f->n == 0 && put(f, "", &implied) < 0)
		return fail_oom(e);
	return 0;
}

int tree_builder_finish(struct tree_builder *b, const struct tree_budget *budget,
			struct tree **ret, struct volt_error *e)
{
	_cleanup_(finish_done) struct finish f = { .b = b, .budget = budget };
	_cleanup_(tree_freep) struct tree *t = calloc(1, sizeof(*t));
	int r;

	if (!t)
		return fail_oom(e);
	r = finish_walk(&f, e);
	t->arena = TAKE_PTR(b->arena);
	builder_empty(b);
	if (tree_arena_new(&b->arena) < 0 && r >= 0)
		r = fail_oom(e);
	if (r < 0)
		return r;
	t->v = TAKE_PTR(f.v);
	t->n = (uint32_t)f.n;
	*ret = TAKE_PTR(t);
	return 0;
}
