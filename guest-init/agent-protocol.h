/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

/*
 * What volt's init in the guest and the supervisor on the host say to each other, over
 * one virtio-serial port named AGENT_PORT. Both sides distrust the other: every length is
 * checked, and any breach of the protocol ends the conversation.
 *
 * A frame is a header and at most AGENT_PAYLOAD_MAX bytes. Integers are little-endian.
 * `process` names what a frame is about: 0 is the workload, others are made by the host
 * (exec, file transfers). Control payloads are records (struct agent_record), data
 * payloads are raw bytes.
 *
 * The guest speaks first, once: HELLO. The host answers HELLO, then CONFIG, possibly
 * much later: a guest that waits for CONFIG is a template for any machine. The guest then
 * mounts, sets up and starts the workload: STARTED, or FAILED. After EXITED of process 0
 * it flushes, answers what is pending and powers off.
 *
 * Flow control: the sender of DATA on a stream may have AGENT_WINDOW bytes outstanding;
 * the receiver returns CREDIT as it consumes. So one slow reader stalls only its own
 * stream and neither side buffers without bound.
 */

#define AGENT_PORT        "org.volt.agent"
#define AGENT_VERSION     1u
#define AGENT_PAYLOAD_MAX 65536u
#define AGENT_WINDOW      262144u

struct agent_frame {
	uint32_t size; /* of the payload */
	uint16_t type; /* enum agent_type */
	uint16_t stream;
	uint32_t process;
} __attribute__((packed));

enum agent_stream {
	AGENT_STDIN,
	AGENT_STDOUT,
	AGENT_STDERR
};

/* One item of a control payload; @size bytes follow, without padding or NUL. */
struct agent_record {
	uint16_t tag; /* enum agent_tag */
	uint16_t reserved;
	uint32_t size;
} __attribute__((packed));

enum agent_type {
	/* both ways */
	AGENT_HELLO = 1,  /* VERSION, guest also: KERNEL, MEMORY */
	AGENT_DATA = 2,   /* raw */
	AGENT_EOF = 3,    /* empty: the stream has ended */
	AGENT_CREDIT = 4, /* BYTES: consumed since the last one */
	/* host to guest */
	AGENT_CONFIG =
		16,      /* the machine's wish, may span frames: MORE flag record last */
	AGENT_EXEC = 17, /* like the workload's part of CONFIG, for a new process */
	AGENT_SIGNAL = 18,   /* NUMBER */
	AGENT_RESIZE = 19,   /* ROWS, COLUMNS */
	AGENT_CLOCK = 20,    /* NANOSECONDS since 1970 */
	AGENT_STATS = 21,    /* empty; answered by REPLY */
	AGENT_RESEED = 22,   /* BYTES of entropy */
	AGENT_FILE_GET = 23, /* PATH; a tar stream on STDOUT of this process */
	AGENT_FILE_PUT = 24, /* PATH; a tar stream on STDIN of this process */
	AGENT_SHUTDOWN = 25, /* sync, unmount, power off now */
	/* guest to host */
	AGENT_STARTED = 48, /* PID */
	AGENT_FAILED = 49,  /* CODE (126, 127, 125), TEXT */
	AGENT_EXITED = 50, /* CODE, or SIGNAL; OOM when the kernel killed it for memory */
	AGENT_REPLY = 51,  /* to STATS, FILE_*: records, or CODE and TEXT on failure */
	AGENT_LOG = 52,    /* LEVEL, TEXT: init's own, for the console log */
	AGENT_TIMING = 53, /* PHASE text and NANOSECONDS of CLOCK_BOOTTIME, any number */
};
