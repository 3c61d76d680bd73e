/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "why.h"

/* What every part of init uses. */
#define _printf_(a, b) __attribute__((format(printf, a, b)))
#define _cleanup_(f)   __attribute__((cleanup(f)))
#define ARRAY_SIZE(a)  (sizeof(a) / sizeof((a)[0]))

static inline void freep(void *p)
{
	free(*(void **)p);
}
#define _cleanup_free_ _cleanup_(freep)

static inline void closep(const int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
}
#define _cleanup_close_ _cleanup_(closep)

/* One line for the host's console log; through the agent channel if it works, else
 * through the kernel's log. Levels are syslog's. */
void say(int level, const char *fmt, ...) _printf_(2, 3);

/* Where say() goes instead of /dev/kmsg; false: it could not take the line. */
extern bool (*say_elsewhere)(int level, const char *line);

int64_t boottime(void); /* nanoseconds */

/* Writes @text to an existing file (of /proc or /sys). */
int write_text(const char *path, const char *text);

/* Reads at most @size - 1 bytes and puts a NUL behind; returns how many, or -errno. Only
 * of regular files, and never blocks: @path may be the image's. */
ssize_t read_text(int dirfd, const char *path, char *text, size_t size);

/* mkdir -p, modes 0755. */
int make_directories(const char *path);
