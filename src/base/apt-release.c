/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation
 *
 * What the host's lists do not have comes by apt all the same, so that mirrors, proxies and
 * credentials are those that the host has, and every byte is signed for: the keys of all
 * releases are in Debian's keyring. apt is given directories of its own in the work
 * directory, and none of the host's lists, preferences, hooks or installed packages: it reads
 * the host's configuration, and changes nothing but the work directory.
 */
#include "base/apt-release.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/apt.h"
#include "base/error.h"
#include "base/io.h"
#include "base/macro.h"
#include "base/path.h"
#include "base/spawn.h"
#include "base/tool.h"

#define KEYRING  "/usr/share/keyrings/debian-archive-keyring.gpg"
#define OUT_MAX  (1u << 20)
#define LOG_NAME "apt.log"

/* Where the archive is */

/* A line "<address> <suite> <component>" of the host's: what stands in the suite before a
 * '-' becomes @name, "bookworm-security" for example "trixie-security". */
static int take_entry(const char *line, const char *name, struct strv *ret)
{
	char uri[1024], suite[128], component[64];
	char text[sizeof(uri) + sizeof(suite) + 64];
	const char *pocket;

	if (sscanf(line, "%1023s %127s %63s", uri, suite, component) != 3 ||
	    strcmp(component, "main") != 0)
		return 0;
	pocket = strchrnul(suite, '-');
	(void)snprintf(text, sizeof(text), "%s %s%s", uri, name ?: suite,
		       name ? pocket : "");
	strv_foreach(i, ret->v)
		if (strcmp(*i, text) == 0)
			return 0;
	return strv_add(ret, text);
}

static int no_debian(const char *name, struct volt_error *e)
{
	return name ? fail(e, ENOTSUP,
			   "this host's apt sources have no Debian to take the release "
			   "'%s' from",
			   name)
		    : fail(e, ENOTSUP, "this host's apt sources have no Debian");
}

int apt_archive_find(const char *name, struct apt_archive *ret, struct volt_error *e)
{
	const char *const argv[] = { "apt-get",
				     "indextargets",
				     "--format",
				     "$(REPO_URI) $(CODENAME) $(COMPONENT)",
				     "Created-By: Packages",
				     "Origin: Debian",
				     NULL };
	_cleanup_free_ char *out = NULL;
	struct spawn s = SPAWN_INIT;
	char *rest, *line;
	int r;

	s.argv = argv;
	r = spawn_run(&s, OUT_MAX, &out, e);
	if (r < 0)
		return fail_in(e, r, "read this host's apt sources");
	rest = out;
	while ((line = strsep(&rest, "\n")))
		if (take_entry(line, name, &ret->suites) < 0)
			return fail_oom(e);
	return ret->suites.n ? 0 : no_debian(name, e);
}

/* Its lists */

static int write_file(int fd, const char *name, const char *text, struct volt_error *e)
{
	int r = write_file_atomic(fd, name, text, strlen(text), 0600);

	return r < 0 ? fail_code(e, r, "write '%s' for apt", name) : 0;
}

/* A word in a list of sources: nothing in it may end the line. */
static bool is_word(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text <= ' ' || *text == 0x7f)
			return false;
	return true;
}

static int write_sources(int fd, const struct apt_archive *a, bool sources,
			 struct volt_error *e)
{
	const char *keyring = a->keyring ? a->keyring : KEYRING;
	_cleanup_free_ char *text = NULL;
	size_t size;
	_cleanup_fclose_ FILE *f = open_memstream(&text, &size);

	if (!f)
		return fail_oom(e);
	if (!is_word(keyring))
		return fail(e, EINVAL, "apt takes no spaces in '%s'", keyring);
	if (access(keyring, R_OK) < 0)
		return fail_errno(e, "read Debian's keys '%s'", keyring);
	strv_foreach(i, a->suites.v) {
		const char *space = strchr(*i, ' ');

		if (!space || !is_word(space + 1))
			return fail(e, EINVAL, "'%s' is no address and suite", *i);
		(void)fprintf(f,
			      "Types: deb%s\nURIs: %.*s\nSuites: %s\n"
			      "Components: main\nTargets: Packages%s\n"
			      "Signed-By: %s\n\n",
			      sources ? " deb-src" : "", (int)(space - *i), *i, space + 1,
			      sources ? " Sources" : "", keyring);
	}
	if (fflush(f) != 0)
		return fail_oom(e);
	return write_file(fd, "volt.sources", text, e);
}

