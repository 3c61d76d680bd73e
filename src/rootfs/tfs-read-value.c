/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation
 *
 * A record is one value, a tuple, with values in it. It is taken apart without recursion:
 * a stack holds the tuples and vectors that are not complete yet, and each value is put
 * into the one below it when it is complete, as Nanos does, so that a record which refers
 * to a tuple it is in itself means the same here.
 *
 * Setting an attribute appends, because nothing is looked up while the log is read; a
 * record that changes one attribute of a large directory costs as much as it is long. What
 * was set last wins when the log has ended (tfs_settle()).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "image/tree-builder.h"
#include "rootfs/tfs-read-private.h"

enum tfs_code {
	CODE_BUFFER, /* a name; as a value: deleted, or a flag */
	CODE_TUPLE,
	CODE_VECTOR,
	CODE_INTEGER,
	CODE_STRING
};

struct header {
	bool immediate;
	unsigned int code;
	uint64_t n;
};

/* A tuple or vector whose attributes are being read. */
struct level {
	uint32_t group;
	uint32_t name; /* what it will be called in the one below */
	uint64_t left;
	uint64_t next; /* of a vector: the element that comes now */
};

struct decoder {
	struct tfs *fs;
	struct tfs_bytes b;
	struct level *stack;
	size_t depth, room;
	struct volt_error *e;
};

int tfs_grow(struct tfs *fs, struct tfs_table *t, size_t unit, struct volt_error *e)
{
	size_t room = t->room + t->room / 2 + 16, memory;
	void *p;

	if (t->n < t->room)
		return 0;
	memory = fs->memory + (room - t->room) * unit;
	if (memory + tree_arena_size(fs->arena) > TFS_MEMORY_MAX || room > UINT32_MAX)
		return fail(e, EFBIG, "the file system's log holds more than volt reads");
	p = reallocarray(t->v, room, unit);
	if (!p)
		return fail_oom(e);
	t->v = p;
	t->room = room;
	fs->memory = memory;
	return 0;
}

int tfs_grow_group(struct tfs *fs, uint32_t group, struct volt_error *e)
{
	struct tfs_group *g = &TFS_GROUPS(fs)[group];
	uint32_t room = g->room + g->room / 2 + 2;
	size_t more = (room - g->room) * sizeof(*g->v);
	struct tfs_value *p;

	if (g->n < g->room)
		return 0;
	if (fs->memory + more + tree_arena_size(fs->arena) > TFS_MEMORY_MAX)
		return fail(e, EFBIG, "the file system's log holds more than volt reads");
	p = reallocarray(g->v, room, sizeof(*p));
	if (!p)
		return fail_oom(e);
	g->v = p;
	g->room = room;
	fs->memory += more;
	return 0;
}

int tfs_keep_text(struct tfs *fs, const void *text, size_t size, const char **ret,
		  struct volt_error *e)
{
	char *copy;

	if (fs->memory + tree_arena_size(fs->arena) + size > TFS_MEMORY_MAX)
		return fail(e, EFBIG, "the file system's log holds more than volt reads");
	copy = tree_arena_alloc(fs->arena, size + 1);
	if (!copy)
		return fail_oom(e);
	if (size > 0)
		memcpy(copy, text, size);
	copy[size] = '\0';
	*ret = copy;
	return 0;
}

int tfs_take(struct tfs_bytes *b, size_t size, const uint8_t **ret)
{
	if (size > (size_t)(b->end - b->p))
		return -EBADMSG;
	*ret = b->p;
	b->p += size;
	return 0;
}

/* Groups of seven bits, the most significant first, behind those in @n. */
static int take_groups(struct tfs_bytes *b, uint64_t n, uint64_t *ret)
{
	uint8_t byte;

	do {
		if (b->p == b->end || n >> 57)
			return -EBADMSG;
		byte = *b->p++;
		n = n << 7 | (byte & 0x7f);
	} while (byte & 0x80);
	*ret = n;
	return 0;
}

int tfs_take_varint(struct tfs_bytes *b, uint64_t *ret)
{
	return take_groups(b, 0, ret);
}

