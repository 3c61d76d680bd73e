/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/kernel.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/path.h"
#include "base/strv.h"
#include "guest/image.h"
#include "guest/kernel-json.h"
#include "guest/modules.h"
#include "profile/profile.h"
#include "store/ingest.h"
#include "store/ref.h"
#include "store/sha256.h"

/* Theory of operation
 *
 *	kernels/<name>/kernel                 a link to the object: what QEMU boots
 *	kernels/<name>/initramfs-<digest12>   a link to the object
 *	kernels/<name>/kernel.json            what it is (doc/formats.md)
 *	kernels/.default-<arch>               the name of the default kernel
 *	kernels/.default-nanos-<arch>         the same for Nanos guests (nanos-kernel.c)
 *	kernels/.lock                         held by whoever changes anything here
 *
 * A kernel's directory is filled under a temporary name and renamed; its ref is written
 * before that, so that what is visible is always kept by gc. The modules stay objects of
 * their own, for the initramfs is made again whenever volt's init has changed: the new one
 * appears beside the old, then kernel.json names it. The old one is left until the next
 * change, because a machine that is just starting may be about to open it. */

#define IMAGE_NAME "kernel"

#define _cleanup_record_ _cleanup_(kernel_record_done)

void kernel_free(struct kernel *k)
{
	if (!k)
		return;
	free(k->name);
	free(k->arch);
	free(k->release);
	free(k->source);
	free(k->created_at);
	free(k->image_path);
	free(k->initramfs_path);
	free(k);
}

/* Default kernels */

static void default_file(const char *guest, const char *arch, char name[static 64])
{
	bool linux_guest = strcmp(guest, KERNEL_LINUX) == 0;

	(void)snprintf(name, 64, ".default-%s%s%s", linux_guest ? "" : guest,
		       linux_guest ? "" : "-", arch);
}

int kernel_default_read(int dirfd, const char *guest, const char *arch,
			char name[static KERNEL_NAME_SIZE])
{
	_cleanup_free_ char *text = NULL;
	char file[64];
	int r;

	default_file(guest, arch, file);
	r = read_file_at(dirfd, file, KERNEL_NAME_SIZE - 1, &text, NULL);
	if (r < 0)
		return r;
	text[strcspn(text, "\n")] = 0;
	if (!name_is_valid(text))
		return -ENOENT;
	(void)snprintf(name, KERNEL_NAME_SIZE, "%s", text);
	return 0;
}

static bool is_default(int dirfd, const struct kernel_record *k)
{
	char name[KERNEL_NAME_SIZE];

	return k->name && kernel_default_read(dirfd, k->guest, k->arch, name) == 0 &&
	       strcmp(name, k->name) == 0;
}

bool kernel_has_default(int dirfd, const struct kernel_record *k)
{
	char file[64];

	default_file(k->guest, k->arch, file);
	return faccessat(dirfd, file, F_OK, 0) == 0;
}

int kernel_default_write(int dirfd, const struct kernel_record *k, struct volt_error *e)
{
	char file[64], text[KERNEL_NAME_SIZE];
	int n = snprintf(text, sizeof(text), "%s\n", k->name), r;

	default_file(k->guest, k->arch, file);
	r = write_file_atomic(dirfd, file, text, (size_t)n, 0600);
	return r < 0 ? fail_code(e, r, "make '%s' the default kernel", k->name) : 0;
}

/* One kernel */

int kernel_record_open(int dirfd, const char *name, struct kernel_record *ret,
		       struct volt_error *e)
{
	_cleanup_close_ int fd = -1;
	int r;

	if (!name_is_valid(name))
		return fail(e, EINVAL, "'%s' is not a name for a kernel", name);
	fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return errno == ENOENT
			       ? fail(e, ENOENT,
				      "no kernel '%s' ('volt kernel ls' shows all)", name)
			       : fail_errno(e, "open kernel '%s'", name);
	r = kernel_record_read(fd, name, ret, e);
	if (r < 0)
		return r;
	return TAKE_FD(fd);
}

