/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation
 *
 * The sources of a release that is not installed come by apt all the same, so that mirrors,
 * proxies and credentials are those that the host has, and every byte is signed for: the
 * keys of all releases are in Debian's keyring. apt is given directories of its own in the
 * work directory, and none of the host's lists, preferences or hooks: it reads the host's
 * configuration, and changes nothing but the work directory.
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
#define DIR_NAME "apt"
#define OUT_MAX  (1u << 20)
#define LOG_NAME "apt.log"

/* Where the archive is */

/* VERSION_CODENAME of the host. */
static void host_codename(char *ret, size_t size)
{
	_cleanup_fclose_ FILE *f = fopen("/etc/os-release", "re");
	char line[256], word[64];

	*ret = 0;
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "VERSION_CODENAME=%63[a-z]", word) == 1)
			(void)snprintf(ret, size, "%s", word);
}

/* A line "<address> <suite> <component>" of the host's: @codename, or @codename and what
 * stands behind a '-', becomes that of @name. */
static int take_entry(const char *line, const char *codename, const char *name,
		      struct strv *ret)
{
	char uri[1024], suite[128], component[64];
	char text[sizeof(uri) + sizeof(suite) + 64];
	size_t n = strlen(codename);

	if (sscanf(line, "%1023s %127s %63s", uri, suite, component) != 3 ||
	    strcmp(component, "main") != 0 || strncmp(suite, codename, n) != 0 ||
	    (suite[n] && suite[n] != '-'))
		return 0;
	(void)snprintf(text, sizeof(text), "%s %s%s", uri, name, suite + n);
	strv_foreach(i, ret->v)
		if (strcmp(*i, text) == 0)
			return 0;
	return strv_add(ret, text);
}

int apt_archive_find(const char *name, struct apt_archive *ret, struct volt_error *e)
{
	const char *const argv[] = { "apt-get",
				     "indextargets",
				     "--format",
				     "$(REPO_URI) $(RELEASE) $(COMPONENT)",
				     "Created-By: Packages",
				     NULL };
	_cleanup_free_ char *out = NULL;
	struct spawn s = SPAWN_INIT;
	char codename[64], *rest, *line;
	int r;

	s.argv = argv;
	r = spawn_run(&s, OUT_MAX, &out, e);
	if (r < 0)
		return fail_in(e, r, "read this host's apt sources");
	host_codename(codename, sizeof(codename));
	rest = out;
	while (codename[0] && (line = strsep(&rest, "\n")))
		if (take_entry(line, codename, name, &ret->suites) < 0)
			return fail_oom(e);
	return ret->suites.n ? 0
			     : fail(e, ENOENT,
				    "this host's apt sources have no Debian to take the "
				    "release '%s' from",
				    name);
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

static int write_sources(int fd, const struct apt_archive *a, struct volt_error *e)
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
			      "Types: deb deb-src\nURIs: %.*s\nSuites: %s\n"
			      "Components: main\nTargets: Packages Sources\n"
			      "Signed-By: %s\n\n",
			      (int)(space - *i), *i, space + 1, keyring);
	}
	if (fflush(f) != 0)
		return fail_oom(e);
	return write_file(fd, "volt.sources", text, e);
}

/* apt's own directories, and an end to the host's hooks. */
static int prepare(struct apt_release *a, const struct apt_archive *archive,
		   struct volt_error *e)
{
	static const char *const dirs[] = { "parts", "lists/partial", "none",
					    "cache/archives/partial" };
	static const char no_hooks[] = "#clear APT::Update;\n#clear DPkg;\n";
	_cleanup_close_ int parts = -1;

	a->fd = mkdir_beneath(a->w->fd, DIR_NAME, 0700);
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
		       ?: write_sources(parts, archive, e);
}

/* Runs apt-get in the directory of apt with what follows. */
static int run_apt(const struct apt_release *a, const char *const *words,
		   struct volt_error *e)
{
	static const char *const own[][2] = {
		{ "Dir::Etc::sourceparts", "parts" },
		{ "Dir::Etc::preferencesparts", "none" },
		{ "Dir::State::lists", "lists" },
		{ "Dir::Cache", "cache" },
	};
	_cleanup_strv_ struct strv argv = { 0 };
	struct tool t = { .cwd = a->fd, .dirfd = a->w->fd, .log_name = LOG_NAME };
	int r = strv_add(&argv, "apt-get") ?: strv_add(&argv, "-q") ?:
		strv_addf(&argv, "-c%s/apt.conf", a->path);

	for (size_t i = 0; i < ARRAY_SIZE(own) && r == 0; i++)
		r = strv_addf(&argv, "-o%s=%s/%s", own[i][0], a->path, own[i][1]);
	r = r ?: strv_add(&argv, "-oDir::Etc::sourcelist=/dev/null") ?:
	    strv_add(&argv, "-oDir::Etc::preferences=/dev/null") ?:
	    strv_add(&argv, "-oAcquire::Languages=none") ?:
	    strv_add(&argv, "-oAPT::Update::Error-Mode=any") ?:
	    strv_add(&argv, "-oAPT::Sandbox::User=root");
	for (; *words && r == 0; words++)
		r = strv_add(&argv, *words);
	if (r < 0)
		return fail_oom(e);
	t.argv = (const char *const *)argv.v;
	return tool_run(&t, e);
}

int apt_release_open(const struct workdir *w, const char *name,
		     const struct apt_archive *archive, struct apt_release *ret,
		     struct volt_error *e)
{
	static const char *const update[] = { "update", NULL };
	struct apt_release *a = ret;
	int r;

	*a = (struct apt_release)APT_RELEASE_INIT;
	a->w = w;
	a->name = strdup(name);
	if (!a->name || asprintf(&a->path, "%s/" DIR_NAME, w->path) < 0) {
		a->path = NULL;
		return fail_oom(e);
	}
	r = prepare(a, archive, e);
	if (r < 0)
		return r;
	r = run_apt(a, update, e);
	return r < 0 ? fail_in(e, r, "get Debian's lists of '%s'", name) : 0;
}

void apt_release_done(struct apt_release *a)
{
	closep(&a->fd);
	free(a->name);
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
		return fail_in(e, r, "download the sources '%s' of '%s'", package,
			       a->name);
	r = workdir_find(a->w, DIR_NAME, ".dsc", &dsc);
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
		return fail_in(e, r, "download '%s' of '%s'", name, a->name);
	r = workdir_find(a->w, DIR_NAME, ".deb", ret);
	return r < 0 ? fail_code(e, r, "find the package '%s' that apt downloaded", name)
		     : 0;
}
