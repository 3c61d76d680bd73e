/* SPDX-License-Identifier: Apache-2.0 */
#include <unistd.h>

int elf_library(void);
int elf_library_needs_libc(void);

int elf_library(void)
{
	return 7;
}

int elf_library_needs_libc(void)
{
	return (int)getpid();
}
