/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <limits.h>

struct why;

/* Opens the virtio-serial port called @name, waiting at most @ms for it to appear. */
int device_port(const char *name, int ms, struct why *w);

/* The path of the virtio-blk disk with this serial ("/dev/vda"), or of "/dev/…" itself;
 * waits at most @ms. */
int device_disk(const char *serial, int ms, char ret[static PATH_MAX], struct why *w);
