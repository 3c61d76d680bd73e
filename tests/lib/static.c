/* SPDX-License-Identifier: Apache-2.0 */
/* The program of the "static" test image: linked statically, alone in its root. It shows
 * what it was given, so that a test can tell whether it started as the image says. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	const char *greeting = getenv("GREETING");
	char cwd[256] = "?";

	if (!getcwd(cwd, sizeof(cwd)))
		return 2;
	printf("%s from a static program\n", greeting ? greeting : "(nothing)");
	printf("pid %s, uid %d, cwd %s\n", getpid() == 1 ? "1" : "not 1", (int)getuid(),
	       cwd);
	for (int i = 1; i < argc; i++)
		printf("arg %s\n", argv[i]);
	(void)fprintf(stderr, "on stderr\n");
	return argc > 1 ? atoi(argv[1]) : 0;
}
