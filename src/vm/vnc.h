/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <systemd/sd-event.h>

#include "volt.h"

#include "base/macro.h"
#include "vm/qmp.h"

/* The screen of a machine that has one, for VNC clients on a socket in its runtime
 * directory. The supervisor listens; QEMU is handed each connection, so it has no name to
 * bind, and who may connect is decided by the socket's mode alone: there is no password. */
struct vnc;

#define VNC_NAME "vnc"

int vnc_open(int runfd, const char *id, sd_event *ev, struct vnc **ret,
	     struct volt_error *e);
void vnc_free(struct vnc *v);
DEFINE_CLEANUP(struct vnc *, vnc_free)

/* Clients go to the QEMU behind @q from now on, which must outlive that; NULL: there is
 * none, and they are turned away. */
void vnc_serve(struct vnc *v, struct qmp *q);
