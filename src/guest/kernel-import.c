/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include "base/apt-release.h"
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

/* Debian's words for architectures, and of which package its kernels for virtual machines
 * are; @release has it where the host's own release does not. */
static const struct debian {
	const char *arch, *machine, *debian, *package, *release;
} arches[] = {
	{ "x86_64", "x86_64", "amd64", "linux-image-cloud-amd64", NULL },
	{ "arm64", "aarch64", "arm64", "linux-image-cloud-arm64", NULL },
	{ "mips64el", "mips64", "mips64el", "linux-image-5kc-malta", "bookworm" },
	{ "ppc64le", "ppc64le", "ppc64el", "linux-image-powerpc64le", NULL },
	{ "riscv64", "riscv64", "riscv64", "linux-image-riscv64", "trixie" },
	{ "s390x", "s390x", "s390x", "linux-image-s390x", NULL },
};

static int read_image(int dirfd, const char *path, const char *name,
		      struct kernel_image *ret, struct volt_error *e)
{
	char *data;
	size_t size;
	int r = read_file_at(dirfd, path, IMAGE_MAX, &data, &size);

	if (r < 0)
		return fail_code(e, r, "read kernel '%s'", name);
	return kernel_image_take(data, size, path, ret, e);
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

/* Kernels stay below boot/ under their name, lib/modules/<release>/x becomes "modules/x". */
static const char *wanted(const char *path)
{
	static _Thread_local char to[PATH_MAX];
	const char *slash;

	if (begins(path, "boot/vmlinuz-") || begins(path, "boot/vmlinux-"))
		return path;
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

/* The kernel that was unpacked: boot/vmlinuz-<release>, or vmlinux- where Debian has its
 * kernels unpacked. */
static int find_image(int dirfd, char ret[static NAME_MAX + 8])
{
	_cleanup_closedir_ DIR *d = NULL;
	int fd = openat(dirfd, "boot", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent *de;

	d = fd < 0 ? NULL : fdopendir(fd);
	while (d && (de = readdir(d))) {
		if (de->d_name[0] == '.')
			continue;
		(void)snprintf(ret, NAME_MAX + 8, "boot/%s", de->d_name);
		return 0;
	}
	return -ENOENT;
}

/* The package at @path is unpacked into the directory of @from. */
static int import_deb(const struct kernels *ks, const struct kernel_import *o,
		      const struct files *from, const char *path, char **ret_name,
		      struct volt_error *e)
{
	char image[NAME_MAX + 8];
	struct files f = *from;
	int r = deb_unpack(path, f.dirfd, wanted, e);

	if (r < 0)
		return r;
	if (find_image(f.dirfd, image) < 0)
		return fail(e, ENOENT, "package '%s' has no kernel", f.name);
	f.image = image;
	return import_files(ks, o, &f, ret_name, e);
}

/* The package's name as in its file: what comes before the first '_'. */
static void package_name(const char *path, char *ret, size_t size)
{
	const char *base = path_base(path);

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
	return import_deb(ks, o,
			  &(struct files){ w.fd, NULL, o->source, "modules", source },
			  o->source, ret_name, e);
}

/* The row of what is wished for; NULL: Debian has none. @own: the host's. */
static const struct debian *find_debian(const char *arch, bool *own)
{
	struct utsname u;

	(void)uname(&u);
	for (size_t k = 0; k < ARRAY_SIZE(arches); k++) {
		*own = strcmp(u.machine, arches[k].machine) == 0;
		if (arch ? strcmp(arch, arches[k].arch) == 0 : *own)
			return &arches[k];
	}
	return NULL;
}

bool kernel_is_in_debian(const char *arch)
{
	bool own;

	return find_debian(arch, &own) != NULL;
}

/* What is downloaded: the package asked for, or the one behind Debian's. */
struct package {
	const struct workdir *w;
	const struct log *log;
	const struct debian *debian;
	char *name, *path;
};

static void package_done(struct package *p)
{
	free(p->name);
	free(p->path);
}

/* What is asked for may be a metapackage; without @found it is the kernel's. */
static int take_found(struct package *p, char *found, int r)
{
	if (r == -ENOENT && p->name)
		return 0;
	if (r == 0) {
		free(p->name);
		p->name = found;
	}
	return r;
}

static const char *asked_for(const struct package *p)
{
	return p->name ? p->name : p->debian->package;
}

static int get_own(struct package *p, struct volt_error *e)
{
	char *found = NULL;
	int r = apt_depends(asked_for(p), "linux-image-", &found, e);

	r = take_found(p, found, r);
	if (r < 0)
		return r;
	log_line(p->log, 6, "downloading %s", p->name);
	return apt_download(p->w, p->name, &p->path, e);
}

static int get_of_archive(struct package *p, const struct apt_archive *archive,
			  const char *release, struct volt_error *e)
{
	_cleanup_(apt_release_done) struct apt_release a = APT_RELEASE_INIT;
	const struct apt_wish wish = { .release = release,
				       .arch = p->debian->debian,
				       .lenient = true,
				       .log = p->log };
	char *found = NULL;
	int r = apt_release_open(p->w, archive, &wish, &a, e);

	if (r < 0)
		return r;
	r = apt_release_depends(&a, asked_for(p), "linux-image-", &found, e);
	r = take_found(p, found, r);
	if (r < 0)
		return r;
	log_line(p->log, 6, "downloading %s", p->name);
	return apt_release_download(&a, p->name, &p->path, e);
}

static int get_of_release(struct package *p, const char *release, struct volt_error *e)
{
	struct apt_archive archive = { 0 };
	int r = apt_archive_find(release, &archive, e);

	if (r == 0)
		r = get_of_archive(p, &archive, release, e);
	strv_done(&archive.suites);
	return r;
}

/* Of another architecture: from the host's own release where that has it. */
static int get_foreign(struct package *p, struct volt_error *e)
{
	const struct debian *d = p->debian;
	int r;

	log_line(p->log, 6, "getting the lists of Debian's packages for %s", d->debian);
	r = get_of_release(p, NULL, e);
	if (r == 0 || r == -ENOTSUP || !d->release)
		return r;
	log_line(p->log, 6, "this release has none for %s: looking in %s", d->debian,
		 d->release);
	return get_of_release(p, d->release, e);
}

static int import_debian(const struct kernels *ks, const struct kernel_import *o,
			 const struct log *log, char **ret_name, struct volt_error *e)
{
	_cleanup_(workdir_done) struct workdir w = WORKDIR_INIT;
	_cleanup_(package_done) struct package p = { .w = &w, .log = log };
	const char *colon = strchr(o->source, ':');
	char source[256];
	bool own = false;
	int r;

	p.debian = find_debian(o->arch, &own);
	if (!p.debian)
		return fail(e, ENOTSUP, "Debian has no kernel for '%s'",
			    o->arch ? o->arch : "this host");
	if (colon && !(p.name = strdup(colon + 1)))
		return fail_oom(e);
	if ((r = kernels_workdir(ks, &w, e)) < 0 ||
	    (r = own ? get_own(&p, e) : get_foreign(&p, e)) < 0)
		return r;
	log_line(log, 6, "unpacking %s", p.name);
	(void)snprintf(source, sizeof(source), "debian:%s", p.name);
	return import_deb(ks, o, &(struct files){ w.fd, NULL, p.name, "modules", source },
			  p.path, ret_name, e);
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
	struct stat st;

	if (stat(o->source, &st) == 0 && S_ISDIR(st.st_mode))
		return fail(e, EISDIR,
			    "'%s' is a directory, as a release of Nanos is: that is "
			    "imported with --guest nanos",
			    o->source);
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
