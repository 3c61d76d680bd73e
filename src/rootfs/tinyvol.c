/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation
 *
 * A TinyVol is a directory whose files are hard links to objects of the store, so it costs
 * names and no data. An object's inode is shared by every tree that has it and never
 * changes, hence owners, modes, times and device numbers cannot be on it. They are where
 * QEMU's 9p server looks for them under security_model=mapped-file:
 *
 *	d/f                          the content; of a symbolic link: its target; of a
 *	                             device, fifo, socket: nothing
 *	d/.virtfs_metadata/f         lines "virtfs.uid=0", .gid, .mode (decimal, with the
 *	                             type), .rdev
 *	.virtfs_metadata_root        the same for the root itself
 *
 * so a user without privilege gives a guest files of any owner. Few sets of attributes
 * occur in a tree, so the metadata files are hard links too, to one file for each set.
 *
 * A name .virtfs_metadata in the image would be taken for this and is refused. Nothing
 * here follows a symbolic link: there is none in what is being made.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/error.h"
#include "base/io.h"
#include "rootfs/rootfs-private.h"

#define META_DIR  ".virtfs_metadata"
#define META_ROOT ".virtfs_metadata_root"
/* No file of the root can have its metadata under this name, as none may be called so. */
#define POOL      META_DIR

#define DIR_MODE  0755
#define FILE_MODE 0444
/* A tree with more sets of attributes gets separate files for the rest. */
#define SETS_MAX  256

struct attributes {
	uint32_t uid, gid, mode, rdev;
};

/* A set of attributes that was written to the pool, as often as links ran out. */
struct set {
	struct attributes a;
	unsigned file;
};

/* A directory in which names are being made. */
struct level {
	uint32_t entry;
	int dir, meta;
};

struct tinyvol {
	const struct tree *t;
	const struct store *s;
	int pool;
	unsigned pool_files;
	struct set sets[SETS_MAX];
	size_t n_sets, last_set;
	struct level *stack;
	size_t depth, size;
};

static void tinyvol_done(struct tinyvol *v)
{
	for (size_t i = 0; i < v->depth; i++) {
		closep(&v->stack[i].dir);
		closep(&v->stack[i].meta);
	}
	free(v->stack);
	closep(&v->pool);
}

static int write_new(int dir, const char *name, const void *data, size_t size)
{
	_cleanup_close_ int fd =
		openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
		       FILE_MODE);

	if (fd < 0)
		return -errno;
	return size > 0 ? write_all(fd, data, size) : 0;
}

static int write_attributes(int dir, const char *name, const struct attributes *a)
{
	char text[128];
	/* Signed, as QEMU writes and reads them. */
	int n = snprintf(text, sizeof(text),
			 "virtfs.uid=%d\nvirtfs.gid=%d\nvirtfs.mode=%d\n", (int)a->uid,
			 (int)a->gid, (int)a->mode);

	if (S_ISCHR(a->mode) || S_ISBLK(a->mode))
		n += snprintf(text + n, sizeof(text) - (size_t)n, "virtfs.rdev=%d\n",
			      (int)a->rdev);
	return write_new(dir, name, text, (size_t)n);
}

static const char *pool_name(unsigned file, char name[static 16])
{
	(void)snprintf(name, 16, "%u", file);
	return name;
}

static struct set *find_set(struct tinyvol *v, const struct attributes *a)
{
	if (v->last_set < v->n_sets &&
	    memcmp(&v->sets[v->last_set].a, a, sizeof(*a)) == 0)
		return &v->sets[v->last_set];
	for (size_t i = 0; i < v->n_sets; i++) {
		if (memcmp(&v->sets[i].a, a, sizeof(*a)) != 0)
			continue;
		v->last_set = i;
		return &v->sets[i];
	}
	return NULL;
}

/* Gives @set a new file in the pool. */
static int renew_set(struct tinyvol *v, struct set *set)
{
	char name[16];

	set->file = v->pool_files++;
	return write_attributes(v->pool, pool_name(set->file, name), &set->a);
}

static int put_attributes(struct tinyvol *v, int dir, const char *name,
			  const struct attributes *a)
{
	struct set *set = find_set(v, a);
	char file[16];
	int r = 0;

	if (!set && v->n_sets == SETS_MAX)
		return write_attributes(dir, name, a);
	if (!set) {
		set = &v->sets[v->n_sets++];
		set->a = *a;
		r = renew_set(v, set);
	}
	if (r < 0)
		return r;
	if (linkat(v->pool, pool_name(set->file, file), dir, name, 0) == 0)
		return 0;
	if (errno != EMLINK)
		return errno == EPERM ? write_attributes(dir, name, a) : -errno;
	r = renew_set(v, set);
	if (r < 0)
		return r;
	return linkat(v->pool, pool_name(set->file, file), dir, name, 0) < 0 ? -errno : 0;
}

static struct attributes attributes_of(const struct tree_entry *f)
{
	return (struct attributes){
		.uid = f->uid,
		.gid = f->gid,
		.mode = f->mode,
		.rdev = S_ISCHR(f->mode) || S_ISBLK(f->mode)
				? (uint32_t)makedev(f->rdev_major, f->rdev_minor)
				: 0,
	};
}

static int make_dir(int parent, const char *name)
{
	int fd;

	if (mkdirat(parent, name, DIR_MODE) < 0)
		return -errno;
	fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	return fd < 0 ? -errno : fd;
}

static int push(struct tinyvol *v, uint32_t entry, int dir)
{
	if (v->depth == v->size) {
		size_t size = v->size * 2 + 16;
		struct level *p = reallocarray(v->stack, size, sizeof(*p));

		if (!p) {
			(void)close(dir);
			return -ENOMEM;
		}
		v->stack = p;
		v->size = size;
	}
	v->stack[v->depth++] = (struct level){ entry, dir, -1 };
	return 0;
}

