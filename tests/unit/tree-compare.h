/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "count-names.h"
#include "rootfs-lib.h"

/* What of an entry a directory is compared with. */
enum compare {
	COMPARE_OWNER = 1,
	COMPARE_XATTRS = 2,
	COMPARE_TIME = 4,
	COMPARE_LINKS = 8,
	COMPARE_SETID = 16, /* fsck.erofs loses these bits: chmod, then chown */
	COMPARE_ALL = 31
};

struct comparison {
	const struct world *w;
	int dir;
	unsigned what;
	ino_t *inodes; /* by entry */
};

static inline bool differs(const struct tree_entry *f, const char *what)
{
	char clean[512];
	size_t n = 0;

	for (const char *p = f->path; *p && n < sizeof(clean) - 1; p++)
		clean[n++] = (char)(*p < 0x20 || *p == 0x7f ? '?' : *p);
	clean[n] = '\0';
	printf("# '%s': %s differs\n", clean, what);
	return false;
}

static inline bool same_xattrs(const struct comparison *c, const struct tree_entry *f)
{
	static char list[1 << 20], value[1 << 17], path[8192];
	ssize_t n, left = 0;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", c->dir, f->path);
	n = llistxattr(path, list, sizeof(list));
	for (ssize_t i = 0; i < n; i += (ssize_t)strlen(list + i) + 1)
		left++;
	for (uint32_t i = 0; i < f->n_xattrs; i++) {
		const struct tree_xattr *x = &f->xattrs[i];

		n = lgetxattr(path, x->name, value, sizeof(value));
		if (n != (ssize_t)x->size || memcmp(value, x->value, x->size) != 0)
			return differs(f, x->name);
		left--;
	}
	return left == 0 || differs(f, "the number of xattrs");
}

static inline bool same_content(const struct comparison *c, const struct tree_entry *f,
				int fd)
{
	static char a[1 << 16], b[1 << 16];
	_cleanup_close_ int object = -1;
	struct volt_error e;
	ssize_t n, m;

	if (f->size == 0)
		return true;
	object = store_open_object(c->w->f.store, &f->object, &e);
	do {
		n = read_full(object, a, sizeof(a));
		m = read_full(fd, b, sizeof(b));
		if (n < 0 || n != m || memcmp(a, b, (size_t)n) != 0)
			return differs(f, "content");
	} while (n > 0);
	return true;
}

static inline bool same_target(const struct comparison *c, const struct tree_entry *f)
{
	char target[4097];
	ssize_t n = readlinkat(c->dir, f->path, target, sizeof(target));

	return (n == (ssize_t)strlen(f->target) &&
		memcmp(target, f->target, (size_t)n) == 0) ||
	       differs(f, "target");
}

static inline bool same_attributes(const struct comparison *c, const struct tree_entry *f,
				   const struct stat *st)
{
	uint32_t mask = c->what & COMPARE_SETID ? UINT32_MAX : ~(uint32_t)06000;

	if ((st->st_mode & mask) != (f->mode & mask))
		return differs(f, "mode");
	if ((c->what & COMPARE_OWNER) && (st->st_uid != f->uid || st->st_gid != f->gid))
		return differs(f, "owner");
	if ((c->what & COMPARE_TIME) &&
	    (st->st_mtim.tv_sec != f->mtime || st->st_mtim.tv_nsec != f->mtime_nsec))
		return differs(f, "mtime");
	if ((S_ISCHR(f->mode) || S_ISBLK(f->mode)) &&
	    st->st_rdev != makedev(f->rdev_major, f->rdev_minor))
		return differs(f, "device number");
	if (S_ISREG(f->mode) && (uint64_t)st->st_size != f->size)
		return differs(f, "size");
	return true;
}

static inline bool same_entry(const struct comparison *c, uint32_t i)
{
	const struct tree_entry *f = &c->w->t->v[i];
	const char *path = f->path[0] ? f->path : ".";
	_cleanup_close_ int fd = -1;
	struct stat st;

	if (fstatat(c->dir, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return differs(f, strerror(errno));
	c->inodes[i] = st.st_ino;
	if (!same_attributes(c, f, &st))
		return false;
	if ((c->what & COMPARE_LINKS) && f->hardlink != TREE_NONE &&
	    st.st_ino != c->inodes[f->hardlink])
		return differs(f, "inode of the hard link");
	if ((c->what & COMPARE_LINKS) && st.st_nlink != expected_links(c->w->t, i))
		return differs(f, "link count");
	if ((c->what & COMPARE_XATTRS) && !same_xattrs(c, f))
		return false;
	if (S_ISLNK(f->mode))
		return same_target(c, f);
	if (!S_ISREG(f->mode))
		return true;
	fd = openat(c->dir, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	return fd >= 0 ? same_content(c, f, fd) : differs(f, strerror(errno));
}

/* Whether the directory has what the tree has and nothing else. */
static inline bool same_tree(const struct world *w, int dir, unsigned what)
{
	_cleanup_free_ ino_t *inodes = calloc(w->t->n, sizeof(*inodes));
	const struct comparison c = { w, dir, what, inodes };
	long names = count_names(openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));

	for (uint32_t i = 0; inodes && i < w->t->n; i++)
		if (!same_entry(&c, i))
			return false;
	if (names != (long)w->t->n - 1)
		printf("# %ld names, not %ld\n", names, (long)w->t->n - 1);
	return inodes && names == (long)w->t->n - 1;
}