static struct kernel *to_kernel(int dirfd, const struct kernel_record *k)
{
	struct kernel *n = calloc(1, sizeof(*n));

	if (!n)
		return NULL;
	n->guest = k->guest;
	n->name = strdup(k->name);
	n->arch = strdup(k->arch);
	n->release = strdup(k->release);
	n->source = strdup(k->source);
	n->created_at = strdup(k->created_at);
	n->abilities = k->abilities;
	n->size = k->size;
	n->image = k->image;
	n->digest = k->digest;
	n->is_default = is_default(dirfd, k);
	if (n->name && n->arch && n->release && n->source && n->created_at)
		return n;
	kernel_free(n);
	return NULL;
}

static int add_paths(const struct kernel_record *k, struct kernel *n)
{
	char file[INITRAMFS_NAME_SIZE];

	n->initramfs = k->initramfs;
	if (asprintf(&n->image_path, KERNELS_DIR "/%s/" IMAGE_NAME, k->name) < 0) {
		n->image_path = NULL;
		return -ENOMEM;
	}
	if (asprintf(&n->initramfs_path, KERNELS_DIR "/%s/%s", k->name,
		     initramfs_name(&k->initramfs, file)) < 0) {
		n->initramfs_path = NULL;
		return -ENOMEM;
	}
	return 0;
}

/* The initramfs */

