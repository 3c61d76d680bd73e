/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation
 *
 * All libraries of a profile share one directory, and the loader searches only there. So two
 * that have one name cannot both be had, and to take either would be a guess: that is an
 * error. It is no collision when both names lead to one file, as /lib and /usr/lib do.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/path.h"
#include "image/elf-closure.h"
#include "profile/build.h"
#include "profile/host.h"

void host_files_done(struct host_files *f)
{
	for (size_t i = 0; i < f->n; i++) {
		free(f->v[i].path);
		free(f->v[i].source);
	}
	free(f->v);
	strv_done(&f->guests);
	free(f->loader);
	free(f->version);
	*f = (struct host_files){ 0 };
}

static const struct host_file *find_path(const struct host_files *f, const char *path)
{
	for (size_t i = 0; i < f->n; i++)
		if (strcmp(f->v[i].path, path) == 0)
			return &f->v[i];
	return NULL;
}

/* -EEXIST: something else has that path. */
static int check_path(const struct host_files *f, const char *path, const char *source,
		      struct volt_error *e)
{
	const struct host_file *there = find_path(f, path);
	const char *other = there && there->source ? there->source : path;

	if (!there || strcmp(other, source ?: path) == 0)
		return 0;
	return fail(
		e, EEXIST,
		"'%s' and '%s' have one name, and a profile has room for one '%s': remove the one that is not Debian's",
		other, source ?: path, path_base(path));
}

int host_files_add(struct host_files *f, const char *dir, const char *name,
		   const char *found, struct volt_error *e)
{
	_cleanup_free_ char *path = NULL, *source = found ? realpath(found, NULL) : NULL;
	struct host_file *v;
	int r;

	if (found && !source)
		return fail_errno(e, "find '%s'", found);
	if (asprintf(&path, "%s/%s", dir, name) < 0) {
		path = NULL;
		return fail_oom(e);
	}
	r = check_path(f, path, source, e);
	if (r < 0 || find_path(f, path))
		return r;
	v = reallocarray(f->v, f->n + 1, sizeof(*v));
	if (!v)
		return fail_oom(e);
	f->v = v;
	v[f->n++] = (struct host_file){ TAKE_PTR(path), TAKE_PTR(source) };
	return 0;
}

static int set_loader(struct host_files *f, const struct elf_closure *c,
		      struct volt_error *e)
{
	const char *interpreter = c->v[0].file.interpreter;

	if (!interpreter || f->loader)
		return 0;
	if (asprintf(&f->loader, "lib/%s", path_base(interpreter)) < 0) {
		f->loader = NULL;
		return fail_oom(e);
	}
	return 0;
}

int host_files_add_libraries(struct host_files *f, const struct elf_closure *c,
			     struct volt_error *e)
{
	int r = 0;

	for (size_t i = 1; i < c->n && r == 0; i++)
		r = host_files_add(f, "lib", path_base(c->v[i].image), c->v[i].host, e);
	return r == 0 ? set_loader(f, c, e) : r;
}

int host_files_store(const struct host_files *f, const struct profiles *ps,
		     const char *name, int dirfd, struct profile_manifest **ret,
		     struct volt_error *e)
{
	const struct profile_arch *host = profile_arch_find(NULL);
	const struct profile_about about = {
		.name = name,
		.version = f->version,
		.arch = host ? host->name : NULL,
		.loader = f->loader,
		.guests = (const char *const *)f->guests.v,
		.capabilities = f->capabilities,
	};
	_cleanup_free_ struct profile_file *v = calloc(f->n, sizeof(*v));

	if (!v)
		return fail_oom(e);
	for (size_t i = 0; i < f->n; i++)
		v[i] = (struct profile_file){ .path = f->v[i].path,
					      .source = f->v[i].source,
					      .dirfd = dirfd,
					      .at = f->v[i].source ? NULL
								   : f->v[i].path };
	return profile_store(ps, &about, v, f->n, ret, e);
}
