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
	struct reach *reach;
	struct volt_error *e;
	char ref[2 * NAME_MAX + 2]; /* being read, for messages */
};

static void report(const struct walk *w, const char *what, const char *why)
{
	w->reach->bad(w->reach->data, what, why);
}

/* 1: it was not known yet. */
static int add(const struct walk *w, const struct digest *d)
{
	char hex[DIGEST_HEX_SIZE], why[sizeof(w->ref) + 64];
	int r = digest_set_add(&w->reach->set, d);

	if (r < 0)
		return fail_oom(w->e);
	if (r == 0 || !w->reach->bad || store_has(w->store, d, OBJECT_PLAIN) ||
	    store_has(w->store, d, OBJECT_EXEC))
		return r;
	(void)snprintf(why, sizeof(why), "missing, though ref '%s' needs it", w->ref);
	report(w, digest_hex(d, hex), why);
	return r;
}

static int add_list(const struct walk *w, const struct digest *list)
{
	_cleanup_free_ struct digest *v = NULL;
	struct volt_error why = { 0 };
	size_t i, n;
	int r;

	r = add(w, list);
	if (r <= 0)
		return r;
	r = object_list_read(w->store, list, &v, &n, &why);
	if (r < 0 && r != -ENOMEM && w->reach->bad) {
		if (r != -ENOENT) /* add() has said so */
			report(w, w->ref, why.msg);
		return 0;
	}
	if (r < 0)
		return fail(w->e, -r, "ref '%s': %s", w->ref, why.msg);
	for (i = 0; i < n && r >= 0; i++)
		r = add(w, &v[i]);
	return r;
}

static int add_ref(const struct walk *w, const json_t *j)
{
	struct digest d;
	const char *key;
	json_t *value;
	size_t i;
	int r = 0;

	json_object_foreach(json_object_get(j, "objects"), key, value) {
		(void)digest_parse(json_string_value(value), &d);
		if (r >= 0)
			r = add(w, &d);
	}
	json_array_foreach(json_object_get(j, "lists"), i, value) {
		(void)digest_parse(json_string_value(value), &d);
		if (r >= 0)
			r = add_list(w, &d);
	}
	return r;
}

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
	if (r < 0 && r != -ENOMEM && w->reach->bad) {
		report(w, w->ref, why.msg);
		return 0;
	}
	if (r < 0)
		return fail(w->e, -r, "ref '%s' cannot be read: %s", w->ref, why.msg);
	return add_ref(w, j);
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
	while (r >= 0) {
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

int reach_collect(const struct store *s, struct reach *ret, struct volt_error *e)
{
	struct walk w = { .store = s, .reach = ret, .e = e };
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *de;
	int r;

	r = walk_dir(&w, s->refs, "");
	if (r < 0)
		return r;
	r = dir_stream(s->refs, &dir);
	if (r < 0)
		return fail_code(e, r, "list the refs");
	while (r >= 0) {
		de = dir_next(dir);
		if (!de)
			return errno ? fail_errno(e, "list the refs") : 0;
		r = walk_kind(&w, de->d_name);
	}
	return r;
}

void reach_done(struct reach *r)
{
	digest_set_done(&r->set);
}
