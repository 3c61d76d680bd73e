/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program of tests/vm/test-nanos-volumes.sh: does what its words say with files.
 *
 *	read:PATH  write:PATH=TEXT  mkdir:PATH  rm:PATH  ls:PATH  link:PATH  wait
 *	https:PORT:DIR	serves DIR/index.html with DIR/cert.pem and DIR/key.pem, for ever
 *
 * Its status is 1 where one of them failed, which it then says.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char buffer[65536];

static int read_file(const char *path)
{
	int fd = open(path, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, buffer, sizeof(buffer) - 1);

	if (fd >= 0)
		(void)close(fd);
	if (n < 0)
		return -1;
	buffer[n] = '\0';
	return 0;
}

static int do_read(const char *path)
{
	if (read_file(path) < 0)
		return -1;
	(void)printf("%s=%s\n", path, buffer);
	return 0;
}

/* Appends. */
static int do_write(const char *word)
{
	const char *text = strchr(word, '=');
	char path[4096];
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof(path), "%.*s", (int)(text - word), word);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0644);
	if (fd < 0)
		return -1;
	text++;
	n = write(fd, text, strlen(text));
	if (fsync(fd) < 0 || close(fd) < 0)
		return -1;
	return n == (ssize_t)strlen(text) ? 0 : -1;
}

static int do_mkdir(const char *path)
{
	return mkdir(path, 0755);
}

static int do_ls(const char *path)
{
	DIR *d = opendir(path);

	if (!d)
		return -1;
	for (const struct dirent *de; (de = readdir(d));)
		if (strcmp(de->d_name, ".") != 0 && strcmp(de->d_name, "..") != 0)
			(void)printf("in %s: %s\n", path, de->d_name);
	return closedir(d);
}

static int do_link(const char *path)
{
	ssize_t n = readlink(path, buffer, sizeof(buffer) - 1);

	if (n < 0)
		return -1;
	(void)printf("%s -> %.*s\n", path, (int)n, buffer);
	return 0;
}

static int do_wait(const char *word)
{
	(void)puts("waiting");
	(void)pause();
	return 0;
}

/* --- https --- */

static SSL_CTX *tls(const char *dir)
{
	SSL_CTX *c = SSL_CTX_new(TLS_server_method());
	char cert[4096], key[4096];

	(void)snprintf(cert, sizeof(cert), "%s/cert.pem", dir);
	(void)snprintf(key, sizeof(key), "%s/key.pem", dir);
	if (!c || SSL_CTX_use_certificate_file(c, cert, SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_use_PrivateKey_file(c, key, SSL_FILETYPE_PEM) != 1)
		return NULL;
	return c;
}

static void answer(SSL_CTX *c, int fd, const char *dir)
{
	char request[4096], path[4096], head[256];
	SSL *s = SSL_new(c);
	int n;

	(void)snprintf(path, sizeof(path), "%s/index.html", dir);
	if (s && SSL_set_fd(s, fd) == 1 && SSL_accept(s) == 1 &&
	    SSL_read(s, request, sizeof(request)) > 0 && read_file(path) == 0) {
		n = snprintf(head, sizeof(head),
			     "HTTP/1.0 200 OK\r\nContent-Length: %zu\r\n\r\n",
			     strlen(buffer));
		(void)SSL_write(s, head, n);
		(void)SSL_write(s, buffer, (int)strlen(buffer));
		(void)SSL_shutdown(s);
	}
	SSL_free(s);
	(void)close(fd);
}

static int do_https(const char *word)
{
	const char *dir = strchr(word, ':') + 1;
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_port = htons((uint16_t)strtoul(word, NULL, 10)) };
	SSL_CTX *c = tls(dir);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (!c || fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    listen(fd, 8) < 0)
		return -1;
	(void)puts("serving");
	for (int client; (client = accept(fd, NULL, NULL)) >= 0;)
		answer(c, client, dir);
	return -1;
}

static const struct {
	const char *name;
	int (*fn)(const char *word);
} verbs[] = {
	{ "read:", do_read },   { "write:", do_write }, { "mkdir:", do_mkdir },
	{ "rm:", unlink },      { "ls:", do_ls },       { "link:", do_link },
	{ "https:", do_https }, { "wait", do_wait },
};

static int run(const char *word)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		size_t n = strlen(verbs[i].name);

		if (strncmp(word, verbs[i].name, n) != 0)
			continue;
		if (verbs[i].fn(word + n) == 0)
			return 0;
		(void)printf("%s: %s\n", word, strerror(errno));
		return 1;
	}
	(void)printf("%s: no such word\n", word);
	return 1;
}

int main(int argc, char **argv)
{
	int bad = 0;

	(void)signal(SIGPIPE, SIG_IGN);
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	for (int i = 1; i < argc; i++)
		bad |= run(argv[i]);
	return bad;
}
