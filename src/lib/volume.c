/* SPDX-License-Identifier: Apache-2.0 */

#include "rootfs/volume.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/lock.h"
#include "base/path.h"
#include "base/strv.h"
#include "lib/internal.h"

int volt_volume_create(struct volt_ctx *ctx, const char *options, char **ret,
		       struct volt_error *e)
{
	static const char *const known[] = { "name", "size", "labels", NULL };
	_cleanup_(volume_done) struct volume v = { 0 };
	struct volume_wish w = { 0 };
	json_auto_t *o = NULL;
	json_t *labels = NULL;
	int64_t size = 0;
	int r;

	if ((r = document_parse(options, known, &o, e)) < 0 ||
	    (r = json_get_string(o, "name", &w.name, e)) < 0 ||
	    (r = json_get_int(o, "size", 1, INT64_MAX, &size, e)) < 0 ||
	    (r = json_get_object(o, "labels", &labels, e)) < 0)
		return r;
	w.size = (uint64_t)size;
	w.labels = labels;
	r = volume_create(ctx->rootfd, &w, &v, e);
	if (r < 0 || !ret)
		return r;
	*ret = strdup(v.name);
	return *ret ? 0 : fail_oom(e);
}

int volt_volume_list(struct volt_ctx *ctx, char **ret, struct volt_error *e)
{
	_cleanup_(volume_list_done) struct volume_list l = { 0 };
	json_auto_t *list = json_array();
	int r = volume_list(ctx->rootfd, &ctx->log, &l, e);

	for (size_t i = 0; r == 0 && i < l.n; i++) {
		json_t *j = volume_to_json(&l.v[i]);

		if (!j || json_object_del(j, "version") < 0 ||
		    json_array_append(list, j) < 0)
			r = fail_oom(e);
		json_decref(j);
	}
	return answer(r, TAKE_PTR(list), ret, e);
}

/* podman's members, but for a place where the files are: they are on the disk. */
static json_t *inspect_json(const struct volt_ctx *ctx, const struct volume *v)
{
	char uuid[UUID_TEXT_SIZE], created[CLOCK_TEXT_SIZE];

	return json_pack("{s:s, s:s, s:s, s:O, s:s, s:{}, s:I, s:s, s:o}", "Name",
			 v->name, "Driver", "local", "CreatedAt",
			 clock_text(v->created_at, created), "Labels", v->labels, "Scope",
			 "local", "Options", "Size", (json_int_t)v->size, "UUID",
			 uuid_text(v->uuid, uuid), "Disk",
			 json_sprintf("%s/volumes/%s/disk.img", ctx->root, v->name));
}

int volt_volume_inspect(struct volt_ctx *ctx, const char *name, char **ret,
			struct volt_error *e)
{
	_cleanup_(volume_done) struct volume v = { 0 };
	int r = volume_read(ctx->rootfd, name, &v, e);

	return answer(r, r == 0 ? inspect_json(ctx, &v) : NULL, ret, e);
}

/* --- removing --- */

/* Under machines/lock, which making a machine takes, too: what nobody names then is named
 * by nobody until it is gone, and a machine that is made later finds it missing and makes it
 * anew. No machine goes while it is held either, so one that cannot be read is damaged, and
 * may name any volume.
 *
 * Opening machines as other verbs do may finish what a dead supervisor left, which takes that
 * lock. So here their files are read and nothing else. */
static int machines_lock(struct volt_ctx *ctx, int *ret_dir, struct volt_error *e)
{
	_cleanup_close_ int dir = mkdir_beneath(ctx->rootfd, "machines", 0700);
	int lock;

	if (dir < 0)
		return fail_code(e, dir, "open 'machines'");
	lock = lock_open(dir, "lock", LOCK_EXCLUSIVE, true);
	if (lock < 0)
		return fail_code(e, lock, "lock 'machines'");
	*ret_dir = TAKE_FD(dir);
	return lock;
}

/* Which machines name which volumes: pairs of a machine's id and a volume's name. */
struct users {
	struct strv ids, names, volumes;
};

static void users_done(struct users *u)
{
	strv_done(&u->ids);
	strv_done(&u->names);
	strv_done(&u->volumes);
}

static int add_user(struct users *u, const struct spec *s, const char *volume)
{
	int r = strv_add(&u->ids, s->id);

	r = r ?: strv_add(&u->names, s->name);
	return r ?: strv_add(&u->volumes, volume);
}

static int add_machine(int machines, const char *id, struct users *u,
		       struct volt_error *e)
{
	_cleanup_(spec_freep) struct spec *s = NULL;
	char path[DIGEST_HEX_SIZE + 16];
	json_auto_t *j = NULL;
	int r;