/* apt's own directories, and an end to the host's hooks. */
static int prepare(struct apt_release *a, const struct apt_archive *archive, bool sources,
		   struct volt_error *e)
{
	static const char *const dirs[] = { "parts", "lists/partial", "none",
					    "cache/archives/partial" };
	static const char no_hooks[] = "#clear APT::Update;\n#clear DPkg;\n";
	_cleanup_close_ int parts = -1;

	a->fd = mkdir_beneath(a->w->fd, path_base(a->path), 0700);
	if (a->fd < 0)
		return fail_code(e, a->fd, "make a directory for apt");
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		_cleanup_close_ int fd = mkdir_beneath(a->fd, dirs[i], 0700);

		if (fd < 0)
			return fail_code(e, fd, "make a directory for apt");
	}
	parts = open_beneath(a->fd, "parts", O_DIRECTORY, 0);
	if (parts < 0)
		return fail_code(e, parts, "open a directory of apt's");
	return write_file(a->fd, "apt.conf", no_hooks, e)
		       ?: write_sources(parts, archive, sources, e);
}

/* No sandbox user: it could not write here, and says so. */
static int make_options(struct strv *v, const char *path, const struct apt_wish *wish)
{
	static const char *const own[][2] = {
		{ "Dir::Etc::sourceparts", "parts" },
		{ "Dir::Etc::preferencesparts", "none" },
		{ "Dir::State::lists", "lists" },
		{ "Dir::Cache", "cache" },
	};
	static const char *const plain[] = {
		"Dir::Etc::sourcelist=/dev/null",
		"Dir::Etc::preferences=/dev/null",
		"Dir::State::Status=/dev/null",
		"Acquire::Languages=none",
		"Acquire::Retries=2",
		"APT::Sandbox::User=root",
	};
	int r = strv_addf(v, "-c%s/apt.conf", path);

	for (size_t i = 0; i < ARRAY_SIZE(own) && r == 0; i++)
		r = strv_addf(v, "-o%s=%s/%s", own[i][0], path, own[i][1]);
	for (size_t i = 0; i < ARRAY_SIZE(plain) && r == 0; i++)
		r = strv_addf(v, "-o%s", plain[i]);
	if (r == 0 && !wish->lenient)
		r = strv_add(v, "-oAPT::Update::Error-Mode=any");
	if (r == 0 && wish->arch)
		r = strv_addf(v, "-oAPT::Architecture=%s", wish->arch)
			    ?: strv_addf(v, "-oAPT::Architectures=%s", wish->arch);
	return r;
}

/* apt's @program with the options, then @words up to NULL. */
static int make_command(const struct apt_release *a, const char *program,
			const char *const *words, struct strv *ret, struct volt_error *e)
{
	int r = strv_add(ret, program) ?: strv_add(ret, "-q");

	strv_foreach(i, a->options.v)
		r = r ?: strv_add(ret, *i);
	for (; *words; words++)
		r = r ?: strv_add(ret, *words);
	return r < 0 ? fail_oom(e) : 0;
}

/* Runs apt-get in the directory of apt with what follows. */
static int run_apt(const struct apt_release *a, const char *const *words,
		   struct volt_error *e)
{
	_cleanup_strv_ struct strv argv = { 0 };
	struct tool t = { .cwd = a->fd, .dirfd = a->w->fd, .log_name = LOG_NAME };
	int r = make_command(a, "apt-get", words, &argv, e);

	t.argv = (const char *const *)argv.v;
	return r < 0 ? r : tool_run(&t, e);
}

static int update(const struct apt_release *a, const struct apt_wish *wish,
		  struct volt_error *e)
{
	static const char *const words[] = { "update", NULL };
	struct volt_error why = { 0 };
	int r = run_apt(a, words, &why);

