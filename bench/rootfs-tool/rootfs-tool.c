/* SPDX-License-Identifier: Apache-2.0 */
/* The rootfs layer as a program: what is measured without the rest of volt.
 *
 *	rootfs-tool ROOT import DIR           keeps a directory as a tree; prints its digest
 *	rootfs-tool ROOT erofs TREE FILE      writes its image, as mkfs.erofs would: no sync
 *	rootfs-tool ROOT tfs TREE FILE        writes its Nanos file system: no sync; prints
 *	                                      the most memory that took, in kB
 *	rootfs-tool ROOT nanos TREE FILE direct|bios|uefi JSON RELEASE [KLIB...]
 *	                                      writes a Nanos disk with these attributes
 *	rootfs-tool ROOT append FILE AT JSON  gives the file system at byte AT one more record
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
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/io.h"
#include "base/json.h"
#include "image/tree-builder.h"
#include "rootfs/erofs.h"
#include "rootfs/nanos-disk.h"
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
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return fail_errno(&import.e, "read '%s'", path);
	f->size = (uint64_t)st.st_size;
	return f->size == 0 ? 0
			    : ingest_file(import.g, fd,
					  f->mode & 0111 ? OBJECT_EXEC : OBJECT_PLAIN,
					  &f->object, NULL, &import.e);
}

/* The first name of a file that has several, by its inode; NULL: this is it. */
static const char *first_name(const char *name, const struct stat *st)
{
	static struct {
		ino_t ino;
		char *name;
	} v[4096];
	static size_t n;

	for (size_t i = 0; i < n; i++)
		if (v[i].ino == st->st_ino)
			return v[i].name;
	if (n < ARRAY_SIZE(v)) {
		v[n].ino = st->st_ino;
		v[n++].name = strdup(name);
	}
	return NULL;
}

static int add(const char *path, const struct stat *st, int type, struct FTW *where)
{
	const char *name = path + import.prefix + (path[import.prefix] == '/');
	const char *first =
		S_ISREG(st->st_mode) && st->st_nlink > 1 ? first_name(name, st) : NULL;
	char target[4096];
	struct tree_entry f = {
		.path = name,
		.mode = st->st_mode,
		.uid = st->st_uid,
		.gid = st->st_gid,
		.mtime = st->st_mtim.tv_sec,
		.mtime_nsec = (uint32_t)st->st_mtim.tv_nsec,
		.rdev_major = major(st->st_rdev),
		.rdev_minor = minor(st->st_rdev),
	};
	int r = 0;

	if (first)
		return tree_builder_link(import.b, name, first, &import.e);
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

static int open_output(const char *name, struct volt_error *e)
{
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	return fd < 0 ? fail_errno(e, "open '%s'", name) : fd;
}

static int do_tfs(struct store *s, char **args, struct volt_error *e)
{
	_cleanup_(tree_freep) struct tree *t = NULL;
	struct tfs_input in = { .data = s, .room = 1 << 20 };
	struct rusage used;
	_cleanup_close_ int fd = -1;
	struct digest id;
	int r = load(s, args[0], &id, &t, e);

	in.tree = t;
	if (r >= 0)
		r = fd = open_output(args[1], e);
	if (r >= 0)
		r = tfs_write(&in, fd, 0, NULL, e);
	if (r >= 0 && getrusage(RUSAGE_SELF, &used) == 0)
		(void)printf("%ld\n", used.ru_maxrss);
	return r;
}

#define KLIBS_MAX 16

static int open_release(const char *dir, const char *name)
{
	char path[4096];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static int do_nanos(struct store *s, char **args, struct volt_error *e)
{
	_cleanup_(tree_freep) struct tree *t = NULL;
	struct nanos_klib klibs[KLIBS_MAX];
	struct nanos_disk_input in = { .root = { .data = s, .room = 16 << 20 },
				       .klibs = klibs };
	struct nanos_disk_layout at;
	json_t *attributes = NULL;
	_cleanup_close_ int fd = -1;
	struct digest id;
	const char *release;
	char name[256];
	int r = load(s, args[0], &id, &t, e);

	if (r >= 0)
		r = json_parse(args[3], strlen(args[3]), "attributes", &attributes, e);
	if (r >= 0)
		r = fd = open_output(args[1], e);
	if (r < 0)
		return r;
	in.root.tree = t;
	in.root.attributes = attributes;
	in.boot = strcmp(args[2], "bios") == 0   ? NANOS_BIOS
		  : strcmp(args[2], "uefi") == 0 ? NANOS_UEFI
						 : NANOS_DIRECT;
	in.kernel = open_release(args[4], "kernel.img");
	in.boot_img = open_release(args[4], "boot.img");
	in.uefi_loader = open_release(args[4], "bootx64.efi");
	release = args[4];
	for (args += 5; *args && in.n_klibs < KLIBS_MAX; args++) {
		(void)snprintf(name, sizeof(name), "klibs/%s", *args);
		klibs[in.n_klibs++] =
			(struct nanos_klib){ *args, open_release(release, name) };
	}
	r = nanos_disk_write(&in, fd, &at, e);
	json_decref(attributes);
	if (r >= 0)
		(void)printf("klog %llu bootfs %llu root %llu size %llu\n",
			     (unsigned long long)at.klog, (unsigned long long)at.bootfs,
			     (unsigned long long)at.root, (unsigned long long)at.size);
	return r;
}

static int do_append(char **args, struct volt_error *e)
{
	_cleanup_close_ int fd = open(args[0], O_RDWR | O_CLOEXEC);
	json_t *attributes = NULL;
	struct tfs_patch patch;
	int r;

	if (fd < 0)
		return fail_errno(e, "open '%s'", args[0]);
	r = json_parse(args[2], strlen(args[2]), "attributes", &attributes, e);
	if (r >= 0)
		r = tfs_append(fd, strtoull(args[1], NULL, 10), attributes, &patch, e);
	json_decref(attributes);
	if (r < 0)
		return r;
	r = pwrite_all(fd, patch.data, patch.size, (off_t)patch.at);
	tfs_patch_done(&patch);
	return r;
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
	if (argc == 5 && strcmp(argv[2], "tfs") == 0)
		return do_tfs(s, argv + 3, e);
	if (argc >= 8 && strcmp(argv[2], "nanos") == 0)
		return do_nanos(s, argv + 3, e);
	if (argc == 6 && strcmp(argv[2], "append") == 0)
		return do_append(argv + 3, e);
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