static int take_header(struct tfs_bytes *b, struct header *ret)
{
	uint8_t first;

	if (b->p == b->end)
		return -EBADMSG;
	first = *b->p++;
	*ret = (struct header){
		.immediate = first & 0x80,
		.code = first >> 4 & 7,
		.n = first & 7,
	};
	return first & 8 ? take_groups(b, ret->n, &ret->n) : 0;
}

static int broken(const struct decoder *d, const char *what)
{
	return fail(d->e, EBADMSG, "broken log of the file system: record %llu %s",
		    (unsigned long long)d->fs->records + 1, what);
}

static int ends_early(const struct decoder *d)
{
	return broken(d, "ends inside of a value, or has a number that is too large");
}

static int add_entry(const struct decoder *d, struct tfs_entry entry)
{
	struct tfs *fs = d->fs;
	int r = tfs_grow(fs, &fs->entries, sizeof(entry), d->e);

	if (r < 0)
		return r;
	TFS_ENTRIES(fs)[fs->entries.n++] = entry;
	return 0;
}

/* What index @n of the dictionary is; the first is 1. */
static const struct tfs_entry *find_entry(const struct decoder *d, uint64_t n)
{
	return n > 0 && n <= d->fs->entries.n ? &TFS_ENTRIES(d->fs)[n - 1] : NULL;
}

static int take_new_name(struct decoder *d, uint64_t size, uint32_t *ret)
{
	struct tfs *fs = d->fs;
	struct tfs_symbol s = { .size = (uint32_t)size };
	const uint8_t *text;
	int r;

	if (size > SIZE_MAX || tfs_take(&d->b, (size_t)size, &text) < 0)
		return ends_early(d);
	if ((r = tfs_keep_text(fs, text, (size_t)size, &s.text, d->e)) < 0 ||
	    (r = tfs_grow(fs, &fs->symbols, sizeof(s), d->e)) < 0)
		return r;
	*ret = (uint32_t)fs->symbols.n;
	TFS_SYMBOLS(fs)[fs->symbols.n++] = s;
	return add_entry(d, (struct tfs_entry){ .index = *ret, .symbol = true });
}

static int take_name(struct decoder *d, uint32_t *ret)
{
	const struct tfs_entry *entry;
	struct header h;

	if (take_header(&d->b, &h) < 0)
		return ends_early(d);
	if (h.code != CODE_BUFFER)
		return broken(d, "has an attribute whose name is no name");
	if (h.immediate)
		return take_new_name(d, h.n, ret);
	entry = find_entry(d, h.n);
	if (!entry || !entry->symbol)
		return broken(d, "refers to a name that is not there");
	*ret = entry->index;
	return 0;
}

/* The tuple or vector that a header begins: a new one, or one from before. */
static int take_group(struct decoder *d, const struct header *h, uint32_t *ret)
{
	const struct tfs_group g = { .node = TFS_NO_NODE,
				     .vector = h->code == CODE_VECTOR };
	const struct tfs_entry *entry;
	struct tfs *fs = d->fs;
	uint64_t n;
	int r;

	if (h->immediate) {
		r = tfs_grow(fs, &fs->groups, sizeof(g), d->e);
		if (r < 0)
			return r;
		*ret = (uint32_t)fs->groups.n;
		TFS_GROUPS(fs)[fs->groups.n++] = g;
		return add_entry(d, (struct tfs_entry){ .index = *ret });
	}
	if (tfs_take_varint(&d->b, &n) < 0)
		return ends_early(d);
	entry = find_entry(d, n);
	if (!entry || entry->symbol || TFS_GROUPS(fs)[entry->index].vector != g.vector)
		return broken(d, "refers to a tuple or vector that is not there");
	*ret = entry->index;
	return 0;
}

static int push(struct decoder *d, uint32_t name, const struct header *h)
{
	struct level l = { .name = name, .left = h->n };
	size_t least = h->code == CODE_TUPLE ? 2 : 1; /* bytes of each */
	int r = take_group(d, h, &l.group);

	if (r < 0)
		return r;
	if (h->n > (size_t)(d->b.end - d->b.p) / least)
		return broken(d, "says that more follows than there is");
	if (d->depth == TFS_DEPTH_MAX)
		return broken(d, "has values too deep in values");
	if (d->depth == d->room) {
		size_t room = d->room * 2 + 16;
		struct level *p = reallocarray(d->stack, room, sizeof(*p));

		if (!p)
			return fail_oom(d->e);
		d->stack = p;
		d->room = room;
	}
	d->stack[d->depth++] = l;
	return 0;
}