	if (r == -EIO && wish->lenient) {
		log_line(wish->log, 6, "some lists of packages cannot be had: %s",
			 why.msg);
		return 0;
	}
	return r < 0 ? fail(e, -r, "get Debian's lists%s: %s", a->of, why.msg) : 0;
}

int apt_release_open(const struct workdir *w, const struct apt_archive *archive,
		     const struct apt_wish *wish, struct apt_release *ret,
		     struct volt_error *e)
{
	struct apt_release *a = ret;
	int r;

	*a = (struct apt_release)APT_RELEASE_INIT;
	a->w = w;
	if (wish->release)
		(void)snprintf(a->of, sizeof(a->of), " of '%s'", wish->release);
	if (asprintf(&a->path, "%s/apt-%s", w->path, wish->release ?: "host") < 0) {
		a->path = NULL;
		return fail_oom(e);
	}
	if (make_options(&a->options, a->path, wish) < 0)
		return fail_oom(e);
	r = prepare(a, archive, wish->sources, e);
	return r < 0 ? r : update(a, wish, e);
}

void apt_release_done(struct apt_release *a)
{
	closep(&a->fd);
	strv_done(&a->options);
	free(a->path);
	*a = (struct apt_release)APT_RELEASE_INIT;
}

/* What it has */

int dsc_unpack(const struct workdir *w, const char *dsc, const char *into,
	       struct volt_error *e)
{
	const char *const argv[] = { "dpkg-source", "--no-copy", "-x", dsc, into, NULL };
	struct tool t = {
		.argv = argv, .cwd = w->fd, .dirfd = w->fd, .log_name = LOG_NAME
	};
	int r = tool_run(&t, e);

	return r < 0 ? fail_in(e, r, "unpack '%s' (needs the package dpkg-dev)", dsc) : 0;
}

int apt_release_source(const struct apt_release *a, const char *package, const char *into,
		       struct volt_error *e)
{
	const char *const words[] = { "--download-only", "--only-source", "source",
				      package, NULL };
	_cleanup_free_ char *dsc = NULL;
	int r = apt_check_name(package, e);

	if (r < 0)
		return r;
	r = run_apt(a, words, e);
	if (r < 0)
		return fail_in(e, r, "download the sources '%s'%s", package, a->of);
	r = workdir_find(a->w, path_base(a->path), ".dsc", &dsc);
	if (r < 0)
		return fail_code(e, r, "find the sources '%s' that apt downloaded",
				 package);
	return dsc_unpack(a->w, dsc, into, e);
}

int apt_release_download(const struct apt_release *a, const char *name, char **ret,
			 struct volt_error *e)
{
	const char *const words[] = { "download", name, NULL };
	int r = apt_check_name(name, e);

	if (r < 0)
		return r;
	r = run_apt(a, words, e);
	if (r < 0)
		return fail_in(e, r, "download '%s'%s", name, a->of);
	r = workdir_find(a->w, path_base(a->path), ".deb", ret);
	return r < 0 ? fail_code(e, r, "find the package '%s' that apt downloaded", name)
		     : 0;
}

int apt_release_depends(const struct apt_release *a, const char *name, const char *prefix,
			char **ret, struct volt_error *e)
{
	const char *const words[] = { "depends", name, NULL };
	_cleanup_strv_ struct strv argv = { 0 };
	_cleanup_free_ char *out = NULL;
	struct spawn s = SPAWN_INIT;
	int r = apt_check_name(name, e);

	if (r < 0 || (r = make_command(a, "apt-cache", words, &argv, e)) < 0)
		return r;
	s.argv = (const char *const *)argv.v;
	r = spawn_run(&s, OUT_MAX, &out, NULL);
	if (r == -ENOENT)
		return fail(e, ENOENT, "no 'apt-cache' here: kernels come by apt");
	*ret = r < 0 ? NULL : apt_find_dependency(out, prefix);
	return *ret ? 0 : fail(e, ENOENT, "apt knows no package behind '%s'", name);
}
