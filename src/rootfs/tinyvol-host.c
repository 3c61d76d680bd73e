/* SPDX-License-Identifier: Apache-2.0 */
/* A TinyVol for servers that show a guest what the host's file system holds: virtiofs, and
 * 9p with security_model=passthrough. Links are links and directories are as in the image.
 *
 * Who may set owners (root) gets a file of its own, a copy or reflink with the image's
 * owner, mode, time and attributes, where the object's inode would not do: any owner but
 * root, set-id bits, attributes, or not readable and executable for all or none. In a
 * Debian tree that is one file in some hundred. Other modes (0644) become the object's
 * (0444), which to a guest's root, over a read-only mount, is the same.
 *
 * Who may not gets links throughout, everything owned by them, and no device nodes.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/error.h"
#include "base/io.h"
#include "rootfs/tinyvol.h"

/* What tinyvol.data is. */
struct host {
	bool privileged;
};

static const struct timespec *times_of(const struct tree_entry *f, struct timespec v[2])
{
	v[0] = v[1] = (struct timespec){ .tv_sec = f->mtime, .tv_nsec = f->mtime_nsec };
	return v;
}

/* Attributes of an inode that is this tree's alone, by descriptor. */
static int dress(const struct host *h, int fd, const struct tree_entry *f)
{
	/* What its owner cannot enter, volt could not list or remove. */
	mode_t enter = S_ISDIR(f->mode) && !h->privileged ? 0700 : 0;
	struct timespec times[2];

	if (h->privileged && fchown(fd, f->uid, f->gid) < 0)
		return -errno;
	if (fchmod(fd, (f->mode & 07777) | enter) < 0)
		return -errno;
	for (uint32_t i = 0; i < f->n_xattrs; i++) {
		const struct tree_xattr *x = &f->xattrs[i];

		/* What this file system has no place for, it could not have shown. */
		if (fsetxattr(fd, x->name, x->value, x->size, 0) < 0 &&
		    errno != EOPNOTSUPP && errno != EPERM)
			return -errno;
	}
	return futimens(fd, times_of(f, times)) < 0 ? -errno : 0;
}

/* The same for what cannot be opened. */
static int dress_name(const struct host *h, int dir, const char *name,
		      const struct tree_entry *f)
{
	struct timespec times[2];

	if (h->privileged && fchownat(dir, name, f->uid, f->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (!S_ISLNK(f->mode) && fchmodat(dir, name, f->mode & 07777, 0) < 0)
		return -errno;
	return utimensat(dir, name, times_of(f, times), AT_SYMLINK_NOFOLLOW) < 0 ? -errno
										 : 0;
}

static bool can_share(const struct host *h, const struct tree_entry *f)
{
	unsigned bits = f->mode & 07555;

	return !h->privileged || (f->uid == 0 && f->gid == 0 && f->n_xattrs == 0 &&
				  (bits == 0444 || bits == 0555));
}

static int put_copy(struct tinyvol *v, int dir, const char *name,
		    const struct tree_entry *f, struct volt_error *e)
{
	_cleanup_close_ int in = -1, out = -1;
	struct stat st;
	int r = 0;

	out = openat(dir, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (out < 0)
		return fail_errno(e, "make it");
	if (f->size > 0) {
		in = store_open_object(v->s, &f->object, e);
		if (in < 0)
			return in;
		if (fstat(in, &st) < 0 || (uint64_t)st.st_size != f->size)
			return tinyvol_fail_size(f, e);
		r = copy_bytes(in, 0, out, 0, f->size);
	}
	if (r >= 0)
		r = dress(v->data, out, f);
	return r < 0 ? fail_code(e, r, "copy its object") : 0;
}

static int put_special(struct tinyvol *v, int dir, const char *name,
		       const struct tree_entry *f)
{
	const struct host *h = v->data;
	bool device = S_ISCHR(f->mode) || S_ISBLK(f->mode);
	dev_t number = device ? makedev(f->rdev_major, f->rdev_minor) : 0;

	if (device && !h->privileged)
		return 0;
	if (S_ISLNK(f->mode) ? symlinkat(f->target, dir, name) < 0
			     : mknodat(dir, name, (f->mode & S_IFMT) | 0600, number) < 0)
		return -errno;
	return dress_name(h, dir, name, f);
}

static int put(struct tinyvol *v, struct tinyvol_level *up, const char *name,
	       const struct tree_entry *f, struct volt_error *e)
{
	int r;

	if (f->hardlink != TREE_NONE) {
		r = tinyvol_link_name(v, up, name, f);
		/* A device that could not be made has no other names either. */
		if (r == -ENOENT && (S_ISCHR(f->mode) || S_ISBLK(f->mode)))
			r = 0;
	} else if (S_ISREG(f->mode)) {
		return f->size > 0 && can_share(v->data, f)
			       ? tinyvol_link_object(v, up, name, f, e)
			       : put_copy(v, up->dir, name, f, e);
	} else if (S_ISDIR(f->mode)) {
		r = tinyvol_enter(v, up, name, f);
	} else {
		r = put_special(v, up->dir, name, f);
	}
	return r < 0 ? fail_code(e, r, "make it") : 0;
}

/* Attributes of a directory come last: names made in it change its time. */
static int leave(struct tinyvol *v, const struct tinyvol_level *l,
		 const struct tree_entry *f)
{
	return dress(v->data, l->dir, f);
}

static int start(struct tinyvol *v, struct tinyvol_level *root,
		 const struct tree_entry *f)
{
	return 0;
}

int tinyvol_fill_host(const struct tree *t, const struct store *s, int dir,
		      struct volt_error *e)
{
	static const struct tinyvol_ops ops = { start, put, leave };
	struct host h = { .privileged = geteuid() == 0 };

	return tinyvol_fill(t, s, dir, &ops, &h, e);
}
