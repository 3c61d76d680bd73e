/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

#include "volt.h"

#include "base/macro.h"
#include "image/name.h"

/* Where an image is to come from, or to go to. */
enum source_kind {
	SOURCE_REGISTRY, /* "NAME", "docker://NAME" */
	SOURCE_PATH,     /* "oci:PATH[:REF]" and the like */
	SOURCE_STORAGE   /* "containers-storage:NAME", as skopeo understands it */
};

struct source {
	enum source_kind kind;
	const char *transport;   /* "docker://", "oci:", …; static */
	struct image_name *name; /* SOURCE_REGISTRY */
	char *place;             /* the path, or the storage's name for it */
	char *ref;               /* SOURCE_PATH: which image of several; or NULL */
};

int source_parse(const char *text, struct source **ret, struct volt_error *e);
void source_free(struct source *s);
DEFINE_CLEANUP(struct source *, source_free)
