/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "volt.h"

#include "base/log.h"
#include "base/macro.h"
#include "rootfs/tfs.h"

/* A named volume: a disk with a Nanos file system (tfs.h) that outlives the machines which
 * use it. Its name is the file system's label, too, so it is no longer than one. */
#define VOLUME_NAME_MAX     TFS_LABEL_MAX
#define VOLUME_SIZE_DEFAULT (1ull << 30)
#define VOLUME_SIZE_MIN     (4ull << 20) /* the guest's log wants 1 MiB of it */
#define VOLUME_SIZE_MAX     (8ull << 40)
#define VOLUME_LABELS_MAX   1024

#define UUID_TEXT_SIZE 37 /* with its NUL */

struct volume {
	char name[VOLUME_NAME_MAX + 1];
	uint8_t uuid[16];
	uint64_t size; /* as the guest sees it, whole MiB */
	int64_t created_at;
	json_t *labels; /* owned: an object of strings */
};

void volume_done(struct volume *v);

/* What a caller wishes; zero is the default. */
struct volume_wish {
	const char *name; /* NULL: one is made up */
	uint64_t size;
	const json_t *labels;
};

/* Names of machines' form, 31 bytes at most. -EINVAL. */
int volume_check_name(const char *name, struct volt_error *e);

/* Makes an empty one, absent or complete. -EEXIST where the name is taken. */
int volume_create(int rootfd, const struct volume_wish *w, struct volume *ret,
		  struct volt_error *e);

/* -ENOENT where there is none; -EBADMSG, -EINVAL where what is there makes no sense. */
int volume_read(int rootfd, const char *name, struct volume *ret, struct volt_error *e);

/* Removes it whatever is in it. -EBUSY where a machine that runs uses it, -ENOENT. */
int volume_remove(int rootfd, const char *name, struct volt_error *e);

/* The disk, opened for a machine: one that writes, or several that read. The lock is the
 * descriptor's, wherever it is passed on to, and ends with the last of it. -EBUSY. */
int volume_take(int rootfd, const char *name, bool read_only, struct volume *ret,
		int *ret_fd, struct volt_error *e);

/* Sorted by name. One that cannot be read is logged and left out. */
struct volume_list {
	struct volume *v;
	size_t n;
};
int volume_list(int rootfd, const struct log *log, struct volume_list *ret,
		struct volt_error *e);
void volume_list_done(struct volume_list *l);

/* volume.json, which is hostile: -EINVAL. */
int volume_from_json(const json_t *j, const char *name, struct volume *ret,
		     struct volt_error *e);
json_t *volume_to_json(const struct volume *v); /* NULL: out of memory */

const char *uuid_text(const uint8_t uuid[static 16], char text[static UUID_TEXT_SIZE]);
int uuid_parse(const char *text, uint8_t ret[static 16]); /* -EINVAL */
int uuid_random(uint8_t ret[static 16]);
