/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "volt.h"

#include "base/strv.h"
#include "image/platform.h"

/* What a program or library says about itself. */
struct elf_file {
	int class;         /* ELFCLASS32, ELFCLASS64 */
	int data;          /* ELFDATA2LSB, ELFDATA2MSB */
	uint16_t machine;  /* EM_… */
	uint16_t type;     /* ET_EXEC, ET_DYN */
	bool pie;          /* ET_DYN, but made to be run */
	char *interpreter; /* NULL: static, or a library */
	struct strv needed;
	char *rpath, *runpath; /* NULL: none */
};

/* -ENOEXEC where it is no ELF file of Linux. */
int elf_file_read(const char *path, struct elf_file *ret, struct volt_error *e);

/* The same of an open file, which messages call @name. */
int elf_file_read_fd(int fd, const char *name, struct elf_file *ret,
		     struct volt_error *e);
void elf_file_done(struct elf_file *f);
#define _cleanup_elf_ _cleanup_(elf_file_done)

/* NULL where volt does not know the machine. */
const struct platform *elf_file_platform(const struct elf_file *f);

/* Not a library, an object file or a core. */
bool elf_file_is_program(const struct elf_file *f);
bool elf_file_same_machine(const struct elf_file *a, const struct elf_file *b);
