/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>

#include "base/workdir.h"
#include "guest/kernel.h"

/* kernel.json in memory, and the directory it is in. Shared by the files of this layer. */
#define KERNELS_DIR "kernels"

struct kernel_module {
	char *name;
	const char *when; /* static */
	struct digest object;
};

/* Of a Nanos release, besides the kernel. */
struct kernel_file {
	char *path; /* in its directory */
	struct digest object;
};

struct kernel_record {
	const char *guest; /* static: KERNEL_LINUX or KERNEL_NANOS */
	char *name, *release, *source, *created_at;
	const char *arch; /* static */
	unsigned int abilities;
	uint64_t size;
	struct digest image;

	/* Linux */
	struct digest init, initramfs;
	struct kernel_module *modules;
	size_t n_modules;

	/* Nanos */
	struct digest digest; /* of the whole release */
	struct kernel_file *files;
	size_t n_files;
};
void kernel_record_done(struct kernel_record *k);

/* Opens kernels/, making it if @make; else -ENOENT where there is none. */
int kernels_open(const struct kernels *ks, bool make);
int kernels_lock(int dirfd, struct volt_error *e);

/* A directory to work in, below it. */
int kernels_workdir(const struct kernels *ks, struct workdir *w, struct volt_error *e);

/* Removes what crashes have left, with the lock held: directories in the making and refs
 * without a directory. */
void kernels_clear(const struct kernels *ks, int dirfd);

/* Opens the directory of the kernel @name below kernels/ and reads its record. -ENOENT,
 * -EINVAL: no name for one, -EBADMSG. */
int kernel_record_open(int dirfd, const char *name, struct kernel_record *ret,
		       struct volt_error *e);

/* What kernel.json says. -EBADMSG names the member. */
int kernel_record_parse(const json_t *j, const char *name, struct kernel_record *ret,
			struct volt_error *e);

/* @dirfd is that of the kernel. -ENOENT, -EBADMSG. */
int kernel_record_read(int dirfd, const char *name, struct kernel_record *ret,
		       struct volt_error *e);
int kernel_record_write(int dirfd, const struct kernel_record *k, struct volt_error *e);

/* The ref that keeps its objects. */
int kernel_record_ref(struct store *s, const struct kernel_record *k,
		      struct volt_error *e);

/* "initramfs-" and 12 digits of its digest. */
#define INITRAMFS_NAME_SIZE 32
const char *initramfs_name(const struct digest *d, char name[static INITRAMFS_NAME_SIZE]);

/* Builds the initramfs of @init and @k's modules, as an object not yet committed; sets
 * @k->init and @k->initramfs. */
struct ingest;
int initramfs_make(struct store *s, struct ingest *g, const char *init,
		   struct kernel_record *k, uint64_t *ret_size, struct volt_error *e);

/* Whether Debian has one for machines of @arch (volt's word). */
bool kernel_is_in_debian(const char *arch);

/* The name of the default kernel. -ENOENT: none is. */
#define KERNEL_NAME_SIZE 256
int kernel_default_read(int dirfd, const char *guest, const char *arch,
			char name[static KERNEL_NAME_SIZE]);
int kernel_default_write(int dirfd, const struct kernel_record *k, struct volt_error *e);
/* Whether there is one in the place of @k. */
bool kernel_has_default(int dirfd, const struct kernel_record *k);

/* How a record from before this import begins: its time, and what is for all kinds. */
int kernel_record_begin(struct kernel_record *k, const char *release, const char *source,
			struct volt_error *e);

/* With the lock held: -EEXIST where the name is in use, else what crashes have left goes. */
int kernel_make_room(const struct kernels *ks, int dirfd, const char *name,
		     struct volt_error *e);

/* Gives a kernel whose objects are committed, and under an ingest still, its ref, its
 * directory and, where there is none, its place as the default. With the lock held. */
int kernel_put(const struct kernels *ks, int dirfd, const struct kernel_record *k,
	       struct volt_error *e);

/* A new kernel, from import or build: puts it into the store and its directory in place,
 * and makes it the default of its architecture if that has none. */
struct kernel_image;
struct modules;
struct kernel_new {
	const char *name;   /* NULL: @prefix and the release */
	const char *prefix; /* "" or "volt-" */
	const char *source;
	const struct kernel_image *image;
	const struct modules *modules;
};
int kernel_add(const struct kernels *ks, const struct kernel_new *n, char **ret_name,
	       struct volt_error *e);
