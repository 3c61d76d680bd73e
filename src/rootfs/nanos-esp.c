/* SPDX-License-Identifier: Apache-2.0 */
/* The EFI system partition, by mtools. Its time and serial number are always the same, so
 * that the disk is. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/spawn.h"
#include "rootfs/nanos-private.h"

#define FD_PATH_SIZE 64

static int run_mtool(const char *const *argv, int fd, int loader, struct volt_error *e)
{
	/* 1980-01-01, where FAT's time begins. */
	static const char *const env[] = {
		"PATH=/usr/bin:/bin", "LANG=C", "TZ=UTC0", "SOURCE_DATE_EPOCH=315532800",
		"MTOOLSRC=/dev/null", NULL
	};
	const int keep[] = { fd, loader };
	struct spawn s = SPAWN_INIT;

	s.argv = argv;
	s.env = env;
	s.keep_fds = keep;
	s.n_keep_fds = ARRAY_SIZE(keep);
	s.die_with_parent = true;
	return spawn_run(&s, 0, NULL, e);
}

static const char *loader_path(const char *arch)
{
	return arch && strcmp(arch, "arm64") == 0 ? "::/EFI/Boot/bootaa64.efi"
						  : "::/EFI/Boot/bootx64.efi";
}

int nanos_esp_write(int fd, uint64_t at, int loader, const char *arch,
		    struct volt_error *e)
{
	char image[FD_PATH_SIZE], from[FD_PATH_SIZE], sectors[32];
	const char *const format[] = { "mformat", "-i", image, "-F", "-T", sectors,
				       "-h",      "64", "-s",  "32", "-c", "1",
				       "-N",      "0",  "::",  NULL };
	const char *const mkdirs[] = {
		"mmd", "-i", image, "::/EFI", "::/EFI/Boot", NULL
	};
	const char *const copy[] = {
		"mcopy", "-i", image, from, loader_path(arch), NULL
	};
	const char *const *const all[] = { format, mkdirs, copy };
	int r = 0;

	(void)snprintf(image, sizeof(image), "/proc/self/fd/%d@@%llu", fd,
		       (unsigned long long)at);
	(void)snprintf(from, sizeof(from), "/proc/self/fd/%d", loader);
	(void)snprintf(sectors, sizeof(sectors), "%llu", NANOS_ESP_SIZE / TFS_SECTOR);
	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(all); i++)
		r = run_mtool(all[i], fd, loader, e);
	return r < 0 ? fail_in(e, r, "make the EFI system partition (package mtools)")
		     : 0;
}
