/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "config.h"

/* The processes the host asked for, their streams and their ends. Number 0 is the
 * workload. Frames about a number that is not running are ignored. */

/* Told once process 0 has ended and its end was reported, or could not be started. */
extern void (*process_on_workload_end)(void);

/* Starts one; a failure is told to the host as FAILED. -EBADMSG: @id is in use. */
int process_start(uint32_t id, const struct process_wish *p);

/* From the host. -EBADMSG: more than it may send; -ENOMEM. */
int process_input(uint32_t id, const char *data, size_t size);
void process_input_end(uint32_t id);
int process_credit(uint32_t id, enum agent_stream stream, uint32_t bytes);
void process_signal(uint32_t id, int number);
void process_resize(uint32_t id, int rows, int columns);

/* Takes every ended child: ours and orphans. */
void process_reap(void);

/* Ends all that run, softly and then hard, and reports their ends. Starts nothing more. */
void process_end_all(void);

/* Reports FAILED. */
void process_fail(uint32_t id, int code, const char *text);

/* Reads streams again that waited for room in the channel. */
void process_on_room(void);

/* Whether any is left (started, and its end not yet reported). */
bool process_any(void);
