/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "volt.h"

#include "base/digest.h"
#include "base/macro.h"
#include "image/platform.h"

/* The documents of an image, by OCI's and Docker's (schema 2) rules. All of this is hostile
 * input: sizes, counts and digests are checked before anything is done with them. */
#define MANIFEST_MAX ((size_t)4 << 20)
#define CONFIG_MAX   ((size_t)8 << 20)
#define LAYERS_MAX   1024u

#define MEDIA_OCI_MANIFEST    "application/vnd.oci.image.manifest.v1+json"
#define MEDIA_OCI_INDEX       "application/vnd.oci.image.index.v1+json"
#define MEDIA_OCI_CONFIG      "application/vnd.oci.image.config.v1+json"
#define MEDIA_OCI_LAYER       "application/vnd.oci.image.layer.v1.tar"
#define MEDIA_DOCKER_MANIFEST "application/vnd.docker.distribution.manifest.v2+json"

struct descriptor {
	struct digest digest;
	uint64_t size;
	const char *media_type; /* "" where not said */
};

struct manifest {
	struct descriptor config;
	struct descriptor *layers; /* the lowest first */
	size_t n_layers;
	bool docker;  /* Docker's schema 2, not OCI's */
	json_t *json; /* owns the strings */
};

void manifest_free(struct manifest *m);
DEFINE_CLEANUP(struct manifest *, manifest_free)

/* -ENOTSUP for what is no image: schema 1, artifacts, encrypted layers. */
int manifest_parse(const char *text, size_t size, struct manifest **ret,
		   struct volt_error *e);

/* 1: an index (or Docker's manifest list), 0: something else. */
int manifest_is_index(const char *text, size_t size, struct volt_error *e);

/* The manifest in an index for a platform; an exact variant is better than none, none
 * better than another. -ENOENT says what there is. */
int index_choose(const char *text, size_t size, const struct platform *p,
		 struct descriptor *ret, struct volt_error *e);

struct image_config {
	json_t *json;
	struct digest *diff_ids;
	size_t n_diff_ids;
	const struct platform *platform; /* NULL: not known */
	int64_t created;                 /* ns since 1970; 0: not said */
};

void image_config_free(struct image_config *c);
DEFINE_CLEANUP(struct image_config *, image_config_free)

int image_config_parse(const char *text, size_t size, struct image_config **ret,
		       struct volt_error *e);
