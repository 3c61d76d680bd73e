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
#include "guest/image.h"
#include "guest/kernel-json.h"
#include "guest/modules.h"
#include "store/ingest.h"
#include "store/ref.h"

/* Putting a new kernel in place; the order of the steps is in kernel.c. */

static int make_name(const struct kernel_new *n, char **ret, struct volt_error *e)
{
	char *name;

	if (n->name)
		name = strdup(n->name);
	else if (asprintf(&name, "%s%s", n->prefix, n->image->release) < 0)
		name = NULL;
	if (!name)
		return fail_oom(e);
	for (char *at = n->name ? NULL : name; at && *at; at++)
		if (*at == '+' || *at == '~')
			*at = '-';
	if (!name_is_valid(name)) {
		int r = fail(e, EINVAL, "'%s' is not a name for a kernel", name);

		free(name);
		return r;
	}
	*ret = name;
	return 0;
}

/* A microvm without ACPI names its devices on the command line, and not every virtio_mmio
 * looks there (Debian's does not); the one that does has the name of its parent device in
 * it, built in or module. */
static bool finds_microvm_devices(const struct kernel_new *n)
{
	static const char mark[] = "virtio-mmio-cmdline";

	if (memmem(n->image->data, n->image->size, mark, sizeof(mark)))
		return true;
	for (size_t i = 0; i < n->modules->n; i++)
		if (strcmp(n->modules->v[i].name, "virtio_mmio") == 0 &&
		    memmem(n->modules->v[i].data, n->modules->v[i].size, mark,
			   sizeof(mark)))
			return true;
	return false;
}

static unsigned int find_abilities(const struct kernel_new *n)
{
	unsigned int bits = n->modules->abilities | (n->image->pvh ? KERNEL_PVH : 0);

	if (strcmp(n->image->arch, "x86_64") == 0 && !finds_microvm_devices(n))
		bits &= ~(unsigned int)KERNEL_MMIO;
	return bits;
}

static int begin_record(const struct kernel_new *n, struct kernel_record *k,
			struct volt_error *e)
{
	char now[CLOCK_TEXT_SIZE];
	int r = make_name(n, &k->name, e);

	if (r < 0)
		return r;
	k->arch = n->image->arch;
	k->abilities = find_abilities(n);
	/* On s390x virtio devices are on channels, whose driver is always built in. */
	if (strcmp(k->arch, "s390x") != 0 && !(k->abilities & (KERNEL_PCI | KERNEL_MMIO)))
		return fail(e, ENOTSUP,
			    "the kernel has neither virtio_pci nor a virtio_mmio that "
			    "finds the devices of a microvm");
	k->release = strdup(n->image->release);
	k->source = strdup(n->source);
	k->created_at = strdup(clock_text(clock_wall(), now));
	k->modules = calloc(n->modules->n + 1, sizeof(*k->modules));
	return k->release && k->source && k->created_at && k->modules ? 0 : fail_oom(e);
}

static int ingest_modules(struct ingest *g, const struct modules *m,
			  struct kernel_record *k, struct volt_error *e)
{
	for (size_t i = 0; i < m->n; i++) {
		struct kernel_module *to = &k->modules[i];
		int r = ingest_add(g, m->v[i].data, m->v[i].size, OBJECT_PLAIN,
				   &to->object, e);

		if (r < 0)
			return r;
		to->when = m->v[i].when;
		to->name = strdup(m->v[i].name);
		k->n_modules++;
		if (!to->name)
			return fail_oom(e);
		k->size += m->v[i].size;
	}
	return 0;
}

/* The initramfs is made from committed modules, so there are two commits. */
static int ingest_all(const struct kernels *ks, struct ingest *g,
		      const struct kernel_new *n, struct kernel_record *k,
		      struct volt_error *e)
{
	uint64_t size;
	int r = ingest_add(g, n->image->data, n->image->size, OBJECT_PLAIN, &k->image, e);

	k->size = n->image->size;
	if (r < 0 || (r = ingest_modules(g, n->modules, k, e)) < 0 ||
	    (r = ingest_commit(g, e)) < 0 ||
	    (r = initramfs_make(ks->store, g, ks->init, k, &size, e)) < 0)
		return r;
	k->size += size;
	return ingest_commit(g, e);
}

static int fill_directory(const struct kernels *ks, int fd, const struct kernel_record *k,
			  struct volt_error *e)
{
	char file[INITRAMFS_NAME_SIZE];
	int r = store_link(ks->store, &k->image, OBJECT_PLAIN, fd, "kernel", e);

	if (r >= 0)
		r = store_link(ks->store, &k->initramfs, OBJECT_PLAIN, fd,
			       initramfs_name(&k->initramfs, file), e);
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

static int add_locked(const struct kernels *ks, int dirfd, const struct kernel_new *n,
		      struct kernel_record *k, struct volt_error *e)
{
	_cleanup_(ingest_endp) struct ingest *g = NULL;
	char file[64];
	int r = refuse_existing(dirfd, k->name, e);

	if (r < 0)
		return r;
	kernels_clear(ks, dirfd);
	if ((r = ingest_begin(ks->store, &g, e)) < 0 ||
	    (r = ingest_all(ks, g, n, k, e)) < 0 ||
	    (r = kernel_record_ref(ks->store, k, e)) < 0)
		return r;
	r = make_directory(ks, dirfd, k, e);
	if (r < 0) {
		(void)ref_remove(ks->store, "kernels", k->name, NULL);
		return r;
	}
	(void)snprintf(file, sizeof(file), ".default-%s", k->arch);
	if (faccessat(dirfd, file, F_OK, 0) == 0)
		return 0;
	return kernel_make_default(dirfd, k, e);
}

int kernel_add(const struct kernels *ks, const struct kernel_new *n, char **ret_name,
	       struct volt_error *e)
{
	_cleanup_(kernel_record_done) struct kernel_record k = { 0 };
	_cleanup_close_ int dirfd = -1, lock = -1;
	int r = begin_record(n, &k, e);

	if (r < 0)
		return r;
	dirfd = kernels_open(ks, true);
	if (dirfd < 0)
		return fail_code(e, dirfd, "make the directory of kernels");
	lock = kernels_lock(dirfd, e);
	if (lock < 0)
		return lock;
	r = add_locked(ks, dirfd, n, &k, e);
	if (r == 0 && ret_name)
		*ret_name = TAKE_PTR(k.name);
	return r;
}
