/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "image/elf-file.h"

/* Where files are looked for. */
struct elf_source {
	const char *root; /* stands before every path that open() gets; "" */
	/* A descriptor of the regular file that @path leads to, or -errno without a message. */
	int (*open)(void *data, const char *path);
	void *data;
	const char *library_path; /* LD_LIBRARY_PATH of the program; NULL: none */
	const char *where;        /* "here", "in the image": for messages */
};

/* A program with everything its loader will ask for: where each file is in the source, and
 * where it must be in an image. */
struct elf_member {
	char *host, *image; /* absolute paths */
	struct elf_file file;
	size_t by; /* the member that asked for it first */
};

struct elf_closure {
	struct elf_member *v; /* the program is the first */
	size_t n;
	const struct platform *platform; /* the program's */
	char *cache; /* of the loader, as long as libraries are looked for */
	size_t cache_size;
	unsigned int looks; /* files looked for */
};

/* The host's files; @root as below. */
struct elf_source elf_source_host(const char *root);

/* Found by reading ELF only. @program is where it is in the source, and @name_in_image where it
 * goes: absolute and clean, else -EINVAL. -ENOEXEC, or -ENOENT naming the library and who needs
 * it. */
int elf_closure_find(const struct elf_source *s, const char *program,
		     const char *name_in_image, struct elf_closure *ret,
		     struct volt_error *e);

/* Adds a library, by path or name, that the program may open at run time, and what that needs:
 * 1; or 0 where there is none for this machine. What one of these needs and is not found is no
 * failure (perhaps it is loaded already, from somewhere else): a line that names it is appended
 * to @missing. -E2BIG: too much to look for, also in the next call. */
int elf_closure_add(const struct elf_source *s, struct elf_closure *c,
		    const char *library, struct strv *missing, struct volt_error *e);

/* elf_closure_find() on the host. @root is "" (or, in tests, what stands before every absolute
 * path of the host, the program's too). */
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
