/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of an image a Nanos machine does not need, by name. doc/nanos.md says the same in
 * words. In doubt a file stays in: nothing here may be what some program reads while it runs,
 * unless a condition says which programs do.
 */
#include <fnmatch.h>
#include <string.h>

#include "base/path.h"
#include "guest/nanos-plan-internal.h"

const struct nanos_rule nanos_rules[NANOS_LEFT_MAX] = {
	[NANOS_IN] = { "in", "" },
	[NANOS_KERNELS] = { "kernel", "devices, and what is in /dev, /proc and /sys" },
	[NANOS_PACKAGES] = { "packages", "package managers and their databases" },
	[NANOS_DOCS] = { "docs", "manuals and other documentation" },
	[NANOS_LOCALES] = { "locales", "translations that no variable asks for" },
	[NANOS_DEVELOPMENT] = { "development", "headers, static libraries, tests" },
	[NANOS_SYSTEM] = { "system", "init, cron, logins, a kernel's modules" },
	[NANOS_RUNTIMES] = { "runtimes", "of languages that the program is not in" },
	[NANOS_PROGRAMS] = { "programs", "other programs: nothing can start them" },
	[NANOS_LIBRARIES] = { "libraries", "libraries that nothing which is in needs" },
};

/* A directory, and when it stays in all the same. */
struct pattern {
	enum nanos_left rule;
	const char *glob;
	const char *program; /* the program's name begins so */
	const char *library; /* it needs a library whose name begins so */
};

