/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "guest/nanos-plan.h"
#include "image/elf-closure.h"
#include "image/tree-walk.h"

/* Why a file is left out. */
enum nanos_left {
	NANOS_IN,
	NANOS_KERNELS, /* what Nanos makes itself, or cannot have */
	NANOS_PACKAGES,
	NANOS_DOCS,
	NANOS_LOCALES,
	NANOS_DEVELOPMENT,
	NANOS_SYSTEM,
	NANOS_RUNTIMES,
	NANOS_PROGRAMS,
	NANOS_LIBRARIES,
	NANOS_LEFT_MAX
};

struct nanos_sum {
	uint64_t files, bytes;
};

/* A file that the plan makes: its content is no object of the store. */
struct nanos_made {
	char *path, *text;
	struct digest digest;
};

struct nanos_plan {
	const struct store *s;
	struct tree *tree;
	struct nanos_made *made;
	size_t n_made;
	json_t *attributes; /* of the base disk */
	struct digest digest;
	char *program;
	const char *arch; /* static */
	struct strv args, closure, notes;
	bool full, dynamic;
	uint64_t program_bytes; /* with all that its loader maps */
	struct nanos_sum in, left[NANOS_LEFT_MAX];
};

/* A choice being made: of @t's entries, those that are in. */
struct nanos_choice {
	const struct tree *t;
	const struct store *s;
	const struct nanos_wish *w;
	struct nanos_plan *p;
	uint32_t program; /* entry */
	char *found;      /* by which path */
	uint8_t *content; /* for each entry, what it was seen to be */
	uint8_t *left;    /* for each entry, enum nanos_left */
	uint8_t *want;    /* for each entry: in, whatever rule would leave it out */
	struct elf_source source;
	struct elf_closure closure;
};

/* The value of a variable; NULL: not set. */
const char *nanos_env(const struct nanos_wish *w, const char *name);

/* The entry that a path means to the program: from its directory on; as tree_resolve(). */
int nanos_resolve(const struct nanos_choice *c, const char *path,
		  const struct tree_walk *walk, uint32_t *ret);

/* A descriptor of a regular file's content, -ENOENT for an empty one. No message. */
int nanos_open_entry(const struct nanos_choice *c, uint32_t entry);

/* Finds the program (c->program, c->found, its name in the plan), or says why it cannot run. */
int nanos_find_program(struct nanos_choice *c, struct volt_error *e);

/* Fills c->left, c->want and the closure. */
int nanos_choose(struct nanos_choice *c, struct volt_error *e);

/* By its name (and those above it) alone. */
enum nanos_left nanos_directory_rule(const struct nanos_choice *c, const char *path);

/* Is it directly in a directory where programs (libraries) of the system are? */
bool nanos_is_system_program(const char *path);
bool nanos_is_system_library(const struct nanos_choice *c, const char *path);
/* Somewhere below /usr, /lib, /bin, /sbin. */
bool nanos_is_system(const char *path);

struct nanos_rule {
	const char *name, *text; /* a word, and what it is for people */
};
extern const struct nanos_rule nanos_rules[NANOS_LEFT_MAX];

/* The tree of what is in, with the files that the plan makes. */
int nanos_build(struct nanos_choice *c, struct volt_error *e);
