/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/path.h"
#include "profile/assemble.h"
#include "profile/versions.h"

/* What a profile costs. "Shared" is what a profile of another name has too: versions of one
 * profile follow each other, so what they share is still its own. */

struct item {
	struct digest digest;
	uint64_t size;
	bool shared;
};

static int by_digest(const void *a, const void *b)
{
	return digest_compare(&((const struct item *)a)->digest,
			      &((const struct item *)b)->digest);
}

static uint64_t object_size(const struct profiles *ps, const struct digest *d)
{
	_cleanup_close_ int fd = store_open_object(ps->store, d, NULL);
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 ? (uint64_t)st.st_size : 0;
}

static struct profile_part *part_of(struct profile_usage *u, const char *path)
{
	return path[0] == 'b' ? &u->bin : path[0] == 'l' ? &u->lib : &u->firmware;
}

/* Sorted, each object once. */
static struct item *list_items(const struct profiles *ps,
			       const struct profile_manifest *m, struct profile_usage *u,
			       size_t *ret_n)
{
	struct item *v = calloc(m->n + 1, sizeof(*v));
	size_t n = 0;

	if (!v)
		return NULL;
	for (size_t i = 0; i < m->n; i++) {
		struct profile_part *part = part_of(u, m->v[i].path);

		v[i].digest = m->v[i].digest;
		v[i].size = object_size(ps, &v[i].digest);
		part->files++;
		part->bytes += v[i].size;
	}
	qsort(v, m->n, sizeof(*v), by_digest);
	for (size_t i = 0; i < m->n; i++)
		if (i == 0 || by_digest(&v[i], &v[n - 1]) != 0)
			v[n++] = v[i];
	*ret_n = n;
	return v;
}

static void mark_shared(struct item *v, size_t n, const struct profile_manifest *m,
			const struct profile_list *all)
{
	for (size_t i = 0; i < all->n; i++) {
		const struct profile_manifest *other = all->v[i].m;

		for (size_t k = 0; k < other->n && strcmp(other->name, m->name) != 0;
		     k++) {
			const struct item key = { .digest = other->v[k].digest };
			struct item *found = bsearch(&key, v, n, sizeof(*v), by_digest);

			if (found)
				found->shared = true;
		}
	}
}

/* A file of the tree that is the store's own, or a copy of it. */
static void count_links(const struct profiles *ps, const struct profile_manifest *m,
			struct profile_usage *u)
{
	_cleanup_close_ int root = -1, lock = -1;
	struct assembled a = ASSEMBLED_INIT;

	if (profile_open_tree(ps, m, &a, NULL) < 0)
		return;
	root = a.root;
	lock = a.lock;
	for (size_t i = 0; i < m->n; i++) {
		_cleanup_close_ int fd = open_beneath(root, m->v[i].path, O_PATH, 0);
		_cleanup_close_ int object = store_open_kind(ps->store, &m->v[i].digest,
							     profile_kind(m->v[i].path));
		struct stat x, y;
		bool same = fd >= 0 && object >= 0 && fstat(fd, &x) == 0 &&
			    fstat(object, &y) == 0 && x.st_dev == y.st_dev &&
			    x.st_ino == y.st_ino;

		u->linked += same;
		u->copied += !same;
	}
}

int profile_usage(const struct profiles *ps, const char *ref, struct profile_usage *ret,
		  struct volt_error *e)
{
	_cleanup_(profile_manifest_freep) struct profile_manifest *m = NULL;
	struct profile_usage u = { 0 };
	struct profile_list all = { 0 };
	_cleanup_free_ struct item *v = NULL;
	size_t n = 0;
	int r;

	r = profile_read(ps, ref, &m, e);
	if (r >= 0)
		r = profile_list(ps, &all, e);
	if (r < 0)
		return r;
	v = list_items(ps, m, &u, &n);
	if (v)
		mark_shared(v, n, m, &all);
	profile_list_done(&all);
	if (!v)
		return fail_oom(e);
	count_links(ps, m, &u);
	for (size_t i = 0; i < n; i++) {
		u.bytes += v[i].size;
		*(v[i].shared ? &u.shared : &u.own) += v[i].size;
	}
	*ret = u;
	return 0;
}
