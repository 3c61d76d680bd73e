/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/path.h"
#include "base/strv.h"
#include "guest/kernel-json.h"
#include "guest/nanos-check.h"
#include "store/ref.h"

/* Putting a new kernel in place; the order of the steps is in kernel.c. */

int kernel_record_begin(struct kernel_record *k, const char *release, const char *source,
			struct volt_error *e)
{
	char now[CLOCK_TEXT_SIZE];

	k->release = strdup(release);
	k->source = strdup(source);
	k->created_at = strdup(clock_text(clock_wall(), now));
	return k->release && k->source && k->created_at ? 0 : fail_oom(e);
}

static int link_linux(const struct kernels *ks, int fd, const struct kernel_record *k,
		      struct volt_error *e)
{
	char file[INITRAMFS_NAME_SIZE];
	int r = store_link(ks->store, &k->image, OBJECT_PLAIN, fd, "kernel", e);

	return r < 0 ? r
		     : store_link(ks->store, &k->initramfs, OBJECT_PLAIN, fd,
				  initramfs_name(&k->initramfs, file), e);
}

/* A file of a release is in its directory or in the one of the klibs. */
static int link_file(const struct kernels *ks, int fd, int klibs,
		     const struct kernel_file *f, struct volt_error *e)
{
	const char *name = path_base(f->path);

	return store_link(ks->store, &f->object, OBJECT_PLAIN,
			  name == f->path ? fd : klibs, name, e);
}

static int link_nanos(const struct kernels *ks, int fd, const struct kernel_record *k,
		      struct volt_error *e)
{
	_cleanup_close_ int klibs = mkdir_beneath(fd, NANOS_KLIBS, 0700);
	int r;

	if (klibs < 0)
		return fail_code(e, klibs, "make a directory for klibs");
	r = store_link(ks->store, &k->image, OBJECT_PLAIN, fd, NANOS_KERNEL, e);
	for (size_t i = 0; r >= 0 && i < k->n_files; i++)
		r = link_file(ks, fd, klibs, &k->files[i], e);
	if (r >= 0 && fsync(klibs) < 0)
		return fail_errno(e, "sync the klibs of kernel '%s'", k->name);
	return r;
}

static int fill_directory(const struct kernels *ks, int fd, const struct kernel_record *k,
			  struct volt_error *e)
{
	int r = strcmp(k->guest, KERNEL_NANOS) == 0 ? link_nanos(ks, fd, k, e)
						    : link_linux(ks, fd, k, e);

	return r < 0 ? r : kernel_record_write(fd, k, e);
}

static int make_directory(const struct kernels *ks, int dirfd,
			  const struct kernel_record *k, struct volt_error *e)
{
	_cleanup_close_ int fd = -1;
	char tmp[TMP_NAME_SIZE];
	int r = tmp_name(tmp);

	if (r < 0)
		return fail_code(e, r, "name a directory");
	fd = mkdir_beneath(dirfd, tmp, 0700);
	if (fd < 0)
		return fail_code(e, fd, "make a directory for kernel '%s'", k->name);
	r = fill_directory(ks, fd, k, e);
	if (r == 0 && fsync(fd) < 0)
		r = fail_errno(e, "sync kernel '%s'", k->name);
	if (r == 0 && renameat2(dirfd, tmp, dirfd, k->name, RENAME_NOREPLACE) < 0)
		r = fail_errno(e, "put kernel '%s' in place", k->name);
	if (r < 0)
		(void)remove_tree_at(dirfd, tmp);
	else
		(void)fsync(dirfd);
	return r;
}

void kernels_clear(const struct kernels *ks, int dirfd)
{
	_cleanup_strv_ struct strv names = { 0 };
	_cleanup_closedir_ DIR *d = NULL;
	int copy = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent *de;

	d = copy < 0 ? NULL : fdopendir(copy);
	while (d && (de = readdir(d)))
		if (strncmp(de->d_name, ".tmp-", 5) == 0)
			(void)remove_tree_at(dirfd, de->d_name);
	if (ref_list(ks->store, "kernels", &names, NULL) < 0)
		return;
	strv_foreach(name, names.v)
		if (faccessat(dirfd, *name, F_OK, AT_SYMLINK_NOFOLLOW) < 0 &&
		    errno == ENOENT)
			(void)ref_remove(ks->store, "kernels", *name, NULL);
}

static int refuse_existing(int dirfd, const char *name, struct volt_error *e)
{
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	return fail(e, EEXIST,
		    "kernel '%s' is here already; remove it first or give another --name",
		    name);
}

int kernel_make_room(const struct kernels *ks, int dirfd, const char *name,
		     struct volt_error *e)
{
	int r = refuse_existing(dirfd, name, e);

	if (r == 0)
		kernels_clear(ks, dirfd);
	return r;
}

int kernel_put(const struct kernels *ks, int dirfd, const struct kernel_record *k,
	       struct volt_error *e)
{
	int r = kernel_record_ref(ks->store, k, e);

	if (r < 0)
		return r;
	r = make_directory(ks, dirfd, k, e);
	if (r < 0) {
		(void)ref_remove(ks->store, "kernels", k->name, NULL);
		return r;
	}
	return kernel_has_default(dirfd, k) ? 0 : kernel_default_write(dirfd, k, e);
}
