/* SPDX-License-Identifier: Apache-2.0 */
#include "store/ref.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "base/json.h"
#include "base/path.h"
#include "base/strv.h"
#include "store/internal.h"

#define TAGS     "tags"
#define TAG_MAX  256
#define SUFFIX   ".json"
#define FILE_MAX (128 + sizeof(SUFFIX)) /* name_is_valid()'s limit */

static const char *const kinds[] = { "images", "kernels", "layers", "machines" };

/* -- where a ref is -------------------------------------------------------------- */

static bool kind_is_known(const char *kind)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		if (strcmp(kind, kinds[i]) == 0)
			return true;
	return false;
}

/* A descriptor to close; -ENOENT where it is missing and not to be @make. */
static int dir_open(const struct store *s, const char *name, bool make,
		    struct volt_error *e)
{
	int fd;

	if (make && name)
		fd = mkdir_beneath(s->refs, name, 0700);
	else
		fd = open_beneath(s->refs, name ? name : ".", O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0 && fd != -ENOENT)
		return fail_code(e, fd, "open the store's directory 'refs/%s'",
				 name ? name : "");
	return fd;
}

static int kind_open(const struct store *s, const char *kind, bool make,
		     struct volt_error *e)
{
	if (kind && !kind_is_known(kind))
		return fail(e, EINVAL, "'%s' is not a kind of ref", kind);
	return dir_open(s, kind, make, e);
}

static int name_check(const char *name, struct volt_error *e)
{
	if (!name_is_valid(name))
		return fail(e, EINVAL, "'%s' is not a valid name for a ref", name);
	return 0;
}

static int ref_open(const struct store *s, const char *kind, const char *name, bool make,
		    char file[static FILE_MAX], struct volt_error *e)
{
	int fd, r;

	r = name_check(name, e);
	if (r < 0)
		return r;
	(void)snprintf(file, FILE_MAX, "%s" SUFFIX, name);
	fd = kind_open(s, kind, make, e);
	if (fd == -ENOENT)
		return fail(e, ENOENT, "no ref '%s%s%s'", kind ? kind : "",
			    kind ? "/" : "", name);
	return fd;
}

/* -- what is in it --------------------------------------------------------------- */

static int digest_check(const json_t *j, const char *what, const char *where,
			struct volt_error *e)
{
	struct digest d;

	/* A string with a NUL in it is longer than it looks. */
	if (!json_is_string(j) || json_string_length(j) != DIGEST_HEX_SIZE - 1 ||
	    digest_parse(json_string_value(j), &d) < 0)
		return fail(e, EBADMSG,
			    "%s: '%s' is not a digest of 64 hexadecimal digits", what,
			    where);
	return 0;
}

int ref_check(const json_t *j, const char *what, struct volt_error *e)
{
	json_t *objects = json_object_get(j, "objects"),
	       *lists = json_object_get(j, "lists");
	const char *key;
	json_t *value;
	size_t i;
	int r = 0;

	if (!json_is_object(j))
		return fail(e, EBADMSG, "%s is not a JSON object", what);
	if (objects && !json_is_object(objects))
		return fail(e, EBADMSG, "%s: 'objects' is not a JSON object", what);
	if (lists && !json_is_array(lists))
		return fail(e, EBADMSG, "%s: 'lists' is not an array", what);
	json_object_foreach(objects, key, value)
		if (r >= 0)
			r = digest_check(value, what, key, e);
	json_array_foreach(lists, i, value)
		if (r >= 0)
			r = digest_check(value, what, "lists", e);
	return r;
}

static int require(const struct store *s, const json_t *j, const char *name,
		   struct volt_error *e)
{
	const char *hex = json_string_value(j);
	struct digest d;

	(void)digest_parse(hex, &d);
	if (store_has(s, &d, OBJECT_PLAIN) || store_has(s, &d, OBJECT_EXEC))
		return 0;
	return fail(e, ENOENT, "write ref '%s': the store has no object '%s'", name, hex);
}

static int require_all(const struct store *s, const json_t *j, const char *name,
		       struct volt_error *e)
{
	const char *key;
	json_t *value;
	size_t i;
	int r = 0;

	json_object_foreach(json_object_get(j, "objects"), key, value)
		if (r >= 0)
			r = require(s, value, name, e);
	json_array_foreach(json_object_get(j, "lists"), i, value)
		if (r >= 0)
			r = require(s, value, name, e);
	return r;
}

/* -- reading and writing --------------------------------------------------------- */

int ref_write(struct store *s, const char *kind, const char *name, const json_t *j,
	      struct volt_error *e)
{
	_cleanup_close_ int dir = -1, lease = -1;
	char file[FILE_MAX];
	int r;

	r = ref_check(j, name, e);
	if (r < 0)
		return r;
	dir = ref_open(s, kind, name, true, file, e);
	if (dir < 0)
		return dir;
	lease = lease_take(s, e);
	if (lease < 0)
		return lease;
	r = require_all(s, j, name, e);
	return r < 0 ? r : json_write_at(dir, file, j, 0644, e);
}