/* An element of a vector that is referred to again is replaced. */
static int put(struct decoder *d, const struct tfs_value *v)
{
	struct level *l = &d->stack[d->depth - 1];
	struct tfs_group *g = &TFS_GROUPS(d->fs)[l->group];
	int r;

	if (g->vector && l->next < g->n) {
		g->v[l->next++] = *v;
		return 0;
	}
	r = tfs_grow_group(d->fs, l->group, d->e);
	if (r < 0)
		return r;
	g->v[g->n++] = *v;
	l->next++;
	return 0;
}

static int take_text(struct decoder *d, const struct header *h, struct tfs_value *v)
{
	const uint8_t *text;

	if (!h->immediate)
		return broken(d, "has text that is elsewhere");
	if (h->n > SIZE_MAX || tfs_take(&d->b, (size_t)h->n, &text) < 0)
		return ends_early(d);
	v->kind = TFS_TEXT;
	v->size = (uint32_t)h->n;
	return tfs_keep_text(d->fs, text, (size_t)h->n, &v->text, d->e);
}

static int take_number(struct decoder *d, const struct header *h, struct tfs_value *v)
{
	if (!h->immediate || h->n > 1)
		return broken(d, "has a number that is none");
	if (tfs_take_varint(&d->b, &v->number) < 0)
		return ends_early(d);
	v->kind = h->n && v->number ? TFS_NEGATIVE : TFS_NUMBER;
	return 0;
}

/* Nothing, a flag, or, which old writers did, text. */
static int take_buffer(struct decoder *d, const struct header *h, struct tfs_value *v)
{
	if (h->immediate && h->n == 0) {
		v->kind = TFS_NULL;
		return 0;
	}
	if (h->immediate && h->n == 1 && d->b.p < d->b.end && *d->b.p == 0) {
		d->b.p++;
		v->kind = TFS_FLAG;
		return 0;
	}
	return take_text(d, h, v);
}

static int take_value(struct decoder *d, uint32_t name)
{
	struct tfs_value v = { .name = name };
	struct header h;
	int r;

	if (take_header(&d->b, &h) < 0)
		return ends_early(d);
	switch (h.code) {
	case CODE_TUPLE:
	case CODE_VECTOR:
		return push(d, name, &h);
	case CODE_BUFFER:
		r = take_buffer(d, &h, &v);
		break;
	case CODE_INTEGER:
		r = take_number(d, &h, &v);
		break;
	case CODE_STRING:
		r = take_text(d, &h, &v);
		break;
	default:
		r = broken(d, "has a value of an unknown type");
	}
	return r < 0 ? r : put(d, &v);
}

static int pop(struct decoder *d)
{
	const struct level l = d->stack[--d->depth];
	struct tfs_value v = {
		.name = l.name,
		.kind = TFS_GROUPS(d->fs)[l.group].vector ? TFS_VECTOR : TFS_TUPLE,
		.group = l.group,
	};

	return d->depth > 0 ? put(d, &v) : 0;
}

static int take_next(struct decoder *d)
{
	struct level *l = &d->stack[d->depth - 1];
	uint32_t name = 0;
	int r = 0;

	if (l->left == 0)
		return pop(d);
	l->left--;
	if (!TFS_GROUPS(d->fs)[l->group].vector)
		r = take_name(d, &name);
	return r < 0 ? r : take_value(d, name);
}

static int decode(struct decoder *d)
{
	struct header h;
	int r;

	if (take_header(&d->b, &h) < 0)
		return ends_early(d);
	if (h.code != CODE_TUPLE || (!h.immediate && d->fs->groups.n == 0))
		return broken(d, "is no tuple");
	r = push(d, 0, &h);
	while (r >= 0 && d->depth > 0)
		r = take_next(d);
	if (r >= 0 && d->b.p < d->b.end)
		r = broken(d, "goes on behind its end");
	return r;
}