/* Below /usr and /usr/local; what is below /lib, too, where /usr is not merged. */
static const struct pattern system_patterns[] = {
	{ NANOS_DOCS, "share/doc", NULL, NULL },
	{ NANOS_DOCS, "share/doc-base", NULL, NULL },
	{ NANOS_DOCS, "share/man", NULL, NULL },
	{ NANOS_DOCS, "man", NULL, NULL },
	{ NANOS_DOCS, "share/info", NULL, NULL },
	{ NANOS_DOCS, "share/groff", NULL, NULL },
	{ NANOS_DOCS, "share/gtk-doc", NULL, NULL },
	{ NANOS_DOCS, "share/lintian", NULL, NULL },
	{ NANOS_DOCS, "share/bug", NULL, NULL },
	{ NANOS_DOCS, "share/common-licenses", NULL, NULL },
	{ NANOS_DOCS, "share/licenses", NULL, NULL },
	{ NANOS_LOCALES, "share/locale", NULL, NULL },
	{ NANOS_LOCALES, "share/i18n", NULL, NULL },
	{ NANOS_LOCALES, "lib/locale", NULL, NULL },
	{ NANOS_DEVELOPMENT, "include", NULL, NULL },
	{ NANOS_DEVELOPMENT, "src", NULL, NULL },
	{ NANOS_DEVELOPMENT, "share/pkgconfig", NULL, NULL },
	{ NANOS_DEVELOPMENT, "lib/pkgconfig", NULL, NULL },
	{ NANOS_DEVELOPMENT, "lib/*/pkgconfig", NULL, NULL },
	{ NANOS_DEVELOPMENT, "lib/cmake", NULL, NULL },
	{ NANOS_DEVELOPMENT, "lib/*/cmake", NULL, NULL },
	{ NANOS_DEVELOPMENT, "share/cmake*", NULL, NULL },
	{ NANOS_DEVELOPMENT, "share/aclocal*", NULL, NULL },
	{ NANOS_DEVELOPMENT, "share/gdb", NULL, NULL },
	{ NANOS_DEVELOPMENT, "lib/debug", NULL, NULL },
	{ NANOS_DEVELOPMENT, "lib/gcc", NULL, NULL },
	{ NANOS_DEVELOPMENT, "lib/python3*/test", NULL, NULL },
	{ NANOS_DEVELOPMENT, "lib/python3*/idlelib", NULL, NULL },
	{ NANOS_DEVELOPMENT, "lib/python3*/ensurepip", NULL, NULL },
	{ NANOS_DEVELOPMENT, "lib/python3*/config-3*", NULL, NULL },
	{ NANOS_DEVELOPMENT, "lib/jvm/*/jmods", NULL, NULL },
	{ NANOS_DEVELOPMENT, "lib/jvm/*/include", NULL, NULL },
	{ NANOS_PACKAGES, "lib/apt", NULL, NULL },
	{ NANOS_PACKAGES, "lib/apk", NULL, NULL },
	{ NANOS_PACKAGES, "lib/dpkg", NULL, NULL },
	{ NANOS_PACKAGES, "lib/rpm", NULL, NULL },
	{ NANOS_PACKAGES, "lib/sysimage", NULL, NULL },
	{ NANOS_PACKAGES, "lib/node_modules/npm", NULL, NULL },
	{ NANOS_PACKAGES, "lib/node_modules/corepack", NULL, NULL },
	{ NANOS_PACKAGES, "share/dpkg", NULL, NULL },
	{ NANOS_PACKAGES, "share/debconf", NULL, NULL },
	{ NANOS_PACKAGES, "share/keyrings", NULL, NULL },
	{ NANOS_SYSTEM, "lib/systemd", NULL, NULL },
	{ NANOS_SYSTEM, "lib/udev", NULL, NULL },
	{ NANOS_SYSTEM, "lib/init", NULL, NULL },
	{ NANOS_SYSTEM, "lib/lsb", NULL, NULL },
	{ NANOS_SYSTEM, "lib/tmpfiles.d", NULL, NULL },
	{ NANOS_SYSTEM, "lib/sysusers.d", NULL, NULL },
	{ NANOS_SYSTEM, "lib/sysctl.d", NULL, NULL },
	{ NANOS_SYSTEM, "lib/binfmt.d", NULL, NULL },
	{ NANOS_SYSTEM, "lib/modprobe.d", NULL, NULL },
	{ NANOS_SYSTEM, "lib/modules", NULL, NULL },
	{ NANOS_SYSTEM, "lib/firmware", NULL, NULL },
	{ NANOS_SYSTEM, "share/bash-completion", NULL, NULL },
	{ NANOS_SYSTEM, "share/zsh", NULL, NULL },
	{ NANOS_SYSTEM, "share/fish", NULL, NULL },
	{ NANOS_SYSTEM, "share/initramfs-tools", NULL, NULL },
	{ NANOS_SYSTEM, "share/apport", NULL, NULL },
	{ NANOS_SYSTEM, "share/vim", NULL, NULL },
	{ NANOS_SYSTEM, "share/pam", NULL, "libpam." },
	{ NANOS_SYSTEM, "share/pam-configs", NULL, NULL },
	{ NANOS_SYSTEM, "share/polkit-1", NULL, "libpolkit" },
	{ NANOS_RUNTIMES, "lib/perl*", "perl", "libperl." },
	{ NANOS_RUNTIMES, "lib/*/perl*", "perl", "libperl." },
	{ NANOS_RUNTIMES, "share/perl*", "perl", "libperl." },
	{ NANOS_RUNTIMES, "lib/python[0-9]*", "py", "libpython" },
	{ NANOS_RUNTIMES, "share/python*", "py", "libpython" },
	{ NANOS_RUNTIMES, "lib/ruby", "ruby", "libruby" },
	{ NANOS_RUNTIMES, "lib/*/ruby", "ruby", "libruby" },
	{ NANOS_RUNTIMES, "lib/node_modules", "node", "libnode." },
	{ NANOS_RUNTIMES, "lib/tcltk", "tcl", "libtcl" },
	{ NANOS_RUNTIMES, "share/tcltk", "tcl", "libtcl" },
	{ NANOS_RUNTIMES, "lib/jvm", NULL, "libjvm." },
	{ NANOS_LIBRARIES, "lib*/ossl-modules", NULL, "libcrypto." },
	{ NANOS_LIBRARIES, "lib/*/ossl-modules", NULL, "libcrypto." },
	{ NANOS_LIBRARIES, "lib*/engines-*", NULL, "libcrypto." },
	{ NANOS_LIBRARIES, "lib/*/engines-*", NULL, "libcrypto." },
	{ NANOS_LIBRARIES, "lib*/sasl2", NULL, "libsasl2." },
	{ NANOS_LIBRARIES, "lib/*/sasl2", NULL, "libsasl2." },
	{ NANOS_LIBRARIES, "lib*/security", NULL, "libpam." },
	{ NANOS_LIBRARIES, "lib/*/security", NULL, "libpam." },
	{ NANOS_LIBRARIES, "lib*/krb5", NULL, "libkrb5." },
	{ NANOS_LIBRARIES, "lib/*/krb5", NULL, "libkrb5." },
	{ NANOS_LIBRARIES, "lib*/audit", NULL, NULL },
	{ NANOS_LIBRARIES, "lib/*/audit", NULL, NULL },
	{ NANOS_LIBRARIES, "lib/terminfo", NULL, "libtinfo" },
	{ NANOS_LIBRARIES, "share/terminfo", NULL, "libtinfo" },
};

