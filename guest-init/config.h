/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent-protocol.h"

/* CONFIG and EXEC, taken apart. Everything is owned; free with the _done function. */

/* Texts, with NULL at the end: fit for execve(). */
struct list {
	char **v; /* NULL while empty */
	size_t n;
};
int list_add(struct list *l, const char *text, size_t size);
void list_done(struct list *l);

struct mount_wish {
	char *type, *source, *target, *options, *subpath; /* NULL: not given */
	bool read_only;
};

struct link_wish {
	char *mac;
	struct list addresses, gateways;
	int64_t mtu; /* 0: as it is */
};

struct process_wish {
	struct list args, env;
	char *cwd, *user;
	bool tty, in;
	int64_t rows, columns;
};

struct config {
	char *hostname;
	struct list hosts, dns, search;
	struct mount_wish root, upper; /* upper.type NULL: none */
	struct mount_wish *mounts;
	size_t n_mounts;
	struct link_wish *links;
	size_t n_links;
	struct process_wish process;
	int64_t wall; /* nanoseconds since 1970; 0: not given */
	char entropy[512];
	size_t entropy_size;
};

/* -EBADMSG: not what the protocol says; -ENOMEM. */
int config_parse(struct agent_cursor c, struct config *ret);
int process_wish_parse(struct agent_cursor c, struct process_wish *ret);
void config_done(struct config *c);
void process_wish_done(struct process_wish *p);
