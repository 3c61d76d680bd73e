/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

#include "agent-record.h" /* records: how control payloads are built */

/*
 * What volt's init in the guest and the supervisor on the host say to each other, over
 * one virtio-serial port named AGENT_PORT. Both sides distrust the other: every length is
 * checked, and any breach of the protocol ends the conversation (the guest powers off).
 *
 * A frame is a header and at most AGENT_PAYLOAD_MAX bytes. Integers are little-endian.
 * `process` names what a frame is about: 0 is the workload, others are chosen by the host
 * (EXEC) and free again after their EXITED or FAILED. Control payloads are records, data
 * payloads raw bytes. CONFIG and EXEC may need more than one frame: all but the last have
 * `stream` AGENT_MORE, and their payloads are one sequence (AGENT_CONFIG_MAX bytes).
 *
 * The guest speaks first, once: HELLO. The host answers HELLO, then CONFIG, possibly much
 * later: a guest that waits for CONFIG is a template for any machine. (A clone does not
 * repeat HELLO; its host knows it from the template.) The guest then mounts, sets up and
 * starts the workload: STARTED, or FAILED. EXITED comes after the EOF of stdout and
 * stderr. After EXITED or FAILED of process 0 it syncs and unmounts; the host answers
 * SHUTDOWN, which proves that all has arrived, and the guest powers off (after 10 s if it
 * does not). Frames about a process that is no more are ignored: they may have crossed.
 *
 * Flow control: the sender of DATA on a stream may have AGENT_WINDOW bytes outstanding;
 * the receiver returns CREDIT as it consumes. So one slow reader stalls only its own
 * stream and neither side buffers without bound.
 */
#define AGENT_PORT        "org.volt.agent"
#define AGENT_VERSION     1
#define AGENT_PAYLOAD_MAX 65536u
#define AGENT_CONFIG_MAX  (2u << 20)
#define AGENT_WINDOW      262144u
#define AGENT_PROCESS_MAX 256 /* running at once, the workload included */

struct agent_frame {
	uint32_t size; /* of the payload */
	uint16_t type; /* enum agent_type */
	uint16_t stream;
	uint32_t process;
} __attribute__((packed));

enum agent_stream {
	AGENT_STDIN,
	AGENT_STDOUT, /* a terminal has only this one */
	AGENT_STDERR,
	AGENT_MORE = 1 /* in CONFIG and EXEC */
};

/* Lists name the records of a message: all required, except "may", in any order. */
enum agent_type {
	/* both ways */
	AGENT_HELLO = 1,  /* VERSION; the guest also KERNEL, MEMORY */
	AGENT_DATA = 2,   /* raw, at least one byte */
	AGENT_EOF = 3,    /* empty: the stream has ended */
	AGENT_CREDIT = 4, /* BYTES: consumed since the last one */
	/* host to guest */
	AGENT_CONFIG = 16,   /* ROOT, PROCESS; may: all of "machine" below */
	AGENT_EXEC = 17,     /* the records of PROCESS, for a new process */
	AGENT_SIGNAL = 18,   /* NUMBER (as on x86); to that process alone */
	AGENT_RESIZE = 19,   /* ROWS, COLUMNS */
	AGENT_CLOCK = 20,    /* NANOSECONDS since 1970 */
	AGENT_STATS = 21,    /* empty; REPLY has the same `process` */
	AGENT_RESEED = 22,   /* ENTROPY */
	AGENT_SHUTDOWN = 23, /* empty: kill, sync, unmount, power off */
	/* guest to host */
	AGENT_STARTED = 48, /* PID */
	AGENT_FAILED = 49,  /* CODE (125 ours, 126, 127), TEXT */
	AGENT_EXITED = 50,  /* CODE or SIGNAL; may: OOM */
	AGENT_REPLY = 51,   /* any of "statistics" below */
	AGENT_LOG = 52,     /* LEVEL (syslog's), TEXT: init's own, for the console log */
	AGENT_TIMING = 53   /* pairs of PHASE and NANOSECONDS of CLOCK_BOOTTIME */
};

