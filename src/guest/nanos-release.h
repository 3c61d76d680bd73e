/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "volt.h"

#include "base/digest.h"

/* A release of Nanos in memory: what volt takes of it, checked. */
#define NANOS_VERSION_SIZE 96

struct nanos_file {
	char *path; /* in the release */
	char *data;
	size_t size;
};

struct nanos_release {
	struct nanos_file *files; /* sorted by path */
	size_t n;
	const struct nanos_file *kernel;  /* one of them */
	char version[NANOS_VERSION_SIZE]; /* "": it does not tell */
	const char *source;               /* static: "directory" or "archive" */
	uint64_t size;                    /* of all */
	/* Of "<digits>  <path>\n" for each file in order: what sha256sum prints. */
	struct digest digest;
};
void nanos_release_done(struct nanos_release *r);

/* Reads a directory as ops unpacks it, or a tar archive. Links are followed only where they
 * do not leave a directory, and refused in an archive. -ENOTSUP: it is no release; -EBADMSG:
 * damaged; -EFBIG. */
int nanos_release_read(const char *path, struct nanos_release *ret, struct volt_error *e);

/* The files of the archive in the open file @fd, as they come. The caller frees @ret, also
 * on failure. */
int nanos_release_unpack(int fd, struct nanos_release *ret, struct volt_error *e);
