/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <dirent.h>
#include <jansson.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/lock.h"
#include "store/store.h"

/* What the files of this layer share; nothing else includes it. */

struct store {
	int cas, objects, refs, staging; /* directories, owned */
	int staged; /* -1, or borrowed: of an ingest, whose objects are found too */
};

/* The one lock of a store: shared by leases, exclusive for whoever removes objects or
 * another writer's staging. */
#define STORE_LOCK "lock"

/* "<64 hex>" or "<64 hex>.x". */
#define OBJECT_NAME_SIZE (DIGEST_HEX_SIZE + 2)
const char *object_name(const struct digest *d, enum object_kind kind,
			char name[static OBJECT_NAME_SIZE]);
/* Where an ingest has it, below its directory: "<first digit>/<name>". */
#define STAGED_NAME_SIZE (OBJECT_NAME_SIZE + 2)
const char *staged_name(const struct digest *d, enum object_kind kind,
			char name[static STAGED_NAME_SIZE]);
int object_name_parse(const char *name, struct digest *ret, enum object_kind *ret_kind);

static inline mode_t object_mode(enum object_kind kind)
{
	return kind == OBJECT_EXEC ? 0555 : 0444;
}

/* What is staged, if @s is an ingest's view, comes second: looking for a name that is not
 * there any more would wait for those that are being renamed.
 *
 * 0, with @st filled, or -ENOENT; -EBADMSG for what is not a regular file. */
int object_stat(const struct store *s, const struct digest *d, enum object_kind kind,
		struct stat *st);

/* Renames unless @to exists (-EEXIST), also on file systems without RENAME_NOREPLACE. */
int rename_noreplace(int fromfd, const char *from, int tofd, const char *to);

/* Makes @name (-EEXIST if it is there) with all of @in's bytes, synced and complete from
 * the moment it has its name. */
int copy_out(int in, mode_t mode, int dirfd, const char *name, bool *ret_shared);

/* -- lease.c -- */

int store_lock(const struct store *s, enum lock_mode mode, bool wait,
	       struct volt_error *e);

/* Removes dead writers' staging, if nobody but the holder of @lease uses the store. */
void staging_sweep(const struct store *s, int lease);
/* The same for a holder of the exclusive lock. */
int staging_clear(const struct store *s);

/* -- set.c: a set of digests -- */

struct digest_set {
	struct digest *v; /* room for a power of two */
	bool *used;
	size_t n, room;
};

int digest_set_add(struct digest_set *set, const struct digest *d); /* 1: was not there */
bool digest_set_has(const struct digest_set *set, const struct digest *d);
void digest_set_done(struct digest_set *set);

/* -- scan.c: every file in objects/ -- */

struct object_file {
	ino_t ino;
	struct digest digest;
	enum object_kind kind;
};

struct object_scan {
	struct object_file *v; /* by inode: nearly the order on the disk */
	size_t n, room;
};

/* @odd (may be NULL) is called for every name that is not an object's. */
int object_scan(const struct store *s, struct object_scan *ret,
		void (*odd)(void *data, const char *name), void *data);
void object_scan_done(struct object_scan *scan);

/* -- walk.c: every ref -- */

#define REF_NAME_SIZE (2 * NAME_MAX + 2)

struct ref_walk {
	/* @ref is "<kind>/<name>.json", without kind for a profile's manifest. The first
	 * result that is not 0 ends the walk, which returns it. */
	int (*ref)(void *data, const char *ref, const json_t *j, struct volt_error *e);
	/* Told of refs that cannot be read; without it the first one is an error. */
	void (*bad)(void *data, const char *what, const char *why);
	void *data;
};

int refs_walk(const struct store *s, const struct ref_walk *w, struct volt_error *e);

/* -- reach.c: every object that refs keep alive -- */

struct reach {
	struct digest_set set;
	/* Told of refs that cannot be read and of objects that are not there; without it
	 * the first such ref is an error and missing objects are nobody's concern. */
	void (*bad)(void *data, const char *what, const char *why);
	void *data;
};

/* Adds what one ref keeps alive; @ref is its name for messages. */
int reach_add(const struct store *s, struct reach *reach, const char *ref,
	      const json_t *j, struct volt_error *e);
int reach_collect(const struct store *s, struct reach *ret, struct volt_error *e);
void reach_done(struct reach *r);
