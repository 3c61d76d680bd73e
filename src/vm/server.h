/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <systemd/sd-event.h>

#include "volt.h"

#include "base/macro.h"
#include "vm/control.h"

/* The supervisor's end of the control socket: who may talk, lines in, lines and frames
 * out. What they mean is decided by the one who made the server. */
struct server;
struct client;

struct server_ops {
	/* Answers with client_reply(), client_defer() or client_attach(). */
	void (*request)(void *data, struct client *c, const char *command,
			const json_t *j);
	/* Of an attached client. False: not now; it is held until server_resume(). */
	bool (*frame)(void *data, struct client *c, enum attach_type type,
		      const char *bytes, size_t size);
	/* An attached client has read, or is gone: server_backlog() may be less. */
	void (*drained)(void *data);
};

/* @fd is taken, also on failure. */
int server_new(int fd, sd_event *ev, const struct server_ops *ops, void *data,
	       struct server **ret, struct volt_error *e);
void server_free(struct server *s);
DEFINE_CLEANUP(struct server *, server_free)

/* Takes @fd: a client that is attached already. */
int server_adopt(struct server *s, int fd, bool with_stdin);

/* Takes @reply and closes the connection when it is sent. */
void client_reply(struct client *c, json_t *reply);
void client_refuse(struct client *c, const struct volt_error *why);

/* The answer comes with server_end(). */
void client_defer(struct client *c);

/* -EBUSY when another has stdin. */
int client_attach(struct client *c, bool with_stdin);
bool client_has_stdin(const struct client *c);

/* To all that are attached. */
void server_broadcast(struct server *s, enum attach_type type, const char *bytes,
		      size_t size);

/* The most that any attached client has not read yet. */
size_t server_backlog(const struct server *s);

/* Offers held frames again. */
void server_resume(struct server *s);

/* The end: every attached client gets @code and @reason, every deferred one a copy of
 * @reply. Then nobody is listened to any more. */
void server_end(struct server *s, int code, const char *reason, const json_t *reply);

/* Waits, outside the event loop, until all of them have read that; at most @ms. */
void server_drain(struct server *s, int ms);
