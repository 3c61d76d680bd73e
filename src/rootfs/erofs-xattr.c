/* SPDX-License-Identifier: Apache-2.0 */
/* An extended attribute is written behind its inode, or, where several inodes have it or
 * it is long, once in the shared area, with a four-byte id behind each inode. */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "rootfs/erofs-private.h"

#define LONG_VALUE      1024  /* kept out of the inodes even with one user */
#define SHARED_MAX      255   /* ids an inode can have */
#define VALUE_MAX       65535 /* sixteen bits */
#define NODE_XATTRS_MAX (sizeof(struct erofs_xattr_header) + 4 * 65534)

static const struct {
	const char *prefix;
	uint8_t index;
	bool whole; /* the prefix is all of the name */
} prefixes[] = {
	{ "user.", EROFS_XATTR_USER, false },
	{ "security.", EROFS_XATTR_SECURITY, false },
	{ "trusted.", EROFS_XATTR_TRUSTED, false },
	{ "system.posix_acl_access", EROFS_XATTR_ACL_ACCESS, true },
	{ "system.posix_acl_default", EROFS_XATTR_ACL_DEFAULT, true },
};

/* Splits the name; false if neither EROFS nor Linux has a place for it. */
static bool split_name(const char *full, struct erofs_xattr *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
		size_t n = strlen(prefixes[i].prefix);
		size_t left;

		if (strncmp(full, prefixes[i].prefix, n) != 0)
			continue;
		left = strlen(full + n);
		if ((left == 0) != prefixes[i].whole || n + left > 255)
			return false;
		ret->name = full + n;
		ret->name_len = (uint8_t)left;
		ret->index = prefixes[i].index;
		return true;
	}
	return false;
}

static uint32_t hash_bytes(uint32_t h, const void *data, size_t size)
{
	const uint8_t *p = data;

	for (size_t i = 0; i < size; i++)
		h = (h ^ p[i]) * 0x01000193u;
	return h;
}

static bool same(const struct erofs_xattr *a, const struct erofs_xattr *b)
{
	return a->hash == b->hash && a->index == b->index && a->name_len == b->name_len &&
	       a->size == b->size && memcmp(a->name, b->name, a->name_len) == 0 &&
	       (a->size == 0 || memcmp(a->value, b->value, a->size) == 0);
}

static size_t entry_size(const struct erofs_xattr *x)
{
	return erofs_align(sizeof(struct erofs_xattr_entry) + x->name_len + x->size, 4);
}

/* All attributes there are, by a hash table over their content while they are read. */
struct table {
	uint32_t *slots;
	size_t mask;
};

static void table_done(struct table *t)
{
	free(t->slots);
}

static uint32_t intern(struct erofs_xattrs *all, struct table *t, struct erofs_xattr *x)
{
	size_t i;

	x->hash = hash_bytes(0x811c9dc5u, &x->index, 1);
	x->hash = hash_bytes(x->hash, x->name, x->name_len);
	x->hash = hash_bytes(x->hash, x->value, x->size);
	for (i = x->hash & t->mask; t->slots[i] != UINT32_MAX; i = (i + 1) & t->mask) {
		struct erofs_xattr *have = &all->v[t->slots[i]];

		if (same(have, x)) {
			have->users++;
			return t->slots[i];
		}
	}
	x->users = 1;
	all->v[all->n] = *x;
	t->slots[i] = (uint32_t)all->n;
	return (uint32_t)all->n++;
}

static int collect(struct erofs_image *m, struct table *table, struct volt_error *e)
{
	struct erofs_xattrs *all = &m->xattrs;

	for (uint32_t i = 0; i < m->t->n; i++) {
		const struct tree_entry *f = &m->t->v[i];

		m->nodes[i].xattrs = (uint32_t)all->n_refs;
		for (uint32_t j = 0; erofs_is_node(f) && j < f->n_xattrs; j++) {
			const struct tree_xattr *from = &f->xattrs[j];
			struct erofs_xattr x = { .value = from->value,
						 .size = from->size };

			if (!split_name(from->name, &x))
				continue;
			if (x.size > VALUE_MAX)
				return fail(e, E2BIG,
					    "attribute '%s' of '%s' has %u bytes: EROFS "
					    "holds %u",
					    from->name, f->path, x.size, VALUE_MAX);
			all->refs[all->n_refs++] = intern(all, table, &x);
			m->nodes[i].n_xattrs++;
		}
	}
	return 0;
}