int tfs_decode(struct tfs *fs, const uint8_t *data, size_t size, struct volt_error *e)
{
	struct decoder d = { .fs = fs, .b = { data, data + size }, .e = e };
	int r = decode(&d);

	free(d.stack);
	if (r >= 0)
		fs->records++;
	return r;
}

static int compare_names(const struct tfs_symbol *a, const struct tfs_symbol *b)
{
	size_t n = a->size < b->size ? a->size : b->size;
	int r = memcmp(a->text, b->text, n);

	return r ? r : (a->size > b->size) - (a->size < b->size);
}

struct settling {
	const struct tfs_symbol *symbols;
	const struct tfs_value *v;
};

/* By name, then in the order in which they were set. */
static int compare_values(const void *a, const void *b, void *data)
{
	const struct settling *s = data;
	uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;
	int r = s->v[i].name == s->v[j].name ? 0
					     : compare_names(&s->symbols[s->v[i].name],
							     &s->symbols[s->v[j].name]);

	return r ? r : (i > j) - (i < j);
}

static bool is_sorted(const struct tfs *fs, const struct tfs_group *g)
{
	const struct tfs_symbol *s = TFS_SYMBOLS(fs);

	for (uint32_t i = 0; i < g->n; i++)
		if (g->v[i].kind == TFS_NULL ||
		    (i > 0 && compare_names(&s[g->v[i - 1].name], &s[g->v[i].name]) >= 0))
			return false;
	return true;
}

/* What stays of @order, which is sorted: the last of each name, unless it was deleted. */
static uint32_t keep_last(const struct settling *s, const uint32_t *order, uint32_t n,
			  struct tfs_value *ret)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < n; i++) {
		const struct tfs_value *v = &s->v[order[i]];

		if (i + 1 < n && compare_names(&s->symbols[v->name],
					       &s->symbols[s->v[order[i + 1]].name]) == 0)
			continue;
		if (v->kind != TFS_NULL)
			ret[kept++] = *v;
	}
	return kept;
}

static int settle(struct tfs *fs, struct tfs_group *g, struct volt_error *e)
{
	struct settling s = { TFS_SYMBOLS(fs), g->v };
	_cleanup_free_ uint32_t *order = NULL;
	struct tfs_value *sorted;

	if (is_sorted(fs, g))
		return 0;
	order = calloc(g->n, sizeof(*order));
	sorted = calloc(g->n, sizeof(*sorted));
	if (!order || !sorted) {
		free(sorted);
		return fail_oom(e);
	}
	for (uint32_t i = 0; i < g->n; i++)
		order[i] = i;
	qsort_r(order, g->n, sizeof(*order), compare_values, &s);
	g->room = g->n;
	g->n = keep_last(&s, order, g->n, sorted);
	free(g->v);
	g->v = sorted;
	return 0;
}

int tfs_settle(struct tfs *fs, struct volt_error *e)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < fs->groups.n; i++)
		if (!TFS_GROUPS(fs)[i].vector)
			r = settle(fs, &TFS_GROUPS(fs)[i], e);
	return r;
}

const struct tfs_value *tfs_get(const struct tfs *fs, uint32_t group, const char *name)
{
	const struct tfs_symbol want = { name, (uint32_t)strlen(name) };
	const struct tfs_group *g = &TFS_GROUPS(fs)[group];
	uint32_t low = 0, high = g->n;

	while (low < high) {
		uint32_t i = low + (high - low) / 2;
		int r = compare_names(&TFS_SYMBOLS(fs)[g->v[i].name], &want);

		if (r == 0)
			return &g->v[i];
		if (r < 0)
			low = i + 1;
		else
			high = i;
	}
	return NULL;
}

static int parse_decimal(const char *text, size_t size, uint64_t *ret)
{
	uint64_t n = 0;

	if (size == 0)
		return -EBADMSG;
	for (size_t i = 0; i < size; i++) {
		if (text[i] < '0' || text[i] > '9' || __builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(text[i] - '0'), &n))
			return -EBADMSG;
	}
	*ret = n;
	return 0;
}

int tfs_number(const struct tfs_value *v, uint64_t *ret)
{
	if (v && v->kind == TFS_TEXT)
		return parse_decimal(v->text, v->size, ret);
	if (!v || v->kind != TFS_NUMBER)
		return -EBADMSG;
	*ret = v->number;
	return 0;
}
