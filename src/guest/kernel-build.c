/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include "base/apt.h"
#include "base/deb.h"
#include "base/io.h"
#include "base/path.h"
#include "base/spawn.h"
#include "base/strv.h"
#include "base/tool.h"
#include "guest/image.h"
#include "guest/kernel-json.h"
#include "guest/modules.h"

/* volt kernel build: Debian's sources, volt's configuration, make; only the image and the
 * list of what is built in are kept. */

#define SOURCE_PACKAGE "linux-source"
#define IMAGE_MAX      (256u << 20)
#define LIST_MAX       (4u << 20)
#define LINES_A_REPORT 250

static const struct target {
	const char *arch, *machine, *make, *image, *cross;
	const char *append_to; /* what <arch>.append beside the configuration is for */
} targets[] = {
	{ "x86_64", "x86_64", "x86_64", "arch/x86/boot/bzImage", "x86_64-linux-gnu-",
	  "arch/x86/kernel/apic/apic.c" },
};

struct build {
	const struct kernel_build *o;
	const struct log *log;
	const struct target *target;
	struct workdir work;
	char *source; /* directory of the sources */
	unsigned int lines;
	bool cross;
};

static void build_done(struct build *b)
{
	workdir_done(&b->work);
	free(b->source);
}

static const struct target *find_target(const char *arch)
{
	for (size_t k = 0; k < ARRAY_SIZE(targets); k++)
		if (strcmp(arch, targets[k].arch) == 0)
			return &targets[k];
	return NULL;
}

int kernel_build_check(const char *arch, struct volt_error *e)
{
	if (find_target(arch))
		return 0;
	if (!kernel_is_in_debian(arch))
		return fail(e, ENOTSUP, "volt has no kernel configuration for %s", arch);
	return fail(e, ENOTSUP,
		    "volt has no kernel configuration for %s; 'volt kernel import --arch "
		    "%s' gets Debian's kernel",
		    arch, arch);
}

/* The sources */

static const char *wanted_tar(const char *path)
{
	const char *base = strrchr(path, '/');

	return base && strncmp(base, "/linux-source-", 14) == 0 && strstr(base, ".tar.")
		       ? "linux.tar"
		       : NULL;
}

/* volt's addition to the sources goes behind the end of one file, where no other version of
 * the kernel can move it away. Only what was unpacked here is changed. */
static int append_own(const struct build *b, struct volt_error *e)
{
	_cleanup_close_ int source = -1, fd = -1;
	_cleanup_free_ char *text = NULL;
	size_t size, stem = strlen(b->o->config) - strlen(".config");
	char path[PATH_MAX];
	int r;

	(void)snprintf(path, sizeof(path), "%.*s.append", (int)stem, b->o->config);
	r = read_file_at(AT_FDCWD, path, LIST_MAX, &text, &size);
	if (r < 0)
		return fail_code(e, r, "read '%s'", path);
	source = open_beneath(b->work.fd, "source", O_DIRECTORY, 0);
	fd = source < 0
		     ? source
		     : open_beneath(source, b->target->append_to, O_WRONLY | O_APPEND, 0);
	r = fd < 0 ? fd : write_all(fd, text, size);
	return r < 0 ? fail_code(e, r, "append to '%s' of the sources",
				 b->target->append_to)
		     : 0;
}

static int unpack_sources(struct build *b, const char *tar, struct volt_error *e)
{
	_cleanup_close_ int fd = mkdir_beneath(b->work.fd, "source", 0700);
	const char *const argv[] = {
		"tar", "-xf", tar, "--strip-components=1", "--no-same-owner", NULL
	};
	struct spawn s = SPAWN_INIT;
	int r;

	if (fd < 0)
		return fail_code(e, fd, "make a directory for the sources");
	log_line(b->log, 6, "unpacking the sources");
	s.argv = argv;
	s.cwd = fd;
	r = spawn_run(&s, 0, NULL, e);
	if (r < 0 || (r = append_own(b, e)) < 0)
		return r;
	return asprintf(&b->source, "%s/source", b->work.path) < 0 ? fail_oom(e) : 0;
}

static int download_sources(struct build *b, struct volt_error *e)
{
	_cleanup_free_ char *package = NULL, *deb = NULL, *tar = NULL;
	int r = apt_depends(SOURCE_PACKAGE, "linux-source-", &package, e);

	if (r < 0)
		return r;
	log_line(b->log, 6, "downloading %s", package);
	if ((r = apt_download(&b->work, package, &deb, e)) < 0 ||
	    (r = deb_unpack(deb, b->work.fd, wanted_tar, e)) < 0)
		return r;
	(void)unlink(deb);
	if (asprintf(&tar, "%s/linux.tar", b->work.path) < 0) {
		tar = NULL;
		return fail_oom(e);
	}
	r = unpack_sources(b, tar, e);
	(void)unlink(tar);
	return r;
}

