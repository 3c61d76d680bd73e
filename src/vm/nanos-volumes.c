/* SPDX-License-Identifier: Apache-2.0 */

#include "vm/nanos-volumes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/path.h"
#include "rootfs/host-copy.h"
#include "rootfs/volume.h"
#include "vm/internal.h"
#include "vm/machine-internal.h"

#define FILES_DIRECTORY "/.volt" /* where volumes with single files are mounted */

static bool is_shared(const struct spec_volume *v)
{
	return !volume_is_named(v) && !v->read_only;
}

/* --- what the root file system is told --- */

void nanos_mounts_done(struct nanos_mounts *m)
{
	strv_done(&m->points);
	strv_done(&m->texts);
	free(m->links);
	json_decref(m->attribute);
	*m = (struct nanos_mounts){ 0 };
}

/* What the kernel calls the volume: a label, or "%" and the tag of a share. */
#define VOLUME_ID_SIZE 64
static void volume_id(const struct spec_volume *v, size_t i, char id[VOLUME_ID_SIZE])
{
	if (volume_is_named(v))
		(void)snprintf(id, VOLUME_ID_SIZE, "%s", v->source);
	else
		(void)snprintf(id, VOLUME_ID_SIZE, v->read_only ? ".%zu" : "%%%zu", i);
}

/* A directory for volume @i, and a link to the file in it. */
static int add_file(struct nanos_mounts *m, const struct spec_volume *v, size_t i)
{
	char target[64];
	int r;

	(void)snprintf(target, sizeof(target), FILES_DIRECTORY "/%zu/" HOST_COPY_FILE, i);
	r = strv_add(&m->texts, target);
	if (r == 0)
		m->links[m->n_links++] =
			(struct nanos_link){ v->target, m->texts.v[m->texts.n - 1] };
	return r ?: strv_addf(&m->points, FILES_DIRECTORY "/%zu", i);
}

static int add_mount(struct nanos_mounts *m, const struct spec_volume *v, size_t i)
{
	char id[VOLUME_ID_SIZE];
	int r = v->file ? add_file(m, v, i) : strv_add(&m->points, v->target);

	if (r < 0)
		return r;
	volume_id(v, i, id);
	return json_object_set_new(m->attribute, id,
				   json_sprintf("%s%s", m->points.v[m->points.n - 1],
						v->read_only ? ":ro" : ""));
}

int nanos_mounts_make(const struct spec *s, struct nanos_mounts *ret,
		      struct volt_error *e)
{
	_cleanup_(nanos_mounts_done) struct nanos_mounts m = { 0 };

	if (s->n_volumes == 0) {
		*ret = m;
		return 0;
	}
	m.attribute = json_object();
	m.links = calloc(s->n_volumes, sizeof(*m.links));
	if (!m.attribute || !m.links)
		return fail_oom(e);
	for (size_t i = 0; i < s->n_volumes; i++)
		if (add_mount(&m, &s->volumes[i], i) < 0)
			return fail_oom(e);
	*ret = m;
	m = (struct nanos_mounts){ 0 };
	return 0;
}

/* --- when it is made --- */

/* 1: a file, 0: a directory. */
static int look(const struct spec_volume *v, struct volt_error *e)
{
	struct stat st;

	if (stat(v->source, &st) < 0)
		return errno == ENOENT
			       ? fail(e, ENOENT, "volume '%s': no such file or directory",
				      v->source)
			       : fail_errno(e, "look at volume '%s'", v->source);
	if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
		return fail(e, ENOTSUP,
			    "volume '%s' is neither a directory nor a regular file",
			    v->source);
	if (S_ISREG(st.st_mode) && !v->read_only)
		return fail(e, ENOTSUP,
			    "volume '%s' is a single file, and a Nanos guest writes to "
			    "shared directories only: share its directory, or add ':ro'",
			    v->source);
	return S_ISREG(st.st_mode);
}

int nanos_volumes_look(struct spec *s, struct volt_error *e)
{
	for (size_t i = 0; i < s->n_volumes; i++) {
		struct spec_volume *v = &s->volumes[i];
		int r = volume_is_named(v) ? 0 : look(v, e);

		if (r < 0)
			return r;
		v->file = r;
	}
	return 0;
}

static int make_named(const struct vm_env *env, const char *name, struct volt_error *e)
{
	const struct volume_wish wish = { .name = name };
	_cleanup_(volume_done) struct volume v = { 0 };
	int r = volume_read(env->rootfd, name, &v, e);

	if (r != -ENOENT)
		return r;
	r = volume_create(env->rootfd, &wish, &v, e);
	return r == -EEXIST ? 0 : r; /* by another, just now */
}

