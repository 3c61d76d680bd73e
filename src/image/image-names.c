/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "base/io.h"
#include "base/json.h"
#include "base/lock.h"
#include "base/path.h"
#include "image/images-internal.h"
#include "store/ref.h"
#include "store/sha256.h"

#define FILE_NAME_SIZE (DIGEST_HEX_SIZE + 5)

/* In images/: shared by whoever writes a name, so that whoever gets it exclusively knows
 * that every temporary file among the names is a dead writer's, and that an image without
 * a name is not about to get one. */
#define LOCK_NAME "names.lock"

void name_record_done(struct name_record *r)
{
	free(r->name);
	r->name = NULL;
}

void name_records_done(struct name_records *t)
{
	for (size_t i = 0; i < t->n; i++)
		name_record_done(&t->v[i]);
	free(t->v);
	*t = (struct name_records){ 0 };
}

static int file_name(const char *name, char ret[static FILE_NAME_SIZE],
		     struct volt_error *e)
{
	char hex[DIGEST_HEX_SIZE];
	struct digest d;

	if (sha256_bytes(name, strlen(name), &d) < 0)
		return fail_oom(e);
	(void)snprintf(ret, FILE_NAME_SIZE, "%s.json", digest_hex(&d, hex));
	return 0;
}

int names_lock(struct images *is, enum lock_mode mode, struct volt_error *e)
{
	int fd = lock_open(is->dir, LOCK_NAME, mode, true);

	return fd < 0 ? fail_code(e, fd, "lock 'images/%s'", LOCK_NAME) : fd;
}

/* Under the lock, so that nobody removes the image at the same time as one without names. */
static int check_image(struct images *is, const struct digest *manifest,
		       struct volt_error *e)
{
	char hex[DIGEST_HEX_SIZE];
	json_auto_t *j = NULL;
	int r = ref_read(is->store, REF_IMAGES, digest_hex(manifest, hex), &j, e);

	return r == -ENOENT ? fail(e, ENOENT, "image '%s' was removed meanwhile", hex)
			    : r;
}

int name_write(struct images *is, const char *name, const struct digest *manifest,
	       const struct digest *index, struct volt_error *e)
{
	_cleanup_close_ int lock = names_lock(is, LOCK_SHARED, e);
	char file[FILE_NAME_SIZE], text[DIGEST_OCI_SIZE];
	json_auto_t *j = json_pack("{s:i, s:s, s:s}", "version", 1, "name", name,
				   "manifest", digest_oci(manifest, text));
	int r;

	if (lock < 0)
		return lock;
	if (!j ||
	    (index &&
	     json_object_set_new(j, "index", json_string(digest_oci(index, text))) < 0))
		return fail_oom(e);
	r = check_image(is, manifest, e);
	if (r == 0)
		r = file_name(name, file, e);
	if (r == 0)
		r = json_write_at(is->names, file, j, 0644, e);
	return r < 0 ? fail_in(e, r, "name image '%s'", name) : 0;
}

void names_clean(struct images *is)
{
	_cleanup_close_ int lock = lock_open(is->dir, LOCK_NAME, LOCK_EXCLUSIVE, false);
	_cleanup_closedir_ DIR *d = NULL;
	struct dirent *entry;

	if (lock < 0 || dir_stream(is->names, &d) < 0)
		return;
	while ((entry = dir_next(d)) != NULL)
		if (strncmp(entry->d_name, ".tmp-", 5) == 0)
			(void)unlinkat(is->names, entry->d_name, 0);
}

static int parse_record(const json_t *j, struct name_record *ret, struct volt_error *e)
{
	const char *name = NULL, *manifest = NULL, *index = NULL;
	struct name_record rec = { 0 };
	int r;

	r = json_get_string(j, "name", &name, e);
	if (r == 0)
		r = json_get_string(j, "manifest", &manifest, e);
	if (r == 0)
		r = json_get_string(j, "index", &index, e);
	if (r < 0)
		return r;
	if (!name || !manifest || digest_parse_oci(manifest, &rec.manifest) < 0 ||
	    (index && digest_parse_oci(index, &rec.index) < 0))
		return fail(e, EBADMSG, "it is not the record of a name");
	rec.has_index = index != NULL;
	rec.name = strdup(name);
	if (!rec.name)
		return fail_oom(e);
	*ret = rec;
	return 0;
}

static int read_record(struct images *is, const char *file, struct name_record *ret,
		       struct volt_error *e)
{
	json_auto_t *j = NULL;
	int r = json_read_at(is->names, file, &j, e);

	if (r == 0)
		r = parse_record(j, ret, e);
	return r < 0 && r != -ENOENT ? fail_in(e, r, "images/names/%s", file) : r;
}

int name_read(struct images *is, const char *name, struct name_record *ret,
	      struct volt_error *e)
{
	char file[FILE_NAME_SIZE];
	int r = file_name(name, file, e);

	if (r == 0)
		r = read_record(is, file, ret, e);
	return r == -ENOENT ? fail(e, ENOENT, "image '%s' is not here", name) : r;
}

int name_remove(struct images *is, const char *name, struct volt_error *e)
{
	char file[FILE_NAME_SIZE];
	int r = file_name(name, file, e);

	if (r < 0)
		return r;
	if (unlinkat(is->names, file, 0) < 0)
		return errno == ENOENT ? -ENOENT
				       : fail_errno(e, "untag image '%s'", name);
	(void)fsync(is->names);
	return 0;
}

static int compare_records(const void *a, const void *b)
{
	return strcmp(((const struct name_record *)a)->name,
		      ((const struct name_record *)b)->name);
}

static int add_record(struct images *is, const char *file, struct name_records *t)
{
	struct name_record *v = reallocarray(t->v, t->n + 1, sizeof(*v));
	struct volt_error e;
	int r;

	if (!v)
		return -ENOMEM;
	t->v = v;
	r = read_record(is, file, &v[t->n], &e);
	if (r == 0)
		t->n++;
	else if (r != -ENOENT)
		log_line(&is->log, LOG_WARNING, "%s", e.msg);
	return r == -ENOMEM ? r : 0;
}

static bool is_record(const char *file)
{
	const char *dot = strchr(file, '.');

	return dot && dot - file == DIGEST_HEX_SIZE - 1 && strcmp(dot, ".json") == 0;
}

int names_load(struct images *is, struct name_records *ret, struct volt_error *e)
{
	_cleanup_(name_records_done) struct name_records t = { 0 };
	_cleanup_closedir_ DIR *d = NULL;
	struct dirent *entry;
	int r = dir_stream(is->names, &d);

	if (r < 0)
		return fail_code(e, r, "open images/names");
	while ((entry = dir_next(d)) != NULL)
		if (is_record(entry->d_name) && add_record(is, entry->d_name, &t) < 0)
			return fail_oom(e);
	if (t.n > 0)
		qsort(t.v, t.n, sizeof(*t.v), compare_records);
	*ret = t;
	t = (struct name_records){ 0 };
	return 0;
}
