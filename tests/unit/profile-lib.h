/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <errno.h>

#include "base/io.h"
#include "base/log.h"
#include "profile/assemble.h"
#include "profile/build.h"
#include "profile/verify.h"
#include "profile/versions.h"
#include "store-lib.h"

/* Profiles in a store of their own; struct fixture is store-lib.h's. */

static inline struct profiles profiles_of(const struct fixture *f)
{
	return (struct profiles){ .rootfd = f->root, .store = f->store };
}

/* A file below the fixture's root, whatever directories that takes. */
static inline int write_below(const struct fixture *f, const char *path, const char *text,
			      mode_t mode)
{
	const char *slash = strrchr(path, '/');
	char dir[256];
	int d, fd, r;

	(void)snprintf(dir, sizeof(dir), "%.*s", slash ? (int)(slash - path) : 1,
		       slash ? path : ".");
	d = slash ? mkdir_beneath(f->root, dir, 0755) : dup(f->root);
	if (d < 0)
		return d;
	fd = openat(d, slash ? slash + 1 : path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
		    mode);
	r = fd < 0 ? -errno : write_all(fd, text, strlen(text));
	(void)close(fd);
	(void)close(d);
	return r;
}

static inline char *read_below(const struct fixture *f, const char *path)
{
	char *text = NULL;

	return read_file_at(f->root, path, 1 << 20, &text, NULL) < 0 ? NULL : text;
}

/* A small profile in @dir: what its parts are called is real, what is in them is not. */
static inline bool write_profile(const struct fixture *f, const char *dir,
				 const char *flavour)
{
	static const char *const files[][2] = {
		{ "bin/qemu-system-x86_64", "the emulator " },
		{ "lib/ld-linux-x86-64.so.2", "the loader " },
		{ "lib/libc.so.6", "the library" },
		{ "lib/qemu/accel-tcg-x86_64.so", "the module " },
		{ "firmware/bios-256k.bin", "the firmware" },
	};
	char path[256], text[64];
	bool good = true;

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		const char *what = files[i][1];

		/* What ends with a space differs from flavour to flavour. */
		(void)snprintf(path, sizeof(path), "%s/%s", dir, files[i][0]);
		(void)snprintf(text, sizeof(text), "%s%s", what,
			       what[strlen(what) - 1] == ' ' ? flavour : "");
		good &= write_below(f, path, text, 0755) == 0;
	}
	return good;
}

/* Stores what write_profile() made in @dir. */
static inline int store_profile(struct fixture *f, const char *name, const char *dir,
				struct profile_manifest **ret)
{
	const struct profile_about about = { .name = name,
					     .version = "7.2.22",
					     .arch = "x86_64",
					     .capabilities =
						     PROFILE_CAN_KVM | PROFILE_CAN_TCG };
	const struct profiles ps = profiles_of(f);
	_cleanup_close_ int fd = open_beneath(f->root, dir, O_RDONLY | O_DIRECTORY, 0);
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/%s", f->path, dir);
	return profile_store_directory(&ps, &about, fd, path, ret, &f->e);
}

static inline void assembled_close(struct assembled *a)
{
	closep(&a->root);
	closep(&a->lock);
}
#define _cleanup_assembled_ _cleanup_(assembled_close)
#define _cleanup_manifest_  _cleanup_(profile_manifest_freep)