static int place_shared(struct erofs_xattrs *all, struct volt_error *e)
{
	for (size_t i = 0; i < all->n; i++) {
		struct erofs_xattr *x = &all->v[i];

		x->shared = x->users > 1 || x->size > LONG_VALUE;
		if (!x->shared)
			continue;
		x->at = all->shared_size;
		all->shared_size += entry_size(x);
	}
	/* Ids count units of four bytes, in 32 bits. */
	if (all->shared_size / 4 > UINT32_MAX)
		return fail(e, E2BIG, "the extended attributes need more than 16 GiB");
	return 0;
}

static int measure_node(struct erofs_image *m, uint32_t i, struct volt_error *e)
{
	struct erofs_node *n = &m->nodes[i];
	uint64_t size = sizeof(struct erofs_xattr_header);
	unsigned ids = 0;

	if (n->n_xattrs == 0)
		return 0;
	for (uint32_t j = 0; j < n->n_xattrs; j++) {
		const struct erofs_xattr *x = &m->xattrs.v[m->xattrs.refs[n->xattrs + j]];

		if (x->shared && ids < SHARED_MAX) {
			ids++;
			size += 4;
		} else {
			size += entry_size(x);
		}
	}
	if (size > NODE_XATTRS_MAX)
		return fail(e, E2BIG, "the extended attributes of '%s' are too many",
			    m->t->v[i].path);
	n->xattr_size = (uint32_t)size;
	return 0;
}

int erofs_xattrs_plan(struct erofs_image *m, struct volt_error *e)
{
	_cleanup_(table_done) struct table table = { 0 };
	struct erofs_xattrs *all = &m->xattrs;
	size_t total = 0, size = 16;
	int r;

	for (uint32_t i = 0; i < m->t->n; i++)
		if (erofs_is_node(&m->t->v[i]))
			total += m->t->v[i].n_xattrs;
	if (total == 0)
		return 0;
	if (total > UINT32_MAX / 4)
		return fail(e, E2BIG, "the tree has %zu extended attributes", total);
	while (size < 2 * total)
		size *= 2;
	table.mask = size - 1;
	table.slots = malloc(size * sizeof(*table.slots));
	all->v = calloc(total, sizeof(*all->v));
	all->refs = calloc(total, sizeof(*all->refs));
	if (!table.slots || !all->v || !all->refs)
		return fail_oom(e);
	memset(table.slots, 0xff, size * sizeof(*table.slots));
	r = collect(m, &table, e);
	if (r >= 0)
		r = place_shared(all, e);
	for (uint32_t i = 0; r >= 0 && i < m->t->n; i++)
		r = measure_node(m, i, e);
	return r;
}

static uint8_t *put_entry(uint8_t *to, const struct erofs_xattr *x)
{
	const struct erofs_xattr_entry head = {
		.name_len = x->name_len,
		.name_index = x->index,
		.value_size = htole16((uint16_t)x->size),
	};
	uint8_t *name = to + sizeof(head);

	memcpy(to, &head, sizeof(head));
	memcpy(name, x->name, x->name_len);
	if (x->size > 0)
		memcpy(name + x->name_len, x->value, x->size);
	return to + entry_size(x);
}

void erofs_xattrs_fill(const struct erofs_image *m)
{
	for (size_t i = 0; i < m->xattrs.n; i++)
		if (m->xattrs.v[i].shared)
			(void)put_entry(m->meta + m->xattr_start + m->xattrs.v[i].at,
					&m->xattrs.v[i]);
}

void erofs_xattrs_fill_node(const struct erofs_image *m, const struct erofs_node *n,
			    uint8_t *to)
{
	struct erofs_xattr_header head = { 0 };
	uint8_t *at = to + sizeof(head);
	const uint32_t *refs = m->xattrs.refs + n->xattrs;

	for (uint32_t j = 0; j < n->n_xattrs && head.shared_count < SHARED_MAX; j++) {
		const struct erofs_xattr *x = &m->xattrs.v[refs[j]];
		uint32_t id = htole32((uint32_t)(x->at / 4));

		if (!x->shared)
			continue;
		memcpy(at, &id, sizeof(id));
		at += sizeof(id);
		head.shared_count++;
	}
	memcpy(to, &head, sizeof(head));
	for (uint32_t j = 0, ids = 0; j < n->n_xattrs; j++) {
		const struct erofs_xattr *x = &m->xattrs.v[refs[j]];

		if (x->shared && ids < SHARED_MAX)
			ids++;
		else
			at = put_entry(at, x);
	}
}

void erofs_xattrs_done(struct erofs_xattrs *x)
{
	free(x->v);
	free(x->refs);
}
