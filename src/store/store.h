/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/error.h"

/* The content store: cas/objects/<sha256>, immutable bytes named by their digest.
 *
 * An object has up to two files: "<sha256>" (0444) and, where it must be executable when
 * hard-linked, "<sha256>.x" (0555), so that nothing ever changes a shared inode. */
struct store;

enum object_kind {
	OBJECT_PLAIN,
	OBJECT_EXEC
};

/* @rootfd is volt's root (borrowed, dup'ed); makes cas/ in it. */
int store_open(int rootfd, struct store **ret, struct volt_error *e);
void store_close(struct store *s);
DEFINE_CLEANUP(struct store *, store_close)

/* A lease keeps every object where it is: gc waits until none is held. Returns a
 * descriptor; closing it (or dying) ends the lease. Take one before reading a ref whose
 * objects are to be opened or linked, hold it until that is done, and no longer. An
 * ingest has its own. A process must not run store_gc() while it holds one. */
int lease_take(const struct store *s, struct volt_error *e);

bool store_has(const struct store *s, const struct digest *d, enum object_kind kind);

/* A read-only descriptor of either kind. Does not hash: for that, store_read() or
 * store_verify(). -ENOENT names the object. */
int store_open_object(const struct store *s, const struct digest *d,
		      struct volt_error *e);

/* The same of one kind alone, without a message: -ENOENT, -EBADMSG for no regular file. */
int store_open_kind(const struct store *s, const struct digest *d, enum object_kind kind);

/* The content, hashed again (-EBADMSG when it does not match), at most @max bytes
 * (-EFBIG). The caller frees *@ret, which has a NUL after its end. */
int store_read(const struct store *s, const struct digest *d, size_t max, char **ret,
	       size_t *ret_size, struct volt_error *e);

/* Hard-links the object as @name (no slash, must not exist) below @dirfd. Where linking
 * cannot work (EXDEV, EMLINK, EPERM) it reflinks or copies. 0: the bytes are shared, 1:
 * they were copied. An existing @name is -EEXIST and is never opened. */
int store_link(const struct store *s, const struct digest *d, enum object_kind kind,
	       int dirfd, const char *name, struct volt_error *e);

/* A copy in place of a link; 0 and 1 as above. */
int store_copy(const struct store *s, const struct digest *d, enum object_kind kind,
	       int dirfd, const char *name, struct volt_error *e);

/* Gives the object a new file with the content of @fd, whatever the one it has is like.
 * -EBADMSG where that content is not the object's. Takes a lease of its own. */
int store_replace(struct store *s, const struct digest *d, enum object_kind kind, int fd,
		  struct volt_error *e);
