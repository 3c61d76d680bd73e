/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "image/elf-file.h"

/* A program with everything its loader will ask for: where each file is here, and where
 * it must be in an image. */
struct elf_member {
	char *host, *image; /* absolute paths */
	struct elf_file file;
};

struct elf_closure {
	struct elf_member *v; /* the program is the first */
	size_t n;
	const struct platform *platform; /* the program's */
};

/* Found by reading ELF only. @name_in_image is where the program goes: absolute and clean,
 * else -EINVAL. @root is "" (or, in tests, what stands before every absolute path of the
 * host, the program's too). -ENOEXEC, or -ENOENT naming the library and who needs it. */
int elf_closure_read(const char *program, const char *name_in_image, const char *root,
		     struct elf_closure *ret, struct volt_error *e);

/* The same for a library that some program opens at run time: it has no loader, and its
 * place in an image is the caller's business. */
int elf_closure_read_library(const char *library, const char *root,
			     struct elf_closure *ret, struct volt_error *e);
void elf_closure_done(struct elf_closure *c);
#define _cleanup_closure_ _cleanup_(elf_closure_done)

/* Debian's name for the directories of an architecture, "x86_64-linux-gnu"; "" where it
 * is not known. */
const char *elf_multiarch(const struct elf_file *f);

/* The paths that the loader's cache has for a library, best first; the caller frees each
 * with strv_done(). A cache that is missing or broken has none. */
int ld_cache_find(const char *cache, size_t size, const char *name, struct strv *ret);
