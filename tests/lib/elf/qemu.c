/* SPDX-License-Identifier: Apache-2.0 */
/* Looks to tests/unit/test-profile-host.c like a QEMU that has its accelerator as a module.
 * It is only read, never run. */
int elf_one(void);
int start(void);

/* As QEMU has them: one sentence, and the names of its modules, each a string. */
const char version[] = "QEMU emulator version 9.8.7 (made up)\n";
const char *const modules[] = { "accel-qtest-x86_64", "accel-tcg-x86_64" };

int start(void)
{
	return elf_one() + version[0] + modules[0][0];
}
