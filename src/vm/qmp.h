/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "volt.h"

#include "base/macro.h"

/* A QMP client for one event loop. What it reads is bounded and never trusted: QEMU is on
 * the guest's side of the boundary. */
struct qmp;

#define QMP_LINE_MAX (1u << 20)

struct qmp_ops {
	/* Greeting and capabilities are done: calls go through at once from now on. */
	void (*ready)(void *data);
	/* @info is the event's "data", or NULL; borrowed. */
	void (*event)(void *data, const char *name, const json_t *info);
	/* The other end closed, or broke the protocol; said once. */
	void (*gone)(void *data, const struct volt_error *why);
};

/* @fd is taken, also on failure. With @ev NULL nothing is read or written by itself:
 * qmp_feed() and qmp_unsent() are the two ends, for tests. */
int qmp_new(int fd, sd_event *ev, const struct qmp_ops *ops, void *data, struct qmp **ret,
	    struct volt_error *e);
void qmp_free(struct qmp *q); /* pending calls are answered with -ECANCELED */
DEFINE_CLEANUP(struct qmp *, qmp_free)

/* The end of one call: exactly one of @result (borrowed) and @error is set. The code is
 * -EREMOTEIO when QEMU refused, -ETIMEDOUT, -ECANCELED or -EPIPE when it never answered. */
typedef void (*qmp_done)(void *data, const json_t *result,
			 const struct volt_error *error);

/* Takes @arguments (may be NULL), also on failure. Before ready() it is queued. @done may
 * be NULL. */
int qmp_call(struct qmp *q, const char *command, json_t *arguments, uint64_t timeout_ms,
	     qmp_done done, void *data);

/* Hands a copy of @fd to QEMU, which knows it as @name from then on ("getfd"). -EAGAIN where
 * QEMU does not listen yet, or has not read what was sent before. */
int qmp_pass_fd(struct qmp *q, const char *name, int fd);

/* Bytes that came from QEMU. -EBADMSG, -EMSGSIZE: the conversation is over. */
int qmp_feed(struct qmp *q, const char *bytes, size_t size);
const char *qmp_unsent(const struct qmp *q, size_t *ret_size);
bool qmp_is_ready(const struct qmp *q);
