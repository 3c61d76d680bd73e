/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replays a corpus against one fuzz target in a normal build, so that every input that
 * ever mattered is part of `meson test`. Linked with the target in place of libFuzzer.
 *
 *	fuzz-NAME CORPUS-DIRECTORY
 *
 * Each file is given whole, then cut short at many lengths, then with single bytes
 * changed: parsers of hostile input mostly break where it ends early or lies about a
 * length. The choice of bytes is fixed, so a failure comes again. One TAP line a file.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/macro.h"

#define CUTS    256
#define CHANGES 512

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* An exact allocation, so that the sanitizer sees a read one byte beyond it. */
static void give(const char *data, size_t size)
{
	_cleanup_free_ uint8_t *copy = malloc(size ? size : 1);

	if (!copy)
		return;
	memcpy(copy, data, size);
	(void)LLVMFuzzerTestOneInput(copy, size);
}

static void give_cuts(const char *data, size_t size)
{
	size_t step = size / CUTS + 1;

	for (size_t n = 0; n < size; n += step)
		give(data, n);
}

static void give_changes(char *data, size_t size)
{
	static const uint8_t masks[] = { 0x01, 0x80, 0xff, 0x20 };
	uint32_t x = 2463534242u;

	for (size_t i = 0; size && i < CHANGES; i++) {
		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		size_t at = x % size;
		uint8_t mask = masks[i % ARRAY_SIZE(masks)];

		data[at] = (char)((uint8_t)data[at] ^ mask);
		give(data, size);
		data[at] = (char)((uint8_t)data[at] ^ mask);
	}
}

static int replay(int dirfd, const char *name)
{
	_cleanup_free_ char *data = NULL;
	size_t size;
	int r;

	r = read_file_at(dirfd, name, 16u << 20, &data, &size);
	if (r < 0)
		return r;
	give(data, size);
	give_cuts(data, size);
	give_changes(data, size);
	return 0;
}

static int is_input(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

static int replay_all(DIR *dir, const char *path)
{
	struct dirent **list = NULL;
	int n, bad = 0;

	n = scandir(path, &list, is_input, alphasort);
	for (int i = 0; i < n; i++) {
		int r = replay(dirfd(dir), list[i]->d_name);

		printf("%sok %d - %s\n", r < 0 ? "not " : "", i + 1, list[i]->d_name);
		(void)fflush(stdout);
		bad |= r < 0;
		free(list[i]);
	}
	free(list);
	printf("1..%d\n", n < 0 ? 0 : n);
	return n <= 0 || bad;
}

int main(int argc, char **argv)
{
	_cleanup_closedir_ DIR *dir = NULL;

	if (argc != 2) {
		(void)fprintf(stderr, "usage: %s CORPUS-DIRECTORY\n", argv[0]);
		return 2;
	}
	dir = opendir(argv[1]);
	if (!dir) {
		perror(argv[1]);
		return 1;
	}
	return replay_all(dir, argv[1]);
}