static const struct pattern other_patterns[] = {
	{ NANOS_KERNELS, "dev", NULL, NULL },
	{ NANOS_KERNELS, "proc", NULL, NULL },
	{ NANOS_KERNELS, "sys", NULL, NULL },
	{ NANOS_PACKAGES, "etc/apk", NULL, NULL },
	{ NANOS_PACKAGES, "etc/apt", NULL, NULL },
	{ NANOS_PACKAGES, "etc/dpkg", NULL, NULL },
	{ NANOS_PACKAGES, "etc/dnf", NULL, NULL },
	{ NANOS_PACKAGES, "etc/rpm", NULL, NULL },
	{ NANOS_PACKAGES, "etc/yum*", NULL, NULL },
	{ NANOS_PACKAGES, "lib/apk", NULL, NULL },
	{ NANOS_PACKAGES, "opt/yarn-*", NULL, NULL },
	{ NANOS_PACKAGES, "var/cache/apk", NULL, NULL },
	{ NANOS_PACKAGES, "var/cache/apt", NULL, NULL },
	{ NANOS_PACKAGES, "var/cache/debconf", NULL, NULL },
	{ NANOS_PACKAGES, "var/cache/dnf", NULL, NULL },
	{ NANOS_PACKAGES, "var/cache/yum", NULL, NULL },
	{ NANOS_PACKAGES, "var/lib/apk", NULL, NULL },
	{ NANOS_PACKAGES, "var/lib/apt", NULL, NULL },
	{ NANOS_PACKAGES, "var/lib/dnf", NULL, NULL },
	{ NANOS_PACKAGES, "var/lib/dpkg", NULL, NULL },
	{ NANOS_PACKAGES, "var/lib/pacman", NULL, NULL },
	{ NANOS_PACKAGES, "var/lib/rpm", NULL, NULL },
	{ NANOS_PACKAGES, "var/lib/ucf", NULL, NULL },
	{ NANOS_PACKAGES, "var/lib/yum", NULL, NULL },
	{ NANOS_PACKAGES, "var/log/apt", NULL, NULL },
	{ NANOS_DOCS, "var/cache/man", NULL, NULL },
	{ NANOS_SYSTEM, "boot", NULL, NULL },
	{ NANOS_SYSTEM, "etc/bash_completion.d", NULL, NULL },
	{ NANOS_SYSTEM, "etc/cron.*", NULL, NULL },
	{ NANOS_SYSTEM, "etc/init.d", NULL, NULL },
	{ NANOS_SYSTEM, "etc/logrotate.d", NULL, NULL },
	{ NANOS_SYSTEM, "etc/pam.d", NULL, "libpam." },
	{ NANOS_SYSTEM, "etc/profile.d", NULL, NULL },
	{ NANOS_SYSTEM, "etc/rc?.d", NULL, NULL },
	{ NANOS_SYSTEM, "etc/security", NULL, "libpam." },
	{ NANOS_SYSTEM, "etc/selinux", NULL, "libselinux." },
	{ NANOS_SYSTEM, "etc/skel", NULL, NULL },
	{ NANOS_SYSTEM, "etc/systemd", NULL, NULL },
	{ NANOS_SYSTEM, "etc/udev", NULL, NULL },
	{ NANOS_SYSTEM, "var/lib/pam", NULL, NULL },
	{ NANOS_SYSTEM, "var/lib/systemd", NULL, NULL },
	{ NANOS_RUNTIMES, "etc/perl", "perl", "libperl." },
	{ NANOS_LIBRARIES, "etc/terminfo", NULL, "libtinfo" },
};

