/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "base/path.h"
#include "store/gc.h"
#include "store/ingest.h"
#include "store/ref.h"
#include "store/sha256.h"
#include "store/store.h"
#include "tap.h"

/* A store in a directory of its own, for the tests of this layer. */
struct fixture {
	char path[64];
	int root;
	struct store *store;
	struct volt_error e;
};

static inline bool fixture_open_in(struct fixture *f, const char *parent)
{
	memset(f, 0, sizeof(*f));
	(void)snprintf(f->path, sizeof(f->path), "%s/volt-test-store.XXXXXX", parent);
	if (!mkdtemp(f->path))
		return false;
	f->root = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return f->root >= 0 && store_open(f->root, &f->store, &f->e) == 0;
}

static inline bool fixture_open(struct fixture *f)
{
	return fixture_open_in(f, "/tmp");
}

/* In memory where possible, for tests that sync thousands of times. */
static inline bool fixture_open_fast(struct fixture *f)
{
	return fixture_open_in(f, access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
}

static inline void fixture_close(struct fixture *f)
{
	char *name = strrchr(f->path, '/');
	int parent;

	store_close(f->store);
	(void)close(f->root);
	*name++ = '\0';
	parent = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	(void)remove_tree_at(parent, name);
	(void)close(parent);
}

#define _cleanup_fixture_ _cleanup_(fixture_close)

/* The path of an object relative to the root. */
static inline const char *object_path(const struct digest *d, const char *suffix)
{
	static char path[128];
	char hex[DIGEST_HEX_SIZE];

	(void)snprintf(path, sizeof(path), "cas/objects/%s%s", digest_hex(d, hex),
		       suffix);
	return path;
}

/* Adds one object in an ingest of its own. */
static inline int put(struct fixture *f, const char *text, enum object_kind kind,
		      struct digest *ret)
{
	_cleanup_(ingest_endp) struct ingest *g = NULL;
	int r = ingest_begin(f->store, &g, &f->e);

	if (r >= 0)
		r = ingest_add(g, text, strlen(text), kind, ret, &f->e);
	return r < 0 ? r : ingest_commit(g, &f->e);
}

/* A ref of kind "images" that holds one object. */
static inline int hold(struct fixture *f, const char *name, const struct digest *d)
{
	char hex[DIGEST_HEX_SIZE];
	json_auto_t *j = json_pack("{s:{s:s}}", "objects", "x", digest_hex(d, hex));

	return ref_write(f->store, "images", name, j, &f->e);
}

/* Counts what a directory below the root holds, not "." and "..". */
static inline int count_entries(const struct fixture *f, const char *path)
{
	int fd = openat(f->root, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), n = 0;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir)
		return -1;
	for (struct dirent *de; (de = readdir(dir));)
		n += strcmp(de->d_name, ".") != 0 && strcmp(de->d_name, "..") != 0;
	(void)closedir(dir);
	return n;
}
