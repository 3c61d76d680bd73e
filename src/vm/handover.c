/* SPDX-License-Identifier: Apache-2.0 */

#include "vm/handover.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "base/io.h"
#include "base/json.h"
#include "vm/internal.h"

#define HANDOVER_MAX (1u << 20)

void handover_done(struct handover *h)
{
	pins_done(&h->pins);
	profile_free(h->kvm);
	profile_free(h->emulate);
	volume_disks_done(&h->volumes);
	*h = (struct handover)HANDOVER_INIT;
}

static int replace_text(char **to, const char *text)
{
	char *copy = text ? strdup(text) : NULL;

	if (text && !copy)
		return -ENOMEM;
	free(*to);
	*to = copy;
	return 0;
}

int handover_pin(struct handover *h, const struct profile *p)
{
	const bool named = p->root >= 0;
	int r = replace_text(&h->pins.profile, named ? p->name : NULL);

	h->pins.profile_digest = p->digest;
	return r ?: replace_text(&h->pins.qemu_version, named ? p->version : NULL);
}

/* --- there --- */

static json_t *profile_to_json(const struct profile *p)
{
	char digest[DIGEST_OCI_SIZE];

	if (!p)
		return json_null();
	return json_pack(
		"{s:s, s:s, s:s, s:i, s:i, s:s?, s:s, s:s?, s:s?, s:s?, s:s?, s:s?, "
		"s:s?, s:I}",
		"name", p->name, "arch", p->arch->name, "digest",
		digest_oci(&p->digest, digest), "root", p->root, "lock", p->lock, "path",
		p->path, "qemu", p->qemu, "loader", p->loader, "firmware", p->firmware,
		"uefi_code", p->uefi_code, "uefi_vars", p->uefi_vars, "virtiofsd",
		p->virtiofsd, "version", p->version, "capabilities",
		(json_int_t)p->capabilities);
}

static json_t *volumes_to_json(const struct volume_disks *d)
{
	json_t *a = json_array();

	for (size_t i = 0; i < d->n; i++)
		if (json_array_append_new(a, json_pack("{s:i, s:b}", "fd", d->v[i].fd,
						       "read_only", d->v[i].read_only)) <
		    0) {
			json_decref(a);
			return NULL;
		}
	return a;
}

int handover_write(const struct handover *h, struct volt_error *e)
{
	json_auto_t *j = json_pack(
		"{s:o, s:o, s:o, s:o}", "kernel", pins_kernel_to_json(&h->pins), "kvm",
		profile_to_json(h->kvm), "emulate", profile_to_json(h->emulate),
		"volumes", volumes_to_json(&h->volumes));
	_cleanup_free_ char *text = j ? json_text(j) : NULL;
	_cleanup_close_ int fd = memfd_create("volt-handover", MFD_CLOEXEC);
	int r;

	if (!text)
		return fail_oom(e);
	r = fd < 0 ? -errno : write_all(fd, text, strlen(text));
	if (r == 0 && lseek(fd, 0, SEEK_SET) < 0)
		r = -errno;
	return r < 0 ? fail_code(e, r, "hand profiles to the supervisor") : TAKE_FD(fd);
}

/* --- and back --- */

static int get_texts(const json_t *j, struct profile *p, struct volt_error *e)
{
	const struct {
		const char *key;
		char **to;
	} texts[] = {
		{ "name", &p->name },           { "path", &p->path },
		{ "qemu", &p->qemu },           { "loader", &p->loader },
		{ "firmware", &p->firmware },   { "uefi_code", &p->uefi_code },
		{ "uefi_vars", &p->uefi_vars }, { "virtiofsd", &p->virtiofsd },
		{ "version", &p->version },
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		const char *text = NULL;

		TRY(json_get_string(j, texts[i].key, &text, e));
		if (text && !(*texts[i].to = strdup(text)))
			return fail_oom(e);
	}
	return p->name && p->qemu ? 0 : fail(e, EBADMSG, "a profile has no program");
}

static int get_numbers(const json_t *j, struct profile *p, struct volt_error *e)
{
	int64_t root = -1, lock = -1, capabilities = 0;

	TRY(json_get_int(j, "root", -1, INT32_MAX, &root, e));
	TRY(json_get_int(j, "lock", -1, INT32_MAX, &lock, e));
	TRY(json_get_int(j, "capabilities", 0, UINT32_MAX, &capabilities, e));
	p->root = (int)root;
	p->lock = (int)lock;
	p->capabilities = (unsigned int)capabilities;
	return 0;
}

static int get_profile(const json_t *j, const char *key, struct profile **ret,
		       struct volt_error *e)
{
	const char *arch = "", *digest = "";
	struct profile *p;
	json_t *o = NULL;

	TRY(json_get_object(j, key, &o, e));
	if (!o)
		return 0;
	p = *ret = calloc(1, sizeof(*p)); /* freed with the rest */
	if (!p)
		return fail_oom(e);
	p->root = p->lock = -1;
	TRY(get_texts(o, p, e));
	TRY(json_get_string(o, "arch", &arch, e));
	TRY(json_get_string(o, "digest", &digest, e));
	p->arch = profile_arch_find(arch);
	if (!p->arch || digest_parse_oci(digest, &p->digest) < 0)
		return fail(e, EBADMSG, "a profile has no architecture or digest");
	return get_numbers(o, p, e);
}

static int get_volumes(const json_t *j, struct volume_disks *ret, struct volt_error *e)
{
	json_t *list = NULL, *item;
	size_t i;

	TRY(json_get_array(j, "volumes", &list, e));
	if (json_array_size(list) > VOLUME_DISKS_MAX)
		return fail(e, EBADMSG, "more than %d volumes", VOLUME_DISKS_MAX);
	json_array_foreach(list, i, item) {
		int64_t fd = -1;
		bool read_only = false;

		TRY(json_get_int(item, "fd", 0, INT32_MAX, &fd, e));
		TRY(json_get_bool(item, "read_only", &read_only, e));
		ret->v[ret->n++] = (struct volume_disk){ (int)fd, read_only };
	}
	return 0;
}

static int read_all_of(const json_t *j, struct handover *h, struct volt_error *e)
{
	TRY(pins_from_json(j, &h->pins, e));
	TRY(get_profile(j, "kvm", &h->kvm, e));
	TRY(get_profile(j, "emulate", &h->emulate, e));
	return get_volumes(j, &h->volumes, e);
}

int handover_read(int fd, struct handover *ret, struct volt_error *e)
{
	struct handover h = HANDOVER_INIT;
	_cleanup_free_ char *text = NULL;
	json_auto_t *j = NULL;
	size_t size = 0;
	int r = read_all(fd, HANDOVER_MAX, &text, &size);

	if (r < 0)
		return fail_code(e, r, "read what was handed over");
	TRY(json_parse(text, size, "what was handed over", &j, e));
	r = read_all_of(j, &h, e);
	if (r < 0) {
		handover_done(&h);
		return r;
	}
	*ret = h;
	return 0;
}