static int init_digest(const char *init, struct digest *ret, struct volt_error *e)
{
	_cleanup_close_ int fd = open(init, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	int r;

	if (fd < 0)
		return fail_errno(e, "open volt's init '%s'", init);
	r = sha256_fd(fd, ret);
	return r < 0 ? fail_code(e, r, "read volt's init '%s'", init) : 0;
}

static bool is_current(int fd, const struct kernel_record *k, const struct digest *init)
{
	char file[INITRAMFS_NAME_SIZE];

	return digest_equal(&k->init, init) &&
	       faccessat(fd, initramfs_name(&k->initramfs, file), F_OK, 0) == 0;
}

/* Removes each initramfs but two. */
static void sweep(int fd, const struct digest *now, const struct digest *before)
{
	char a[INITRAMFS_NAME_SIZE], b[INITRAMFS_NAME_SIZE];
	_cleanup_closedir_ DIR *d = NULL;
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	struct dirent *de;

	d = copy < 0 ? NULL : fdopendir(copy);
	(void)initramfs_name(now, a);
	(void)initramfs_name(before, b);
	while (d && (de = readdir(d)))
		if (strncmp(de->d_name, "initramfs-", 10) == 0 &&
		    strcmp(de->d_name, a) != 0 && strcmp(de->d_name, b) != 0)
			(void)unlinkat(fd, de->d_name, 0);
}

static int link_initramfs(struct store *s, int fd, const struct kernel_record *k,
			  struct volt_error *e)
{
	char file[INITRAMFS_NAME_SIZE];

	(void)initramfs_name(&k->initramfs, file);
	if (faccessat(fd, file, F_OK, 0) == 0)
		return 0;
	return store_link(s, &k->initramfs, OBJECT_PLAIN, fd, file, e);
}

static int renew(const struct kernels *ks, int fd, struct kernel_record *k,
		 struct volt_error *e)
{
	_cleanup_(ingest_endp) struct ingest *g = NULL;
	struct digest before = k->initramfs;
	uint64_t size;
	int r = ingest_begin(ks->store, &g, e);

	if (r < 0 || (r = initramfs_make(ks->store, g, ks->init, k, &size, e)) < 0 ||
	    (r = ingest_commit(g, e)) < 0 ||
	    (r = kernel_record_ref(ks->store, k, e)) < 0 ||
	    (r = link_initramfs(ks->store, fd, k, e)) < 0 ||
	    (r = kernel_record_write(fd, k, e)) < 0)
		return r;
	sweep(fd, &k->initramfs, &before);
	return 0;
}

/* Another may have done it while we waited for the lock. */
static int renew_locked(const struct kernels *ks, int dirfd, const struct digest *init,
			struct kernel_record *k, struct volt_error *e)
{
	_cleanup_close_ int lock = kernels_lock(dirfd, e), fd = -1;
	char name[KERNEL_NAME_SIZE];
	int r;

	if (lock < 0)
		return lock;
	(void)snprintf(name, sizeof(name), "%s", k->name);
	kernel_record_done(k);
	fd = kernel_record_open(dirfd, name, k, e);
	if (fd < 0)
		return fd;
	r = is_current(fd, k, init) ? 0 : renew(ks, fd, k, e);
	return r < 0 ? fail_in(e, r, "make the initramfs of kernel '%s'", k->name) : 0;
}

static int open_current(const struct kernels *ks, int dirfd, const char *name,
			struct kernel_record *k, struct volt_error *e)
{
	_cleanup_close_ int fd = kernel_record_open(dirfd, name, k, e);
	struct digest init;
	int r;

	if (fd < 0)
		return fd;
	if (strcmp(k->guest, KERNEL_LINUX) != 0)
		return fail(e, EINVAL,
			    "kernel '%s' is for Nanos guests and cannot run this one",
			    name);
	r = init_digest(ks->init, &init, e);
	if (r < 0 || is_current(fd, k, &init))
		return r;
	return renew_locked(ks, dirfd, &init, k, e);
}

static int no_kernel(const char *arch, struct volt_error *e)
{
	const struct profile_arch *host = profile_arch_find(NULL);
	bool own = host && strcmp(host->name, arch) == 0;

	return fail(e, ENOENT, "no kernel for %s yet; 'volt kernel import%s%s' gets one",
		    arch, own ? "" : " --arch ", own ? "" : arch);
}

int kernel_open(const struct kernels *ks, const char *name, const char *arch,
		struct kernel **ret, struct volt_error *e)
{
	_cleanup_record_ struct kernel_record k = { 0 };
	_cleanup_(kernel_freep) struct kernel *n = NULL;
	_cleanup_close_ int dirfd = kernels_open(ks, false);
	char found[KERNEL_NAME_SIZE];
	int r;

	if (!name) {
		if (dirfd < 0 ||
		    kernel_default_read(dirfd, KERNEL_LINUX, arch, found) < 0)
			return no_kernel(arch, e);
		name = found;
	}
	if (dirfd < 0)
		return fail(e, ENOENT, "no kernel '%s'", name);
	r = open_current(ks, dirfd, name, &k, e);
	if (r < 0)
		return r;
	if (!k.arch || strcmp(k.arch, arch) != 0)
		return fail(e, EINVAL, "kernel '%s' is for %s, not %s", name, k.arch,
			    arch);
	n = to_kernel(dirfd, &k);
	if (!n || add_paths(&k, n) < 0)
		return fail_oom(e);
	*ret = TAKE_PTR(n);
	return 0;
}

/* All kernels */

static int by_name(const void *a, const void *b)
{
	const struct kernel *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

struct kernel_array {
	struct kernel **v;
	size_t n;
};

static void array_done(struct kernel_array *a)
{
	for (size_t k = 0; k < a->n; k++)
		kernel_free(a->v[k]);
	free(a->v);
}

static int array_add(struct kernel_array *a, struct kernel *k)
{
	struct kernel **v =
		k ? reallocarray(a->v, a->n + 1, sizeof(struct kernel *)) : NULL;

	if (!v) {
		kernel_free(k);
		return -ENOMEM;
	}
	a->v = v;
	v[a->n++] = k;
	return 0;
}

static int list_one(int dirfd, const char *name, const struct log *log,
		    struct kernel_array *a)
{
	_cleanup_record_ struct kernel_record k = { 0 };
	struct volt_error why = { 0 };
	int fd = kernel_record_open(dirfd, name, &k, &why);

	if (fd < 0) {
		if (fd != -ENOENT)
			log_line(log, 4, "%s", why.msg);
		return 0;
	}
	(void)close(fd);
	return array_add(a, to_kernel(dirfd, &k));
}

int kernel_list(const struct kernels *ks, const struct log *log, struct kernel ***ret,
		size_t *ret_n, struct volt_error *e)
{
	_cleanup_(array_done) struct kernel_array a = { 0 };
	_cleanup_closedir_ DIR *d = NULL;
	struct dirent *de;
	int fd = kernels_open(ks, false), r;

	if (fd < 0 && fd != -ENOENT)
		return fail_code(e, fd, "open the kernels");
	d = fd < 0 ? NULL : fdopendir(fd);
	if (fd >= 0 && !d) {
		r = fail_errno(e, "read the kernels");
		(void)close(fd);
		return r;
	}
	while (d && (de = readdir(d)))
		if (name_is_valid(de->d_name) &&
		    list_one(dirfd(d), de->d_name, log, &a) < 0)
			return fail_oom(e);
	if (a.n > 0)
		qsort(a.v, a.n, sizeof(struct kernel *), by_name);
	*ret = TAKE_PTR(a.v);
	*ret_n = a.n;
	a.n = 0;
	return 0;
}

int kernel_set_default(const struct kernels *ks, const char *name, struct volt_error *e)
{
	_cleanup_record_ struct kernel_record k = { 0 };
	_cleanup_close_ int dirfd = kernels_open(ks, true), lock = -1, fd = -1;

	if (dirfd < 0)
		return fail_code(e, dirfd, "open the kernels");
	lock = kernels_lock(dirfd, e);
	if (lock < 0)
		return lock;
	fd = kernel_record_open(dirfd, name, &k, e);
	return fd < 0 ? fd : kernel_default_write(dirfd, &k, e);
}

/* Whether there is another kernel that could be in the place of @k. */
static bool has_other(const struct kernels *ks, const struct kernel_record *k)
{
	struct kernel_array a = { 0 };
	bool found = false;

	if (kernel_list(ks, NULL, &a.v, &a.n, NULL) < 0)
		return false;
	for (size_t i = 0; i < a.n; i++)
		found |= strcmp(a.v[i]->guest, k->guest) == 0 &&
			 strcmp(a.v[i]->arch, k->arch) == 0 &&
			 strcmp(a.v[i]->name, k->name) != 0;
	array_done(&a);
	return found;
}

static int remove_locked(const struct kernels *ks, int dirfd,
			 const struct kernel_record *k, struct volt_error *e)
{
	char file[64], tmp[TMP_NAME_SIZE];
	int r;

	if (is_default(dirfd, k)) {
		if (has_other(ks, k))
			return fail(
				e, EBUSY,
				"kernel '%s' is the default for %s; choose another with "
				"'volt kernel default' first",
				k->name, k->arch);
		default_file(k->guest, k->arch, file);
		(void)unlinkat(dirfd, file, 0);
	}
	/* Out of sight at once, then gone: never half of a kernel under its name. */
	r = tmp_name(tmp);
	if (r < 0 || renameat(dirfd, k->name, dirfd, tmp) < 0)
		return r < 0 ? fail_code(e, r, "remove kernel '%s'", k->name)
			     : fail_errno(e, "remove kernel '%s'", k->name);
	r = ref_remove(ks->store, "kernels", k->name, e);
	if (r < 0 && r != -ENOENT)
		return r;
	r = remove_tree_at(dirfd, tmp);
	return r < 0 ? fail_code(e, r, "remove kernel '%s'", k->name) : 0;
}

int kernel_remove(const struct kernels *ks, const char *name, struct volt_error *e)
{
	_cleanup_record_ struct kernel_record k = { 0 };
	_cleanup_close_ int dirfd = kernels_open(ks, true), lock = -1, fd = -1;

	if (dirfd < 0)
		return fail_code(e, dirfd, "open the kernels");
	lock = kernels_lock(dirfd, e);
	if (lock < 0)
		return lock;
	kernels_clear(ks, dirfd);
	fd = kernel_record_open(dirfd, name, &k, e);
	return fd < 0 ? fd : remove_locked(ks, dirfd, &k, e);
}
