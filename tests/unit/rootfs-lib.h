/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <errno.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "base/io.h"
#include "base/spawn.h"
#include "image/tree-builder.h"
#include "store-lib.h"

/* A tree in the making, its store, and ways to compare it with a directory. */
struct world {
	struct fixture f;
	struct tree_builder *b;
	struct ingest *g;
	struct tree *t;
	struct digest id;
};

static inline bool world_open(struct world *w)
{
	memset(w, 0, sizeof(*w));
	memset(w->id.b, 0x5a, sizeof(w->id.b));
	return fixture_open(&w->f) && tree_builder_new(&w->b, &w->f.e) >= 0 &&
	       ingest_begin(w->f.store, &w->g, &w->f.e) >= 0;
}

static inline void world_close(struct world *w)
{
	ingest_end(w->g);
	tree_builder_free(w->b);
	tree_free(w->t);
	fixture_close(&w->f);
}

#define _cleanup_world_ _cleanup_(world_close)

/* Says why on failure, for a test that CHECKs the result. */
static inline bool fine(const struct world *w, int r)
{
	if (r < 0)
		printf("# %s (%d)\n", w->f.e.msg, r);
	return r >= 0;
}

static inline bool add_entry(struct world *w, const struct tree_entry *f)
{
	return fine(w, tree_builder_add(w->b, f, &w->f.e));
}

static inline bool add_file(struct world *w, const char *path, uint32_t mode,
			    const void *data, size_t size)
{
	struct tree_entry f = { .path = path, .mode = S_IFREG | mode, .size = size };
	enum object_kind kind = mode & 0111 ? OBJECT_EXEC : OBJECT_PLAIN;

	if (size > 0 && !fine(w, ingest_add(w->g, data, size, kind, &f.object, &w->f.e)))
		return false;
	return add_entry(w, &f);
}

/* Makes the objects durable and sorts the tree. */
static inline bool world_finish(struct world *w)
{
	return fine(w, ingest_commit(w->g, &w->f.e)) &&
	       fine(w, tree_builder_finish(w->b, &w->t, &w->f.e));
}

/* The same, and keeps the tree in the store; its digest becomes the world's id. */
static inline bool world_store(struct world *w)
{
	struct digest list;

	return fine(w, tree_builder_finish(w->b, &w->t, &w->f.e)) &&
	       fine(w, tree_store(w->g, w->t, &w->id, &list, &w->f.e)) &&
	       fine(w, ingest_commit(w->g, &w->f.e));
}

/* Changes the length of the object of a file, as a bad disk might. */
static inline bool damage_object(const struct world *w, const char *path, off_t size)
{
	const struct tree_entry *f = tree_find(w->t, path);
	char name[256];

	(void)snprintf(name, sizeof(name), "%s/%s", w->f.path,
		       object_path(&f->object, f->mode & 0111 ? ".x" : ""));
	return chmod(name, 0600) == 0 && truncate(name, size) == 0 &&
	       chmod(name, f->mode & 0111 ? 0555 : 0444) == 0;
}

/* A file below the fixture's root; its path for a program is world_path(). */
static inline int world_file(const struct world *w, const char *name)
{
	return openat(w->f.root, name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
}

static inline const char *world_path(const struct world *w, const char *name)
{
	static char paths[4][256];
	static unsigned next;
	char *path = paths[next++ % 4];

	(void)snprintf(path, sizeof(paths[0]), "%s/%s", w->f.path, name);
	return path;
}

/* Runs a program; prints what it said when it fails. */
static inline bool run_program(const char *const *argv)
{
	struct spawn s = SPAWN_INIT;
	_cleanup_free_ char *out = NULL;
	struct volt_error e = { 0 };
	int r;

	s.argv = argv;
	r = spawn_run(&s, 1 << 20, &out, &e);
	if (r < 0)
		printf("# %s: %s\n", argv[0], e.msg);
	return r >= 0;
}

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
	if ((c->what & COMPARE_XATTRS) && !same_xattrs(c, f))
		return false;
	if (S_ISLNK(f->mode))
		return same_target(c, f);
	if (!S_ISREG(f->mode))
		return true;
	fd = openat(c->dir, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	return fd >= 0 ? same_content(c, f, fd) : differs(f, strerror(errno));
}

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

/* A small generator of its own, so that a seed gives the same tree everywhere. */
static inline uint64_t dice(uint64_t *seed)
{
	uint64_t z = *seed += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

/* A rule that needs what not every machine has: skipped with the reason, unless
 * VOLT_MUST_RUN=1 forbids that. */
#define RUN_IF(have, why, test)                                                  \
	do {                                                                     \
		const char *must_ = getenv("VOLT_MUST_RUN");                     \
		if ((have) || (must_ && strcmp(must_, "1") == 0))                \
			RUN(test);                                               \
		else                                                             \
			printf("ok %d - %s # SKIP %s\n", ++tap_n, #test, (why)); \
	} while (0)
