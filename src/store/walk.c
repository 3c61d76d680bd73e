/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/path.h"
#include "store/internal.h"
#include "store/ref.h"

/* Walks every *.json below refs/, of whatever kind: what a newer volt keeps alive there
 * stays alive. Tags point at refs and keep nothing alive themselves. */

struct walk {
	const struct store *store;
	const struct ref_walk *how;
	struct volt_error *e;
	char ref[REF_NAME_SIZE]; /* being read */
};

static int read_ref(struct walk *w, int dirfd, const char *file)
{
	struct volt_error why = { 0 };
	json_auto_t *j = NULL;
	int r;

	r = json_read_at(dirfd, file, &j, &why);
	if (r == -ENOENT)
		return 0; /* removed since */
	if (r >= 0)
		r = ref_check(j, file, &why);
	if (r < 0 && r != -ENOMEM && w->how->bad) {
		w->how->bad(w->how->data, w->ref, why.msg);
		return 0;
	}
	if (r < 0)
		return fail(w->e, -r, "ref '%s' cannot be read: %s", w->ref, why.msg);
	return w->how->ref(w->how->data, w->ref, j, w->e);
}

static bool is_ref_file(const char *name)
{
	size_t n = strlen(name);

	return name[0] != '.' && n > 5 && strcmp(name + n - 5, ".json") == 0;
}

static int walk_dir(struct walk *w, int dirfd, const char *kind)
{
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *de;
	int r;

	r = dir_stream(dirfd, &dir);
	if (r < 0)
		return fail_code(w->e, r, "list the refs of kind '%s'", kind);
	while (r == 0) {
		de = dir_next(dir);
		if (!de)
			return errno ? fail_errno(w->e, "list the refs of kind '%s'",
						  kind)
				     : 0;
		if (!is_ref_file(de->d_name))
			continue;
		(void)snprintf(w->ref, sizeof(w->ref), "%s%s%s", kind, *kind ? "/" : "",
			       de->d_name);
		r = read_ref(w, dirfd, de->d_name);
	}
	return r;
}

static int walk_kind(struct walk *w, const char *kind)
{
	_cleanup_close_ int fd = -1;

	if (kind[0] == '.' || strcmp(kind, "tags") == 0)
		return 0;
	fd = open_beneath(w->store->refs, kind, O_RDONLY | O_DIRECTORY, 0);
	if (fd == -ENOTDIR)
		return 0;
	return fd < 0 ? fail_code(w->e, fd, "open the refs of kind '%s'", kind)
		      : walk_dir(w, fd, kind);
}

int refs_walk(const struct store *s, const struct ref_walk *how, struct volt_error *e)
{
	struct walk w = { .store = s, .how = how, .e = e };
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *de;
	int r;

	r = walk_dir(&w, s->refs, "");
	if (r != 0)
		return r;
	r = dir_stream(s->refs, &dir);
	if (r < 0)
		return fail_code(e, r, "list the refs");
	while (r == 0) {
		de = dir_next(dir);
		if (!de)
			return errno ? fail_errno(e, "list the refs") : 0;
		r = walk_kind(&w, de->d_name);
	}
	return r;
}