	(void)snprintf(path, sizeof(path), "%.64s/machine.json", id);
	r = json_read_at(machines, path, &j, e);
	if (r == 0)
		r = spec_parse(j, SPEC_STORED, &s, e);
	if (r < 0) /* not -ENOENT, which is said of volumes */
		return fail_in(e, r == -ENOENT ? -EBADMSG : r,
			       "no volume is removed while machine '%.12s', which may "
			       "use it, cannot be read",
			       id);
	for (size_t i = 0; r == 0 && i < s->n_volumes; i++)
		if (volume_is_named(&s->volumes[i]))
			r = add_user(u, s, s->volumes[i].source);
	return r < 0 ? fail_oom(e) : 0;
}

static int find_users(int machines, struct users *u, struct volt_error *e)
{
	_cleanup_closedir_ DIR *d = NULL;
	int r = dir_stream(machines, &d);

	if (r < 0)
		return fail_code(e, r, "list machines");
	for (const struct dirent *de; r == 0 && (de = dir_next(d));) {
		struct digest id;

		if (digest_parse(de->d_name, &id) == 0)
			r = add_machine(machines, de->d_name, u, e);
	}
	if (r == 0 && errno)
		r = fail_errno(e, "list machines");
	return r;
}

/* The first user's place from @from on; u->volumes.n: nobody. */
static size_t user_of(const struct users *u, const char *volume, size_t from)
{
	while (from < u->volumes.n && strcmp(u->volumes.v[from], volume) != 0)
		from++;
	return from;
}

static int remove_users(struct volt_ctx *ctx, const struct users *u, const char *volume,
			struct volt_error *e)
{
	int r = 0;

	for (size_t i = user_of(u, volume, 0); r == 0 && i < u->volumes.n;
	     i = user_of(u, volume, i + 1)) {
		_cleanup_(machine_closep) struct machine *m = NULL;

		r = machine_open(ctx_env(ctx), u->ids.v[i], &m, e);
		if (r == 0)
			r = machine_remove(m, true, e);
		/* gone by itself, or named for two of its volumes */
		if (r == -ENOENT || r == -EIDRM)
			r = 0;
	}
	return r;
}

static int remove_unused(struct volt_ctx *ctx, const char *name, struct volt_error *e)
{
	_cleanup_(users_done) struct users u = { 0 };
	_cleanup_close_ int machines = -1, lock = machines_lock(ctx, &machines, e);
	size_t first;
	int r = lock < 0 ? lock : find_users(machines, &u, e);

	if (r < 0)
		return r;
	first = user_of(&u, name, 0);
	if (first < u.volumes.n)
		return fail(e, EBUSY, "volume '%s' is what machine '%s' uses", name,
			    u.names.v[first]);
	return volume_remove(ctx->rootfd, name, e);
}

static int list_users(struct volt_ctx *ctx, struct users *u, struct volt_error *e)
{
	_cleanup_close_ int machines = -1, lock = machines_lock(ctx, &machines, e);

	return lock < 0 ? lock : find_users(machines, u, e);
}

/* To remove a machine takes the lock. */
static int remove_its_machines(struct volt_ctx *ctx, const char *name,
			       struct volt_error *e)
{
	_cleanup_(users_done) struct users u = { 0 };
	int r = list_users(ctx, &u, e);

	return r < 0 ? r : remove_users(ctx, &u, name, e);
}

int volt_volume_remove(struct volt_ctx *ctx, const char *name, bool force,
		       struct volt_error *e)
{
	int r = force ? remove_its_machines(ctx, name, e) : 0;

	return r < 0 ? r : remove_unused(ctx, name, e);
}

int volt_volume_prune(struct volt_ctx *ctx, char **ret, struct volt_error *e)
{
	_cleanup_(volume_list_done) struct volume_list l = { 0 };
	_cleanup_(users_done) struct users u = { 0 };
	_cleanup_close_ int machines = -1, lock = machines_lock(ctx, &machines, e);
	json_auto_t *gone = json_array();
	int r;

	if ((r = lock) < 0 || (r = find_users(machines, &u, e)) < 0 ||
	    (r = volume_list(ctx->rootfd, &ctx->log, &l, e)) < 0)
		return r;
	r = 0;
	for (size_t i = 0; r == 0 && i < l.n; i++) {
		if (user_of(&u, l.v[i].name, 0) < u.volumes.n)
			continue;
		r = volume_remove(ctx->rootfd, l.v[i].name, e);
		if (r == 0 && json_array_append_new(gone, json_string(l.v[i].name)) < 0)
			r = fail_oom(e);
		/* taken, or gone, since it was listed */
		if (r == -EBUSY || r == -ENOENT)
			r = 0;
	}
	return answer(r, TAKE_PTR(gone), ret, e);
}
