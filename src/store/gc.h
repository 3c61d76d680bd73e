/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "store/store.h"

struct gc_result {
	uint64_t kept, removed; /* objects */
	uint64_t kept_bytes;    /* as allocated on disk */
	uint64_t removed_bytes; /* the same, without what has other hard links */
};

/* Removes every object that no ref reaches and everything dead writers left. Waits for
 * leases, or -EAGAIN when @wait is false. A ref that cannot be read stops it before
 * anything is removed. A dry run only counts. @ret may be NULL. */
int store_gc(struct store *s, bool dry_run, bool wait, struct gc_result *ret,
	     struct volt_error *e);

/* Hashes every object. @bad (may be NULL) is called for each that does not match, is
 * missing though a ref reaches it, or has the wrong mode, for refs that cannot be read,
 * and for files that are no objects. Returns how many. */
int store_verify(struct store *s,
		 void (*bad)(void *data, const char *object, const char *why), void *data,
		 struct volt_error *e);

/* One file of an object. -ENOENT; -EBADMSG with the reason when its mode, owner or content is
 * wrong. */
int store_verify_kind(const struct store *s, const struct digest *d,
		      enum object_kind kind, struct volt_error *e);

struct store_usage {
	uint64_t objects, bytes, allocated;
	uint64_t unreferenced, unreferenced_bytes; /* as allocated on disk */
};
int store_usage(struct store *s, struct store_usage *ret, struct volt_error *e);
