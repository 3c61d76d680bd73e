/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the other files of this volt are. In a build tree they are found beside the
 * program that runs, wherever the tree is; otherwise where they were installed.
 */

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "lib/internal.h"

/* The directory of the program in *@dir. A build tree has Meson's own directory there,
 * which no directory of installed programs has. */
static bool in_build_tree(char dir[static PATH_MAX])
{
	char probe[PATH_MAX + 32];
	ssize_t n = readlink("/proc/self/exe", dir, PATH_MAX - 1);
	char *slash;

	if (n < 0)
		return false;
	dir[n] = '\0';
	slash = strrchr(dir, '/');
	if (!slash)
		return false;
	*slash = '\0';
	(void)snprintf(probe, sizeof(probe), "%s/meson-private", dir);
	return access(probe, F_OK) == 0;
}

/* @built is below the build tree, @installed absolute. */
static int find_file(const char *built, const char *installed, int mode, char **ret,
		     struct volt_error *e)
{
	_cleanup_free_ char *path = NULL;
	char dir[PATH_MAX];
	int n;

	n = in_build_tree(dir) ? asprintf(&path, "%s/%s", dir, built)
			       : asprintf(&path, "%s", installed);
	if (n < 0) {
		path = NULL;
		return fail_oom(e);
	}
	if (access(path, mode) < 0)
		return fail_errno(e, "find '%s': is volt installed whole?", path);
	*ret = TAKE_PTR(path);
	return 0;
}

int find_supervisor(char **ret, struct volt_error *e)
{
	return find_file("src/supervisor/volt-supervisor", LIBEXECDIR "/volt-supervisor",
			 X_OK, ret, e);
}

/* Meson's word for the processors of a machine, which names what it installs. */
static const char *cpu_family(const char *arch)
{
	return strcmp(arch, "arm64") == 0  ? "aarch64"
	       : strcmp(arch, "i386") == 0 ? "x86"
					   : arch;
}

int find_init(const char *arch, char **ret, struct volt_error *e)
{
	char built[PATH_MAX], installed[PATH_MAX];
	bool host = strcmp(cpu_family(arch), HOST_CPU_FAMILY) == 0;
	int r;

	(void)snprintf(built, sizeof(built), "guest-init/%s%svolt-init",
		       host ? "" : cpu_family(arch), host ? "" : "/");
	(void)snprintf(installed, sizeof(installed), "%s/init/%s/volt-init", LIBEXECDIR,
		       cpu_family(arch));
	r = find_file(built, installed, X_OK, ret, e);
	return r < 0 && !host ? fail_in(e, r, "no init for %s guests", arch) : r;
}

int find_kernel_config(const char *arch, char **ret, struct volt_error *e)
{
	char built[PATH_MAX], installed[PATH_MAX];
	int r;

	(void)snprintf(built, sizeof(built), "kernel/%s.config", arch);
	(void)snprintf(installed, sizeof(installed), "%s/kernel/%s.config", PKGDATADIR,
		       arch);
	r = find_file(built, installed, R_OK, ret, e);
	return r < 0 ? fail_in(e, r, "no kernel configuration for %s", arch) : r;
}
