/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "volt.h"

#include "base/macro.h"

/* A client's end of a running workload's streams, over the control socket. Nothing here
 * waits: the caller polls attach_fd() beside its terminal, for POLLIN always and for
 * POLLOUT while attach_unsent(). It decides about detach keys itself: closing an
 * attachment detaches, the machine goes on. */
struct attach;
struct machine;

enum attach_flags {
	ATTACH_STDIN = 1 /* -EBUSY if another client has it */
};

int attach_open(struct machine *m, int flags, struct attach **ret, struct volt_error *e);
void attach_close(struct attach *a);
DEFINE_CLEANUP(struct attach *, attach_close)

int attach_fd(const struct attach *a);

/* Takes as much of @data as there is room for and returns how much that was; -EAGAIN when
 * there is none until attach_fd() is writable; -EPIPE: the machine has ended. A client
 * that waits for room must go on reading, or both sides wait for each other. */
int attach_write(struct attach *a, const void *data, size_t size);

/* 0, or -EAGAIN and -EPIPE as above. */
int attach_write_eof(struct attach *a);
int attach_resize(struct attach *a, unsigned int rows, unsigned int columns);

/* Has something been taken that is not sent yet? attach_flush() sends what it can. */
bool attach_unsent(const struct attach *a);
int attach_flush(struct attach *a);

enum attach_kind {
	ATTACH_OUT,  /* data, size: of stdout (all of a terminal) */
	ATTACH_ERR,  /* data, size: of stderr */
	ATTACH_EXIT, /* code; reason when volt, not the workload, failed ("" else) */
	ATTACH_GONE  /* the supervisor died: machine_wait() says what became of it */
};

struct attach_event {
	enum attach_kind kind;
	const void *data; /* valid until the next call */
	size_t size;
	int code;
	char reason[508];
};

/* The next event; -EAGAIN (without a message) when none has come yet. */
int attach_next(struct attach *a, struct attach_event *ret, struct volt_error *e);
