/* SPDX-License-Identifier: Apache-2.0 */

#include "vm/pins.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/path.h"
#include "vm/internal.h"
#include "vm/spec.h"

#define LOCK_VERSION 1
#define SHORT_DIGITS 12

static const struct digest none;

void pins_done(struct pins *p)
{
	free(p->kernel);
	free(p->profile);
	free(p->qemu_version);
	*p = (struct pins){ 0 };
}

static int copy_text(const char *from, char **to)
{
	*to = from ? strdup(from) : NULL;
	return from && !*to ? -ENOMEM : 0;
}

int pins_copy(const struct pins *from, struct pins *to)
{
	struct pins p = *from;
	int r;

	p.profile = p.qemu_version = NULL;
	r = copy_text(from->kernel, &p.kernel);
	r = r ?: copy_text(from->profile, &p.profile);
	r = r ?: copy_text(from->qemu_version, &p.qemu_version);
	if (r < 0) {
		pins_done(&p);
		return r;
	}
	pins_done(to);
	*to = p;
	return 0;
}

/* --- to JSON --- */

static json_t *digest_json(const struct digest *d)
{
	char text[DIGEST_OCI_SIZE];

	return digest_equal(d, &none) ? json_null() : json_string(digest_oci(d, text));
}

json_t *pins_kernel_to_json(const struct pins *p)
{
	if (!p->kernel)
		return json_null();
	return json_pack("{s:s, s:o, s:o}", "name", p->kernel, "digest",
			 digest_json(&p->kernel_image), "initramfs",
			 digest_json(&p->initramfs));
}

json_t *pins_profile_to_json(const struct pins *p)
{
	if (!p->profile)
		return json_null();
	return json_pack("{s:s, s:o, s:s?}", "name", p->profile, "digest",
			 digest_json(&p->profile_digest), "version", p->qemu_version);
}

json_t *lock_make(const struct spec *s, const struct pins *p)
{
	return json_pack("{s:i, s:s, s:{s:s, s:o, s:o}, s:o, s:o}", "version",
			 LOCK_VERSION, "arch", s->arch, "image", "name", s->image.name,
			 "digest", digest_json(&s->image.digest), "tree",
			 digest_json(&s->image.tree), "kernel", pins_kernel_to_json(p),
			 "profile", pins_profile_to_json(p));
}

/* --- from JSON --- */

static int get_text(const json_t *j, const char *key, char **ret, struct volt_error *e)
{
	const char *text = NULL;

	TRY(json_get_string(j, key, &text, e));
	if (copy_text(text, ret) < 0)
		return fail_oom(e);
	return 0;
}

static int get_digest(const json_t *j, const char *key, struct digest *ret,
		      struct volt_error *e)
{
	const char *text = NULL;

	TRY(json_get_string(j, key, &text, e));
	if (text && digest_parse_oci(text, ret) < 0)
		return fail(e, EBADMSG, "'%s' is not a digest: 'sha256:' and 64 digits",
			    key);
	return 0;
}

static int get_pins(const json_t *j, struct pins *p, struct volt_error *e)
{
	json_t *kernel = NULL, *profile = NULL;

	TRY(json_get_object(j, "kernel", &kernel, e));
	TRY(json_get_object(j, "profile", &profile, e));
	TRY(get_text(kernel, "name", &p->kernel, e));
	TRY(get_digest(kernel, "digest", &p->kernel_image, e));
	TRY(get_digest(kernel, "initramfs", &p->initramfs, e));
	TRY(get_text(profile, "name", &p->profile, e));
	TRY(get_digest(profile, "digest", &p->profile_digest, e));
	return get_text(profile, "version", &p->qemu_version, e);
}

int pins_from_json(const json_t *j, struct pins *ret, struct volt_error *e)
{
	struct pins p = { 0 };
	int r = get_pins(j, &p, e);

	if (r < 0) {
		pins_done(&p);
		return r;
	}
	*ret = p;
	return 0;
}

/* --- locks --- */

struct lock {
	const char *arch, *image;
	struct digest manifest, tree;
	struct pins pins;
};

static void lock_done(struct lock *l)
{
	pins_done(&l->pins);
}

/* What is missing could not be compared: a lock has all of it, but for the profile where
 * there was none. */
