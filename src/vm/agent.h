/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "volt.h"

#include "guest/agent-wire.h"

/* The supervisor's conversation with init, about the workload. What comes from the guest
 * is hostile: the first breach of the protocol ends it. */
struct agent;

enum agent_state {
	AGENT_WAIT_HELLO, /* nothing may be sent */
	AGENT_WAIT_START, /* CONFIG is out */
	AGENT_RUNNING,    /* STARTED came: signals, stdin, resizes make sense */
	AGENT_ENDED,      /* EXITED or FAILED came; the guest powers off */
	AGENT_GONE        /* closed or broken */
};

struct agent_ops {
	/* Builds CONFIG (between wire_begin() and wire_end()). */
	void (*config)(void *data, struct wire_out *out);
	void (*hello)(void *data, const struct wire_message *m);
	void (*started)(void *data);
	/* Every byte must be given back through agent_consumed(). */
	void (*output)(void *data, enum agent_stream stream, const char *bytes,
		       size_t size);
	void (*failed)(void *data, int code, const char *text);
	void (*exited)(void *data, int code, int signal, bool oom);
	void (*log)(void *data, const char *text, size_t size);
	/* There is room for stdin again. */
	void (*room)(void *data);
	void (*gone)(void *data, const struct volt_error *why); /* NULL: closed */
};

/* @fd is taken, also on failure. */
int agent_new(int fd, sd_event *ev, const struct agent_ops *ops, void *data,
	      struct agent **ret, struct volt_error *e);
void agent_free(struct agent *a);
DEFINE_CLEANUP(struct agent *, agent_free)

enum agent_state agent_state(const struct agent *a);

/* Reads all that is there; for when QEMU has ended. @a may be NULL. */
void agent_drain(struct agent *a);

/* 0, or -ENOTCONN when the workload does not run. */
int agent_signal(struct agent *a, int number);
int agent_resize(struct agent *a, int rows, int columns);
int agent_shutdown(struct agent *a); /* from HELLO on */

/* Takes all of it (at most AGENT_PAYLOAD_MAX) or, without room, nothing: -EAGAIN. -EPIPE
 * after its end, which may be said more than once. */
int agent_stdin(struct agent *a, const char *bytes, size_t size);
int agent_stdin_eof(struct agent *a);

/* @size bytes of @stream have gone where they should: the guest may send as many more, as
 * soon as it reads. */
void agent_consumed(struct agent *a, enum agent_stream stream, size_t size);
