/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "volt.h"

#include "base/digest.h"
#include "base/strv.h"
#include "image/tree.h"
#include "rootfs/tfs.h"

/* What of an image a Nanos machine gets, and how its program begins: Nanos runs one program
 * and nothing else, and every file costs time at each boot. */

struct nanos_link {
	const char *path, *target;
};

/* What a machine wishes for. Everything is borrowed. */
struct nanos_wish {
	const struct strv *args, *env; /* image and wish merged: spec.process */
	const char *cwd;
	bool full; /* all of the image's files */
	const struct strv
		*mount_points; /* absolute; NULL: none. They become directories */
	const struct nanos_link
		*links; /* absolute path, any target; they replace files */
	size_t n_links;
	const char *arch;               /* volt's word */
	const char *hostname;           /* NULL: the image's own file, if any */
	const struct strv *nameservers; /* NULL or empty: the image's own file, if any */
};

struct nanos_plan;

/* @t is an image's merged tree, which is not needed any more afterwards; @s has its
 * contents and must outlive the plan. Holding a lease (store.h) is the caller's business.
 *
 * A program that cannot run is refused, with the reason and what to do: -ENOENT (it, its
 * loader, or a library is not in the image), -EACCES (not executable), -ENOEXEC (a script, a
 * shell, no ELF program, another machine's). */
int nanos_plan_make(const struct tree *t, const struct store *s,
		    const struct nanos_wish *w, struct nanos_plan **ret,
		    struct volt_error *e);
void nanos_plan_free(struct nanos_plan *p);
DEFINE_CLEANUP(struct nanos_plan *, nanos_plan_free)

/* Everything of the base disk's file system that depends on the image and the wish; the room
 * for the guest's writes is the caller's to set. What it points to is the plan's. */
void nanos_plan_input(const struct nanos_plan *p, struct tfs_input *ret);

/* Over everything that nanos_plan_input() gives. How the disk boots, its kernel and klibs are
 * not in it. */
const struct digest *nanos_plan_digest(const struct nanos_plan *p);

/* Absolute, in the image, all links followed. */
const char *nanos_plan_program(const struct nanos_plan *p);

/* Bytes: less is not worth trying. */
uint64_t nanos_plan_memory(const struct nanos_plan *p);

/* What people are shown, doc/nanos.md; with the files' names where @files. */
json_t *nanos_plan_json(const struct nanos_plan *p, bool files);

/* What one machine's record says: program, arguments, environment, cwd, and the attributes of
 * @more (NULL: none), which a wish's parser has checked. NULL: out of memory. */
json_t *nanos_plan_attributes(const struct nanos_wish *w, const struct nanos_plan *p,
			      const json_t *more);