int ref_read(struct store *s, const char *kind, const char *name, json_t **ret,
	     struct volt_error *e)
{
	_cleanup_close_ int dir = -1;
	json_auto_t *j = NULL;
	char file[FILE_MAX];
	int r;

	dir = ref_open(s, kind, name, false, file, e);
	if (dir < 0)
		return dir;
	r = json_read_at(dir, file, &j, e);
	if (r == -ENOENT)
		return fail(e, ENOENT, "no ref '%s%s%s'", kind ? kind : "",
			    kind ? "/" : "", name);
	if (r >= 0)
		r = ref_check(j, name, e);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(j);
	return 0;
}

int ref_remove(struct store *s, const char *kind, const char *name, struct volt_error *e)
{
	_cleanup_close_ int dir = -1;
	char file[FILE_MAX];
	int r;

	dir = ref_open(s, kind, name, false, file, e);
	if (dir < 0)
		return dir;
	if (unlinkat(dir, file, 0) < 0)
		return fail_errno(e, "remove ref '%s'", name);
	r = sync_dir(dir);
	return r < 0 ? fail_code(e, r, "remove ref '%s'", name) : 0;
}

/* -- listing --------------------------------------------------------------------- */

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int list_entry(struct strv *list, const char *file)
{
	size_t n = strlen(file);
	char name[FILE_MAX];

	if (n <= strlen(SUFFIX) || n >= sizeof(name) ||
	    strcmp(file + n - strlen(SUFFIX), SUFFIX) != 0)
		return 0;
	memcpy(name, file, n);
	name[n - strlen(SUFFIX)] = '\0';
	return name_is_valid(name) ? strv_add(list, name) : 0;
}

static int list_dir(int dirfd, struct strv *list)
{
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *de;
	int r;

	r = dir_stream(dirfd, &dir);
	while (r >= 0) {
		de = dir_next(dir);
		if (!de)
			return -errno;
		r = list_entry(list, de->d_name);
	}
	return r;
}

int ref_list(struct store *s, const char *kind, struct strv *ret, struct volt_error *e)
{
	_cleanup_strv_ struct strv list = { 0 };
	_cleanup_close_ int dir = -1;
	int r;

	dir = kind_open(s, kind, false, e);
	if (dir < 0 && dir != -ENOENT)
		return dir;
	r = dir < 0 ? 0 : list_dir(dir, &list);
	if (r < 0)
		return fail_code(e, r, "list the refs of kind '%s'",
				 kind ? kind : "profile");
	if (list.n > 0)
		qsort(list.v, list.n, sizeof(*list.v), by_text);
	*ret = list;
	memset(&list, 0, sizeof(list));
	return 0;
}

/* -- tags ------------------------------------------------------------------------ */

int ref_tag_write(struct store *s, const char *tag, const char *name,
		  struct volt_error *e)
{
	_cleanup_close_ int dir = -1, lease = -1;
	char text[TAG_MAX];
	int n, r;

	r = name_check(tag, e);
	if (r >= 0)
		r = name_check(name, e);
	if (r < 0)
		return r;
	dir = dir_open(s, TAGS, true, e);
	if (dir < 0)
		return dir;
	/* Or gc might take the temporary file for a dead writer's. */
	lease = lease_take(s, e);
	if (lease < 0)
		return lease;
	n = snprintf(text, sizeof(text), "%s\n", name);
	r = write_file_atomic(dir, tag, text, (size_t)n, 0644);
	return r < 0 ? fail_code(e, r, "write tag '%s'", tag) : 0;
}

int ref_tag_read(struct store *s, const char *tag, char **ret, struct volt_error *e)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_close_ int dir = -1;
	size_t n;
	int r;

	r = name_check(tag, e);
	if (r < 0)
		return r;
	dir = dir_open(s, TAGS, false, e);
	r = dir < 0 ? dir : read_file_at(dir, tag, TAG_MAX, &text, &n);
	if (r == -ENOENT)
		return fail(e, ENOENT, "no tag '%s'", tag);
	if (r < 0)
		return fail_code(e, r, "read tag '%s'", tag);
	if (n > 0 && text[n - 1] == '\n')
		text[--n] = '\0';
	if (strlen(text) != n || !name_is_valid(text))
		return fail(e, EBADMSG, "tag '%s' does not hold the name of a ref", tag);
	*ret = TAKE_PTR(text);
	return 0;
}

int ref_tag_remove(struct store *s, const char *tag, struct volt_error *e)
{
	_cleanup_close_ int dir = -1;
	int r;

	r = name_check(tag, e);
	if (r < 0)
		return r;
	dir = dir_open(s, TAGS, false, e);
	if (dir == -ENOENT)
		return fail(e, ENOENT, "no tag '%s'", tag);
	if (dir < 0)
		return dir;
	if (unlinkat(dir, tag, 0) < 0)
		return fail_errno(e, "remove tag '%s'", tag);
	r = sync_dir(dir);
	return r < 0 ? fail_code(e, r, "remove tag '%s'", tag) : 0;
}
