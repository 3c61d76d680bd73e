/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"
#include "guest-init/agent-protocol.h"

/* The host's side of the agent protocol (guest-init/agent-protocol.h): bytes to frames
 * and back, in memory. No I/O, no clock: the supervisor owns the socket. What comes in is
 * from the guest, so hostile: the first breach is -EBADMSG, and then the conversation is
 * over. Functions return 0 or a count, -errno on failure. */

/* Bytes from the guest. Start with { 0 }. Never holds more than one frame and what came
 * with it (128 KiB). */
struct wire_in {
	char *data;
	size_t size, taken, room;
};

/* Where to read() the next bytes to, and how many; then say how many came. -ENOMEM. */
int wire_in_space(struct wire_in *in, void **ret, size_t *ret_size);
void wire_in_came(struct wire_in *in, size_t size);
void wire_in_done(struct wire_in *in);

/* A message from the guest, checked: it has what its type needs and nothing else, numbers
 * are in range. Pointers are into the wire_in, until wire_in_space(). Texts are not
 * NUL-terminated and may hold any other byte. */
struct wire_text {
	const char *data; /* NULL: absent */
	size_t size;
};

struct wire_message {
	enum agent_type type;
	enum agent_stream stream; /* DATA, EOF, CREDIT */
	uint32_t process;

	struct wire_text data;       /* DATA; TEXT of FAILED and LOG */
	struct wire_text kernel;     /* HELLO */
	int64_t version, memory;     /* HELLO */
	int64_t bytes;               /* CREDIT, 1 to AGENT_WINDOW */
	int64_t pid;                 /* STARTED */
	int64_t code, signal;        /* FAILED, EXITED; -1: absent. 0-255 and 1-64 */
	int64_t level;               /* LOG, 0 to 7 */
	bool oom;                    /* EXITED */
	struct agent_cursor records; /* TIMING, REPLY: for wire_timing(), wire_stat() */
};

/* Takes the next whole message: 1, or 0 when more bytes are needed, or -EBADMSG. */
int wire_next(struct wire_in *in, struct wire_message *ret);

/* Takes the next pair out of a TIMING: 1, or 0 at the end. */
int wire_timing(struct wire_message *m, struct wire_text *ret_phase, int64_t *ret_ns);

/* Takes the next figure out of a REPLY: 1, or 0 at the end. All are >= 0. */
int wire_stat(struct wire_message *m, enum agent_tag *ret_tag, int64_t *ret);

/* Bytes for the guest: a queue that grows to what is put into it. Start with { 0 }.
 *
 * Frames are built in place: begin, records, end. A failure inside is kept and comes out
 * of wire_end(), which then takes back the half-built frame, so the calls between need no
 * checks. -ENOMEM; -EMSGSIZE: too large for its type; -EINVAL: groups unbalanced. */
struct wire_out {
	char *data;
	size_t size, sent, room;
	size_t frame;    /* where the frame being built begins */
	size_t group[2]; /* and the records of open groups */
	unsigned int groups;
	int failed;
};

void wire_begin(struct wire_out *out, enum agent_type type, uint32_t process);
void wire_number(struct wire_out *out, enum agent_tag tag, int64_t value);
void wire_text(struct wire_out *out, enum agent_tag tag, const char *text);
void wire_bytes(struct wire_out *out, enum agent_tag tag, const void *data, size_t size);
void wire_flag(struct wire_out *out, enum agent_tag tag);
void wire_group(struct wire_out *out, enum agent_tag tag);
void wire_group_end(struct wire_out *out);
int wire_end(struct wire_out *out); /* splits CONFIG and EXEC into frames as needed */

/* Messages with few fields, whole. */
int wire_hello(struct wire_out *out);
int wire_empty(struct wire_out *out, enum agent_type type, uint32_t process);
int wire_signal(struct wire_out *out, uint32_t process, int number);
int wire_resize(struct wire_out *out, uint32_t process, int rows, int columns);
int wire_data(struct wire_out *out, uint32_t process, const void *data, size_t size);
int wire_eof(struct wire_out *out, uint32_t process); /* of stdin, as DATA is */
int wire_credit(struct wire_out *out, uint32_t process, enum agent_stream stream,
		size_t bytes);

/* What to write() next, and how much of it went. */
static inline const void *wire_out_data(const struct wire_out *out, size_t *ret_size)
{
	*ret_size = out->size - out->sent;
	return out->data + out->sent;
}
void wire_out_sent(struct wire_out *out, size_t size);
void wire_out_done(struct wire_out *out);
