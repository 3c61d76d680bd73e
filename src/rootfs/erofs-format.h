/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

/* EROFS on disk, as far as volt writes it: little endian, blocks of 4 KiB, nothing that
 * Linux 6.1 does not know. An inode is named by its offset in units of 32 bytes ("nid");
 * block 0 holds the superblock at 1024 and, right behind it, the first inodes. */
#define EROFS_BLOCK        4096u
#define EROFS_SUPER_OFFSET 1024u
#define EROFS_SUPER_MAGIC  0xe0f5e1e2u
#define EROFS_SLOT         32u
#define EROFS_BLOCKS_MAX   UINT32_MAX /* block numbers have 32 bits: 16 TiB */

#define EROFS_COMPAT_SB_CHKSUM 0x1u
#define EROFS_COMPAT_MTIME     0x2u

struct erofs_super {
	uint32_t magic;
	uint32_t checksum; /* crc32c of this block from the superblock on */
	uint32_t feature_compat;
	uint8_t block_bits;
	uint8_t ext_slots;
	uint16_t root_nid;
	uint64_t inodes;
	uint64_t build_time; /* mtime of every compact inode */
	uint32_t build_time_nsec;
	uint32_t blocks;
	uint32_t meta_block;
	uint32_t xattr_block;
	uint8_t uuid[16];
	uint8_t volume_name[16];
	uint32_t feature_incompat;
	uint8_t unused[44];
};
_Static_assert(sizeof(struct erofs_super) == 128, "superblock");

/* inode format: bit 0 is extended, bits 1 to 3 the layout of the data. */
#define EROFS_EXTENDED 1u
enum erofs_layout {
	EROFS_PLAIN = 0, /* whole blocks; the last is padded */
	EROFS_INLINE = 2 /* whole blocks, then a tail right behind inode and xattrs */
};

struct erofs_inode_compact {
	uint16_t format;
	uint16_t xattr_count;
	uint16_t mode;
	uint16_t nlink;
	uint32_t size;
	uint32_t reserved;
	uint32_t block; /* or device number */
	uint32_t ino;
	uint16_t uid, gid;
	uint32_t reserved2;
};
_Static_assert(sizeof(struct erofs_inode_compact) == 32, "compact inode");

struct erofs_inode_extended {
	uint16_t format;
	uint16_t xattr_count;
	uint16_t mode;
	uint16_t reserved;
	uint64_t size;
	uint32_t block;
	uint32_t ino;
	uint32_t uid, gid;
	uint64_t mtime;
	uint32_t mtime_nsec;
	uint32_t nlink;
	uint8_t reserved2[16];
};
_Static_assert(sizeof(struct erofs_inode_extended) == 64, "extended inode");

/* Behind the inode: this, shared_count ids (offset / 4 in the shared area), entries. */
struct erofs_xattr_header {
	uint32_t reserved;
	uint8_t shared_count;
	uint8_t reserved2[7];
};
_Static_assert(sizeof(struct erofs_xattr_header) == 12, "xattr header");

/* Then the name without its prefix, the value, and padding to 4 bytes. */
struct erofs_xattr_entry {
	uint8_t name_len;
	uint8_t name_index;
	uint16_t value_size;
};
_Static_assert(sizeof(struct erofs_xattr_entry) == 4, "xattr entry");

enum erofs_xattr_index {
	EROFS_XATTR_USER = 1,
	EROFS_XATTR_ACL_ACCESS = 2,
	EROFS_XATTR_ACL_DEFAULT = 3,
	EROFS_XATTR_TRUSTED = 4,
	EROFS_XATTR_SECURITY = 6
};

/* A block of a directory: entries, then their names in the same order. */
struct erofs_dirent {
	uint64_t nid;
	uint16_t name_offset;
	uint8_t type;
	uint8_t reserved;
} __attribute__((packed));
_Static_assert(sizeof(struct erofs_dirent) == 12, "directory entry");

enum erofs_type {
	EROFS_FT_REG = 1,
	EROFS_FT_DIR = 2,
	EROFS_FT_CHR = 3,
	EROFS_FT_BLK = 4,
	EROFS_FT_FIFO = 5,
	EROFS_FT_SOCK = 6,
	EROFS_FT_LNK = 7
};
