/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"
#include "vm/logs.h"

/* The writing side of a machine's logs: PREFIX-NNNNNNNN.log, numbers rising. A file that
 * is full is left as it is, the next one begun and the oldest removed: nothing is renamed,
 * so a reader that follows simply goes on to the next number.
 *
 * Each record is a line, "TIME STREAM F|P TEXT": P when no newline followed the text.
 *
 * A full disk costs log records, never the machine: what could not be written is counted,
 * and a record (of stderr) says how much, as soon as there is room. */
struct outlog;

#define OUTLOG_NAME_FORMAT "%s-%08u.log"
#define OUTLOG_TEXT_MAX    16384u /* in one record */

int outlog_open(int dirfd, const char *prefix, uint64_t max_size, unsigned int max_files,
		struct outlog **ret);
void outlog_close(struct outlog *l);
DEFINE_CLEANUP(struct outlog *, outlog_close)

void outlog_write(struct outlog *l, enum log_stream stream, const void *data,
		  size_t size);

/* The numbers in use, 0 and 0 where there are none. */
int outlog_range(int dirfd, const char *prefix, unsigned int *ret_first,
		 unsigned int *ret_last);

const char *log_stream_text(enum log_stream s);
