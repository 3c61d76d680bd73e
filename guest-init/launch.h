/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "config.h"

/* Starting one program of the image. */

/* What a failed start tells its parent through a pipe, before it exits. */
struct launch_failure {
	int32_t code; /* 125, 126 or 127 */
	char text[512];
};

/* What the new process gets: for a terminal its name in /dev/pts, else three descriptors. */
struct launch_ends {
	const char *terminal;
	int in, out, err;
};

/* Forks and executes. *@ret_status is closed without a word when the program runs; else a
 * struct launch_failure comes out of it. What the image says (users, PATH) is read by the
 * child, so that nothing in an image can hold up init. */
int launch(const struct process_wish *p, const struct launch_ends *ends, pid_t *ret_pid,
	   int *ret_status);
