/* SPDX-License-Identifier: Apache-2.0 */
/* make-profile ROOT NAME ARCH: puts the profile into the store of a volt root and assembles
 * it, as the first machine that wants it would. */
#include <stdio.h>

#include "base/log.h"
#include "base/path.h"
#include "profile/profile.h"
#include "store/store.h"

static int make(const char *root, const char *name, const char *arch,
		struct volt_error *e)
{
	_cleanup_close_ int rootfd = mkdir_open(root, 0700);
	_cleanup_(profile_freep) struct profile *p = NULL;
	struct profiles from = { .rootfd = rootfd, .log = &(struct log){ 0 } };
	struct profile_wish wish = { .arch = profile_arch_find(arch) };
	int r = profile_name_parse(name, &wish.name, e);

	if (r == 0)
		r = store_open(rootfd, &from.store, e);
	if (r == 0)
		r = profile_resolve(&from, &wish, &p, e);
	store_close(from.store);
	return r;
}

int main(int argc, char **argv)
{
	struct volt_error e = { 0 };

	if (argc != 4 || make(argv[1], argv[2], argv[3], &e) < 0) {
		(void)fprintf(stderr, "make-profile: %s\n", e.msg);
		return 1;
	}
	return 0;
}
