/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/error.h"
#include "profile/profile.h"
#include "store/store.h"

/* main() of a program over the profiles of argv[1], for tests and measurements. */
static inline int profiles_main(int argc, char **argv,
				int (*run)(const struct profiles *ps, int argc,
					   char **argv, struct volt_error *e))
{
	_cleanup_close_ int root =
		argc > 2 ? open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	_cleanup_(store_closep) struct store *s = NULL;
	struct profiles ps = { .rootfd = root };
	struct volt_error e = { 0 };
	int r;

	if (root < 0)
		return 2;
	r = store_open(root, &s, &e);
	ps.store = s;
	if (r >= 0)
		r = run(&ps, argc, argv, &e);
	if (r < 0)
		(void)fprintf(stderr, "%s\n", e.msg);
	return r < 0;
}
