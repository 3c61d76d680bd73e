/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <string.h>

/* How many names there are below @dirfd (which is closed), itself not counted. */
static inline long count_names(int dirfd)
{
	DIR *d = fdopendir(dirfd);
	long n = 0;

	for (struct dirent *de; d && (de = readdir(d));) {
		if (strcmp(de->d_name, ".") == 0 || strcmp(de->d_name, "..") == 0)
			continue;
		n++;
		if (de->d_type == DT_DIR)
			n += count_names(openat(dirfd, de->d_name,
						O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	}
	if (d)
		(void)closedir(d);
	return n;
}