static void pop(struct tinyvol *v)
{
	struct level *l = &v->stack[--v->depth];

	closep(&l->dir);
	closep(&l->meta);
}

static int put_object(struct tinyvol *v, const struct level *up, const char *name,
		      const struct tree_entry *f, struct volt_error *e)
{
	enum object_kind kind = f->mode & 0111 ? OBJECT_EXEC : OBJECT_PLAIN;
	char hex[DIGEST_HEX_SIZE];
	struct stat st;
	int r;

	r = store_link(v->s, &f->object, kind, up->dir, name, e);
	if (r < 0)
		return r;
	if (fstatat(up->dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return fail_errno(e, "stat");
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != f->size)
		return fail(e, EBADMSG,
			    "object %s does not have the %llu bytes it should; 'volt "
			    "pull' gets it again",
			    digest_hex(&f->object, hex), (unsigned long long)f->size);
	return 0;
}

static int put_content(struct tinyvol *v, const struct level *up, const char *name,
		       const struct tree_entry *f, struct volt_error *e)
{
	int r;

	if (S_ISREG(f->mode) && f->size > 0)
		return put_object(v, up, name, f, e);
	if (f->hardlink != TREE_NONE)
		r = linkat(v->stack[0].dir, v->t->v[f->hardlink].path, up->dir, name, 0);
	else if (S_ISDIR(f->mode))
		r = make_dir(up->dir, name);
	else if (S_ISLNK(f->mode))
		r = write_new(up->dir, name, f->target, strlen(f->target));
	else
		r = write_new(up->dir, name, NULL, 0);
	if (f->hardlink != TREE_NONE && r < 0)
		r = -errno;
	if (r >= 0 && S_ISDIR(f->mode))
		r = push(v, (uint32_t)(f - v->t->v), r);
	return r < 0 ? fail_code(e, r, "make it") : 0;
}

static bool is_child(const char *dir, const char *path, size_t *ret_name)
{
	size_t n = strlen(dir);

	*ret_name = n > 0 ? n + 1 : 0;
	return strncmp(dir, path, n) == 0 && (n == 0 || path[n] == '/');
}

static int check_name(const struct tree *t, uint32_t i, const char *name,
		      struct volt_error *e)
{
	const struct tree_entry *f = &t->v[i];

	if (name[0] == '\0' || strchr(name, '/') || strcmp(name, ".") == 0 ||
	    strcmp(name, "..") == 0)
		return fail(e, EBADMSG, "broken tree: '%s' is out of order", f->path);
	if (strcmp(name, META_DIR) == 0 || strcmp(name, META_ROOT) == 0)
		return fail(e, EINVAL,
			    "'%s' has a name that QEMU's 9p server needs itself",
			    f->path);
	if (f->hardlink != TREE_NONE &&
	    (f->hardlink >= i || S_ISDIR(t->v[f->hardlink].mode)))
		return fail(e, EBADMSG, "broken tree: hard link '%s' leads nowhere",
			    f->path);
	return 0;
}

static int put_entry(struct tinyvol *v, uint32_t i, struct volt_error *e)
{
	const struct tree_entry *f = &v->t->v[i];
	const struct attributes a = attributes_of(f);
	struct level *up;
	size_t at = 0;
	int r;

	while (v->depth > 0 &&
	       !is_child(v->t->v[v->stack[v->depth - 1].entry].path, f->path, &at))
		pop(v);
	if (v->depth == 0)
		return fail(e, EBADMSG, "broken tree: '%s' is out of order", f->path);
	r = check_name(v->t, i, f->path + at, e);
	if (r < 0)
		return r;
	up = &v->stack[v->depth - 1];
	if (up->meta < 0)
		up->meta = make_dir(up->dir, META_DIR);
	r = up->meta < 0 ? up->meta : put_attributes(v, up->meta, f->path + at, &a);
	if (r < 0)
		return fail_code(e, r, "keep the attributes of '%s'", f->path);
	r = put_content(v, up, f->path + at, f, e);
	return r < 0 ? fail_in(e, r, "'%s'", f->path) : 0;
}

static int start(struct tinyvol *v, int dir, struct volt_error *e)
{
	const struct attributes a = attributes_of(&v->t->v[0]);
	int fd = fcntl(dir, F_DUPFD_CLOEXEC, 3), r;

	if (fd < 0)
		return fail_errno(e, "open the tree's root");
	r = push(v, 0, fd);
	if (r < 0)
		return fail_oom(e);
	v->stack[0].meta = make_dir(dir, META_DIR);
	v->pool = v->stack[0].meta < 0 ? -1 : make_dir(v->stack[0].meta, POOL);
	if (v->pool < 0)
		return fail_code(e, v->stack[0].meta < 0 ? v->stack[0].meta : v->pool,
				 "make '%s'", META_DIR);
	r = put_attributes(v, dir, META_ROOT, &a);
	if (r >= 0 && fchmod(dir, DIR_MODE) < 0)
		r = -errno;
	return r < 0 ? fail_code(e, r, "keep the attributes of the root") : 0;
}

int tinyvol_fill(const struct tree *t, const struct store *s, int dir,
		 struct volt_error *e)
{
	_cleanup_(tinyvol_done) struct tinyvol v = { .t = t, .s = s, .pool = -1 };
	int r;

	if (t->n == 0 || t->v[0].path[0] != '\0' || !S_ISDIR(t->v[0].mode))
		return fail(e, EBADMSG, "broken tree: it has no root");
	r = start(&v, dir, e);
	for (uint32_t i = 1; r >= 0 && i < t->n; i++)
		r = put_entry(&v, i, e);
	return r;
}
