/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>

#include "image/tree.h"

/* Nanos' file system, TFS version 5, as volt writes it: doc/formats.md. */

/* Disks made before are looked for by it: raise it whenever the same input gives other bytes
 * than before, of a file system or of a disk with several (nanos-disk.h). */
#define TFS_LAYOUT_VERSION 1

#define TFS_SECTOR    512u
#define TFS_LABEL_MAX 31u

/* What a record appended later (tfs_append()) always has room for. */
#define TFS_RECORD_ROOM (256u << 10)

/* What becomes a file system. */
struct tfs_input {
	/* Names of any bytes but '/' and NUL, files, directories, symbolic and hard links,
	 * mtimes. Modes, owners and xattrs are dropped; devices, FIFOs and sockets are
	 * left out. */
	const struct tree *tree;
	/* A descriptor of the content of entry @entry, which the writer closes; only its
	 * bytes from 0 on are used, not its position, so a duplicate will do. May be called
	 * by several threads at once, and twice for one file. NULL: contents are objects of
	 * the store that @data is. */
	int (*open)(void *data, uint32_t entry, struct volt_error *e);
	void *data;
	/* Of the root, besides its files; may be NULL. A string is text; an integer is text
	 * too, in decimal; true is the text "t", false is left out; an array is a vector, an
	 * object a tuple. null, reals, text with NUL and empty names are -EINVAL. */
	const json_t *attributes;
	const char *label; /* NULL: none */
	uint8_t uuid[16];
	uint64_t room; /* bytes left free for what the guest writes: a hole */
};

struct tfs_written {
	uint64_t size;     /* bytes from where it begins to its end, the room included */
	uint64_t metadata; /* bytes of the record that holds all names */
	uint64_t files;    /* regular ones; hard links count once */
	uint64_t skipped;  /* entries left out: devices, FIFOs, sockets */
};

/* Writes @in as a file system to @fd, a regular file open for reading and writing that holds
 * nothing from byte @at (a multiple of 512) on. The same input gives the same bytes. @ret
 * may be NULL.
 *
 * Long holes of a file (1 MiB and more) stay holes: they have no extent. A content that is
 * missing or has another size than the tree says is -ENOENT or -EBADMSG, a full disk
 * -ENOSPC, with the file's path where it is one file's. On failure nothing is left from @at
 * on. */
int tfs_write(const struct tfs_input *in, int fd, uint64_t at, struct tfs_written *ret,
	      struct volt_error *e);

/* What tfs_write() does for @in without open(): the object of entry @entry. For an open()
 * that makes some contents itself. */
int tfs_open_object(const struct tree *t, const struct store *s, uint32_t entry,
		    struct volt_error *e);

/* Bytes that sectors of a disk get. */
struct tfs_patch {
	uint64_t at; /* absolute, as is @at below */
	uint8_t *data;
	size_t size; /* whole sectors */
};

void tfs_patch_done(struct tfs_patch *p);

/* One more record for the file system at @at of @fd, which merges @attributes into those of
 * the root: each replaces the one of its name, null deletes it. Nothing is written: *@ret is
 * what sectors would hold then. -E2BIG: the log has no room for it; -EBADMSG: that is no
 * file system, or a damaged one. */
int tfs_append(int fd, uint64_t at, const json_t *attributes, struct tfs_patch *ret,
	       struct volt_error *e);
