/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "volt.h"

#include "vm/qemu.h"
#include "vm/spec.h"
#include "vm/undo.h"

/* A machine's volumes on the host's side: what is shown to the guest, and by whom. */
struct share {
	const struct spec_volume *volume; /* borrowed */
	int tree;      /* the directory that is shown, read-only where the volume is */
	size_t number; /* among the machine's volumes */
	bool read_only;
	bool file; /* it holds one file, named FILE_IN_SHARE, and nothing else */
	sd_event_source *server; /* tells of its virtiofsd's end, while there is one */
};

#define FILE_IN_SHARE "file"

struct shares {
	struct share *v;
	size_t n;
	int mounts;       /* where they are mounted in a namespace of our own, or -1 */
	bool by_virtiofs; /* decided when they are served */
};
#define SHARES_INIT          \
	{                    \
		.mounts = -1 \
	}

/* Whether every source is there, and is something that can be shown to a guest. */
int shares_check(const struct spec *s, struct volt_error *e);

/* Opens every source and confines it, once for the supervisor's life. Where something must
 * be mounted (a read-only volume, a single file), the process gets a mount namespace of its
 * own, and as an ordinary user a user namespace around it; nothing of that is visible
 * outside or outlives it. -ENOENT names a source that is missing. */
int shares_open(const struct spec *s, int runtime, struct shares *ret,
		struct volt_error *e);
void shares_done(struct shares *s);

struct shares_with {
	const struct profile *profile;
	unsigned int abilities; /* of the kernel */
	int runtime;            /* for sockets */
	int errors;             /* stderr of what is started */
	struct undo *undo;      /* the processes are added to it */
	sd_event *ev;
	bool numbers;                   /* tags are numbers, as Nanos wants them */
	sd_event_child_handler_t ended; /* a virtiofsd has, by itself */
	void *data;
};

/* For one run: starts what serves them, a virtiofsd each where the kernel, QEMU and our
 * rights allow, else it is QEMU itself by 9p. The array is shares_served()'s to free, which
 * closes what was QEMU's. */
int shares_serve(struct shares *s, const struct shares_with *w, struct qemu_share **ret,
		 struct volt_error *e);
void shares_served(const struct shares *s, struct qemu_share *served);

/* What serves them may end now. */
void shares_unwatch(struct shares *s);
