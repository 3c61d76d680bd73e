/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <sys/stat.h>

#include "rootfs-lib.h"

/* Trees of all that a tree may hold, from a seed. */

/* Sizes around everything that is decided by size. */
static inline size_t random_size(uint64_t *s)
{
	static const size_t edges[] = { 0,    1,     31,    32,    33,    1151,
					2944, 3071,  3072,  3073,  4031,  4032,
					4033, 4064,  4095,  4096,  4097,  8191,
					8192, 65535, 65536, 65537, 131072 };

	switch (dice(s) % 4) {
	case 0:
		return edges[dice(s) % ARRAY_SIZE(edges)];
	case 1:
		return dice(s) % 200000;
	default:
		return dice(s) % 5000;
	}
}

static inline void random_name(uint64_t *s, char *to)
{
	size_t n = dice(s) % 8 == 0 ? 255 - dice(s) % 3 : 1 + dice(s) % 12;

	for (size_t i = 0; i < n; i++) {
		int c = (int)(1 + dice(s) % 255);

		to[i] = (char)(c == '/' ? '-' : c);
	}
	if (to[0] == '.' && n <= 2)
		to[0] = ',';
	to[n] = '\0';
}

static const char *random_value(uint64_t *s, size_t n)
{
	static char v[70000];

	for (size_t i = 0; i < n; i++)
		v[i] = (char)dice(s);
	return v;
}

static const char *const namespaces[] = { "user.", "trusted.", "security." };

/* Some are common to many files, some long, some many. The tree keeps a copy. */
static inline uint32_t random_xattrs(uint64_t *s, struct tree_arena *a,
				     struct tree_xattr *x)
{
	uint32_t n = dice(s) % 3 ? 0 : (uint32_t)(1 + dice(s) % 6);
	size_t budget = 60000;

	for (uint32_t i = 0; i < n; i++) {
		char name[300];
		size_t size = dice(s) % 10 == 0 ? dice(s) % budget : dice(s) % 100;
		uint64_t common = 99;

		if (size > budget)
			size = budget;
		budget -= size;
		(void)snprintf(
			name, sizeof(name), "%sx%u%.*s", namespaces[dice(s) % 3], i,
			(int)(dice(s) % 200 * (dice(s) % 5 == 0)),
			"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
			"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
			"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
			"nnnnnnnnnnnnnnnnnnnn");
		x[i].name = tree_arena_copy(a, name, strlen(name) + 1);
		x[i].size = (uint32_t)(dice(s) % 2 ? size : 20);
		x[i].value = tree_arena_copy(
			a, random_value(dice(s) % 2 ? &common : s, x[i].size), x[i].size);
	}
	return n;
}

static inline void random_type(uint64_t *s, struct tree_entry *f)
{
	static const uint32_t types[] = { S_IFCHR, S_IFBLK, S_IFIFO, S_IFSOCK };

	f->mode = types[dice(s) % ARRAY_SIZE(types)];
	if (S_ISCHR(f->mode) || S_ISBLK(f->mode)) {
		f->rdev_major = dice(s) % 4096;
		f->rdev_minor = dice(s) % 1048576;
	}
}

static inline bool random_content(uint64_t *s, struct world *w, struct tree_entry *f)
{
	static char data[200000];
	uint64_t content = dice(s) % 3 ? dice(s) : 7; /* twins */

	f->mode = S_IFREG;
	f->size = random_size(s);
	for (size_t i = 0; i < f->size; i += 8) {
		uint64_t v = dice(&content);

		memcpy(data + i, &v, f->size - i < 8 ? f->size - i : 8);
	}
	return f->size == 0 || fine(w, ingest_add(w->g, data, f->size, OBJECT_PLAIN,
						  &f->object, &w->f.e));
}

static inline bool random_entry(uint64_t *s, struct world *w, struct tree_arena *a,
				const char *path)
{
	static char target[4096];
	struct tree_xattr x[6];
	struct tree_entry f = {
		.path = path,
		.uid = (uint32_t)(dice(s) % 3 ? dice(s) % 1000 : dice(s) % UINT32_MAX),
		.gid = (uint32_t)(dice(s) % 3 ? 0 : dice(s) % UINT32_MAX),
		.mtime = dice(s) % 2 ? 1600000000 : (int64_t)(dice(s) % 4000000000),
		.xattrs = x,
	};

	f.mtime_nsec = f.mtime == 1600000000 ? 0 : (uint32_t)(dice(s) % 1000000000);
	switch (dice(s) % 10) {
	case 0:
		random_type(s, &f);
		break;
	case 1: {
		size_t n = dice(s) % 4 ? 1 + dice(s) % 60 : 1 + dice(s) % 4095;

		memset(target, 't', n);
		target[n] = '\0';
		f.mode = S_IFLNK | 0777;
		f.target = target;
		return add_entry(w, &f);
	}
	case 2:
	case 3:
		f.mode = S_IFDIR;
		break;
	default:
		if (!random_content(s, w, &f))
			return false;
	}
	f.mode |= dice(s) % 010000;
	/* Attributes of the user namespace are for files and directories only. */
	if (S_ISREG(f.mode) || S_ISDIR(f.mode))
		f.n_xattrs = random_xattrs(s, a, x);
	return add_entry(w, &f);
}

static inline bool random_tree(uint64_t seed, struct world *w)
{
	_cleanup_(tree_arena_freep) struct tree_arena *a = NULL;
	static char dirs[64][2048], path[4096];
	size_t n_dirs = 1, n = 1 + dice(&seed) % 400;

	if (tree_arena_new(&a) < 0)
		return false;
	dirs[0][0] = '\0';
	for (size_t i = 0; i < n; i++) {
		const char *dir = dirs[dice(&seed) % n_dirs];
		const struct tree_entry *have;
		char name[256];

		random_name(&seed, name);
		(void)snprintf(path, sizeof(path), "%s%s%s", dir, *dir ? "/" : "", name);
		if (tree_builder_find(w->b, path))
			continue;
		if (!random_entry(&seed, w, a, path))
			return false;
		have = tree_builder_find(w->b, path);
		if (S_ISDIR(have->mode) && n_dirs < 64 && strlen(path) < 1700)
			strcpy(dirs[n_dirs++], path);
		if (!S_ISDIR(have->mode) && dice(&seed) % 8 == 0) {
			char other[4100];

			(void)snprintf(other, sizeof(other), "%.3000s%cL", path, 1);
			if (strlen(name) < 250 &&
			    !fine(w, tree_builder_link(w->b, other, path, &w->f.e)))
				return false;
		}
	}
	return world_finish(w);
}
