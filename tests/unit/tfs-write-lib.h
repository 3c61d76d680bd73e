/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <sys/stat.h>

#include "base/json.h"
#include "rootfs-lib.h"
#include "rootfs/tfs-read-private.h"

/* Nanos file systems that a test wrote, looked at by volt's reader. */

static inline bool add_link(struct world *w, const char *path, const char *target)
{
	const struct tree_entry f = { .path = path,
				      .mode = S_IFLNK | 0777,
				      .target = target };

	return add_entry(w, &f);
}

static inline bool add_dir(struct world *w, const char *path)
{
	const struct tree_entry f = { .path = path, .mode = S_IFDIR | 0755 };

	return add_entry(w, &f);
}

static inline struct tfs *open_fs(int fd, uint64_t at, int *keep)
{
	struct byte_source from = byte_source_fd(keep);
	struct volt_error e = { 0 };
	struct tfs *fs = NULL;
	struct stat st;

	*keep = fd;
	if (fstat(fd, &st) == 0 &&
	    tfs_open(&from, at, (uint64_t)st.st_size - at, &fs, &e) < 0)
		printf("# %s\n", e.msg);
	return fs;
}

static inline bool has_bytes(int fd, const char *path, uint64_t at, const void *want,
			     size_t size)
{
	_cleanup_(tfs_closep) struct tfs *fs = NULL;
	struct volt_error e = { 0 };
	uint32_t node;
	uint8_t have[64];
	int keep;

	fs = open_fs(fd, 0, &keep);
	return fs && size <= sizeof(have) && tfs_lookup(fs, path, true, &node, &e) == 0 &&
	       tfs_node_read(fs, node, at, have, size, &e) == (ssize_t)size &&
	       memcmp(have, want, size) == 0;
}

static inline bool same_content(const struct world *w, const struct tfs *fs,
				uint32_t node, const struct tree_entry *f)
{
	_cleanup_free_ uint8_t *have = malloc(f->size + 1);
	_cleanup_free_ char *want = NULL;
	struct volt_error e = { 0 };
	size_t n = 0;

	return f->size == 0 ||
	       (store_read(w->f.store, &f->object, f->size, &want, &n, &e) == 0 &&
		tfs_node_read(fs, node, 0, have, f->size + 1, &e) == (ssize_t)n &&
		memcmp(have, want, n) == 0);
}

static inline bool same_entry(const struct world *w, const struct tfs *fs, uint32_t node,
			      const struct tree_entry *f)
{
	struct tfs_stat st;

	tfs_stat(fs, node, &st);
	if (st.mtime != f->mtime)
		return false;
	if (S_ISDIR(f->mode))
		return st.type == TFS_DIRECTORY;
	if (S_ISLNK(f->mode))
		return st.type == TFS_LINK && strcmp(st.target, f->target) == 0;
	return st.type == TFS_FILE && st.size == f->size && same_content(w, fs, node, f);
}

static inline bool is_kept(const struct tree_entry *f)
{
	return S_ISREG(f->mode) || S_ISDIR(f->mode) || S_ISLNK(f->mode);
}

/* Names below @i, of those that are kept; and other names of the same file are the same
 * node. */
static inline bool same_links(const struct world *w, const struct tfs *fs, uint32_t i,
			      uint32_t node)
{
	const struct tree_entry *f = &w->t->v[i];
	struct volt_error e = { 0 };
	uint32_t names = 1, other = node;
	struct tfs_stat st;

	tfs_stat(fs, node, &st);
	if (f->hardlink != TREE_NONE)
		return tfs_lookup(fs, w->t->v[f->hardlink].path, false, &other, &e) ==
			       0 &&
		       other == node && st.links > 1;
	if (st.links == 1 && w->t->n > 10000)
		return true;
	for (uint32_t k = i; k < w->t->n; k++)
		names += w->t->v[k].hardlink == i;
	return S_ISDIR(f->mode) || st.links == names;
}

/* The file system at @at of the file @name is the world's tree: all of it and no more. */
static inline bool reads_back(const struct world *w, const char *name, uint64_t at)
{
	_cleanup_close_ int fd = openat(w->f.root, name, O_RDONLY | O_CLOEXEC);
	_cleanup_(tfs_closep) struct tfs *fs = NULL;
	uint32_t kept = 0, names = 1, node;
	struct volt_error e = { 0 };
	int keep;

	fs = open_fs(fd, at, &keep);
	for (uint32_t i = 0; fs && i < w->t->n; i++) {
		const struct tree_entry *f = &w->t->v[i];

		if (!is_kept(f))
			continue;
		kept++;
		if (tfs_lookup(fs, f->path, false, &node, &e) < 0 ||
		    !same_entry(w, fs, node, f) || !same_links(w, fs, i, node)) {
			printf("# '%s' is not as it should be\n", f->path);
			return false;
		}
		if (S_ISDIR(f->mode))
			names += tfs_n_children(fs, node);
	}
	return fs && kept == names;
}

static inline char *attributes_of(const struct world *w, const char *name, uint64_t at)
{
	_cleanup_close_ int fd = openat(w->f.root, name, O_RDONLY | O_CLOEXEC);
	_cleanup_(tfs_closep) struct tfs *fs = NULL;
	struct volt_error e = { 0 };
	json_t *j = NULL;
	char *text;
	int keep;

	fs = open_fs(fd, at, &keep);
	if (!fs || tfs_attributes(fs, &j, &e) < 0)
		return NULL;
	text = json_text(j);
	json_decref(j);
	return text;
}

static inline bool same_json(const char *text, const char *want)
{
	json_t *a = text ? json_loads(text, 0, NULL) : NULL;
	json_t *b = json_loads(want, 0, NULL);
	bool same = a && b && json_equal(a, b);

	if (!same)
		printf("# it is %s\n", text ? text : "(nothing)");
	json_decref(a);
	json_decref(b);
	return same;
}

/* Appends a record and writes it. */
static inline bool append(struct world *w, const char *name, uint64_t at, const json_t *j)
{
	_cleanup_close_ int fd = openat(w->f.root, name, O_RDWR | O_CLOEXEC);
	struct tfs_patch p = { 0 };
	bool good;

	if (!fine(w, tfs_append(fd, at, j, &p, &w->f.e)))
		return false;
	good = p.at % TFS_SECTOR == 0 && p.size % TFS_SECTOR == 0 &&
	       pwrite_all(fd, p.data, p.size, (off_t)p.at) == 0;
	tfs_patch_done(&p);
	return good;
}

static inline int compare_symbols(const void *a, const void *b)
{
	const struct tfs_symbol *x = a, *y = b;

	if (x->size != y->size)
		return x->size < y->size ? -1 : 1;
	return memcmp(x->text, y->text, x->size);
}

static inline bool names_are_distinct(const struct world *w, const char *name,
				      uint64_t at)
{
	_cleanup_close_ int fd = openat(w->f.root, name, O_RDONLY | O_CLOEXEC);
	_cleanup_(tfs_closep) struct tfs *fs = NULL;
	int keep;

	fs = open_fs(fd, at, &keep);
	if (!fs)
		return false;
	qsort(fs->symbols.v, fs->symbols.n, sizeof(struct tfs_symbol), compare_symbols);
	for (size_t i = 1; i < fs->symbols.n; i++)
		if (compare_symbols(&TFS_SYMBOLS(fs)[i - 1], &TFS_SYMBOLS(fs)[i]) == 0)
			return false;
	return true;
}
