/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The header of a gzip member (RFC 1952), in pieces of any size. ISA-L reads headers too,
 * but loses its place where one with optional fields goes over the end of a buffer. */
struct gzip_header {
	unsigned at;   /* bytes of the fixed part, then of a field, that were seen */
	unsigned part; /* which field */
	unsigned left; /* of the extra field */
	uint8_t flags;
};

/* Takes bytes up to the end of the header; returns how many. *@ret_done tells that the
 * data follows. -EBADMSG: no header. */
long gzip_header_feed(struct gzip_header *h, const uint8_t *data, size_t size,
		      bool *ret_done);
