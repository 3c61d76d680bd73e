/* SPDX-License-Identifier: Apache-2.0 */
int elf_library(void);

int elf_library(void)
{
	return 7;
}
