/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "profile/machine.h"

/* What a guest kernel is told on its command line: nothing about the machine's wish (that
 * comes over the agent channel), only about the hardware that QEMU shows it, and what
 * saves time while booting. doc/guest.md has the measurements. */

/* A PC under emulation sees the host's time stamp counter and would spend long finding out
 * its rate. So it is told: take a sample early, ask for the rate when it is needed; it
 * waits until 10 ms lie between. */
struct tsc_sample {
	uint64_t ticks;
	int64_t ns;
};
struct tsc_sample tsc_sample(void);
uint64_t tsc_khz(const struct tsc_sample *begin); /* 0: the host has none */

#define CMDLINE_SIZE 512

/* Writes the command line. @khz is tsc_khz() for an emulated PC, else 0. */
const char *kernel_cmdline(const struct machine_row *m, bool emulated, uint64_t khz,
			   char text[static CMDLINE_SIZE]);
