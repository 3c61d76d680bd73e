/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "volt.h"

/* The control protocol, as both of its ends see it; doc/formats.md describes it.
 *
 * A connection carries one request and its reply, each a JSON object on a line of its own
 * with the protocol's version in it. After an `attach` that is accepted, frames follow in
 * both directions instead. */
#define CONTROL_VERSION  1
#define CONTROL_LINE_MAX 65536u
#define CONTROL_NAME     "control"

/* Binds or connects to <runfd>/<id>/control. The name is reached through /proc/self/fd,
 * so the length of volt's run directory does not matter. */
int control_listen(int runfd, const char *id, struct volt_error *e);
int control_connect(int runfd, const char *id);

/* Binds <runfd>/<id>/<name>, mode 0600, in place of what a dead supervisor left there. */
int run_listen(int runfd, const char *id, const char *name, struct volt_error *e);

/* {"version", "command"}, to be completed. NULL: out of memory. */
json_t *control_request(const char *command);

/* Checks that @text is one request: an object of this version with a command, which is
 * returned, borrowed from *@ret. -EPROTO for another version, else -EBADMSG. */
int control_parse(const char *text, size_t size, json_t **ret, const char **ret_command,
		  struct volt_error *e);

/* {"version", "error": {"code", "message"}} from a failure; with code 0: {"version"}. */
json_t *control_reply(const struct volt_error *failure);

/* Sends @request and waits for the reply; an error in it becomes this call's. Returns
 * -EPIPE, without a message, when the other side is gone. Nothing that follows the
 * reply's newline is read. @ret may be NULL. */
int control_call(int fd, const json_t *request, json_t **ret, struct volt_error *e);

/* --- frames of an attachment --- */

enum attach_type {
	ATTACH_FRAME_STDIN = 1,  /* client: bytes; none: end of file */
	ATTACH_FRAME_RESIZE = 2, /* client: struct attach_size */
	/* 3 was for signals: not to be used again in this version */
	ATTACH_FRAME_STDOUT = 4, /* server: bytes */
	ATTACH_FRAME_STDERR = 5, /* server: bytes */
	ATTACH_FRAME_EXIT = 6    /* server, last: uint32_t exit status, then the reason */
};

/* In the host's byte order: the socket is local. */
struct attach_frame {
	uint32_t size; /* of what follows */
	uint32_t type; /* enum attach_type */
};

struct attach_size {
	uint16_t rows, columns;
};

#define ATTACH_PAYLOAD_MAX 65536u
