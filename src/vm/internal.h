/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>

#include "base/strv.h"
#include "net/port.h"
#include "vm/spec-member.h"
#include "vm/spec.h"

/* Shared by the files of this layer, not part of what it offers. */

/* Passes a failure on; the callee has recorded it. */
#define TRY(call)                      \
	do {                           \
		int try_r_ = (call);   \
		if (try_r_ < 0)        \
			return try_r_; \
	} while (0)

/* Members that machine.json and state.json have in common. */
json_t *ports_to_json(const struct ports *p);
int ports_from_json(const json_t *list, struct ports *p, struct volt_error *e);
json_t *labels_to_json(const struct strv *labels);

/* The part of a spec that guests of kind `disk` have, in spec-disk.c: "disk" with their
 * defaults, and what must not be asked of them. */
int disk_from_json(const json_t *j, enum spec_form form, struct spec *s,
		   struct volt_error *e);
int disk_is_absent(const json_t *j, struct volt_error *e);
int disk_check(const struct spec *s, struct volt_error *e);
json_t *disk_to_json(const struct spec_disk *d);

/* The part that guests of kind `nanos` have, in spec-nanos.c: "nanos" with their defaults (or
 * its absence for all others), and what must not be asked of them. */
int nanos_from_json(const json_t *j, struct spec *s, struct volt_error *e);
int nanos_spec_check(const struct spec *s, struct volt_error *e);
json_t *nanos_to_json(const struct spec_nanos *n);

/* One item of "volumes", and what Nanos, or any other guest, cannot have of them: in
 * spec-volume.c. */
int spec_volume_parse(const json_t *j, struct spec_volume *v, struct volt_error *e);
json_t *spec_volume_json(const struct spec_volume *v);
int spec_volumes_check(const struct spec *s, struct volt_error *e);

int labels_from_json(const json_t *o, struct strv *labels, struct volt_error *e);
