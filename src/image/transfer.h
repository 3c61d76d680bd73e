/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "image/image.h"

/* Moving images in and out. skopeo is the transport; it finds credentials and registry
 * settings where podman does. */
struct image_transport {
	const char *authfile;   /* NULL: skopeo's own rules */
	const char *creds;      /* USER[:PASSWORD]; never put on a command line */
	const char *tls_verify; /* "true", "false"; NULL: as registries.conf says */
};

enum image_policy {
	IMAGE_PULL_ALWAYS,
	IMAGE_PULL_MISSING,
	IMAGE_PULL_NEWER,
	IMAGE_PULL_NEVER
};

/* "always", "missing", "newer", "never". -EINVAL. */
int image_policy_parse(const char *text, enum image_policy *ret, struct volt_error *e);

struct image_pull {
	const char *arch; /* NULL: the host's; any name platform_find() knows */
	enum image_policy policy;
	struct image_transport transport;
};

/* @source is a name ("alpine", "quay.io/x/y:1") or has a transport: docker://NAME,
 * oci:DIR[:REF], oci-archive:FILE[:REF], docker-archive:FILE[:REF], dir:DIR,
 * containers-storage:NAME. Layers that are held are neither fetched nor read again. An
 * image that fails any check leaves nothing behind. */
int image_pull(struct images *is, const char *source, const struct image_pull *o,
	       struct image **ret, struct volt_error *e);

/* @path is an OCI layout directory, an OCI archive or a docker archive (told apart by
 * looking), with all the images in it. @ret: their names, or ids where one has none. */
int image_load(struct images *is, const char *path, struct strv *ret,
	       struct volt_error *e);

enum image_format {
	IMAGE_DOCKER_ARCHIVE,
	IMAGE_OCI_ARCHIVE,
	IMAGE_OCI_DIR
};
int image_format_parse(const char *text, enum image_format *ret, struct volt_error *e);

/* @path must not exist; it appears complete or not at all. */
int image_save(struct images *is, const char *image, const char *path,
	       enum image_format format, struct volt_error *e);

/* @destination: a name or TRANSPORT:PLACE; NULL is the image's own name. */
int image_push(struct images *is, const char *image, const char *destination,
	       const struct image_transport *t, struct volt_error *e);

/* Checks the credentials with the registry and keeps them in the auth file. -EACCES. */
int image_login(const char *registry, const char *user, const char *password,
		const struct image_transport *t, struct volt_error *e);
/* @registry NULL: all. */
int image_logout(const char *registry, const struct image_transport *t,
		 struct volt_error *e);
