/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/error.h"
#include "rootfs/byte-source.h"

/* What a Nanos kernel leaves on its disk when its program ends with another status than 0,
 * or when it dies itself: 4096 bytes right before the first partition. */
#define NANOS_KLOG_SIZE 4096u
#define NANOS_KLOG_TEXT (NANOS_KLOG_SIZE - 16)

struct nanos_klog {
	uint64_t
		boot_id; /* tells one boot from another: what is there may be an old one's */
	int32_t code;
	char text[NANOS_KLOG_TEXT + 1]; /* the end of its console, as it was: any bytes */
};

/* What is at @at (struct nanos_parts). 1: found, 0: there is none, and *@ret is zeros. */
int nanos_klog_read(const struct byte_source *from, uint64_t at, struct nanos_klog *ret,
		    struct volt_error *e);
