/* SPDX-License-Identifier: Apache-2.0 */
#include "base/apt-foreign.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/apt.h"
#include "base/error.h"
#include "base/io.h"
#include "base/macro.h"
#include "base/path.h"
#include "base/spawn.h"

#define OUT_MAX (1u << 20)
#define KEYRING "/usr/share/keyrings/debian-archive-keyring.gpg"
#define SOURCES "sources.list"

/* The sources */

/* What the host's apt knows of Debian: lines "ADDRESS CODENAME COMPONENT". */
static int ask_host(char **ret, struct volt_error *e)
{
	const char *const argv[] = { "apt-get",
				     "indextargets",
				     "--format",
				     "$(REPO_URI) $(CODENAME) $(COMPONENT)",
				     "Created-By: Packages",
				     "Origin: Debian",
				     NULL };
	struct spawn s = SPAWN_INIT;

	s.argv = argv;
	return spawn_run(&s, OUT_MAX, ret, e);
}

/* Of what a line says, the release may be another one: "bookworm-security" becomes
 * "trixie-security". Kernels are in main. */
static void put_source(FILE *f, char *line, const char *release)
{
	const char *uri = strsep(&line, " "), *suite = strsep(&line, " ");
	const char *pocket = suite ? strchr(suite, '-') : NULL;

	if (!line || strcmp(line, "main") != 0)
		return;
	(void)fprintf(f, "deb %s%s %s%s main\n",
		      access(KEYRING, R_OK) == 0 ? "[signed-by=" KEYRING "] " : "", uri,
		      release ? release : suite, release && pocket ? pocket : "");
}

static int write_sources(int dirfd, const char *release, struct volt_error *e)
{
	_cleanup_free_ char *known = NULL, *text = NULL;
	char *rest, *line;
	size_t size = 0;
	FILE *f;
	int r = ask_host(&known, e);

	if (r < 0)
		return fail_in(e, r, "ask apt for Debian's archive");
	f = open_memstream(&text, &size);
	if (!f)
		return fail_oom(e);
	rest = known;
	while ((line = strsep(&rest, "\n")))
		put_source(f, line, release);
	if (fclose(f) < 0)
		return fail_oom(e);
	if (size == 0)
		return fail(e, ENOTSUP, "the sources of this host's apt name no Debian");
	r = write_file_atomic(dirfd, SOURCES, text, size, 0600);
	return r < 0 ? fail_code(e, r, "write the sources for apt") : 0;
}

/* apt's own things */

static int make_directories(int dirfd, struct volt_error *e)
{
	static const char *const names[] = { "lists/partial", "cache/archives/partial" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		int fd = mkdir_beneath(dirfd, names[i], 0700);

		if (fd < 0)
			return fail_code(e, fd, "make a directory for apt");
		(void)close(fd);
	}
	return 0;
}

static int add_option(struct strv *v, const char *name, const char *value,
		      const char *below)
{
	int r = strv_add(v, "-o");

	return r < 0 ? r
		     : strv_addf(v, "%s=%s%s%s", name, value, below ? "/" : "",
				 below ? below : "");
}

/* No sandbox user: it could not write here, and says so. */
static int make_options(struct apt_foreign *a, const char *directory, const char *arch)
{
	const struct {
		const char *name, *value, *below;
	} options[] = {
		{ "APT::Architecture", arch, NULL },
		{ "APT::Architectures", arch, NULL },
		{ "APT::Sandbox::User", "root", NULL },
		{ "Acquire::Languages", "none", NULL },
		{ "Acquire::Retries", "2", NULL },
		{ "Dir::Cache", directory, "cache" },
		{ "Dir::Etc::SourceList", directory, SOURCES },
		{ "Dir::Etc::SourceParts", "/dev/null", NULL },
		{ "Dir::State::Lists", directory, "lists" },
		{ "Dir::State::Status", "/dev/null", NULL },
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(options); i++)
		r = add_option(&a->options, options[i].name, options[i].value,
			       options[i].below);
	return r;
}

/* apt's @program with the options, then @words up to NULL. */
static int run(const struct apt_foreign *a, const char *program, const char *const *words,
	       char **ret_out, struct volt_error *e)
{
	_cleanup_strv_ struct strv argv = { 0 };
	struct spawn s = SPAWN_INIT;
	int r = strv_add(&argv, program);

	for (size_t i = 0; r == 0 && i < a->options.n; i++)
		r = strv_add(&argv, a->options.v[i]);
	for (; r == 0 && *words; words++)
		r = strv_add(&argv, *words);
	if (r < 0)
		return fail_oom(e);
	s.argv = (const char *const *)argv.v;
	s.cwd = a->w->fd;
	return spawn_run(&s, ret_out ? OUT_MAX : 0, ret_out, e);
}

/* One list of several may be out of step with its archive for a while. */
static void update(const struct apt_foreign *a, const struct log *log)
{
	const char *const words[] = { "-qq", "update", NULL };
	struct volt_error why = { 0 };

	if (run(a, "apt-get", words, NULL, &why) < 0)
		log_line(log, 6, "some lists of packages cannot be had: %s", why.msg);
}

static int prepare(struct apt_foreign *a, const char *arch, const char *release,
		   struct volt_error *e)
{
	_cleanup_free_ char *directory = NULL;
	_cleanup_close_ int fd = -1;
	char name[64];
	int r;

	(void)snprintf(name, sizeof(name), "apt-%s", release ? release : "host");
	fd = mkdir_beneath(a->w->fd, name, 0700);
	if (fd < 0)
		return fail_code(e, fd, "make a directory for apt");
	if ((r = make_directories(fd, e)) < 0 || (r = write_sources(fd, release, e)) < 0)
		return r;
	if (asprintf(&directory, "%s/%s", a->w->path, name) < 0) {
		directory = NULL;
		return fail_oom(e);
	}
	return make_options(a, directory, arch) < 0 ? fail_oom(e) : 0;
}

int apt_foreign_open(const struct workdir *w, const char *arch, const char *release,
		     const struct log *log, struct apt_foreign *ret, struct volt_error *e)
{
	struct apt_foreign a = { .w = w };
	int r = prepare(&a, arch, release, e);

	if (r < 0) {
		apt_foreign_done(&a);
		return r;
	}
	update(&a, log);
	*ret = a;
	return 0;
}

void apt_foreign_done(struct apt_foreign *a)
{
	strv_done(&a->options);
}

int apt_foreign_download(const struct apt_foreign *a, const char *name, char **ret,
			 struct volt_error *e)
{
	const char *const words[] = { "-qq", "download", name, NULL };
	int r = apt_check_name(name, e);

	if (r < 0)
		return r;
	r = run(a, "apt-get", words, NULL, e);
	if (r < 0)
		return fail_in(e, r, "download '%s'", name);
	r = workdir_find(a->w, ".", ".deb", ret);
	return r < 0 ? fail_code(e, r, "find the package '%s' that apt downloaded", name)
		     : 0;
}

int apt_foreign_depends(const struct apt_foreign *a, const char *name, const char *prefix,
			char **ret, struct volt_error *e)
{
	const char *const words[] = { "depends", name, NULL };
	_cleanup_free_ char *out = NULL;
	int r = apt_check_name(name, e);

	if (r < 0)
		return r;
	r = run(a, "apt-cache", words, &out, NULL);
	if (r == -ENOENT)
		return fail(e, ENOENT, "no 'apt-cache' here: kernels come by apt");
	*ret = r < 0 ? NULL : apt_find_dependency(out, prefix);
	return *ret ? 0 : fail(e, ENOENT, "apt knows no package behind '%s'", name);
}
