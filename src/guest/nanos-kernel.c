/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/nanos-kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/path.h"
#include "guest/kernel-json.h"
#include "guest/nanos-check.h"

/* Theory of operation
 *
 *	kernels/<name>/kernel.img     links to objects, named as in the release
 *	kernels/<name>/boot.img
 *	kernels/<name>/bootx64.efi
 *	kernels/<name>/klibs/<klib>
 *	kernels/<name>/kernel.json    "guest": "nanos" (doc/formats.md)
 *
 * A kernel never changes once it is here, so it is opened without a lock: what was opened
 * stays whole when the kernel is removed meanwhile. */

void nanos_kernel_free(struct nanos_kernel *k)
{
	if (!k)
		return;
	free(k->name);
	free(k->version);
	free(k->arch);
	closep(&k->kernel);
	closep(&k->boot_img);
	closep(&k->uefi_loader);
	closep(&k->klibs);
	strv_done(&k->klibs_names);
	free(k);
}

static struct nanos_kernel *kernel_new(const struct kernel_record *from)
{
	struct nanos_kernel *k = calloc(1, sizeof(*k));

	if (!k)
		return NULL;
	k->kernel = k->boot_img = k->uefi_loader = k->klibs = -1;
	k->digest = from->digest;
	k->image = from->image;
	k->pvh = from->abilities & KERNEL_PVH;
	k->name = strdup(from->name);
	k->version = strdup(from->release);
	k->arch = strdup(from->arch);
	if (k->name && k->version && k->arch)
		return k;
	nanos_kernel_free(k);
	return NULL;
}

static int open_file(int dirfd, const char *path, int flags,
		     const struct kernel_record *k, int *ret, struct volt_error *e)
{
	int fd = open_beneath(dirfd, path, O_RDONLY | flags, 0);

	if (fd < 0)
		return fail_code(e, fd, "open '%s' of kernel '%s'", path, k->name);
	*ret = fd;
	return 0;
}

/* Klibs are opened when they are asked for. */
static int open_files(int dirfd, const struct kernel_record *from, struct nanos_kernel *k,
		      struct volt_error *e)
{
	int r = open_file(dirfd, NANOS_KERNEL, 0, from, &k->kernel, e);

	for (size_t i = 0; r == 0 && i < from->n_files; i++) {
		const char *path = from->files[i].path;

		if (strcmp(path, NANOS_BOOT) == 0)
			r = open_file(dirfd, path, 0, from, &k->boot_img, e);
		else if (strcmp(path, NANOS_UEFI) == 0)
			r = open_file(dirfd, path, 0, from, &k->uefi_loader, e);
		else if (strv_add(&k->klibs_names, path_base(path)) < 0)
			return fail_oom(e);
	}
	if (r == 0 && k->klibs_names.n > 0)
		r = open_file(dirfd, NANOS_KLIBS, O_DIRECTORY, from, &k->klibs, e);
	return r;
}

/* With @name NULL, the default's; @found keeps it. */
static int find_default(const struct kernels *ks, const char *arch,
			char found[static KERNEL_NAME_SIZE], struct volt_error *e)
{
	const struct nanos_import all = { .arch = arch };
	_cleanup_close_ int dirfd = kernels_open(ks, false);
	_cleanup_free_ char *name = NULL;
	int r;

	if (dirfd >= 0 && kernel_default_read(dirfd, KERNEL_NANOS, arch, found) == 0)
		return 0;
	r = nanos_kernel_import(ks, &all, &name, e);
	if (r == 0)
		(void)snprintf(found, KERNEL_NAME_SIZE, "%s", name);
	return r;
}

static int check_record(const struct kernel_record *k, const char *arch,
			struct volt_error *e)
{
	if (strcmp(k->guest, KERNEL_NANOS) != 0)
		return fail(e, EINVAL,
			    "kernel '%s' is for Linux guests and cannot run this one",
			    k->name);
	if (strcmp(k->arch, arch) != 0)
		return fail(e, EINVAL, "kernel '%s' is for %s, not %s", k->name, k->arch,
			    arch);
	return 0;
}

int nanos_kernel_open(const struct kernels *ks, const char *name, const char *arch,
		      struct nanos_kernel **ret, struct volt_error *e)
{
	_cleanup_(kernel_record_done) struct kernel_record record = { 0 };
	_cleanup_(nanos_kernel_freep) struct nanos_kernel *k = NULL;
	_cleanup_close_ int dirfd = -1, fd = -1;
	char found[KERNEL_NAME_SIZE];
	int r = name ? 0 : find_default(ks, arch, found, e);

	if (r < 0)
		return r;
	dirfd = kernels_open(ks, false);
	if (dirfd < 0)
		return fail(e, ENOENT, "no kernel '%s'", name ? name : found);
	fd = kernel_record_open(dirfd, name ? name : found, &record, e);
	if (fd < 0)
		return fd;
	r = check_record(&record, arch, e);
	if (r < 0)
		return r;
	k = kernel_new(&record);
	if (!k)
		return fail_oom(e);
	r = open_files(fd, &record, k, e);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(k);
	return 0;
}

static int no_klib(const struct nanos_kernel *k, const char *name, struct volt_error *e)
{
	char all[512] = "none";
	size_t n = 0;

	strv_foreach(klib, k->klibs_names.v)
		if (n < sizeof(all))
			n += (size_t)snprintf(all + n, sizeof(all) - n, "%s%s",
					      n > 0 ? ", " : "", *klib);
	return fail(e, ENOENT, "kernel '%s' has no klib '%s'; it has: %s", k->name, name,
		    all);
}

int nanos_klib_open(const struct nanos_kernel *k, const char *name, struct volt_error *e)
{
	bool have = false;
	int fd;

	for (size_t i = 0; i < k->klibs_names.n; i++)
		have |= strcmp(k->klibs_names.v[i], name) == 0;
	if (!have)
		return no_klib(k, name, e);
	fd = open_beneath(k->klibs, name, O_RDONLY, 0);
	return fd < 0 ? fail_code(e, fd, "open klib '%s' of kernel '%s'", name, k->name)
		      : fd;
}
