/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "volt.h"

struct machine;

enum log_stream {
	LOG_STDOUT = 1,
	LOG_STDERR = 2,
	LOG_CONSOLE = 4 /* the kernel's and init's; a log of its own */
};

struct logs_options {
	int streams;          /* LOG_STDOUT | LOG_STDERR, or LOG_CONSOLE */
	bool follow;          /* until the machine has ended */
	int64_t tail;         /* lines, negative: all */
	int64_t since, until; /* nanoseconds since 1970, 0: no limit */
};

struct log_record {
	int64_t time;
	enum log_stream stream;
	const char *data; /* without its newline */
	size_t size;
	bool partial; /* no newline followed: the next of this stream goes on */
};

/* Calls @fn for each record, oldest first; non-zero from it ends the reading and is
 * returned. Rotation while reading loses nothing that was not deleted by it. */
typedef int (*logs_fn)(void *data, const struct log_record *r);
int machine_logs(struct machine *m, const struct logs_options *o, logs_fn fn, void *data,
		 struct volt_error *e);
