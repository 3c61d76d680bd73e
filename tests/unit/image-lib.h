/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"
#include "image-tar.h"
#include "image/layer-read.h"
#include "store/sha256.h"
#include "store/store.h"
#include "tap.h"
#include "tree-find.h"

/* A store of its own in a temporary directory. */
struct fixture {
	char path[32];
	int root;
	struct store *store;
	struct ingest *ingest;
	struct volt_error e;
};

static inline void fixture_close(struct fixture *f)
{
	_cleanup_close_ int tmp = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	ingest_end(f->ingest);
	store_close(f->store);
	closep(&f->root);
	(void)remove_tree_at(tmp, f->path + strlen("/tmp/"));
}
#define _cleanup_fixture_ _cleanup_(fixture_close)

static inline bool fixture_open(struct fixture *f)
{
	*f = (struct fixture){ .path = "/tmp/volt-image-XXXXXX", .root = -1 };
	if (!mkdtemp(f->path))
		return false;
	f->root = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return f->root >= 0 && store_open(f->root, &f->store, &f->e) == 0 &&
	       ingest_begin(f->store, &f->ingest, &f->e) == 0;
}

static inline int bytes_fd(const void *data, size_t size)
{
	int fd = memfd_create("layer", MFD_CLOEXEC);

	if (fd >= 0 && write(fd, data, size) != (ssize_t)size)
		abort();
	return fd;
}

/* Reads a layer of these bytes. */
static inline int read_bytes(struct fixture *f, const void *data, size_t size,
			     const struct layer_limits *limits, struct layer **ret)
{
	_cleanup_close_ int fd = bytes_fd(data, size);
	struct blob_sums sums;
	const struct layer_input in = {
		.fd = fd,
		.ingest = f->ingest,
		.disk = f->root,
		.limits = limits ? limits : &layer_limits_default,
	};

	f->e = (struct volt_error){ 0 };
	return layer_read(&in, ret, &sums, &f->e);
}

/* Ends and reads a tar, and empties it. */
static inline int read_tar(struct fixture *f, struct tar *t, struct layer **ret)
{
	int r;

	tar_end(t);
	r = read_bytes(f, t->v, t->n, NULL, ret);
	tar_done(t);
	return r;
}
