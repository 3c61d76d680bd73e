/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "volt.h"

/* What has been set up outside a machine's own directory, newest last. It is part of
 * state.json and written before the thing is done, so that whoever comes next can undo
 * it. Undoing is idempotent: an item whose object is not there is done. */
enum undo_kind {
	UNDO_RUNTIME, /* the directory below the runtime directory, sockets and all */
	UNDO_PROCESS  /* a helper that may outlive its parent: pid and start time */
};

struct undo_item {
	enum undo_kind kind;
	pid_t pid;
	uint64_t start; /* field 22 of /proc/PID/stat; tells a pid used again */
};

#define UNDO_MAX 16
struct undo {
	struct undo_item v[UNDO_MAX];
	size_t n;
};

struct undo_where {
	int runfd;      /* volt's runtime directory */
	const char *id; /* the machine's name there */
	bool rebooted;  /* the list is another boot's: its processes are gone */
};

/* -ENOSPC when full. */
int undo_add(struct undo *u, const struct undo_item *item);
int undo_add_process(struct undo *u, pid_t pid);

/* Newest first; goes on after a failure and keeps what could not be undone. Returns the
 * first failure. */
int undo_run(struct undo *u, const struct undo_where *w, struct volt_error *e);

json_t *undo_to_json(const struct undo *u);
int undo_from_json(const json_t *a, struct undo *u, struct volt_error *e);
