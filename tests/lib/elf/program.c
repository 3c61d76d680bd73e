/* SPDX-License-Identifier: Apache-2.0 */
/* Needs a library that it finds relative to itself; for tests/unit/test-image-elf.c, which
 * only reads it. */
int elf_library(void);

int main(void)
{
	return elf_library();
}
