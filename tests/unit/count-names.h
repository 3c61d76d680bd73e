/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "image/tree.h"

/* How many names there are below @dirfd (which is closed), itself not counted. */
static inline long count_names(int dirfd)
{
	DIR *d = fdopendir(dirfd);
	long n = 0;

	for (struct dirent *de; d && (de = readdir(d));) {
		if (strcmp(de->d_name, ".") == 0 || strcmp(de->d_name, "..") == 0)
			continue;
		n++;
		if (de->d_type == DT_DIR)
			n += count_names(openat(dirfd, de->d_name,
						O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	}
	if (d)
		(void)closedir(d);
	return n;
}

/* Whether entry @b is right below the directory @a. */
static inline bool is_right_below(const struct tree_entry *a, const struct tree_entry *b)
{
	size_t n = strlen(a->path);

	if (strncmp(a->path, b->path, n) != 0 || b->path[n] == '\0' || a == b)
		return false;
	return n == 0 ? !strchr(b->path, '/')
		      : b->path[n] == '/' && !strchr(b->path + n + 1, '/');
}

/* The link count an entry should have: names of a file, two and its subdirectories. */
static inline unsigned expected_links(const struct tree *t, uint32_t i)
{
	const struct tree_entry *f = &t->v[i];
	uint32_t first = f->hardlink == TREE_NONE ? i : f->hardlink;
	unsigned n = S_ISDIR(f->mode) ? 2 : 0;

	for (uint32_t j = 0; j < t->n; j++) {
		if (S_ISDIR(f->mode))
			n += S_ISDIR(t->v[j].mode) && is_right_below(f, &t->v[j]);
		else
			n += j == first || t->v[j].hardlink == first;
	}
	return n;
}
