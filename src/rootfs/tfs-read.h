/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"
#include "rootfs/byte-source.h"
#include "rootfs/tfs.h"

/* Reading what is on a Nanos disk: the partitions, and file systems of TFS version 5.
 *
 * All of it may be hostile; doc/formats.md says what is accepted. tfs_open() takes the
 * whole log in and checks it, so that afterwards there is a tree: names are unique, clean
 * components, each directory has one parent, no path is longer than PATH_MAX, and every
 * extent has sectors of its own inside of the file system. Only file contents are read
 * later. It takes 2.5 times TFS_MEMORY_MAX at most; usually about 400 bytes a file. */
#define TFS_VERSION    5u
#define TFS_UUID_SIZE  16
#define TFS_LABEL_SIZE (TFS_LABEL_MAX + 1)
#define TFS_MEMORY_MAX (512u << 20)
#define TFS_RECORD_MAX (128u << 20)
#define TFS_LOG_PIECES 4096u /* extensions of a log */
#define TFS_DEPTH_MAX  8192u /* values in values; two for each directory */

/* Where what is on a disk is, in bytes. */
struct nanos_extent {
	uint64_t at, size; /* 0, 0: there is none */
};

struct nanos_parts {
	bool partitioned; /* else one file system, a volume */
	uint64_t size;    /* of the disk */
	uint64_t klog;    /* 0: there is none */
	struct nanos_extent esp, bootfs, root;
};

/* -ENOTSUP: it is neither a disk nor a volume of Nanos. */
int nanos_disk_find(const struct byte_source *from, uint64_t size,
		    struct nanos_parts *ret, struct volt_error *e);

enum tfs_type {
	TFS_DIRECTORY,
	TFS_FILE,
	TFS_LINK,
	TFS_SPECIAL /* a socket and the like: made by the kernel while it ran */
};

struct tfs_stat {
	enum tfs_type type;
	uint32_t links;     /* names it has; 1 for directories */
	uint64_t size;      /* bytes; of a link, of its target; of a directory, names */
	uint64_t allocated; /* bytes of the disk */
	int64_t mtime;      /* seconds since 1970; 0 where it is not kept */
	const char *target; /* of a link; else NULL */
};

/* For people: how the disk is used. */
struct tfs_usage {
	uint64_t size, free, largest_free; /* bytes */
	uint64_t log_end;                  /* where the next record goes, absolute */
	uint64_t log_left;                 /* bytes behind that in the last extension */
	uint64_t records, names;           /* in the log, in its dictionary */
	uint32_t directories, files, links, specials;
	size_t n_log;
	const struct nanos_extent
		*log; /* its extensions, absolute; the first is the header */
};

struct tfs;

/* The file system in the @size bytes from @at on; @from is copied, what it leads to must
 * outlive it. -ENOTSUP: not TFS, or of another version; -EBADMSG: broken; -EFBIG: more
 * than TFS_MEMORY_MAX. */
int tfs_open(const struct byte_source *from, uint64_t at, uint64_t size, struct tfs **ret,
	     struct volt_error *e);
void tfs_close(struct tfs *fs);
DEFINE_CLEANUP(struct tfs *, tfs_close)

const char *tfs_label(const struct tfs *fs);
const uint8_t *tfs_uuid(const struct tfs *fs); /* TFS_UUID_SIZE bytes */
void tfs_usage(const struct tfs *fs, struct tfs_usage *ret);

/* The attributes of the root besides its files: text is a string, a flag is true, numbers
 * are integers, or strings where JSON has none so large. A byte that is no UTF-8, or NUL, is
 * shown as \xHH. -EFBIG: more than a million values, or 64 levels. */
int tfs_attributes(const struct tfs *fs, json_t **ret, struct volt_error *e);

/* A file is named by a number; the root is 0. */
#define TFS_ROOT 0u

/* @path is taken from the root on, with or without a slash before it; "." and ".." are as
 * usual. Links that it leads through are followed, the last one only with @follow.
 * -ENOENT, -ENOTDIR, -ELOOP. */
int tfs_lookup(const struct tfs *fs, const char *path, bool follow, uint32_t *ret,
	       struct volt_error *e);
void tfs_stat(const struct tfs *fs, uint32_t node, struct tfs_stat *ret);

/* The names of a directory, sorted by their bytes; 0 for others. */
uint32_t tfs_n_children(const struct tfs *fs, uint32_t dir);
const char *tfs_child(const struct tfs *fs, uint32_t dir, uint32_t i, uint32_t *ret_node);

/* Its first name from the root on, with a slash before it; at most PATH_MAX with the NUL. */
void tfs_path(const struct tfs *fs, uint32_t node, char *ret);

/* Bytes of a regular file; fewer than asked for only at its end. */
ssize_t tfs_node_read(const struct tfs *fs, uint32_t node, uint64_t offset, void *buf,
		      size_t size, struct volt_error *e);

/* Only what its header says: is there a file system, and of which label? */
int tfs_probe(const struct byte_source *from, uint64_t at, char label[TFS_LABEL_SIZE],
	      uint8_t uuid[TFS_UUID_SIZE], struct volt_error *e);
