/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "volt.h"

#include "vm/machine.h"

/* What a supervisor is started with, as options of its command line. Descriptors are
 * inherited; -1: not given. */
struct supervise {
	const char *id;
	struct vm_env env;
	int status_fd; /* struct start_report goes there, once */
	int attach_fd; /* an attachment that is there from the beginning */
	bool attach_stdin;
	bool remove_on_failure;
	bool foreground; /* who started us waits for this process: sd_notify(3), its status */

	/* What machine_prepare() found. */
	int kernel_fd, initramfs_fd, root_fd, upper_fd;
	int handover_fd;                 /* for handover_read() */
	unsigned int abilities;          /* enum kernel_ability */
	int64_t begun, resolved, rootfs; /* phases that were the caller's */
};
#define SUPERVISE_INIT                                                                  \
	{                                                                               \
		.env = { .rootfd = -1, .runfd = -1 }, .status_fd = -1, .attach_fd = -1, \
		.kernel_fd = -1, .initramfs_fd = -1, .root_fd = -1, .upper_fd = -1,     \
		.handover_fd = -1                                                       \
	}

/* One write, smaller than PIPE_BUF: there whole or not at all. */
struct start_report {
	struct volt_error e; /* code 0: the workload has started */
	int32_t exit_status; /* what podman would exit with on this failure */
};

/* Runs a machine to its end, in the calling process. Returns the exit status that tells
 * what became of it: 0 too where it was asked to end, 125 where volt, QEMU or the guest
 * failed it; @e has a message unless all is well. */
int supervise(const struct supervise *o, struct volt_error *e);
