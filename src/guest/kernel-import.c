/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/apt.h"
#include "base/deb.h"
#include "base/io.h"
#include "base/path.h"
#include "guest/image.h"
#include "guest/kernel-json.h"
#include "guest/modules.h"

#define IMAGE_MAX (256u << 20)

/* What there is when nobody says which modules a kernel has: it is taken to need none. */
#define ALL_BUILT_IN \
	(KERNEL_PCI | KERNEL_MMIO | KERNEL_EXT4 | KERNEL_9P | KERNEL_VIRTIOFS)

/* Debian's words for architectures, and of which package its kernels for clouds are. */
static const struct {
	const char *arch, *machine, *debian, *package;
} arches[] = {
	{ "x86_64", "x86_64", "amd64", "linux-image-cloud-amd64" },
	{ "arm64", "aarch64", "arm64", "linux-image-cloud-arm64" },
	{ "riscv64", "riscv64", "riscv64", "linux-image-riscv64" },
};

static int read_image(int dirfd, const char *path, const char *name,
		      struct kernel_image *ret, struct volt_error *e)
{
	char *data;
	size_t size;
	int r = read_file_at(dirfd, path, IMAGE_MAX, &data, &size);

	if (r < 0)
		return fail_code(e, r, "read kernel '%s'", name);
	return kernel_image_take(data, size, name, ret, e);
}

static int check_arch(const struct kernel_import *o, const struct kernel_image *image,
		      struct volt_error *e)
{
	if (!o->arch || (image->arch && strcmp(o->arch, image->arch) == 0))
		return 0;
	return fail(e, EINVAL, "the kernel is for %s, not %s", image->arch, o->arch);
}

static int read_modules(int dirfd, const char *path, struct modules *ret,
			struct volt_error *e)
{
	_cleanup_close_ int fd = -1;

	if (!path) {
		*ret = (struct modules){ .abilities = ALL_BUILT_IN };
		return 0;
	}
	fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? fail_errno(e, "open modules '%s'", path)
		      : modules_read(fd, ret, e);
}

/* @source is what kernel.json will say. Paths are below @dirfd; @name is for messages. */
struct files {
	int dirfd;
	const char *image, *name, *modules, *source;
};

static int import_files(const struct kernels *ks, const struct kernel_import *o,
			const struct files *f, char **ret_name, struct volt_error *e)
{
	_cleanup_(kernel_image_done) struct kernel_image image = { 0 };
	_cleanup_(modules_done) struct modules modules = { 0 };
	struct kernel_new n = { .name = o->name,
				.prefix = "",
				.source = f->source,
				.image = &image,
				.modules = &modules };
	int r = read_image(f->dirfd, f->image, f->name, &image, e);

	if (r < 0 || (r = check_arch(o, &image, e)) < 0)
		return r;
	r = read_modules(f->dirfd, f->modules, &modules, e);
	if (r < 0)
		return fail_in(e, r, "import '%s'", f->name);
	return kernel_add(ks, &n, ret_name, e);
}

/* Packages */

