/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the other files of this volt are: in a build tree beside the program that runs,
 * wherever the tree is; for an installed program below the prefix it is in, which need not
 * be the one that was configured; for another program that uses the library, below that.
 */

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "lib/internal.h"

/* The directory of the program that runs; false: it has none. */
static bool own_directory(char dir[static PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", dir, PATH_MAX - 1);
	char *slash;

	if (n < 0)
		return false;
	dir[n] = '\0';
	slash = strrchr(dir, '/');
	if (slash)
		*slash = '\0';
	return slash != NULL;
}

/* DIR/FILE (FILE itself where it is absolute) if it is there and may be used (@mode). */
static int try_file(const char *dir, const char *file, int mode, char **ret)
{
	_cleanup_free_ char *path = NULL;

	if (asprintf(&path, "%s%s%s", file[0] == '/' ? "" : dir,
		     file[0] == '/' ? "" : "/", file) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	if (access(path, mode) < 0)
		return -errno;
	*ret = TAKE_PTR(path);
	return 0;
}

/* @built is below the build tree, @installed below the prefix. */
static int find_file(const char *built, const char *installed, int mode, char **ret,
		     struct volt_error *e)
{
	char dir[PATH_MAX], *base;
	int r = -ENOENT;

	if (own_directory(dir)) {
		base = strrchr(dir, '/');
		r = try_file(dir, built, mode, ret);
		if (r < 0 && base && strcmp(base, "/bin") == 0) {
			*base = '\0';
			r = try_file(dir, installed, mode, ret);
		}
	}
	if (r < 0)
		r = try_file(PREFIX, installed, mode, ret);
	return r < 0 ? fail_code(e, r, "find '" PREFIX "/%s': is volt installed whole?",
				 installed)
		     : 0;
}

int find_supervisor(char **ret, struct volt_error *e)
{
	return find_file("src/supervisor/volt-supervisor", LIBEXECDIR "/volt-supervisor",
			 X_OK, ret, e);
}

int find_init(const char *arch, char **ret, struct volt_error *e)
{
	char built[PATH_MAX], installed[PATH_MAX];
	int r;

	(void)snprintf(built, sizeof(built), "guest-init/volt-init-%s", arch);
	(void)snprintf(installed, sizeof(installed), "%s/volt-init-%s", LIBEXECDIR, arch);
	r = find_file(built, installed, X_OK, ret, e);
	if (r < 0 && strcmp(arch, HOST_ARCH) != 0)
		return fail(e, ENOENT,
			    "volt was built without an init for %s guests (for want of a "
			    "compiler for it)",
			    arch);
	return r;
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

int find_recipe(const char *profile, char **ret, struct volt_error *e)
{
	char built[PATH_MAX], installed[PATH_MAX];
	int r;

	(void)snprintf(built, sizeof(built), "profiles/%s.recipe", profile);
	(void)snprintf(installed, sizeof(installed), "%s/profiles/%s.recipe", PKGDATADIR,
		       profile);
	r = find_file(built, installed, R_OK, ret, e);
	return r < 0 ? fail_in(e, r, "no recipe for profile '%s'", profile) : r;
}
