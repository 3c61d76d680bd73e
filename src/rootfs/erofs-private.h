/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "image/tree.h"
#include "rootfs/erofs-format.h"

/* What is known of an entry's inode. An entry that is another name of one before it
 * (tree_entry.hardlink) has none of its own. */
struct erofs_node {
	uint64_t at;      /* byte offset of the inode */
	uint64_t size;    /* i_size */
	uint64_t block;   /* of the first whole block, once placed */
	uint32_t parent;  /* entry index; the root's is the root */
	uint32_t sibling; /* next entry of the same directory, or TREE_NONE */
	uint32_t child;   /* S_IFDIR: first entry, or TREE_NONE */
	uint32_t nlink;
	uint32_t tail;       /* bytes behind the inode */
	uint32_t xattr_size; /* bytes between inode and tail */
	uint32_t xattrs;     /* index of the first in erofs_xattrs.refs */
	uint32_t n_xattrs;
	/* S_IFREG: the first entry with this content, whose blocks it shares; itself if it
	 * is the first. */
	uint32_t twin;
	uint16_t name; /* offset of the last component in tree_entry.path */
	uint8_t extended;
	uint8_t layout; /* enum erofs_layout */
};

/* A distinct extended attribute. */
struct erofs_xattr {
	const char *name; /* without prefix; the tree's, as is the value */
	const void *value;
	uint32_t size; /* of the value */
	uint32_t hash;
	uint32_t users;
	uint64_t at; /* offset in the shared area */
	uint8_t index;
	uint8_t name_len;
	bool shared;
};

struct erofs_xattrs {
	struct erofs_xattr *v;
	size_t n;
	uint32_t *refs; /* what the nodes' xattrs fields point into */
	size_t n_refs;
	uint64_t shared_size;
};

/* An image in the making. Offsets: metadata (superblock, inodes with their tails), shared
 * xattrs, blocks of directories and long links; then the data by size of file. */
struct erofs_image {
	const struct tree *t;
	const struct store *s;
	struct erofs_node *nodes; /* one an entry */
	struct erofs_xattrs xattrs;
	int64_t build_time;
	uint32_t build_time_nsec;
	uint64_t inodes;
	uint64_t inode_end;   /* first byte after the last inode and tail */
	uint64_t xattr_start; /* of the shared area, block-aligned */
	uint64_t meta_end;    /* where data begins, block-aligned */
	uint64_t large_start; /* where each part of the data begins */
	uint64_t huge_start;
	uint64_t end;
	uint8_t *meta; /* [0, meta_end) */
};

static inline uint64_t erofs_align(uint64_t n, uint64_t unit)
{
	return (n + unit - 1) / unit * unit;
}

/* An entry that has an inode, not just a name. */
static inline bool erofs_is_node(const struct tree_entry *f)
{
	return f->hardlink == TREE_NONE;
}

static inline size_t erofs_inode_size(const struct erofs_node *n)
{
	return n->extended ? sizeof(struct erofs_inode_extended)
			   : sizeof(struct erofs_inode_compact);
}

/* Where a node's tail is in the metadata. */
static inline uint8_t *erofs_tail(const struct erofs_image *m, const struct erofs_node *n)
{
	return m->meta + n->at + erofs_inode_size(n) + n->xattr_size;
}

/* Finds the xattrs, which of them are shared, and their sizes (erofs-xattr.c). */
int erofs_xattrs_plan(struct erofs_image *m, struct volt_error *e);
void erofs_xattrs_fill(const struct erofs_image *m);
void erofs_xattrs_fill_node(const struct erofs_image *m, const struct erofs_node *n,
			    uint8_t *to);
void erofs_xattrs_done(struct erofs_xattrs *x);

/* Directories: how long one is, and its content to where it was placed (erofs-dir.c). */
uint64_t erofs_dir_size(const struct erofs_image *m, uint32_t dir);
void erofs_dir_fill(const struct erofs_image *m, uint32_t dir);

/* Decides where everything goes (erofs-layout.c). */
int erofs_layout_plan(struct erofs_image *m, struct volt_error *e);

/* How many blocks of its own a file has besides its tail. */
uint64_t erofs_whole_blocks(const struct erofs_node *n);

/* Moves file contents, sized already, to @fd and into the tails (erofs-data.c). */
int erofs_data_write(const struct erofs_image *m, int fd, struct volt_error *e);
