/* SPDX-License-Identifier: Apache-2.0 */
/* The program of the "nanos" test image: alone in its root, and alone in its machine. Its first
 * word says what it does:
 *
 *	exit N      ends with N
 *	show        prints its words, environment and directory
 *	count       counts in /count how often it ran
 *	turn N      ends with N the first time, then with 0
 *	wait N      until SIGTERM; leaves "clean" in /state, and ends with N
 *	http PORT   serves one page with its words
 *	flood N     N lines
 *	crash       by SIGSEGV
 */
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

extern char **environ;

static volatile sig_atomic_t asked;

static void on_term(int signal)
{
	asked = signal;
}

static int put_file(const char *path, const char *mode, const char *text)
{
	FILE *f = fopen(path, mode);

	if (!f || fputs(text, f) < 0 || fclose(f) != 0) {
		perror(path);
		return -1;
	}
	return 0;
}

static int show(int argc, char **argv)
{
	char dir[256] = "?", host[64] = "?";

	for (int i = 1; i < argc; i++)
		printf("arg <%s>\n", argv[i]);
	for (char **v = environ; *v; v++)
		printf("env <%s>\n", *v);
	if (!getcwd(dir, sizeof(dir)))
		return 2;
	(void)gethostname(host, sizeof(host) - 1);
	printf("cwd <%s>\nhost <%s>\n", dir, host);
	return 0;
}

static int count(void)
{
	char line[16];
	int n = 0;
	FILE *f;

	if (put_file("/count", "a", "x\n") < 0)
		return 2;
	f = fopen("/count", "r");
	while (f && fgets(line, sizeof(line), f))
		n++;
	printf("run %d\n", n);
	return 0;
}

static int turn(int code)
{
	if (access("/turn", F_OK) == 0)
		return 0;
	printf("the first time\n");
	return put_file("/turn", "w", "") < 0 ? 2 : code;
}

static int wait_for_term(int code)
{
	char state[32] = "none";
	FILE *f = fopen("/state", "r");

	if (f && !fgets(state, sizeof(state), f))
		return 2;
	printf("state %s\n", state);
	while (!asked)
		(void)pause();
	printf("asked by %d\n", (int)asked);
	return put_file("/state", "w", "clean") < 0 ? 2 : code;
}

static void answer(int fd, int argc, char **argv)
{
	char request[2048], text[1024] = "";

	if (read(fd, request, sizeof(request)) <= 0)
		return;
	for (int i = 3; i < argc; i++)
		(void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s\n",
			       argv[i]);
	(void)snprintf(request, sizeof(request),
		       "HTTP/1.0 200 OK\r\nContent-Length: %zu\r\n\r\n%s", strlen(text),
		       text);
	if (write(fd, request, strlen(request)) < 0)
		perror("write");
}

static int serve(int port, int argc, char **argv)
{
	const struct sockaddr_in at = { .sin_family = AF_INET,
					.sin_port = htons((uint16_t)port) };
	int s = socket(AF_INET, SOCK_STREAM, 0);

	if (s < 0 || bind(s, (const struct sockaddr *)&at, sizeof(at)) < 0 ||
	    listen(s, 16) < 0) {
		perror("listen");
		return 2;
	}
	printf("listening\n");
	while (!asked) {
		int fd = accept(s, NULL, NULL);

		if (fd < 0)
			continue;
		answer(fd, argc, argv);
		(void)close(fd);
	}
	return 0;
}

static int flood(int n)
{
	for (int i = 0; i < n; i++)
		printf("%06d 0123456789012345678901234567890123456789012345678901234\n",
		       i);
	return 0;
}

int main(int argc, char **argv)
{
	const struct sigaction term = { .sa_handler = on_term };
	const char *what = argc > 1 ? argv[1] : "";
	int n = argc > 2 ? atoi(argv[2]) : 0;

	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	if (strcmp(what, "wait") == 0 || strcmp(what, "http") == 0)
		(void)sigaction(SIGTERM, &term, NULL);
	if (strcmp(what, "exit") == 0)
		return n;
	if (strcmp(what, "show") == 0)
		return show(argc, argv);
	if (strcmp(what, "count") == 0)
		return count();
	if (strcmp(what, "turn") == 0)
		return turn(n);
	if (strcmp(what, "wait") == 0)
		return wait_for_term(n);
	if (strcmp(what, "http") == 0)
		return serve(n, argc, argv);
	if (strcmp(what, "flood") == 0)
		return flood(n);
	if (strcmp(what, "crash") == 0)
		(void)raise(SIGSEGV);
	(void)fprintf(stderr, "unknown word '%s'\n", what);
	return 2;
}
