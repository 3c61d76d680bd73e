/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "image/transfer.h"
#include "profile/manifest.h"

/* Profiles in registries, as OCI artifacts: an image manifest of a type of its own, the
 * profile's manifest for a config, and one blob for each of its files, so that a registry
 * holds what profiles share once. doc/formats.md has it. */

#define ARTIFACT_TYPE        "application/vnd.volt.profile.v1"
#define ARTIFACT_CONFIG_TYPE "application/vnd.volt.profile.manifest.v1+json"
#define ARTIFACT_FILE_TYPE   "application/vnd.volt.profile.file.v1"
#define ARTIFACT_TITLE       "org.opencontainers.image.title"
#define ARTIFACT_CONTENT     "vnd.volt.profile.digest"

struct artifact_file {
	const char *path; /* borrowed from the document */
	struct digest digest;
	uint64_t size;
};

/* What the manifest of an artifact says, checked as far as it can be by itself. */
struct artifact {
	struct digest config;
	uint64_t config_size;
	struct digest content; /* of the profile, where @has_content */
	bool has_content;
	struct artifact_file *v; /* sorted by path */
	size_t n;
	json_t *j; /* owns the strings */
};

/* -ENOTSUP for an image or another artifact, -EBADMSG for a broken one. */
int artifact_parse(const char *text, size_t size, struct artifact **ret,
		   struct volt_error *e);
void artifact_free(struct artifact *a);
DEFINE_CLEANUP(struct artifact *, artifact_free)

/* The profile's manifest in its config, which must be the one it names, and say the same of
 * the same files. @name (NULL: its own) is what the profile is to be called here. */
int artifact_config_parse(const struct artifact *a, const char *text, size_t size,
			  const char *name, struct profile_manifest **ret,
			  struct volt_error *e);

/* The other way round: both documents of @m; @sizes are those of its files. The caller frees
 * them. -E2BIG where a registry would not take it. */
int artifact_make(const struct profile_manifest *m, const uint64_t *sizes,
		  char **ret_manifest, char **ret_config, struct volt_error *e);

struct profile_place {
	struct images *images;             /* borrowed: whose staging is used */
	const char *name;                  /* "REGISTRY/NAME[:TAG]" */
	const struct image_transport *how; /* NULL: as skopeo is set up */
};

/* Sends the version @ref there; *@ret is the digest of what is there then. */
int profile_push(const struct profiles *ps, const struct profile_place *to,
		 const char *ref, struct digest *ret, struct volt_error *e);

/* Fetches what is there ("…@sha256:…" too) and makes it the current version of @name (NULL:
 * the last part of the place's name). Files that are in the store are not fetched. Unless all
 * of it is as its manifest says, nothing is kept. *@ret_digest is that of the registry's
 * manifest. */
int profile_pull(const struct profiles *ps, const struct profile_place *from,
		 const char *name, struct digest *ret_digest,
		 struct profile_manifest **ret, struct volt_error *e);
