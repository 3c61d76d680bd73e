/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

#include "volt.h"

#include "base/digest.h"
#include "base/macro.h"

/* Image names: [REGISTRY[:PORT]/]REPOSITORY[:TAG][@sha256:DIGEST].
 *
 * The first part is a registry if it holds a dot or a colon or is "localhost"; otherwise
 * the name is short and means docker.io (and docker.io/library where there is one part
 * only). Without tag and digest the tag is "latest". At most 255 bytes before the tag. */
#define IMAGE_NAME_MAX 512

struct image_name {
	char *registry;   /* "docker.io", "localhost", "127.0.0.1:5000", "[::1]:5000" */
	char *repository; /* "library/alpine" */
	char *tag;        /* NULL where only a digest was given */
	bool short_name;  /* no registry was written */
	bool has_digest;
	struct digest digest;
};

int image_name_parse(const char *text, struct image_name **ret, struct volt_error *e);
void image_name_free(struct image_name *n);
DEFINE_CLEANUP(struct image_name *, image_name_free)

/* "docker.io/library/alpine:3.19", or with "@sha256:…". The caller frees; NULL: no memory. */
char *image_name_text(const struct image_name *n);

/* The same under another registry, for local look-up: a short name "app" is first tried as
 * localhost/app, as podman does, so that what was built here is found. */
char *image_name_localhost(const struct image_name *n);

/* The full name for one that a user gives to an image here: a short one is localhost's, as
 * podman has it. -EINVAL with a digest. */
int image_name_to_give(const char *text, char **ret, struct volt_error *e);
