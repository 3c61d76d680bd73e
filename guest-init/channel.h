/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "agent-protocol.h"

/* The line to the host: one, non-blocking, with a queue of fixed size on the way out. */

/* A message from the host; CONFIG and EXEC come whole. -EBADMSG ends the conversation. */
typedef int channel_fn(enum agent_type type, enum agent_stream stream, uint32_t process,
		       struct agent_cursor payload);

/* Opens AGENT_PORT, waiting for it at most @ms. */
struct why;
int channel_open(int ms, struct why *w);

/* Reads, writes and hands out messages until stopped; @fn is called from the loop. */
int channel_start(channel_fn *fn);

/* A breach by the host, or a line that broke: nothing more is read or said. */
bool channel_broken(void);

/* Nothing is queued: all was given to the kernel. */
bool channel_empty(void);

/* Control messages: begin, records, end. There is always room for one: the channel does
 * not read while there is not. */
void tell(enum agent_type type, uint32_t process, enum agent_stream stream);
void tell_number(enum agent_tag tag, int64_t value);
void tell_text(enum agent_tag tag, const char *text); /* cut at 4000 bytes */
void tell_flag(enum agent_tag tag);
void tell_end(void);

/* DATA: as much of @fd's as the queue has room for and @max allows, by one read().
 * Returns what read() does, -errno; -ENOBUFS: no room now, channel_on_room() tells. */
ssize_t tell_data(uint32_t process, enum agent_stream stream, int fd, size_t max);

/* Called when there is room again after -ENOBUFS. */
extern void (*channel_on_room)(void);
