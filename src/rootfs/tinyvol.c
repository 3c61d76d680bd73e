/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation
 *
 * A TinyVol is a directory whose files are hard links to objects of the store, so it costs
 * names and no data. An object's inode is shared by every tree that has it and never
 * changes, hence owners, modes, times and device numbers cannot be on it. Two kinds deal
 * with that in two ways: tinyvol-9p.c keeps them in files beside, for QEMU's 9p server;
 * tinyvol-host.c gives an inode of its own to what cannot do without, for virtiofs.
 *
 * The walk is one pass over the tree with the directories above the last entry open. What
 * it makes is under a temporary name that only it uses; names are single components below
 * those descriptors, and the one path that is used (of a hard link's first name) leads
 * through directories only, as the order of the tree, which is checked, ensures.
 */
#include "rootfs/tinyvol.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/io.h"

#define DIR_MODE  0755
#define FILE_MODE 0444

static void tinyvol_done(struct tinyvol *v)
{
	for (size_t i = 0; i < v->depth; i++) {
		closep(&v->stack[i].dir);
		closep(&v->stack[i].meta);
	}
	free(v->stack);
}

int tinyvol_write(int dir, const char *name, const void *data, size_t size)
{
	_cleanup_close_ int fd =
		openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
		       FILE_MODE);

	if (fd < 0)
		return -errno;
	return size > 0 ? write_all(fd, data, size) : 0;
}

int tinyvol_make_dir(int parent, const char *name)
{
	int fd;

	if (mkdirat(parent, name, DIR_MODE) < 0)
		return -errno;
	fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	return fd < 0 ? -errno : fd;
}

/* Takes @dir. */
static int push(struct tinyvol *v, uint32_t entry, int dir)
{
	if (v->depth == v->size) {
		size_t size = v->size * 2 + 16;
		struct tinyvol_level *p = reallocarray(v->stack, size, sizeof(*p));

		if (!p) {
			(void)close(dir);
			return -ENOMEM;
		}
		v->stack = p;
		v->size = size;
	}
	v->stack[v->depth++] = (struct tinyvol_level){ entry, dir, -1 };
	return 0;
}

static int pop(struct tinyvol *v)
{
	struct tinyvol_level *l = &v->stack[--v->depth];
	int r = v->ops->leave ? v->ops->leave(v, l, &v->t->v[l->entry]) : 0;

	closep(&l->dir);
	closep(&l->meta);
	return r;
}

int tinyvol_enter(struct tinyvol *v, const struct tinyvol_level *up, const char *name,
		  const struct tree_entry *f)
{
	int fd = tinyvol_make_dir(up->dir, name);

	return fd < 0 ? fd : push(v, (uint32_t)(f - v->t->v), fd);
}

int tinyvol_link_name(struct tinyvol *v, const struct tinyvol_level *up, const char *name,
		      const struct tree_entry *f)
{
	const char *first = v->t->v[f->hardlink].path;

	return linkat(v->stack[0].dir, first, up->dir, name, 0) < 0 ? -errno : 0;
}

int tinyvol_fail_size(const struct tree_entry *f, struct volt_error *e)
{
	char hex[DIGEST_HEX_SIZE];

	return fail(
		e, EBADMSG,
		"object %s does not have the %llu bytes it should; 'volt pull' gets it "
		"again",
		digest_hex(&f->object, hex), (unsigned long long)f->size);
}

int tinyvol_link_object(struct tinyvol *v, const struct tinyvol_level *up,
			const char *name, const struct tree_entry *f,
			struct volt_error *e)
{
	enum object_kind kind = f->mode & 0111 ? OBJECT_EXEC : OBJECT_PLAIN;
	struct stat st;
	int r;

	r = store_link(v->s, &f->object, kind, up->dir, name, e);
	if (r < 0)
		return r;
	if (fstatat(up->dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return fail_errno(e, "stat");
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != f->size)
		return tinyvol_fail_size(f, e);
	return 0;
}

static bool is_child(const char *dir, const char *path, size_t *ret_name)
{
	size_t n = strlen(dir);

	*ret_name = n > 0 ? n + 1 : 0;
	return strncmp(dir, path, n) == 0 && (n == 0 || path[n] == '/');
}

static int check_entry(const struct tree *t, uint32_t i, const char *name,
		       struct volt_error *e)
{
	const struct tree_entry *f = &t->v[i];

	if (name[0] == '\0' || strchr(name, '/') || strcmp(name, ".") == 0 ||
	    strcmp(name, "..") == 0)
		return fail(e, EBADMSG, "broken tree: '%s' is out of order", f->path);
	if (f->hardlink != TREE_NONE &&
	    (f->hardlink >= i || S_ISDIR(t->v[f->hardlink].mode)))
		return fail(e, EBADMSG, "broken tree: hard link '%s' leads nowhere",
			    f->path);
	return 0;
}

static int put_entry(struct tinyvol *v, uint32_t i, struct volt_error *e)
{
	const struct tree_entry *f = &v->t->v[i];
	size_t at = 0;
	int r = 0;

	while (r >= 0 && v->depth > 0 &&
	       !is_child(v->t->v[v->stack[v->depth - 1].entry].path, f->path, &at))
		r = pop(v);
	if (r < 0)
		return fail_code(e, r, "finish a directory before '%s'", f->path);
	if (v->depth == 0)
		return fail(e, EBADMSG, "broken tree: '%s' is out of order", f->path);
	r = check_entry(v->t, i, f->path + at, e);
	if (r < 0)
		return r;
	r = v->ops->put(v, &v->stack[v->depth - 1], f->path + at, f, e);
	return r < 0 ? fail_in(e, r, "'%s'", f->path) : 0;
}

static int start(struct tinyvol *v, int dir)
{
	int fd, r;

	if (fchmod(dir, DIR_MODE) < 0)
		return -errno;
	fd = fcntl(dir, F_DUPFD_CLOEXEC, 3);
	if (fd < 0)
		return -errno;
	r = push(v, 0, fd);
	return r < 0 ? r : v->ops->start(v, &v->stack[0], &v->t->v[0]);
}

int tinyvol_fill(const struct tree *t, const struct store *s, int dir,
		 const struct tinyvol_ops *ops, void *data, struct volt_error *e)
{
	_cleanup_(tinyvol_done) struct tinyvol v = {
		.t = t, .s = s, .ops = ops, .data = data
	};
	int r;

	if (t->n == 0 || t->v[0].path[0] != '\0' || !S_ISDIR(t->v[0].mode))
		return fail(e, EBADMSG, "broken tree: it has no root");
	r = start(&v, dir);
	if (r < 0)
		return fail_code(e, r, "make the root of the tree");
	for (uint32_t i = 1; r >= 0 && i < t->n; i++)
		r = put_entry(&v, i, e);
	if (r < 0)
		return r;
	while (r >= 0 && v.depth > 0)
		r = pop(&v);
	return r < 0 ? fail_code(e, r, "finish the root of the tree") : 0;
}
