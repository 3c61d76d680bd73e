/* SPDX-License-Identifier: Apache-2.0 */
/* Stands in for QEMU: it has a version, and what configure was told. */
#include <stdio.h>
#include <string.h>

#include "told.h"

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "--version") == 0)
		return puts("QEMU emulator version 10.0.7 (made up)") < 0;
	return puts(TOLD) < 0;
}
