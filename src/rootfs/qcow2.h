/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

/* qcow2 version 3, as far as volt writes and reads it. Big-endian. */
#define QCOW2_MAGIC   0x514649fbu
#define QCOW2_VERSION 3u

struct qcow2_header {
	uint32_t magic;
	uint32_t version;
	uint64_t backing_file_offset;
	uint32_t backing_file_size;
	uint32_t cluster_bits;
	uint64_t size;
	uint32_t crypt_method;
	uint32_t l1_size;
	uint64_t l1_table_offset;
	uint64_t refcount_table_offset;
	uint32_t refcount_table_clusters;
	uint32_t nb_snapshots;
	uint64_t snapshots_offset;
	uint64_t incompatible_features;
	uint64_t compatible_features;
	uint64_t autoclear_features;
	uint32_t refcount_order;
	uint32_t header_length;
	uint64_t extensions_end; /* the type and length of the last header extension */
};
_Static_assert(sizeof(struct qcow2_header) == 112, "qcow2 header");
#define QCOW2_HEADER_LENGTH 104u

/* Bits of incompatible_features; those that do not matter to who only reads. */
#define QCOW2_DIRTY       1ull /* refcounts may be wrong */
#define QCOW2_CORRUPT     2ull
#define QCOW2_DATA_FILE   4ull
#define QCOW2_COMPRESSION 8ull /* of another kind than deflate */
#define QCOW2_EXTENDED_L2 16ull

/* Entries of both tables. */
#define QCOW2_OFFSET     0x00fffffffffffe00ull
#define QCOW2_COPIED     (1ull << 63) /* its refcount is 1 */
#define QCOW2_COMPRESSED (1ull << 62)
#define QCOW2_ZEROS      1ull
