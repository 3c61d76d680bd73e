/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "image/image.h"

/* A one-layer image from one program. The libraries it needs are found by reading ELF
 * (interpreter, DT_NEEDED, RPATH, RUNPATH, the loader's cache, standard directories),
 * never by running it. The same program gives the same digest. Members that are NULL or
 * empty take the defaults; lists end with NULL. */
struct image_binary {
	const char *path;          /* the program on the host */
	const char *name_in_image; /* absolute; NULL: "/" and the program's base name */
	const char *const *entrypoint; /* NULL: the program */
	const char *const *cmd;
	const char *const *env;
	const char *const *ports;  /* "80/tcp" */
	const char *const *labels; /* "KEY=VALUE" */
	const char *workdir, *user;
	const char *arch; /* NULL: the program's; another than that is an error */
};

/* -ENOEXEC where it is no ELF program; -ENOENT names a library that is not found. */
int image_build_binary(struct images *is, const struct image_binary *b, const char *name,
		       struct image **ret, struct volt_error *e);

/* A directory with a Containerfile (or Dockerfile), handed to buildah. */
struct image_context {
	const char *directory;
	const char *containerfile;     /* NULL: found in the directory */
	const char *const *build_args; /* "KEY=VALUE" */
	const char *target, *arch;
};
int image_build_context(struct images *is, const struct image_context *c,
			const char *name, struct image **ret, struct volt_error *e);
