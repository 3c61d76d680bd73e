/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/apt.h"
#include "base/deb.h"
#include "base/io.h"
#include "base/log.h"
#include "base/path.h"
#include "base/spawn.h"
#include "base/tool.h"
#include "profile/source-internal.h"

#define STATUS_MAX (16u << 20)

/* QEMU 10 wants meson 1.5; its own archives bring one, Debian's leave it out. */
#define MESON_MAJOR 1
#define MESON_MINOR 5
#define MESON_IN    "usr/lib/python3/dist-packages/"

/* What is installed */

/* In a line "NAME STATUS, WHAT IT PROVIDES (= VERSION), …". */
static bool names_package(const char *line, const char *name)
{
	size_t n = strlen(name);

	for (const char *at = line; (at = strstr(at, name)); at += n)
		if ((at == line || at[-1] == ' ') && (!at[n] || strchr(" ,", at[n])))
			return true;
	return false;
}

static bool is_installed(const char *list, const char *name)
{
	char line[4096];

	while (*list) {
		size_t n = strcspn(list, "\n");

		(void)snprintf(line, sizeof(line), "%.*s", (int)n, list);
		if (strstr(line, " installed,") && names_package(line, name))
			return true;
		list += n + (list[n] == '\n');
	}
	return false;
}

int source_check_packages(const struct source_build *b, struct volt_error *e)
{
	const char *const argv[] = { "dpkg-query", "-W",
				     "-f=${Package} ${db:Status-Status}, ${Provides}\n",
				     NULL };
	_cleanup_free_ char *list = NULL;
	struct spawn s = SPAWN_INIT;
	char missing[400] = "";
	int r;

	s.argv = argv;
	r = spawn_run(&s, STATUS_MAX, &list, NULL);
	if (r == -ENOENT)
		return 0; /* no Debian: what is missing will be seen */
	if (r < 0)
		return fail_code(e, r, "read which packages are installed");
	strv_foreach(name, b->recipe.packages.v) {
		size_t at = strlen(missing);

		if (!is_installed(list, *name))
			(void)snprintf(missing + at, sizeof(missing) - at, " %s", *name);
	}
	return missing[0]
		       ? fail(e, ENOENT,
			      "packages that compiling QEMU needs are missing: install "
			      "them with 'apt-get install%s'",
			      missing)
		       : 0;
}

/* The sources */

static int copy_directory(const struct source_build *b, const char *path,
			  struct volt_error *e)
{
	_cleanup_free_ char *from = NULL;
	const char *argv[] = { "cp", "-R", "-p", "--reflink=auto", NULL, "source", NULL };
	struct tool t = { .argv = argv,
			  .cwd = b->work.fd,
			  .dirfd = b->work.fd,
			  .log_name = "unpack.log" };
	int r;

	if (asprintf(&from, "%s/.", path) < 0) {
		from = NULL;
		return fail_oom(e);
	}
	argv[4] = from;
	log_line(b->log, 6, "copying the sources");
	r = tool_run(&t, e);
	return r < 0 ? fail_in(e, r, "copy the sources '%s'", path) : 0;
}

static int unpack_tar(const struct source_build *b, const char *path,
		      struct volt_error *e)
{
	const char *const argv[] = {
		"tar",      "-xf", path, "--strip-components=1", "--no-same-owner",
		"-Csource", NULL
	};
	_cleanup_close_ int fd = mkdir_beneath(b->work.fd, "source", 0700);
	struct tool t = { .argv = argv,
			  .cwd = b->work.fd,
			  .dirfd = b->work.fd,
			  .log_name = "unpack.log" };
	int r;

	if (fd < 0)
		return fail_code(e, fd, "make a directory for the sources");
	log_line(b->log, 6, "unpacking the sources");
	r = tool_run(&t, e);
	return r < 0 ? fail_in(e, r, "unpack the sources '%s'", path) : 0;
}

