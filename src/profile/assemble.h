/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "profile/manifest.h"

/* Assembled profiles: qemu/<name>-<hash12>/, hard links into the store. */

struct assembled {
	int root;              /* the tree, O_PATH */
	int lock;              /* as long as it is open, nobody removes the tree */
	size_t linked, copied; /* files made just now; both 0: it was there */
};
#define ASSEMBLED_INIT                  \
	{                               \
		.root = -1, .lock = -1, \
	}

/* The tree if it is there, else -ENOENT without a message. */
int profile_open_tree(const struct profiles *ps, const struct profile_manifest *m,
		      struct assembled *ret, struct volt_error *e);

/* Makes it unless it is there. The caller has held a lease since before it read the
 * manifest. -EBADMSG: an object is damaged. */
int profile_assemble(const struct profiles *ps, const struct profile_manifest *m,
		     struct assembled *ret, struct volt_error *e);

/* The tree of @m, which this process stored a moment ago, made and linked as the current one:
 * so nobody waits for it later, and what was hashed just now is not hashed again. *@ret_ref
 * is the version. */
int profile_assemble_new(const struct profiles *ps, const struct profile_manifest *m,
			 char **ret_ref, struct volt_error *e);

/* Points the link qemu/<name> at the tree. */
int profile_link_current(const struct profiles *ps, const struct profile_manifest *m,
			 struct volt_error *e);

bool profile_is_assembled(const struct profiles *ps, const struct profile_manifest *m);

/* Takes the tree away; -EBUSY while somebody has it open, unless @force. Nobody opens or makes
 * it again until profile_disassembled() ends @ret, except where it was taken by force. */
struct disassembled {
	int trees, lock;
};
#define DISASSEMBLED_INIT               \
	{                               \
		.trees = -1, .lock = -1 \
	}
int profile_disassemble(const struct profiles *ps, const struct profile_manifest *m,
			bool force, struct disassembled *ret, struct volt_error *e);
void profile_disassembled(struct disassembled *d, const struct profile_manifest *m);
