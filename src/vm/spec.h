/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/strv.h"
#include "net/port.h"
#include "profile/kvm.h"
#include "vm/disk.h"

/* A machine's wish in memory: the document of doc/formats.md, "machine.json". One parser
 * serves the API, the disk and the supervisor; what it lets through is valid everywhere.
 *
 * Strings that may be absent are NULL. Times are nanoseconds since 1970. */

enum guest_kind {
	GUEST_LINUX, /* an image's workload under volt's kernel and init */
	GUEST_DISK,  /* whatever a disk boots by UEFI */
	GUEST_NANOS  /* an image's program on a Nanos kernel, with nothing beside it */
};
enum net_mode {
	NET_USER,
	NET_NONE
};
enum restart_policy {
	RESTART_NO,
	RESTART_ON_FAILURE,
	RESTART_ALWAYS,
	RESTART_UNLESS_STOPPED
};

struct spec_image {
	char *ref;  /* as typed */
	char *name; /* full; NULL in a wish, and so are the digests zero */
	struct digest digest, config, tree;
};

/* What a guest of kind `disk` has in place of an image. */
struct spec_disk {
	char *path; /* absolute, on the host */
	enum disk_format format;
	bool generic; /* devices that every system has drivers for, instead of virtio */
	bool no_tpm;
};

enum boot_kind {
	BOOT_DIRECT, /* QEMU loads the kernel */
	BOOT_BIOS,   /* the disk's boot sector, under SeaBIOS */
	BOOT_UEFI    /* a loader on the disk, under OVMF */
};

#define SPEC_KLIBS_MAX 64

struct spec_nanos {
	enum boot_kind boot;
	bool full; /* the whole image, not only what its program needs */
	struct strv klibs;
	json_t *attributes; /* of the root, besides volt's own; or NULL */
};

struct spec_volume {
	char *source; /* absolute path on the host, or a volume's name */
	char *target; /* absolute and clean, not "/" */
	bool read_only;
	bool file; /* Nanos: the source was a single file when the machine was made */
};

struct spec_tmpfs {
	char *target; /* absolute and clean, not "/" */
	char *options;
};

/* What runs in the guest: the image's config and the wish, merged when the machine is
 * created. Present (args.n > 0) in every stored spec of a guest that has an image. */
struct spec_process {
	struct strv args;
	struct strv env;
	char *cwd;
	char *user; /* "" is root; resolved by init inside the image */
	int stop_signal;
};

struct spec {
	char id[DIGEST_HEX_SIZE]; /* "" in a wish: machine_create() makes it */
	char *name;               /* NULL in a wish: machine_create() makes it */
	int64_t created_at;

	enum guest_kind guest;
	struct spec_image image; /* empty for GUEST_DISK */
	struct spec_disk disk;   /* empty for all others */
	struct spec_nanos nanos; /* likewise */
	char *arch;              /* NULL: the host's */
	enum accel accel;
	char *kernel;

	bool has_entrypoint, has_cmd;
	struct strv entrypoint, cmd, env;
	char *workdir, *user, *hostname;
	bool tty, open_stdin;
	struct spec_process process;

	uint64_t memory;
	unsigned int cpus;
	enum net_mode network;
	struct ports ports;
	struct spec_volume *volumes;
	size_t n_volumes;
	struct spec_tmpfs *tmpfs;
	size_t n_tmpfs;
	bool read_only, rm;

	enum restart_policy restart;
	unsigned int max_retries; /* 0: without limit */
	int stop_signal;          /* of the wish; 0: the image's */
	unsigned int stop_timeout;
	struct strv labels; /* "key=value", sorted by key */
	json_t *lock;       /* what it is to run on, exactly; NULL: whatever there is */
	uint64_t log_max_size;
	unsigned int log_max_files;
};

enum spec_form {
	SPEC_WISH, /* from a caller: no id, created_at, process; image is {"ref"} or whole */
	SPEC_STORED /* machine.json: everything resolved */
};

int spec_parse(const json_t *j, enum spec_form form, struct spec **ret,
	       struct volt_error *e);
bool volume_is_named(const struct spec_volume *v);
json_t *spec_to_json(const struct spec *s); /* NULL: out of memory */
void spec_free(struct spec *s);
DEFINE_CLEANUP(struct spec *, spec_free)

/* Appends the arguments of `volt run` that mean this wish, image and command included.
 * -ENOTSUP, with a message, for what only another caller of the library can have wished. */
int spec_args(const struct spec *s, struct strv *ret, struct volt_error *e);

const char *spec_restart_text(enum restart_policy p);
const char *spec_accel_text(enum accel a);
const char *spec_guest_text(enum guest_kind g);
const char *spec_boot_text(enum boot_kind b);

bool spec_user_is_root(const char *user); /* NULL and "" are */
/* -ENOTSUP where no Nanos guests of @arch (volt's word) are run. */
int nanos_check_arch(const char *arch, struct volt_error *e);