static int get_sources(struct build *b, struct volt_error *e)
{
	_cleanup_free_ char *path = NULL;
	struct stat st;

	if (!b->o->source)
		return download_sources(b, e);
	path = realpath(b->o->source, NULL);
	if (!path || stat(path, &st) < 0)
		return fail_errno(e, "open the sources '%s'", b->o->source);
	if (!S_ISDIR(st.st_mode))
		return unpack_sources(b, path, e);
	b->source = TAKE_PTR(path);
	return 0;
}

/* make */

static int make_arguments(const struct build *b, const char *goal, struct strv *v)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned int jobs = b->o->jobs ? b->o->jobs : cpus > 0 ? (unsigned int)cpus : 1;
	int r;

	/* The same sources and configuration give the same bytes. */
	if ((r = strv_add(v, "make")) < 0 || (r = strv_addf(v, "-j%u", jobs)) < 0 ||
	    (r = strv_addf(v, "-C%s", b->source)) < 0 ||
	    (r = strv_addf(v, "O=%s/object", b->work.path)) < 0 ||
	    (r = strv_addf(v, "ARCH=%s", b->target->make)) < 0 ||
	    (b->cross && (r = strv_addf(v, "CROSS_COMPILE=%s", b->target->cross)) < 0) ||
	    (r = strv_add(v, "KBUILD_BUILD_USER=volt")) < 0 ||
	    (r = strv_add(v, "KBUILD_BUILD_HOST=volt")) < 0 ||
	    (r = strv_add(v, "KBUILD_BUILD_TIMESTAMP=1970-01-01")) < 0)
		return r;
	return strv_add(v, goal);
}

/* Says how far it is, now and then. */
static void follow(void *data, const char *line)
{
	struct build *b = data;

	if (++b->lines % LINES_A_REPORT == 0)
		log_line(b->log, 6, "building: %u steps", b->lines);
}

static int make(struct build *b, const char *goal, struct volt_error *e)
{
	_cleanup_strv_ struct strv argv = { 0 };
	struct tool t = { .cwd = -1,
			  .dirfd = b->work.fd,
			  .log_name = "make.log",
			  .line = follow,
			  .data = b };
	struct volt_error why;
	int r;

	if (make_arguments(b, goal, &argv) < 0)
		return fail_oom(e);
	t.argv = (const char *const *)argv.v;
	b->lines = 0;
	r = tool_run(&t, &why);
	return r < 0 ? fail(e, -r,
			    "build the kernel: %s (needs the packages make gcc flex "
			    "bison bc libelf-dev)",
			    why.msg)
		     : 0;
}

static int configure(struct build *b, struct volt_error *e)
{
	_cleanup_close_ int fd = mkdir_beneath(b->work.fd, "object", 0700);
	_cleanup_free_ char *text = NULL;
	size_t size;
	int r;

	if (fd < 0)
		return fail_code(e, fd, "make a directory for the objects");
	r = read_file_at(AT_FDCWD, b->o->config, LIST_MAX, &text, &size);
	if (r < 0)
		return fail_code(e, r, "read the configuration '%s'", b->o->config);
	r = write_file_atomic(fd, ".config", text, size, 0600);
	if (r < 0)
		return fail_code(e, r, "write the configuration");
	return make(b, "olddefconfig", e);
}

/* What came out */

static int keep(const struct kernels *ks, const struct build *b, char **ret_name,
		struct volt_error *e)
{
	_cleanup_(kernel_image_done) struct kernel_image image = { 0 };
	_cleanup_(modules_done) struct modules modules = { 0 };
	struct kernel_new n = { .name = b->o->name,
				.prefix = "volt-",
				.source = "build",
				.image = &image,
				.modules = &modules };
	_cleanup_close_ int fd = open_beneath(b->work.fd, "object", O_DIRECTORY, 0);
	char *data;
	size_t size;
	int r;

	if (fd < 0)
		return fail_code(e, fd, "open what was built");
	r = read_file_at(fd, b->target->image, IMAGE_MAX, &data, &size);
	if (r < 0)
		return fail_code(e, r, "read what was built");
	if ((r = kernel_image_take(data, size, b->target->image, &image, e)) < 0 ||
	    (r = modules_read(fd, &modules, e)) < 0)
		return r;
	return kernel_add(ks, &n, ret_name, e);
}

int kernel_build(const struct kernels *ks, const struct kernel_build *o,
		 const struct log *log, char **ret_name, struct volt_error *e)
{
	_cleanup_(
		build_done) struct build b = { .o = o, .log = log, .work = WORKDIR_INIT };
	struct utsname u;
	int r = kernel_build_check(o->arch, e);

	if (r < 0)
		return r;
	(void)uname(&u);
	b.target = find_target(o->arch);
	b.cross = strcmp(u.machine, b.target->machine) != 0;
	if ((r = kernels_workdir(ks, &b.work, e)) < 0 || (r = get_sources(&b, e)) < 0 ||
	    (r = configure(&b, e)) < 0)
		return r;
	log_line(log, 6, "building; this takes minutes");
	r = make(&b, strrchr(b.target->image, '/') + 1, e);
	return r < 0 ? r : keep(ks, &b, ret_name, e);
}
