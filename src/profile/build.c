/* SPDX-License-Identifier: Apache-2.0 */
#include "profile/build.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/io.h"
#include "base/json.h"
#include "base/path.h"
#include "profile/tree.h"
#include "profile/versions.h"
#include "store/ingest.h"

/* Files go into the store as they are read, each hashed once; the manifest, written after
 * they have their names there and before the ingest's lease ends, keeps them alive. A crash
 * before that leaves objects that the next gc removes. */

/* -- one file ---------------------------------------------------------------------- */

static int open_here(const char *path)
{
	int fd = open(path, O_PATH | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int open_source(const struct profile_file *f, struct volt_error *e)
{
	const char *name = f->at ? f->at : f->source;
	_cleanup_close_ int at = f->at ? open_within(f->dirfd, f->at, O_PATH | O_CLOEXEC)
				       : open_here(f->source);
	int fd = at < 0 ? at : reopen_regular(at);

	if (fd == -EXDEV)
		return fail(e, EXDEV,
			    "'%s' is a link that leads out of the directory: put the "
			    "file there instead",
			    name);
	if (fd == -ENOTSUP)
		return fail(e, EINVAL, "'%s' is not a regular file", name);
	return fd < 0 ? fail_code(e, fd, "open '%s'", name) : fd;
}

/* -- the manifest ------------------------------------------------------------------ */

struct build {
	const struct profiles *ps;
	const struct profile_about *about;
	struct ingest *ingest;
	json_t *objects, *sources, *fresh; /* owned; by path */
	uint64_t bytes;
};

static int set(json_t *j, const char *key, json_t *value, struct volt_error *e)
{
	return json_object_set_new(j, key, value) < 0 ? fail_oom(e) : 0;
}

static int add_file(struct build *b, const struct profile_file *f, struct volt_error *e)
{
	enum object_kind kind = profile_kind(f->path);
	_cleanup_close_ int fd = -1;
	char hex[DIGEST_HEX_SIZE];
	struct digest d;
	uint64_t size = 0;
	int r;

	if (!profile_path_is_valid(f->path))
		return fail(e, EINVAL, "'%s' is not a path below bin/, lib/ or firmware/",
			    f->path);
	if (json_object_get(b->objects, f->path))
		return fail(e, EEXIST, "'%s' comes twice", f->path);
	fd = open_source(f, e);
	if (fd < 0)
		return fd;
	r = ingest_file(b->ingest, fd, kind, &d, &size, e);
	if (r < 0)
		return fail_in(e, r, "store '%s'", f->at ? f->at : f->source);
	b->bytes += size;
	/* One that was there already has been hashed by somebody, some time ago. */
	r = store_has(b->ps->store, &d, kind) ? 0
					      : set(b->fresh, f->path, json_true(), e);
	if (r >= 0)
		r = set(b->objects, f->path, json_string(digest_hex(&d, hex)), e);
	if (r >= 0 && f->source)
		r = set(b->sources, f->path, json_string(f->source), e);
	return r;
}

static json_t *capability_words(unsigned int capabilities)
{
	json_t *j = capabilities ? json_array() : NULL;

	for (unsigned int bit = 1; bit && bit <= capabilities; bit <<= 1)
		if (capabilities & bit && profile_capability_text(bit))
			(void)json_array_append_new(
				j, json_string(profile_capability_text(bit)));
	return j;
}

/* QEMU's targets: what was said, or what bin/ has. */
static json_t *guest_words(const struct build *b)
{
	static const char prefix[] = "bin/qemu-system-";
	const char *const *guest = b->about->guests;
	json_t *j = json_array(), *value;
	const char *path;

	for (; guest && *guest; guest++)
		(void)json_array_append_new(j, json_string(*guest));
	if (b->about->guests)
		return j;
	json_object_foreach(b->objects, path, value)
		if (strncmp(path, prefix, strlen(prefix)) == 0)
			(void)json_array_append_new(j,
						    json_string(path + strlen(prefix)));
	return j;
}

static json_t *make_document(const struct build *b)
{
	const struct profile_about *a = b->about;
	char now[CLOCK_TEXT_SIZE];
	struct utsname u;

	(void)clock_text(clock_wall(), now);
	if (uname(&u) < 0)
		u.nodename[0] = '\0';
	return json_pack(
		"{s:i, s:s, s:s, s:s, s:s, s:s, s:s*, s:s*, s:s*, s:O, s:o, s:o*, s:O*, "
		"s:I}",
		"version", 1, "name", a->name, "profile", a->name, "created_at", now,
		"build_date", now, "build_host", u.nodename, "qemu_version", a->version,
		"arch", a->arch, "loader", a->loader, "objects", b->objects, "guests",
		guest_words(b), "capabilities", capability_words(a->capabilities),
		"sources", json_object_size(b->sources) > 0 ? b->sources : NULL,
		"total_bytes", (json_int_t)b->bytes);
}

static int make_manifest(const struct build *b, struct profile_manifest **ret,
			 struct volt_error *e)
{
	json_t *j = make_document(b);
	int r;

	if (!j)
		return fail_oom(e);
	r = profile_manifest_from_json(j, b->about->name, ret, e);
	for (size_t i = 0; r >= 0 && i < (*ret)->n; i++)
		(*ret)->v[i].fresh = json_object_get(b->fresh, (*ret)->v[i].path);
	return r;
}

/* -- all of it --------------------------------------------------------------------- */

static int store_all(struct build *b, const struct profile_file *files, size_t n,
		     struct profile_manifest **ret, struct volt_error *e)
{
	_cleanup_(profile_manifest_freep) struct profile_manifest *m = NULL;
	int r;

	r = ingest_begin(b->ps->store, &b->ingest, e);
	for (size_t i = 0; i < n && r >= 0; i++)
		r = add_file(b, &files[i], e);
	if (r >= 0)
		r = ingest_commit(b->ingest, e);
	if (r >= 0)
		r = make_manifest(b, &m, e);
	if (r >= 0)
		r = profile_record(b->ps, m, NULL, e);
	if (r >= 0)
		*ret = TAKE_PTR(m);
	return r;
}

int profile_store(const struct profiles *ps, const struct profile_about *about,
		  const struct profile_file *files, size_t n,
		  struct profile_manifest **ret, struct volt_error *e)
{
	_cleanup_close_ int trees = trees_open(ps, e);
	struct build b = { .ps = ps, .about = about };
	int r;

	if (!profile_label_is_valid(about->name))
		return fail(e, EINVAL, "'%s' is not a valid name for a profile",
			    about->name);
	if (trees < 0)
		return trees;
	trees_sweep(trees);
	b.objects = json_object();
	b.sources = json_object();
	b.fresh = json_object();
	r = b.objects && b.sources && b.fresh ? store_all(&b, files, n, ret, e)
					      : fail_oom(e);
	if (r < 0)
		r = fail_in(e, r, "build profile '%s'", about->name);
	ingest_end(b.ingest);
	json_decref(b.objects);
	json_decref(b.sources);
	json_decref(b.fresh);
	return r;
}
