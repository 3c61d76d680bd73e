/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "rootfs/tfs-read.h"

struct tree_arena;

/* Between the files of the reader. Values are in tables that hold no pointers to each
 * other but numbers, so that what refers to itself is neither a leak nor a trap. */
enum tfs_kind {
	TFS_NULL, /* deleted */
	TFS_FLAG, /* there, without a value */
	TFS_TEXT,
	TFS_NUMBER,
	TFS_NEGATIVE, /* a number below 0; its absolute value */
	TFS_TUPLE,
	TFS_VECTOR
};

/* One attribute of a tuple, or one element of a vector. */
struct tfs_value {
	uint32_t name;     /* of a tuple's attribute: index of the symbol */
	uint32_t kind : 3; /* enum tfs_kind */
	uint32_t size : 29;
	union {
		uint64_t number;
		const char *text; /* @size bytes and a NUL */
		uint32_t group;   /* index of the tuple or vector */
	};
};
_Static_assert(sizeof(struct tfs_value) == 16, "value");
_Static_assert(TFS_RECORD_MAX < 1u << 29, "text fits");

/* A tuple or a vector. While the log is read, a tuple holds what was set one after the
 * other; tfs_settle() sorts by name and keeps what was set last. */
struct tfs_group {
	struct tfs_value *v;
	uint32_t n, room;
	uint32_t node; /* of a settled tuple that is a file: its number, or TFS_NO_NODE */
	bool vector;
};
#define TFS_NO_NODE UINT32_MAX

struct tfs_symbol {
	const char *text;
	uint32_t size;
};

/* What an index of the log's dictionary names. */
struct tfs_entry {
	uint32_t index;
	bool symbol; /* else a group */
};

struct tfs_extent {
	uint64_t first;  /* sector of the file */
	uint64_t length; /* sectors */
	uint64_t sector; /* of the file system */
	uint64_t allocated;
	bool zeros; /* reserved, never written */
};

struct tfs_node {
	uint32_t group;
	uint32_t parent, name; /* the first it was found by; name: index of the symbol */
	uint32_t links;
	uint32_t children; /* TFS_DIRECTORY: index of the group of names */
	uint32_t path_size;
	size_t extents, n_extents;
	struct tfs_stat st;
};

/* A table that grows. */
struct tfs_table {
	void *v;
	size_t n, room;
};

struct tfs {
	struct byte_source from;
	uint64_t at, size;
	uint64_t sectors;
	char label[TFS_LABEL_SIZE];
	uint8_t uuid[TFS_UUID_SIZE];
	struct tree_arena *arena;   /* text */
	struct tfs_table groups;    /* struct tfs_group */
	struct tfs_table symbols;   /* struct tfs_symbol */
	struct tfs_table entries;   /* struct tfs_entry; index 1 is the first */
	struct tfs_table nodes;     /* struct tfs_node */
	struct tfs_table extents;   /* struct tfs_extent, those of a file together */
	struct tfs_table log;       /* struct nanos_extent */
	struct tfs_table used;      /* struct nanos_extent in sectors, sorted */
	size_t memory;              /* of tables, without the arena */
	uint64_t log_end, log_left; /* as in struct tfs_usage */
	uint64_t records;
};

#define TFS_GROUPS(fs)  ((struct tfs_group *)(fs)->groups.v)
#define TFS_SYMBOLS(fs) ((struct tfs_symbol *)(fs)->symbols.v)
#define TFS_ENTRIES(fs) ((struct tfs_entry *)(fs)->entries.v)
#define TFS_NODES(fs)   ((struct tfs_node *)(fs)->nodes.v)
#define TFS_EXTENTS(fs) ((struct tfs_extent *)(fs)->extents.v)

/* Makes room for one more of @unit bytes. -EFBIG past TFS_MEMORY_MAX. */
int tfs_grow(struct tfs *fs, struct tfs_table *t, size_t unit, struct volt_error *e);
int tfs_grow_group(struct tfs *fs, uint32_t group, struct volt_error *e);

/* @size bytes in @text form, which has a NUL behind them. */
int tfs_keep_text(struct tfs *fs, const void *text, size_t size, const char **ret,
		  struct volt_error *e);

/* A span of bytes that is taken apart from its beginning. Both -EBADMSG without a message
 * where it ends early or a number has more than 64 bits. */
struct tfs_bytes {
	const uint8_t *p, *end;
};
int tfs_take_varint(struct tfs_bytes *b, uint64_t *ret);
int tfs_take(struct tfs_bytes *b, size_t size, const uint8_t **ret);

/* Merges one record of the log (tfs-read-value.c). */
int tfs_decode(struct tfs *fs, const uint8_t *data, size_t size, struct volt_error *e);

/* After the last: sorts, and drops what was deleted. */
int tfs_settle(struct tfs *fs, struct volt_error *e);

/* Of settled tuples. NULL: it has none of that name. */
const struct tfs_value *tfs_get(const struct tfs *fs, uint32_t group, const char *name);
/* Of a number or decimal text; -EBADMSG without a message. */
int tfs_number(const struct tfs_value *v, uint64_t *ret);

/* Reads the log (tfs-read-log.c), and makes the tree of what it says (tfs-read-tree.c). */
int tfs_log_read(struct tfs *fs, struct volt_error *e);
int tfs_tree_make(struct tfs *fs, struct volt_error *e);

/* The extents of one file, checked and sorted, and who has which sectors
 * (tfs-read-extent.c). */
int tfs_extents_take(struct tfs *fs, uint32_t node, const struct tfs_value *extents,
		     struct volt_error *e);
int tfs_used_make(struct tfs *fs, struct volt_error *e);

/* "'/etc/passwd'" in front of what is wrong with it: -EBADMSG. */
int tfs_fail_node(const struct tfs *fs, uint32_t node, struct volt_error *e,
		  const char *what);
