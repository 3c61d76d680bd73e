/* SPDX-License-Identifier: Apache-2.0 */
/* A library that needs nothing. */
int elf_one(void);

int elf_one(void)
{
	return 1;
}