/* What is behind the beginning @dir and a slash; NULL: something else. */
static const char *below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return strncmp(path, dir, n) == 0 && path[n] == '/' ? path + n + 1 : NULL;
}

/* As it would be below /usr; NULL: it is none of the system's. */
static const char *system_path(const char *path)
{
	static const char *const tops[] = { "bin",   "sbin",  "lib",
					    "lib32", "lib64", "libx32" };
	const char *rest = below(path, "usr/local");

	if (!rest)
		rest = below(path, "usr");
	for (size_t i = 0; i < ARRAY_SIZE(tops) && !rest; i++)
		if (below(path, tops[i]))
			rest = path;
	return rest;
}

static bool needs_library(const struct nanos_choice *c, const char *name)
{
	for (size_t i = 0; i < c->closure.n; i++)
		if (strncmp(path_base(c->closure.v[i].image), name, strlen(name)) == 0)
			return true;
	return false;
}

static bool is_asked_for(const struct nanos_choice *c, const struct pattern *p)
{
	const char *program = path_base(c->t->v[c->program].path);

	return (p->program && strncmp(program, p->program, strlen(p->program)) == 0) ||
	       (p->library && needs_library(c, p->library));
}

static enum nanos_left match(const struct nanos_choice *c, const struct pattern *v,
			     size_t n, const char *path)
{
	for (size_t i = 0; i < n; i++)
		if (fnmatch(v[i].glob, path, FNM_PATHNAME | FNM_PERIOD) == 0 &&
		    !is_asked_for(c, &v[i]))
			return v[i].rule;
	return NANOS_IN;
}

enum nanos_left nanos_directory_rule(const struct nanos_choice *c, const char *path)
{
	const char *rest = system_path(path);
	enum nanos_left left = NANOS_IN;

	if (rest)
		left = match(c, system_patterns, ARRAY_SIZE(system_patterns), rest);
	if (left == NANOS_IN)
		left = match(c, other_patterns, ARRAY_SIZE(other_patterns), path);
	return left;
}

static bool is_directly_in(const char *path, const char *dir)
{
	const char *rest = below(path, dir);

	return rest && !strchr(rest, '/');
}

bool nanos_is_system_program(const char *path)
{
	const char *rest = system_path(path);

	return rest && (is_directly_in(rest, "bin") || is_directly_in(rest, "sbin") ||
			is_directly_in(rest, "games"));
}

bool nanos_is_system_library(const struct nanos_choice *c, const char *path)
{
	const char *rest = system_path(path), *name = path_base(path);
	const char *so = strstr(name, ".so"), *multiarch;

	if (!rest || !so || (so[3] != '\0' && so[3] != '.'))
		return false;
	if (is_directly_in(rest, "lib") || is_directly_in(rest, "lib32") ||
	    is_directly_in(rest, "lib64") || is_directly_in(rest, "libx32"))
		return true;
	rest = below(rest, "lib");
	multiarch = c->closure.n ? elf_multiarch(&c->closure.v[0].file) : "";
	return rest && *multiarch && is_directly_in(rest, multiarch);
}

bool nanos_is_system(const char *path)
{
	return system_path(path) != NULL;
}
