/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <errno.h>

#include "base/io.h"
#include "base/spawn.h"
#include "image/tree-builder.h"
#include "store-lib.h"
#include "tree-find.h"

/* A tree in the making, its store, for tests of this layer. */
struct world {
	struct fixture f;
	struct tree_builder *b;
	struct ingest *g;
	struct tree *t;
	struct digest id;
};

static inline bool world_open_in(struct world *w, bool (*open_fixture)(struct fixture *))
{
	memset(w, 0, sizeof(*w));
	memset(w->id.b, 0x5a, sizeof(w->id.b));
	return open_fixture(&w->f) && tree_builder_new(&w->b, &w->f.e) >= 0 &&
	       ingest_begin(w->f.store, &w->g, &w->f.e) >= 0;
}

static inline bool world_open(struct world *w)
{
	return world_open_in(w, fixture_open);
}

static inline void world_close(struct world *w)
{
	ingest_end(w->g);
	tree_builder_free(w->b);
	tree_free(w->t);
	fixture_close(&w->f);
}

#define _cleanup_world_ _cleanup_(world_close)

/* Says why on failure, for a test that CHECKs the result. */
static inline bool fine(const struct world *w, int r)
{
	if (r < 0)
		printf("# %s (%d)\n", w->f.e.msg, r);
	return r >= 0;
}

static inline bool add_entry(struct world *w, const struct tree_entry *f)
{
	return fine(w, tree_builder_add(w->b, f, &w->f.e));
}

static inline bool add_file(struct world *w, const char *path, uint32_t mode,
			    const void *data, size_t size)
{
	struct tree_entry f = { .path = path, .mode = S_IFREG | mode, .size = size };
	enum object_kind kind = mode & 0111 ? OBJECT_EXEC : OBJECT_PLAIN;

	if (size > 0 && !fine(w, ingest_add(w->g, data, size, kind, &f.object, &w->f.e)))
		return false;
	return add_entry(w, &f);
}

/* Makes the objects durable and sorts the tree. */
static inline bool world_finish(struct world *w)
{
	return fine(w, ingest_commit(w->g, &w->f.e)) &&
	       fine(w, tree_builder_finish(w->b, NULL, &w->t, &w->f.e));
}

/* The same, and keeps the tree in the store; its digest becomes the world's id. */
static inline bool world_store(struct world *w)
{
	struct digest list;

	return fine(w, tree_builder_finish(w->b, NULL, &w->t, &w->f.e)) &&
	       fine(w, tree_store(w->g, w->t, &w->id, &list, &w->f.e)) &&
	       fine(w, ingest_commit(w->g, &w->f.e));
}

/* Changes the length of the object of a file, as a bad disk might. */
static inline bool damage_object(const struct world *w, const char *path, off_t size)
{
	const struct tree_entry *f = tree_find(w->t, path);
	char name[256];

	(void)snprintf(name, sizeof(name), "%s/%s", w->f.path,
		       object_path(&f->object, f->mode & 0111 ? ".x" : ""));
	return chmod(name, 0600) == 0 && truncate(name, size) == 0 &&
	       chmod(name, f->mode & 0111 ? 0555 : 0444) == 0;
}

/* A file below the fixture's root; its path for a program is world_path(). */
static inline int world_file(const struct world *w, const char *name)
{
	return openat(w->f.root, name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
}

static inline const char *world_path(const struct world *w, const char *name)
{
	static char paths[4][256];
	static unsigned next;
	char *path = paths[next++ % 4];

	(void)snprintf(path, sizeof(paths[0]), "%s/%s", w->f.path, name);
	return path;
}

/* Runs a program; prints what it said when it fails. */
static inline bool run_program(const char *const *argv)
{
	struct spawn s = SPAWN_INIT;
	_cleanup_free_ char *out = NULL;
	struct volt_error e = { 0 };
	int r;

	s.argv = argv;
	r = spawn_run(&s, 1 << 20, &out, &e);
	if (r < 0)
		printf("# %s: %s\n", argv[0], e.msg);
	return r >= 0;
}

/* A small generator of its own, so that a seed gives the same tree everywhere. */
static inline uint64_t dice(uint64_t *seed)
{
	uint64_t z = *seed += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

/* A rule that needs what not every machine has: skipped with the reason, unless
 * VOLT_MUST_RUN=1 forbids that. */
#define RUN_IF(have, why, test)                                                  \
	do {                                                                     \
		const char *must_ = getenv("VOLT_MUST_RUN");                     \
		if ((have) || (must_ && strcmp(must_, "1") == 0))                \
			RUN(test);                                               \
		else                                                             \
			printf("ok %d - %s # SKIP %s\n", ++tap_n, #test, (why)); \
	} while (0)
