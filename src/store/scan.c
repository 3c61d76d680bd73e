/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "base/path.h"
#include "store/internal.h"

static int add_file(struct object_scan *scan, const struct object_file *f)
{
	size_t room = scan->room ? scan->room * 2 : 1024;
	struct object_file *v;

	if (scan->n == scan->room) {
		v = reallocarray(scan->v, room, sizeof(*v));
		if (!v)
			return -ENOMEM;
		scan->v = v;
		scan->room = room;
	}
	scan->v[scan->n++] = *f;
	return 0;
}

static int by_inode(const void *a, const void *b)
{
	const struct object_file *x = a, *y = b;

	return x->ino < y->ino ? -1 : x->ino > y->ino;
}

int object_scan(const struct store *s, struct object_scan *ret,
		void (*odd)(void *data, const char *name), void *data)
{
	_cleanup_(object_scan_done) struct object_scan scan = { 0 };
	_cleanup_closedir_ DIR *dir = NULL;
	struct object_file f = { 0 };
	struct dirent *de;
	int r;

	r = dir_stream(s->objects, &dir);
	while (r >= 0) {
		de = dir_next(dir);
		if (!de)
			break;
		f.ino = de->d_ino;
		if (object_name_parse(de->d_name, &f.digest, &f.kind) == 0)
			r = add_file(&scan, &f);
		else if (odd)
			odd(data, de->d_name);
	}
	if (r >= 0)
		r = -errno;
	if (r < 0)
		return r;
	if (scan.n > 0)
		qsort(scan.v, scan.n, sizeof(*scan.v), by_inode);
	*ret = scan;
	memset(&scan, 0, sizeof(scan));
	return 0;
}

void object_scan_done(struct object_scan *scan)
{
	free(scan->v);
	memset(scan, 0, sizeof(*scan));
}