int nanos_volumes_make(const struct vm_env *env, const struct spec *s,
		       struct volt_error *e)
{
	for (size_t i = 0; i < s->n_volumes; i++)
		if (volume_is_named(&s->volumes[i]))
			TRY(make_named(env, s->volumes[i].source, e));
	return 0;
}

/* --- when it is started --- */

static bool names_volume(const struct spec *s, const char *name, bool *read_only)
{
	for (size_t i = 0; i < s->n_volumes; i++)
		if (strcmp(s->volumes[i].source, name) == 0) {
			*read_only = s->volumes[i].read_only;
			return true;
		}
	return false;
}

/* The machine that has volume @name; it may have ended since. */
static int say_who(const struct machine *m, const char *name, struct volt_error *e)
{
	_cleanup_(machine_list_done) struct machine_list l = { 0 };

	if (machine_list(m->env, &l, NULL) < 0)
		return -EBUSY;
	for (size_t i = 0; i < l.n; i++) {
		_cleanup_(machine_closep) struct machine *other = NULL;
		const struct spec *s;
		bool read_only;

		if (!status_is_up(l.v[i].status) ||
		    machine_open_id(m->env, l.v[i].id, &other, NULL) < 0 ||
		    machine_spec(other, &s, NULL) < 0 ||
		    !names_volume(s, name, &read_only))
			continue;
		return fail(e, EBUSY, "volume '%s' is in use by machine '%s', which %s",
			    name, s->name, read_only ? "reads it" : "writes to it");
	}
	return -EBUSY;
}

static int open_named(const struct machine *m, const struct spec_volume *v, int *ret,
		      struct volt_error *e)
{
	_cleanup_(volume_done) struct volume volume = { 0 };
	int r;

	TRY(make_named(m->env, v->source, e));
	r = volume_take(m->env->rootfd, v->source, v->read_only, &volume, ret, e);
	return r == -EBUSY ? say_who(m, v->source, e) : r;
}

/* What a crash leaves of it nobody ever opens: the next start, or the machine's end, removes
 * it. */
static int write_copy(const struct machine *m, const struct spec_volume *v,
		      const char *name, const char *label, struct volt_error *e)
{
	_cleanup_close_ int fd = -1;
	int r;

	if (unlinkat(m->dirfd, name, 0) < 0 && errno != ENOENT)
		return fail_errno(e, "remove '%s'", name);
	fd = openat(m->dirfd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return fail_errno(e, "make '%s'", name);
	r = host_copy(v->source, v->file, label, fd, e);
	if (r < 0) {
		(void)unlinkat(m->dirfd, name, 0);
		return fail_in(e, r, "volume for '%s'", v->target);
	}
	return 0;
}

/* Anew at each start. */
static int open_copy(const struct machine *m, const struct spec_volume *v, size_t i,
		     int *ret, struct volt_error *e)
{
	char name[32], label[VOLUME_ID_SIZE];
	int r = look(v, e);

	if (r < 0)
		return r;
	if ((bool)r != v->file)
		return fail(e, ESTALE,
			    "volume '%s' was a %s when the machine was made, and is none "
			    "now",
			    v->source, v->file ? "file" : "directory");
	(void)snprintf(name, sizeof(name), "ro-%zu.img", i);
	volume_id(v, i, label);
	TRY(write_copy(m, v, name, label, e));
	/* QEMU takes a descriptor of its own kind only. */
	*ret = open_beneath(m->dirfd, name, O_RDONLY | O_CLOEXEC, 0);
	return *ret < 0 ? fail_code(e, *ret, "open '%s'", name) : 0;
}

int nanos_volumes_open(const struct machine *m, const struct spec *s,
		       struct volume_disks *ret, struct volt_error *e)
{
	_cleanup_(volume_disks_done) struct volume_disks d = { 0 };

	for (size_t i = 0; i < s->n_volumes; i++) {
		const struct spec_volume *v = &s->volumes[i];
		int fd = -1;

		if (is_shared(v))
			continue;
		TRY(volume_is_named(v) ? open_named(m, v, &fd, e)
				       : open_copy(m, v, i, &fd, e));
		d.v[d.n++] = (struct volume_disk){ fd, v->read_only };
	}
	*ret = d;
	d = (struct volume_disks){ 0 };
	return 0;
}
