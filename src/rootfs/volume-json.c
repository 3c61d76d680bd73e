/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/path.h"
#include "rootfs/volume-private.h"

#define MIB (1ull << 20)

const char *uuid_text(const uint8_t uuid[static 16], char text[static UUID_TEXT_SIZE])
{
	char *p = text;

	for (int i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*p++ = '-';
		p += sprintf(p, "%02x", uuid[i]);
	}
	return text;
}

static int hex_digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *p = c ? strchr(digits, c) : NULL;

	return p ? (int)(p - digits) : -1;
}

int uuid_parse(const char *text, uint8_t ret[static 16])
{
	uint8_t uuid[16];
	const char *p = text;

	if (strlen(text) != UUID_TEXT_SIZE - 1)
		return -EINVAL;
	for (int i = 0; i < 16; i++, p += 2) {
		int high, low;

		if ((i == 4 || i == 6 || i == 8 || i == 10) && *p++ != '-')
			return -EINVAL;
		high = hex_digit(p[0]);
		low = hex_digit(p[1]);
		if (high < 0 || low < 0)
			return -EINVAL;
		uuid[i] = (uint8_t)(high << 4 | low);
	}
	memcpy(ret, uuid, sizeof(uuid));
	return 0;
}

/* Version 4. */
int uuid_random(uint8_t ret[static 16])
{
	if (getrandom(ret, 16, 0) != 16)
		return -EIO;
	ret[6] = (uint8_t)((ret[6] & 0x0f) | 0x40);
	ret[8] = (uint8_t)((ret[8] & 0x3f) | 0x80);
	return 0;
}

void volume_done(struct volume *v)
{
	json_decref(v->labels);
	v->labels = NULL;
}

int volume_check_name(const char *name, struct volt_error *e)
{
	if (!name_is_valid(name))
		return fail(e, EINVAL,
			    "volume name '%.200s' is not letters, digits, '_', '.' and "
			    "'-', beginning with a letter or digit",
			    name);
	if (strlen(name) > VOLUME_NAME_MAX)
		return fail(e, EINVAL,
			    "volume name '%s' has %zu bytes: it is the label of the "
			    "volume's file system, which holds %u",
			    name, strlen(name), VOLUME_NAME_MAX);
	return 0;
}

int volume_check_size(uint64_t size, struct volt_error *e)
{
	if (size >= VOLUME_SIZE_MIN && size <= VOLUME_SIZE_MAX && size % MIB == 0)
		return 0;
	return fail(e, EINVAL,
		    "a volume of %llu bytes: between 4 MiB and 8 TiB, in whole MiB, are "
		    "possible",
		    (unsigned long long)size);
}

int volume_check_labels(const json_t *labels, struct volt_error *e)
{
	const char *key;
	json_t *value;

	if (!json_is_object(labels))
		return fail(e, EINVAL, "'labels' is not an object");
	if (json_object_size(labels) > VOLUME_LABELS_MAX)
		return fail(e, EINVAL, "more than %d labels", VOLUME_LABELS_MAX);
	json_object_foreach((json_t *)(uintptr_t)labels, key, value)
		if (!*key || !json_is_string(value))
			return fail(e, EINVAL, "label '%.200s' is not a name with text",
				    key);
	return 0;
}

/* What json_get_…() has found, as members of @v. */
static int parse_members(const json_t *j, const char *name, struct volume *v,
			 struct volt_error *e)
{
	const char *own = "", *uuid = "", *created = "";
	int64_t size = 0, version = 0;
	int r;

	if ((r = json_get_int(j, "version", 1, 1, &version, e)) < 0 ||
	    (r = json_get_string(j, "name", &own, e)) < 0 ||
	    (r = json_get_string(j, "uuid", &uuid, e)) < 0 ||
	    (r = json_get_string(j, "created_at", &created, e)) < 0 ||
	    (r = json_get_int(j, "size", 0, INT64_MAX, &size, e)) < 0 ||
	    (r = volume_check_name(name, e)) < 0 ||
	    (r = volume_check_size((uint64_t)size, e)) < 0)
		return r;
	if (version != 1)
		return fail(e, EINVAL, "there is no 'version'");
	if (strcmp(own, name) != 0)
		return fail(e, EINVAL, "'name' is '%.200s'", own);
	if (uuid_parse(uuid, v->uuid) < 0)
		return fail(e, EINVAL, "'uuid' '%.200s' is none", uuid);
	if (clock_parse(created, &v->created_at) < 0)
		return fail(e, EINVAL, "'created_at' must be a time as in RFC 3339");
	(void)snprintf(v->name, sizeof(v->name), "%s", name);
	v->size = (uint64_t)size;
	return 0;
}

int volume_from_json(const json_t *j, const char *name, struct volume *ret,
		     struct volt_error *e)
{
	static const char *const known[] = { "version", "name",       "uuid", "size",
					     "labels",  "created_at", NULL };
	struct volume v = { 0 };
	json_t *labels = NULL;
	int r;

	if (!json_is_object(j))
		return fail(e, EINVAL, "not a JSON object");
	if ((r = json_only(j, "volume", known, e)) < 0 ||
	    (r = parse_members(j, name, &v, e)) < 0 ||
	    (r = json_get_object(j, "labels", &labels, e)) < 0)
		return r;
	r = labels ? volume_check_labels(labels, e) : 0;
	if (r < 0)
		return r;
	v.labels = labels ? json_deep_copy(labels) : json_object();
	if (!v.labels)
		return fail_oom(e);
	*ret = v;
	return 0;
}

json_t *volume_to_json(const struct volume *v)
{
	char uuid[UUID_TEXT_SIZE], created[CLOCK_TEXT_SIZE];

	return json_pack("{s:i, s:s, s:s, s:I, s:O, s:s}", "version", 1, "name", v->name,
			 "uuid", uuid_text(v->uuid, uuid), "size", (json_int_t)v->size,
			 "labels", v->labels, "created_at",
			 clock_text(v->created_at, created));
}
