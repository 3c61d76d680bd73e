/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <sys/types.h>
#include <systemd/sd-event.h>

#include "volt.h"

#include "vm/undo.h"

/* A machine's TPM 2.0: swtpm, a process of its own, as unprivileged as QEMU, but
 * without its jail: so it is another user. What it knows
 * is kept in the machine's directory, below TPM_NAME, and ends with the machine. */
#define TPM_NAME "tpm"

struct tpm_with {
	int dirfd; /* the machine's directory */
	uid_t uid; /* whom it runs as, 0: as the caller */
	gid_t gid;
	int errors; /* its stderr */
	struct undo *undo;
	sd_event *ev;
	sd_event_child_handler_t ended;
	void *data;
};

/* *@ret_fd is QEMU's end of the control channel, the caller's to close; *@ret tells of its
 * end. It ends with QEMU, which closes the channel, and with the caller. -ENOENT: there is
 * no swtpm. */
int tpm_start(const struct tpm_with *w, int *ret_fd, sd_event_source **ret,
	      struct volt_error *e);
