/* SPDX-License-Identifier: Apache-2.0 */
/* profile-writer ROOT make|repair|remove: does with the profiles of ROOT what writes. For
 * test-profile-crash, which kills it at every call. It can be run again on what is left. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "profile/build.h"
#include "profile/verify.h"
#include "profile/versions.h"
#include "profiles-main.h"
#include "store/gc.h"

#define NAME "kvm-linux"

/* Stores ROOT/@dir as the current version and assembles it. */
static int make_version(const struct profiles *ps, const char *root, const char *dir,
			struct volt_error *e)
{
	const struct profile_about about = { .name = NAME, .version = "7.2.22" };
	const struct profile_wish wish = { .given = NAME };
	_cleanup_(profile_manifest_freep) struct profile_manifest *m = NULL;
	_cleanup_(profile_freep) struct profile *p = NULL;
	_cleanup_close_ int fd = -1;
	char path[256];
	int r;

	(void)snprintf(path, sizeof(path), "%s/%s", root, dir);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = profile_store_directory(ps, &about, fd, path, &m, e);
	return r < 0 ? r : profile_resolve(ps, &wish, &p, e);
}

static int make(const struct profiles *ps, const char *root, struct volt_error *e)
{
	int r = make_version(ps, root, "one", e);

	return r < 0 ? r : make_version(ps, root, "two", e);
}

static int repair(const struct profiles *ps, struct volt_error *e)
{
	struct profile_check n = { 0 };
	int r = profile_verify(ps, NULL, true, NULL, &n, e);

	if (r >= 0 && n.bad != n.repaired)
		r = fail(e, EBADMSG, "not repaired");
	return r;
}

static int remove_all(const struct profiles *ps, struct volt_error *e)
{
	struct profile_list l = { 0 };
	int r = profile_list(ps, &l, e);

	for (size_t i = 0; i < l.n && r >= 0; i++)
		r = profile_remove(ps, l.v[i].ref, false, e);
	profile_list_done(&l);
	return r < 0 ? r : store_gc(ps->store, false, true, NULL, e);
}

static int run(const struct profiles *ps, int argc, char **argv, struct volt_error *e)
{
	if (strcmp(argv[2], "make") == 0)
		return make(ps, argv[1], e);
	if (strcmp(argv[2], "repair") == 0)
		return repair(ps, e);
	return remove_all(ps, e);
}

int main(int argc, char **argv)
{
	return profiles_main(argc, argv, run);
}