enum agent_tag {
	AGENT_TAG_VERSION = 1, /* number */
	AGENT_TAG_KERNEL,      /* text: uname -r */
	AGENT_TAG_MEMORY,      /* number: bytes the guest has */
	AGENT_TAG_BYTES,       /* number */
	AGENT_TAG_NUMBER,      /* number */
	AGENT_TAG_NANOSECONDS, /* number */
	AGENT_TAG_ENTROPY,     /* bytes, at most 512 */
	AGENT_TAG_PID,         /* number */
	AGENT_TAG_CODE,        /* number */
	AGENT_TAG_SIGNAL,      /* number: as on x86, whatever the arch */
	AGENT_TAG_OOM,         /* flag: the kernel killed for want of memory */
	AGENT_TAG_LEVEL,       /* number */
	AGENT_TAG_TEXT,        /* text */
	AGENT_TAG_PHASE,       /* text: "init", "config", "root", "workload" */
	/* machine: NANOSECONDS and ENTROPY besides */
	AGENT_TAG_HOSTNAME = 32, /* text */
	AGENT_TAG_HOSTS,         /* text: a line for /etc/hosts, repeats */
	AGENT_TAG_DNS,           /* text: address of a resolver, repeats */
	AGENT_TAG_SEARCH,        /* text: domain to search, repeats */
	AGENT_TAG_ROOT,  /* group: TYPE, SOURCE; may: OPTIONS. Mounted read-only */
	AGENT_TAG_UPPER, /* group: TYPE ("tmpfs", "ext4"); may: SOURCE, OPTIONS; the
			  * writable layer, without it the root stays read-only */
	AGENT_TAG_MOUNT, /* group: TYPE, TARGET; may: SOURCE, OPTIONS, READ_ONLY, SUBPATH;
			  * repeats, in order */
	AGENT_TAG_LINK,  /* group: may: MAC, ADDRESS, GATEWAY, MTU; repeats */
	AGENT_TAG_PROCESS, /* group: ARG; may: ENV, CWD, USER, TTY, STDIN, ROWS, COLUMNS */
	/* in ROOT, UPPER, MOUNT */
	AGENT_TAG_TYPE = 48, /* text: erofs, ext4, tmpfs, 9p, virtiofs */
	AGENT_TAG_SOURCE, /* text: serial of a virtio-blk disk, tag of a 9p or virtiofs */
	AGENT_TAG_OPTIONS,   /* text: as after mount -o */
	AGENT_TAG_TARGET,    /* text: absolute, made when missing */
	AGENT_TAG_SUBPATH,   /* text: a directory or file of the share, to mount alone */
	AGENT_TAG_READ_ONLY, /* flag */
	/* in LINK */
	AGENT_TAG_MAC = 56, /* text: which one; absent: the first */
	AGENT_TAG_ADDRESS,  /* text: ADDRESS/PREFIX, repeats */
	AGENT_TAG_GATEWAY,  /* text: default route, one of each family */
	AGENT_TAG_MTU,      /* number */
	/* in PROCESS */
	AGENT_TAG_ARG = 64, /* text, repeats */
	AGENT_TAG_ENV,      /* text: NAME=VALUE, repeats, the last of a name counts */
	AGENT_TAG_CWD,      /* text: absolute */
	AGENT_TAG_USER,     /* text: as `podman run --user`, looked up in the image */
	AGENT_TAG_TTY,      /* flag */
	AGENT_TAG_STDIN,    /* flag: the host sends it; else /dev/null */
	AGENT_TAG_ROWS,     /* number */
	AGENT_TAG_COLUMNS,  /* number */
	/* statistics: all numbers, since boot; NANOSECONDS is the uptime */
	AGENT_TAG_CPU = 80,    /* nanoseconds, user and system, all CPUs */
	AGENT_TAG_MEMORY_USED, /* bytes, MEMORY besides */
	AGENT_TAG_DISK_READ,
	AGENT_TAG_DISK_WRITTEN,
	AGENT_TAG_NET_RECEIVED,
	AGENT_TAG_NET_SENT,
	AGENT_TAG_PROCESSES
};
