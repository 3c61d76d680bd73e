/* SPDX-License-Identifier: Apache-2.0 */
/* A TinyVol for QEMU's 9p server with security_model=mapped-file, which looks for owners,
 * modes and device numbers in files beside:
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
 * A name .virtfs_metadata in the image would be taken for this and is refused.
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
#include "rootfs/tinyvol.h"

#define META_DIR  ".virtfs_metadata"
#define META_ROOT ".virtfs_metadata_root"
/* No file of the root can have its metadata under this name, as none may be called so. */
#define POOL      META_DIR

/* A tree with more sets of attributes gets separate files for the rest. */
#define SETS_MAX 256

struct attributes {
	uint32_t uid, gid, mode, rdev;
};

/* A set of attributes that was written to the pool, as often as links ran out. */
struct set {
	struct attributes a;
	unsigned file;
};

/* What tinyvol.data is. */
struct ninep {
	int pool;
	unsigned pool_files;
	struct set sets[SETS_MAX];
	size_t n_sets, last_set;
};

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
	return tinyvol_write(dir, name, text, (size_t)n);
}

static const char *pool_name(unsigned file, char name[static 16])
{
	(void)snprintf(name, 16, "%u", file);
	return name;
}

static struct set *find_set(struct ninep *v, const struct attributes *a)
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
static int renew_set(struct ninep *v, struct set *set)
{
	char name[16];

	set->file = v->pool_files++;
	return write_attributes(v->pool, pool_name(set->file, name), &set->a);
}

static int put_attributes(struct ninep *v, int dir, const char *name,
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

static int put_content(struct tinyvol *v, const struct tinyvol_level *up,
		       const char *name, const struct tree_entry *f, struct volt_error *e)
{
	int r;

	if (S_ISREG(f->mode) && f->size > 0)
		return tinyvol_link_object(v, up, name, f, e);
	if (f->hardlink != TREE_NONE)
		r = tinyvol_link_name(v, up, name, f);
	else if (S_ISDIR(f->mode))
		r = tinyvol_enter(v, up, name, f);
	else if (S_ISLNK(f->mode))
		r = tinyvol_write(up->dir, name, f->target, strlen(f->target));
	else
		r = tinyvol_write(up->dir, name, NULL, 0);
	return r < 0 ? fail_code(e, r, "make it") : 0;
}

static int put(struct tinyvol *v, struct tinyvol_level *up, const char *name,
	       const struct tree_entry *f, struct volt_error *e)
{
	const struct attributes a = attributes_of(f);
	int r;

	if (strcmp(name, META_DIR) == 0 || strcmp(name, META_ROOT) == 0)
		return fail(e, EINVAL, "QEMU's 9p server needs this name itself");
	if (up->meta < 0)
		up->meta = tinyvol_make_dir(up->dir, META_DIR);
	r = up->meta < 0 ? up->meta : put_attributes(v->data, up->meta, name, &a);
	return r < 0 ? fail_code(e, r, "keep its attributes")
		     : put_content(v, up, name, f, e);
}

static int start(struct tinyvol *v, struct tinyvol_level *root,
		 const struct tree_entry *f)
{
	const struct attributes a = attributes_of(f);
	struct ninep *n = v->data;

	root->meta = tinyvol_make_dir(root->dir, META_DIR);
	if (root->meta < 0)
		return root->meta;
	n->pool = tinyvol_make_dir(root->meta, POOL);
	if (n->pool < 0)
		return n->pool;
	return put_attributes(n, root->dir, META_ROOT, &a);
}

int tinyvol_fill_9p(const struct tree *t, const struct store *s, int dir,
		    struct volt_error *e)
{
	static const struct tinyvol_ops ops = { start, put, NULL };
	struct ninep n = { .pool = -1 };
	int r = tinyvol_fill(t, s, dir, &ops, &n, e);

	closep(&n.pool);
	return r;
}