static bool begins(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* Whether @path, below lib/modules/<release>/, may be of use. */
static bool is_module_wanted(const char *path)
{
	static const char *const parts[] = {
		"kernel/fs/",
		"kernel/lib/",
		"kernel/crypto/",
		"kernel/net/",
		"kernel/arch/",
		"kernel/drivers/virtio/",
		"kernel/drivers/block/",
		"kernel/drivers/char/",
		"kernel/drivers/net/",
	};

	if (begins(path, "modules."))
		return true;
	for (size_t k = 0; k < ARRAY_SIZE(parts); k++)
		if (begins(path, parts[k]))
			/* Of network drivers only the virtual ones, which lie on top. */
			return strcmp(parts[k], "kernel/drivers/net/") != 0 ||
			       !strchr(path + strlen(parts[k]), '/');
	return false;
}

/* boot/vmlinuz-<release> becomes "vmlinuz", lib/modules/<release>/x "modules/x". */
static const char *wanted(const char *path)
{
	static _Thread_local char to[PATH_MAX];
	const char *slash;

	if (begins(path, "boot/vmlinuz-"))
		return "vmlinuz";
	if (begins(path, "usr/"))
		path += strlen("usr/");
	if (!begins(path, "lib/modules/"))
		return NULL;
	slash = strchr(path + strlen("lib/modules/"), '/');
	if (!slash || !is_module_wanted(slash + 1))
		return NULL;
	(void)snprintf(to, sizeof(to), "modules/%s", slash + 1);
	return to;
}

/* @f->name is the package's file; it is unpacked into the directory of @f. */
static int import_deb(const struct kernels *ks, const struct kernel_import *o,
		      const struct files *f, char **ret_name, struct volt_error *e)
{
	int r = deb_unpack(f->name, f->dirfd, wanted, e);

	if (r < 0)
		return r;
	if (faccessat(f->dirfd, f->image, F_OK, 0) < 0)
		return fail(e, ENOENT, "package '%s' has no kernel", f->name);
	return import_files(ks, o, f, ret_name, e);
}

/* The package's name as in its file: what comes before the first '_'. */
static void package_name(const char *path, char *ret, size_t size)
{
	const char *base = strrchr(path, '/');

	base = base ? base + 1 : path;
	(void)snprintf(ret, size, "debian:%.*s", (int)strcspn(base, "_"), base);
	make_printable(ret); /* it goes into a JSON file */
}

static int import_deb_file(const struct kernels *ks, const struct kernel_import *o,
			   char **ret_name, struct volt_error *e)
{
	_cleanup_(workdir_done) struct workdir w = WORKDIR_INIT;
	char source[256];
	int r = kernels_workdir(ks, &w, e);

	if (r < 0)
		return r;
	package_name(o->source, source, sizeof(source));
	return import_deb(
		ks, o, &(struct files){ w.fd, "vmlinuz", o->source, "modules", source },
		ret_name, e);
}

/* Which package to download: the one asked for, or the one behind Debian's for clouds. */
static int choose_package(const struct kernel_import *o, char **ret, struct volt_error *e)
{
	const char *colon = strchr(o->source, ':');
	struct utsname u;

	if (colon) {
		*ret = strdup(colon + 1);
		return *ret ? 0 : fail_oom(e);
	}
	(void)uname(&u);
	for (size_t k = 0; k < ARRAY_SIZE(arches); k++) {
		char name[64];
		bool own = strcmp(u.machine, arches[k].machine) == 0;

		if (o->arch ? strcmp(o->arch, arches[k].arch) != 0 : !own)
			continue;
		(void)snprintf(name, sizeof(name), "%s%s%s", arches[k].package,
			       own ? "" : ":", own ? "" : arches[k].debian);
		return apt_depends(name, "linux-image-", ret, e);
	}
	return fail(e, ENOTSUP, "Debian has no kernel for '%s'",
		    o->arch ? o->arch : u.machine);
}

static int import_debian(const struct kernels *ks, const struct kernel_import *o,
			 const struct log *log, char **ret_name, struct volt_error *e)
{
	_cleanup_(workdir_done) struct workdir w = WORKDIR_INIT;
	_cleanup_free_ char *package = NULL, *path = NULL;
	char source[256];
	int r = choose_package(o, &package, e);

	if (r < 0 || (r = kernels_workdir(ks, &w, e)) < 0)
		return r;
	log_line(log, 6, "downloading %s", package);
	r = apt_download(&w, package, &path, e);
	if (r < 0)
		return r;
	log_line(log, 6, "unpacking %s", package);
	(void)snprintf(source, sizeof(source), "debian:%s", package);
	return import_deb(ks, o,
			  &(struct files){ w.fd, "vmlinuz", path, "modules", source },
			  ret_name, e);
}

/* Files of this host */

static int import_host(const struct kernels *ks, const struct kernel_import *o,
		       char **ret_name, struct volt_error *e)
{
	char image[PATH_MAX], modules[PATH_MAX];
	struct files f = { AT_FDCWD, image, image, modules, "host" };
	struct utsname u;

	(void)uname(&u);
	(void)snprintf(image, sizeof(image), "/boot/vmlinuz-%s", u.release);
	(void)snprintf(modules, sizeof(modules), "/lib/modules/%s", u.release);
	if (access(image, R_OK) < 0)
		return fail_errno(
			e,
			"read the running kernel '%s' ('volt kernel import' alone "
			"downloads one)",
			image);
	return import_files(ks, o, &f, ret_name, e);
}

static int import_path(const struct kernels *ks, const struct kernel_import *o,
		       char **ret_name, struct volt_error *e)
{
	struct files f = { AT_FDCWD, o->source, o->source, o->modules, "file" };
	const char *end = strrchr(o->source, '.');

	if (end && strcmp(end, ".deb") == 0)
		return import_deb_file(ks, o, ret_name, e);
	return import_files(ks, o, &f, ret_name, e);
}

int kernel_import(const struct kernels *ks, const struct kernel_import *o,
		  const struct log *log, char **ret_name, struct volt_error *e)
{
	if (strcmp(o->source, "debian") == 0 || begins(o->source, "debian:"))
		return import_debian(ks, o, log, ret_name, e);
	if (strcmp(o->source, "host") == 0)
		return import_host(ks, o, ret_name, e);
	return import_path(ks, o, ret_name, e);
}
