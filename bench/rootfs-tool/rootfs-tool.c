/* SPDX-License-Identifier: Apache-2.0 */
/* The rootfs layer as a program: what is measured without the rest of volt.
 *
 *	rootfs-tool ROOT import DIR           keeps a directory as a tree; prints its digest
 *	rootfs-tool ROOT erofs TREE FILE      writes its image, as mkfs.erofs would: no sync
 *	rootfs-tool ROOT links TREE DIR       fills a directory with it: no sync
 *	rootfs-tool ROOT disk BYTES DIR NAME  makes a writable disk
 *	rootfs-tool ROOT forget DIR           drops a directory's files from the page cache
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/io.h"
#include "image/tree-builder.h"
#include "rootfs/erofs.h"
#include "rootfs/scratch.h"
#include "rootfs/tinyvol.h"

/* nftw() has no argument for its function. */
static struct {
	struct tree_builder *b;
	struct ingest *g;
	size_t prefix;
	struct volt_error e;
} import;

static int add_content(const char *path, struct tree_entry *f)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	_cleanup_free_ char *data = NULL;
	size_t size;

	if (fd < 0 || read_all(fd, SIZE_MAX / 2, &data, &size) < 0)
		return fail_errno(&import.e, "read '%s'", path);
	f->size = size;
	return size == 0 ? 0
			 : ingest_add(import.g, data, size,
				      f->mode & 0111 ? OBJECT_EXEC : OBJECT_PLAIN,
				      &f->object, &import.e);
}

static int add(const char *path, const struct stat *st, int type, struct FTW *where)
{
	char target[4096];
	struct tree_entry f = {
		.path = path + import.prefix + (path[import.prefix] == '/'),
		.mode = st->st_mode,
		.uid = st->st_uid,
		.gid = st->st_gid,
		.mtime = st->st_mtim.tv_sec,
		.mtime_nsec = (uint32_t)st->st_mtim.tv_nsec,
		.rdev_major = major(st->st_rdev),
		.rdev_minor = minor(st->st_rdev),
	};
	int r = 0;

	if (S_ISLNK(st->st_mode)) {
		ssize_t n = readlink(path, target, sizeof(target) - 1);

		target[n > 0 ? n : 0] = '\0';
		f.target = target;
	} else if (S_ISREG(st->st_mode)) {
		r = add_content(path, &f);
	}
	return r < 0 ? r : tree_builder_add(import.b, &f, &import.e);
}

static int do_import(struct store *s, char **args, struct volt_error *e)
{
	_cleanup_(tree_freep) struct tree *t = NULL;
	struct digest tree, list;
	char hex[DIGEST_HEX_SIZE];
	int r = tree_builder_new(&import.b, e);

	if (r >= 0)
		r = ingest_begin(s, &import.g, e);
	if (r < 0)
		return r;
	import.prefix = strlen(args[0]);
	r = nftw(args[0], add, 64, FTW_PHYS);
	if (r == 0)
		r = tree_builder_finish(import.b, NULL, &t, &import.e);
	if (r == 0)
		r = tree_store(import.g, t, &tree, &list, &import.e);
	if (r == 0)
		r = ingest_commit(import.g, &import.e);
	ingest_end(import.g);
	tree_builder_free(import.b);
	*e = import.e;
	if (r == 0)
		(void)printf("%s\n", digest_hex(&tree, hex));
	return r;
}

static int load(struct store *s, const char *hex, struct digest *id, struct tree **ret,
		struct volt_error *e)
{
	if (digest_parse(hex, id) < 0)
		return fail(e, EINVAL, "'%s' is no digest", hex);
	return tree_load(s, id, ret, e);
}

static int do_erofs(struct store *s, char **args, struct volt_error *e)
{
	_cleanup_(tree_freep) struct tree *t = NULL;
	_cleanup_close_ int fd = -1;
	struct digest id;
	int r = load(s, args[0], &id, &t, e);

	if (r < 0)
		return r;
	fd = open(args[1], O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return fail_errno(e, "open '%s'", args[1]);
	return erofs_write(t, s, &id, fd, NULL, e);
}

static int do_links(struct store *s, char **args, struct volt_error *e)
{
	_cleanup_(tree_freep) struct tree *t = NULL;
	_cleanup_close_ int fd = -1;
	struct digest id;
	int r = load(s, args[0], &id, &t, e);

	if (r < 0)
		return r;
	fd = mkdir(args[1], 0700) < 0 ? -1
				      : open(args[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return fail_errno(e, "make '%s'", args[1]);
	return tinyvol_fill_9p(t, s, fd, e);
}

static int do_disk(int root, char **args, struct volt_error *e)
{
	_cleanup_close_ int fd = open(args[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return fail_errno(e, "open '%s'", args[1]);
	return scratch_make(root, strtoull(args[0], NULL, 10), fd, args[2], e);
}

static int forget(const char *path, const struct stat *st, int type, struct FTW *where)
{
	_cleanup_close_ int fd = type == FTW_F ? open(path, O_RDONLY | O_CLOEXEC) : -1;

	if (fd >= 0)
		(void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	return 0;
}

static int run(int root, int argc, char **argv, struct volt_error *e)
{
	_cleanup_(store_closep) struct store *s = NULL;
	int r = store_open(root, &s, e);

	if (r < 0)
		return r;
	if (argc == 4 && strcmp(argv[2], "import") == 0)
		return do_import(s, argv + 3, e);
	if (argc == 5 && strcmp(argv[2], "erofs") == 0)
		return do_erofs(s, argv + 3, e);
	if (argc == 5 && strcmp(argv[2], "links") == 0)
		return do_links(s, argv + 3, e);
	if (argc == 6 && strcmp(argv[2], "disk") == 0)
		return do_disk(root, argv + 3, e);
	if (argc == 4 && strcmp(argv[2], "forget") == 0)
		return nftw(argv[3], forget, 64, FTW_PHYS);
	return fail(e, EINVAL, "usage: see the top of the source");
}

int main(int argc, char **argv)
{
	_cleanup_close_ int root =
		argc > 2 ? open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	struct volt_error e = { 0 };
	int r;

	if (root < 0)
		r = fail_errno(&e, "open '%s'", argc > 1 ? argv[1] : "");
	else
		r = run(root, argc, argv, &e);
	if (r < 0)
		(void)fprintf(stderr, "rootfs-tool: %s\n", e.msg);
	return r < 0;
}
