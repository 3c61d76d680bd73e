/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "vm/internal.h"

/* A whole system starts in it, and takes its time to end. */
#define MEMORY_DEFAULT (1ull << 30)
#define MEMORY_MIN     (128ull << 20) /* for the firmware */
#define STOP_TIMEOUT   60

static const char *const hardware_texts[] = { "virtio", "generic" };

static int parse_format(const json_t *disk, enum spec_form form, enum disk_format *ret,
			struct volt_error *e)
{
	const char *text = NULL;

	TRY(json_get_string(disk, "format", &text, e));
	if (!text && form == SPEC_STORED)
		return fail(e, EINVAL, "disk has no 'format'");
	if (!text)
		return 0;
	for (enum disk_format f = DISK_RAW; f <= DISK_QCOW2; f++) {
		if (strcmp(text, disk_format_text(f)) == 0) {
			*ret = f;
			return 0;
		}
	}
	return fail(e, EINVAL, "disk format '%s' is not one of: raw, qcow2", text);
}

static int parse_disk(const json_t *disk, enum spec_form form, struct spec_disk *d,
		      struct volt_error *e)
{
	static const char *const known[] = { "path", "format", "hardware", "tpm", NULL };
	const char *path = NULL, *hardware = hardware_texts[0];
	bool tpm = true;

	TRY(json_only(disk, "disk", known, e));
	TRY(json_get_string(disk, "path", &path, e));
	TRY(json_get_string(disk, "hardware", &hardware, e));
	TRY(json_get_bool(disk, "tpm", &tpm, e));
	TRY(parse_format(disk, form, &d->format, e));
	if (!path || path[0] != '/' || strlen(path) >= PATH_MAX)
		return fail(e, EINVAL, "the disk's 'path' '%.200s' must be absolute",
			    path ? path : "");
	d->generic = strcmp(hardware, hardware_texts[1]) == 0;
	if (!d->generic && strcmp(hardware, hardware_texts[0]) != 0)
		return fail(e, EINVAL, "the disk's 'hardware' '%s' is not one of: %s, %s",
			    hardware, hardware_texts[0], hardware_texts[1]);
	d->no_tpm = !tpm;
	d->path = strdup(path);
	return d->path ? 0 : fail_oom(e);
}

int disk_from_json(const json_t *j, enum spec_form form, struct spec *s,
		   struct volt_error *e)
{
	static const char *const others[] = { "image", "process" };
	json_t *disk = NULL;

	s->memory = MEMORY_DEFAULT;
	s->stop_timeout = STOP_TIMEOUT;
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		if (spec_has(j, others[i]))
			return fail(e, EINVAL,
				    "a machine that boots a disk must not have '%s'",
				    others[i]);
	TRY(json_get_object(j, "disk", &disk, e));
	if (!disk)
		return fail(e, EINVAL, "the spec has no disk");
	return parse_disk(disk, form, &s->disk, e);
}

int disk_is_absent(const json_t *j, struct volt_error *e)
{
	return spec_has(j, "disk")
		       ? fail(e, EINVAL, "'disk' goes with the guest 'disk' only")
		       : 0;
}

/* volt sees nothing of what runs inside: what it would have to do there is refused. */
int disk_check(const struct spec *s, struct volt_error *e)
{
	const struct {
		const char *member;
		bool given;
	} inside[] = {
		{ "kernel", s->kernel != NULL },
		{ "entrypoint", s->has_entrypoint },
		{ "cmd", s->has_cmd },
		{ "env", s->env.n > 0 },
		{ "workdir", s->workdir != NULL },
		{ "user", s->user != NULL },
		{ "hostname", s->hostname != NULL },
		{ "volumes", s->n_volumes > 0 },
		{ "tmpfs", s->n_tmpfs > 0 },
		{ "stop_signal", s->stop_signal != 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(inside); i++)
		if (inside[i].given)
			return fail(e, EINVAL,
				    "'%s' is for guests that volt starts a program in; "
				    "one that boots a disk sees to that itself",
				    inside[i].member);
	if (s->memory < MEMORY_MIN)
		return fail(e, EINVAL,
			    "memory of %" PRIu64 " bytes is too little: UEFI needs at "
			    "least %llu MiB",
			    s->memory, MEMORY_MIN >> 20);
	return 0;
}

json_t *disk_to_json(const struct spec_disk *d)
{
	json_t *j = json_pack("{s:s, s:s, s:b}", "path", d->path, "hardware",
			      hardware_texts[d->generic], "tpm", !d->no_tpm);

	if (j && d->format != DISK_UNKNOWN &&
	    json_object_set_new(j, "format", json_string(disk_format_text(d->format))) <
		    0)
		json_decref(TAKE_PTR(j));
	return j;
}