static int lock_parse(const json_t *j, struct lock *l, struct volt_error *e)
{
	int64_t version = 0;
	json_t *image = NULL;

	TRY(json_get_int(j, "version", 0, INT64_MAX, &version, e));
	if (version != LOCK_VERSION)
		return fail(e, EBADMSG, "version %lld is not supported",
			    (long long)version);
	TRY(json_get_string(j, "arch", &l->arch, e));
	TRY(json_get_object(j, "image", &image, e));
	TRY(json_get_string(image, "name", &l->image, e));
	TRY(get_digest(image, "digest", &l->manifest, e));
	TRY(get_digest(image, "tree", &l->tree, e));
	TRY(pins_from_json(j, &l->pins, e));
	if (!l->arch || !l->image || digest_equal(&l->manifest, &none) ||
	    digest_equal(&l->tree, &none))
		return fail(e, EBADMSG, "it does not name an image and what is in it");
	if (!l->pins.kernel || !name_is_valid(l->pins.kernel) ||
	    digest_equal(&l->pins.kernel_image, &none))
		return fail(e, EBADMSG, "it does not name a kernel");
	if (l->pins.profile && (!name_is_valid(l->pins.profile) ||
				digest_equal(&l->pins.profile_digest, &none)))
		return fail(e, EBADMSG, "it does not name a profile");
	return 0;
}

int lock_check(const json_t *lock, struct volt_error *e)
{
	_cleanup_(lock_done) struct lock l = { 0 };
	int r;

	if (!json_is_object(lock))
		return fail(e, EBADMSG, "the lock is not an object");
	r = lock_parse(lock, &l, e);
	return r < 0 ? fail_in(e, r, "the lock") : 0;
}

const char *lock_kernel(const json_t *lock)
{
	return json_string_value(
		json_object_get(json_object_get(lock, "kernel"), "name"));
}

bool lock_profile(const json_t *lock, struct digest *ret)
{
	_cleanup_(lock_done) struct lock l = { 0 };

	if (lock_parse(lock, &l, NULL) < 0 || !l.pins.profile)
		return false;
	*ret = l.pins.profile_digest;
	return true;
}

/* --- comparing --- */

struct differences {
	char text[400];
	size_t n;
};

static const char *shorten(const struct digest *d, char text[static DIGEST_HEX_SIZE])
{
	if (digest_equal(d, &none))
		return "none";
	(void)digest_hex(d, text);
	text[SHORT_DIGITS] = '\0';
	return text;
}

static _printf_(2, 3) void add(struct differences *d, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (d->n >= sizeof(d->text) - 1)
		return;
	va_start(ap, fmt);
	n = vsnprintf(d->text + d->n, sizeof(d->text) - d->n, fmt, ap);
	va_end(ap);
	d->n += n > 0 ? (size_t)n : 0;
}

static void compare(struct differences *d, const char *what, const struct digest *have,
		    const struct digest *want)
{
	char a[DIGEST_HEX_SIZE], b[DIGEST_HEX_SIZE];

	if (!digest_equal(have, want))
		add(d, "%s%s: have %s, want %s", d->n ? "; " : "", what, shorten(have, a),
		    shorten(want, b));
}

static void compare_profile(struct differences *d, const struct pins *have,
			    const struct pins *want)
{
	char a[DIGEST_HEX_SIZE], b[DIGEST_HEX_SIZE];

	if (!digest_equal(&have->profile_digest, &want->profile_digest))
		add(d, "%sprofile: have %s %s, want %s %s", d->n ? "; " : "",
		    have->profile ?: "QEMU", shorten(&have->profile_digest, a),
		    want->profile ?: "QEMU", shorten(&want->profile_digest, b));
}

int lock_compare(const json_t *lock, const struct spec *s, const struct pins *p,
		 struct volt_error *e)
{
	_cleanup_(lock_done) struct lock l = { 0 };
	struct differences d = { .n = 0 };

	TRY(lock_parse(lock, &l, e));
	if (strcmp(l.arch, s->arch) != 0)
		add(&d, "architecture: have %.20s, want %.20s", s->arch, l.arch);
	compare(&d, "image", &s->image.digest, &l.manifest);
	compare(&d, "rootfs", &s->image.tree, &l.tree);
	compare(&d, "kernel", &p->kernel_image, &l.pins.kernel_image);
	compare(&d, "initramfs", &p->initramfs, &l.pins.initramfs);
	compare_profile(&d, p, &l.pins);
	return d.n ? fail(e, ESTALE, "not what is locked: %s", d.text) : 0;
}
