/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "volt.h"

#include "base/digest.h"

/* What a machine runs on besides its image, each thing by what it is called and by what it
 * is; all zero where nothing is known. Owned strings. */
struct pins {
	char *kernel; /* its name */
	struct digest kernel_image, initramfs;
	char *profile; /* NULL: the QEMU of a directory */
	struct digest profile_digest;
	char *qemu_version; /* the profile's, or NULL */
};
void pins_done(struct pins *p);
int pins_copy(const struct pins *from, struct pins *to); /* -ENOMEM */

/* {"name", "digest", …} as in state.json and in locks; NULL: out of memory. */
json_t *pins_kernel_to_json(const struct pins *p);
json_t *pins_profile_to_json(const struct pins *p);

/* Reads the members "kernel" and "profile" of @j, each of which may be missing. */
int pins_from_json(const json_t *j, struct pins *ret, struct volt_error *e);

/* A lock: all that a machine was made of, doc/formats.md has the document. */
struct spec;
json_t *lock_make(const struct spec *s, const struct pins *p); /* NULL: out of memory */

/* Is @lock one? What it names is what lock_compare() goes by. */
int lock_check(const json_t *lock, struct volt_error *e);

/* The kernel's name; borrowed. */
const char *lock_kernel(const json_t *lock);

/* The profile's digest; false where it names none. */
bool lock_profile(const json_t *lock, struct digest *ret);

/* -ESTALE with a line that names every difference. */
int lock_compare(const json_t *lock, const struct spec *s, const struct pins *p,
		 struct volt_error *e);
