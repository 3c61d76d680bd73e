/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"
#include "profile/profile.h"
#include "store/store.h"

/* What a profile is made of: the ref cas/refs/<name>-<hash8>.json, by which it also lives in
 * the store. doc/formats.md has the format; manifests that others wrote in it load. */

struct profile_entry {
	const char *path; /* "bin/qemu-system-x86_64"; borrowed from the document */
	struct digest digest;
	bool fresh; /* hashed when it was stored, a moment ago by this process */
};

struct profile_manifest {
	char *name;
	struct digest digest;    /* of the content: names the assembled tree */
	struct profile_entry *v; /* sorted by path */
	size_t n;
	unsigned int capabilities;
	/* Borrowed from @j; NULL where it does not say. */
	const char *created_at, *version, *arch, *loader;
	json_t *j; /* the whole document, with members that volt does not know */
};

/* Takes over @j, also on failure. @what names the document in messages. -EBADMSG. */
int profile_manifest_from_json(json_t *j, const char *what, struct profile_manifest **ret,
			       struct volt_error *e);
void profile_manifest_free(struct profile_manifest *m);
DEFINE_CLEANUP(struct profile_manifest *, profile_manifest_free)

/* Below bin/, lib/ or firmware/, clean, and without control characters. */
bool profile_path_is_valid(const char *path);

/* How @path is linked: all of bin/ and the loader are executable. */
enum object_kind profile_kind(const char *path);

/* NULL where it has none. */
const struct profile_entry *profile_manifest_find(const struct profile_manifest *m,
						  const char *path);

/* Where @path was taken from on this host: absolute, or NULL. */
const char *profile_manifest_source(const struct profile_manifest *m, const char *path);

/* "bin/qemu-system-x86_64" for a guest that it emulates, else NULL. */
const char *profile_manifest_qemu(const struct profile_manifest *m,
				  const struct profile_arch *guest);

/* The flash image and the template for variables, or two times NULL. */
void profile_manifest_uefi(const struct profile_manifest *m,
			   const struct profile_arch *guest, const char **ret_code,
			   const char **ret_vars);

/* What a profile may be called: a name_is_valid() that does not look like a version's. */
#define PROFILE_NAME_MAX 100
bool profile_label_is_valid(const char *name);

/* The profile's name in a ref's name: "kvm-linux" of "kvm-linux-0a1b2c3d", of which nothing
 * else than this is a version. The caller frees. NULL: it is no version's name. */
char *profile_ref_label(const char *ref);

/* Makes "NAME-<first 12 digits>", the name of the assembled tree. */
#define PROFILE_TREE_SIZE (PROFILE_NAME_MAX + 14)
const char *profile_tree_name(const struct profile_manifest *m,
			      char name[static PROFILE_TREE_SIZE]);

/* Words of a manifest's "capabilities" and back. 0: not a word. */
unsigned int profile_capability_parse(const char *word);
const char *profile_capability_text(unsigned int capability); /* of one bit; NULL: none */
