/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Wall and boot clocks in nanoseconds. */
int64_t clock_wall(void);      /* since 1970 */
int64_t clock_monotonic(void); /* CLOCK_BOOTTIME */

/* RFC 3339 in UTC with nine decimals: "2026-01-02T03:04:05.000000006Z". */
#define CLOCK_TEXT_SIZE 32
const char *clock_text(int64_t ns, char text[static CLOCK_TEXT_SIZE]);

/* RFC 3339 with any offset and 0-9 decimals. -EINVAL. */
int clock_parse(const char *text, int64_t *ret);

/* Go's durations: "10s", "1h30m", "1.5s", "250ms". -EINVAL. */
int duration_parse(const char *text, int64_t *ret_ns);

/* Bytes: "123", "512m", "2G", "1.5GiB", "64kb" (all binary, as podman). -EINVAL, -ERANGE. */
int size_parse(const char *text, uint64_t *ret);

/* Writes /proc/sys/kernel/random/boot_id (36 characters) and a NUL. */
#define BOOT_ID_SIZE 37
int boot_id(char id[static BOOT_ID_SIZE]);
