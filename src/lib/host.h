/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* What there is on this host, for info and doctor. */

/* The absolute path of a program in the directories that volt starts programs from, or
 * NULL; written to @path. */
#define HOST_PATH_SIZE 128
const char *host_program(const char *name, char path[static HOST_PATH_SIZE]);

/* The line of @file that begins with @key, without it and the separator; "" where there is
 * none. At most @size bytes. */
const char *host_line(const char *file, const char *key, char *text, size_t size);
