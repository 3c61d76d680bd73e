/* SPDX-License-Identifier: Apache-2.0 */
/* A module that needs a library of its own. */
int elf_one(void);
int elf_module(void);

int elf_module(void)
{
	return elf_one();
}
