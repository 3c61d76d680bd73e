/* SPDX-License-Identifier: Apache-2.0 */
#include "base/apt.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/macro.h"
#include "base/spawn.h"

#define OUT_MAX (1u << 20)

int apt_check_name(const char *name, struct volt_error *e)
{
	static const char good[] = "abcdefghijklmnopqrstuvwxyz0123456789.+-:";

	if (name[0] >= 'a' && name[0] <= 'z' && !name[strspn(name, good)])
		return 0;
	return fail(e, EINVAL, "'%s' is not the name of a Debian package", name);
}

int apt_download(const struct workdir *w, const char *name, char **ret,
		 struct volt_error *e)
{
	/* No sandbox user: it could not write here, and says so. */
	const char *const argv[] = { "apt-get",  "-qq", "-o", "APT::Sandbox::User=root",
				     "download", name,  NULL };
	struct spawn s = SPAWN_INIT;
	int r = apt_check_name(name, e);

	if (r < 0)
		return r;
	s.argv = argv;
	s.cwd = w->fd;
	r = spawn_run(&s, 0, NULL, e);
	if (r < 0)
		return fail_in(e, r, "download '%s' ('apt-get update' may help)", name);
	r = workdir_find(w, ".", ".deb", ret);
	return r < 0 ? fail_code(e, r, "find the package '%s' that apt downloaded", name)
		     : 0;
}

char *apt_find_dependency(char *text, const char *prefix)
{
	static const char word[] = "Depends: ";
	char *line;

	while ((line = strsep(&text, "\n"))) {
		char *at = strstr(line, word);

		if (at && strncmp(at + strlen(word), prefix, strlen(prefix)) == 0)
			return strdup(at + strlen(word));
	}
	return NULL;
}

int apt_depends(const char *name, const char *prefix, char **ret, struct volt_error *e)
{
	const char *const argv[] = { "apt-cache", "depends", name, NULL };
	_cleanup_free_ char *out = NULL;
	struct spawn s = SPAWN_INIT;
	int r = apt_check_name(name, e);

	if (r < 0)
		return r;
	s.argv = argv;
	r = spawn_run(&s, OUT_MAX, &out, e);
	if (r < 0)
		return fail_in(e, r, "look up '%s' ('apt-get update' may help)", name);
	*ret = apt_find_dependency(out, prefix);
	if (!*ret)
		return fail(
			e, ENOENT,
			"apt knows no package behind '%s' ('apt-get update' may help)",
			name);
	return 0;
}