static int take_given(const struct source_build *b, struct volt_error *e)
{
	_cleanup_free_ char *path = realpath(b->o->source, NULL);
	const char *end = path ? strrchr(path, '.') : NULL;
	struct stat st;

	if (!path || stat(path, &st) < 0)
		return fail_errno(e, "open the sources '%s'", b->o->source);
	if (S_ISDIR(st.st_mode))
		return copy_directory(b, path, e);
	if (end && strcmp(end, ".dsc") == 0)
		return dsc_unpack(&b->work, path, "source", e);
	return unpack_tar(b, path, e);
}

/* meson */

static bool has_wheel(const struct source_build *b)
{
	_cleanup_free_ char *pattern = NULL;
	glob_t g = { 0 };
	bool found;

	if (asprintf(&pattern, "%s/source/python/wheels/meson-*.whl", b->work.path) < 0) {
		pattern = NULL;
		return false;
	}
	found = glob(pattern, GLOB_NOSORT, NULL, &g) == 0;
	globfree(&g);
	return found;
}

static bool host_meson_is_new(void)
{
	const char *const argv[] = { "meson", "--version", NULL };
	_cleanup_free_ char *out = NULL;
	struct spawn s = SPAWN_INIT;
	unsigned long major, minor;
	char *dot;

	s.argv = argv;
	if (spawn_run(&s, 100, &out, NULL) < 0)
		return false;
	major = strtoul(out, &dot, 10);
	minor = *dot == '.' ? strtoul(dot + 1, NULL, 10) : 0;
	return major > MESON_MAJOR || (major == MESON_MAJOR && minor >= MESON_MINOR);
}

static bool needs_meson(const struct source_build *b)
{
	return !has_wheel(b) && !host_meson_is_new();
}

/* meson is all Python, so it need not be installed to be used. */
static const char *wanted_meson(const char *path)
{
	static _Thread_local char to[PATH_MAX];
	size_t n = strlen(MESON_IN);

	if (strncmp(path, MESON_IN, n) != 0)
		return NULL;
	(void)snprintf(to, sizeof(to), "meson/%s", path + n);
	return to;
}

static int take_meson(struct source_build *b, const struct apt_release *a,
		      struct volt_error *e)
{
	_cleanup_free_ char *deb = NULL;
	int r = apt_release_download(a, "meson", &deb, e);

	if (r < 0 || (r = deb_unpack(deb, b->work.fd, wanted_meson, e)) < 0)
		return r;
	b->own_meson = true;
	return 0;
}

/* All of it */

static int open_release(const struct source_build *b, struct apt_release *ret,
			struct volt_error *e)
{
	struct apt_archive found = { 0 };
	const struct apt_archive *archive = b->o->archive;
	const struct apt_wish wish = { .release = b->recipe.release, .sources = true };
	int r = 0;

	log_line(b->log, 6, "getting Debian's lists of '%s'", b->recipe.release);
	if (!archive) {
		r = apt_archive_find(b->recipe.release, &found, e);
		archive = &found;
	}
	r = r < 0 ? r : apt_release_open(&b->work, archive, &wish, ret, e);
	strv_done(&found.suites);
	return r < 0 ? fail_in(e, r, "no sources ('--source' takes your own)") : 0;
}

int source_get(struct source_build *b, struct volt_error *e)
{
	_cleanup_(apt_release_done) struct apt_release a = APT_RELEASE_INIT;
	int r = 0;

	if (b->o->source) {
		r = take_given(b, e);
	} else if ((r = open_release(b, &a, e)) == 0) {
		log_line(b->log, 6, "downloading the sources of %s", b->recipe.source);
		r = apt_release_source(&a, b->recipe.source, "source", e);
	}
	if (r < 0 || !needs_meson(b))
		return r;
	if (a.fd < 0)
		r = open_release(b, &a, e);
	r = r < 0 ? r : take_meson(b, &a, e);
	return r < 0 ? fail_in(e, r, "get meson %u.%u, which this host does not have",
			       MESON_MAJOR, MESON_MINOR)
		     : 0;
}
