/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/strv.h"
#include "profile/profile.h"

struct log;

/* What a profile takes from the host's packages: the tables of host-table.c, besides the
 * machines' (machine.h). What they leave out, libraries, is read from the binaries. */

/* Where the host has a file of firmware. */
struct host_place {
	const char *name;     /* below firmware/, as machine rows call it */
	const char *package;  /* Debian's, that has it */
	const char *paths[2]; /* the first that is there counts; NULL: no second */
};

/* NULL: no machine opens such a file. */
const struct host_place *host_place_find(const char *name);

/* Firmware beyond what machines need whose kernel is given to QEMU. */
struct host_extra {
	unsigned int profiles; /* a bit for each enum profile_name */
	const char *guest;     /* QEMU's name of the architecture; NULL: any */
	const char *name;
	unsigned int gives; /* the ability that takes all files which give it */
	unsigned int
		optional; /* profiles that can do without it, and without the ability */
};

/* Row by row until NULL. */
const struct host_extra *host_extra_row(size_t i);

/* Does it run machines whose kernel is given to QEMU? */
bool host_boots_kernels(enum profile_name name);

/* The guests that a profile made here has a QEMU for, until NULL; those of KVM are the
 * host's own. */
const struct profile_arch *host_guest(enum profile_name name, size_t i);

/* Modules which a QEMU of a profile opens at run time, until NULL. A name that ends in '-'
 * goes on with the guest's. What a binary does not name is built into it. */
const char *host_module(enum profile_name name, size_t i);

/* What a profile can whatever firmware it has. */
unsigned int host_capabilities(enum profile_name name);

/* --- what was found --- */

struct host_file {
	char *path;   /* in the profile */
	char *source; /* on the host, without links; NULL: made by volt */
};

struct host_files {
	struct host_file *v; /* sorted by path once host_files_find() is done */
	size_t n;
	struct strv guests;        /* QEMU's names of those there is a binary for */
	char *loader;              /* in the profile; NULL: static */
	char *version;             /* NULL: the binary does not say */
	unsigned int capabilities; /* PROFILE_CAN_… */
};

/* @root is "" or, in tests, what stands before every path of the host. A guest whose
 * package is not installed is left out with a warning in @log, unless it is the only one:
 * -ENOENT with the packages that are missing. -EEXIST: two libraries of one name. */
int host_files_find(const char *root, enum profile_name name, const struct log *log,
		    struct host_files *ret, struct volt_error *e);
void host_files_done(struct host_files *f);
#define _cleanup_host_files_ _cleanup_(host_files_done)

/* What @found leads to becomes @dir/@name; NULL: host_files_store() finds it at that path. One
 * that is there already is no error if it is the same file, and -EEXIST if it is another. */
int host_files_add(struct host_files *f, const char *dir, const char *name,
		   const char *found, struct volt_error *e);

/* All but the closure's first member, and the loader if there is none yet. */
struct elf_closure;
int host_files_add_libraries(struct host_files *f, const struct elf_closure *c,
			     struct volt_error *e);

/* Makes a version of the profile @name of all that was found; what volt made is in the
 * directory @dirfd. */
struct profile_manifest;
int host_files_store(const struct host_files *f, const struct profiles *ps,
		     const char *name, int dirfd, struct profile_manifest **ret,
		     struct volt_error *e);
