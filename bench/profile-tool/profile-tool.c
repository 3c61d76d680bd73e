/* SPDX-License-Identifier: Apache-2.0 */
/* The profile layer as a program: what is measured without the rest of volt. Each prints
 * microseconds of wall time, of what it says and nothing else.
 *
 *	profile-tool ROOT store NAME DIR     two numbers: storing it, then making its tree
 *	profile-tool ROOT assemble NAME      making a tree from what is stored
 *	profile-tool ROOT resolve NAME N     resolving what is there, the median of N
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "profile/assemble.h"
#include "profile/build.h"
#include "profile/versions.h"
#include "profiles-main.h"

static double now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int assemble(const struct profiles *ps, const struct profile_manifest *m,
		    double *ret, struct volt_error *e)
{
	struct assembled a = ASSEMBLED_INIT;
	double start = now();
	int r = profile_assemble(ps, m, &a, e);

	*ret = now() - start;
	closep(&a.root);
	closep(&a.lock);
	return r;
}

static int do_store(const struct profiles *ps, char **args, struct volt_error *e)
{
	const struct profile_about about = { .name = args[0] };
	_cleanup_(profile_manifest_freep) struct profile_manifest *m = NULL;
	_cleanup_close_ int fd = open(args[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	double start = now(), stored, assembled;
	int r = profile_store_directory(ps, &about, fd, NULL, &m, e);

	if (r < 0)
		return r;
	stored = now() - start;
	r = assemble(ps, m, &assembled, e);
	if (r >= 0)
		printf("%.0f %.0f\n", stored, assembled);
	return r;
}

static int remove_tree(const struct profiles *ps, const struct profile_manifest *m,
		       struct volt_error *e)
{
	struct disassembled d = DISASSEMBLED_INIT;
	int r = profile_disassemble(ps, m, false, &d, e);

	if (r >= 0)
		profile_disassembled(&d, m);
	return r;
}

/* As another process does that finds no tree: it reads the manifest and hashes all. */
static int do_assemble(const struct profiles *ps, char **args, struct volt_error *e)
{
	_cleanup_(profile_manifest_freep) struct profile_manifest *m = NULL;
	_cleanup_free_ char *ref = NULL;
	double us;
	int r = profile_find(ps, args[0], &ref, e);

	if (r >= 0)
		r = profile_read(ps, ref, &m, e);
	if (r >= 0)
		r = remove_tree(ps, m, e);
	if (r >= 0)
		r = assemble(ps, m, &us, e);
	if (r >= 0)
		printf("%.0f\n", us);
	return r;
}

static int by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static int do_resolve(const struct profiles *ps, char **args, struct volt_error *e)
{
	const struct profile_wish w = { .given = args[0] };
	size_t n = strtoul(args[1], NULL, 10);
	double *us = calloc(n + 1, sizeof(*us));
	int r = us ? 0 : -ENOMEM;

	for (size_t i = 0; i < n && r >= 0; i++) {
		_cleanup_(profile_freep) struct profile *p = NULL;
		double start = now();

		r = profile_resolve(ps, &w, &p, e);
		us[i] = now() - start;
	}
	if (r >= 0) {
		qsort(us, n, sizeof(*us), by_value);
		printf("%.0f\n", us[n / 2]);
	}
	free(us);
	return r;
}

static int run(const struct profiles *ps, int argc, char **argv, struct volt_error *e)
{
	if (strcmp(argv[2], "store") == 0 && argc == 5)
		return do_store(ps, argv + 3, e);
	if (strcmp(argv[2], "assemble") == 0 && argc == 4)
		return do_assemble(ps, argv + 3, e);
	if (strcmp(argv[2], "resolve") == 0 && argc == 5)
		return do_resolve(ps, argv + 3, e);
	return fail(e, EINVAL, "usage: see the top of the source");
}

int main(int argc, char **argv)
{
	return profiles_main(argc, argv, run);
}
