/* SPDX-License-Identifier: Apache-2.0 */
/* What volt.h has of Nanos guests' disks; include that. */
#ifndef VOLT_NANOS_H
#define VOLT_NANOS_H

#include "volt.h"

#ifdef __cplusplus
extern "C" {
#endif

/* --- Nanos: what a guest gets --- */

/**
 * volt_nanos_plan - what of an image a Nanos guest would get, and what that costs
 * @ctx:     context
 * @spec:    its wish, as for volt_machine_create(), with "guest": "nanos"
 * @options: {"files": bool}, or NULL; with their names, too
 * @ret:     {"program", "arguments", "arch", "full", "libraries", "notes", "in": {"files",
 *           "bytes"}, "left_out": [{"rule", "what", "files", "bytes"}], "costs": {"boot_us",
 *           "guest_bytes", "memory_least", "memory_sensible"}, "digest", "files"}
 * @e:       why it failed
 *
 * An image that is not here is pulled; nothing else is made.
 *
 * Return: 0 or a negative errno; -ENOENT, -EACCES, -ENOEXEC where Nanos cannot run its
 * program.
 * Since: 0.1
 */
int volt_nanos_plan(struct volt_ctx *ctx, const char *spec, const char *options,
		    char **ret, struct volt_error *e);

/* --- Nanos: what is on a disk --- */

struct volt_nanos;

/**
 * struct volt_nanos_file - a file on a disk of Nanos
 * @path:      from the root on, with a slash before it; any bytes, as is @target
 * @type:      "directory", "file", "link" or "special"
 * @target:    of a link, else NULL
 * @size:      bytes; of a directory, the names in it; of a link, of its target
 * @allocated: bytes of the disk
 * @mtime:     seconds since 1970, 0 where it is not kept
 * @links:     how many names it has
 */
struct volt_nanos_file {
	const char *path, *type, *target;
	uint64_t size, allocated;
	int64_t mtime;
	unsigned int links;
};

/**
 * volt_nanos_file_fn - receives a file of volt_nanos_list()
 * @data: as given to it
 * @file: valid during the call
 *
 * Return: 0 to go on; anything else ends volt_nanos_list(), which returns it.
 */
typedef int (*volt_nanos_file_fn)(void *data, const struct volt_nanos_file *file);

/**
 * volt_nanos_bytes_fn - receives what volt_nanos_read() reads
 * @data:  as given to it
 * @bytes: valid during the call
 * @size:  how many
 *
 * Return: 0 to go on; anything else ends volt_nanos_read(), which returns it.
 */
typedef int (*volt_nanos_bytes_fn)(void *data, const void *bytes, size_t size);

/**
 * volt_nanos_open - look into a disk of Nanos
 * @ctx:     context
 * @disk:    the path of a raw disk or volume, or of an overlay over one; without a slash,
 *           where there is no such file, a machine, whose disk is meant
 * @options: {"base": the path of what an overlay lies over, "bootfs": bool, to list and read
 *           the file system that holds the kernel}, or NULL
 * @ret:     to be given to volt_nanos_free()
 * @e:       why it failed
 *
 * Nothing is written to it. What a machine that runs has written may be read in part.
 *
 * Return: 0 or a negative errno; -ENOTSUP where it is none of Nanos, -ENOENT where there is
 * neither such a file nor such a machine.
 * Since: 0.1
 */
int volt_nanos_open(struct volt_ctx *ctx, const char *disk, const char *options,
		    struct volt_nanos **ret, struct volt_error *e);

/**
 * volt_nanos_list - the files on a disk of Nanos
 * @d:         disk
 * @path:      a directory of it, or a file; links that it leads through are followed
 * @recursive: also what is below the directories in it
 * @fn:        receives what is in the directory, sorted by bytes, or the file itself
 * @data:      passed to @fn
 * @e:         why it failed
 *
 * Return: 0, what @fn returned, or a negative errno; -ENOTSUP where it has another version
 * than volt reads, -EBADMSG where it is broken.
 * Since: 0.1
 */
int volt_nanos_list(struct volt_nanos *d, const char *path, bool recursive,
		    volt_nanos_file_fn fn, void *data, struct volt_error *e);

/**
 * volt_nanos_read - the content of a file on a disk of Nanos
 * @d:    disk
 * @path: a regular file, or a link to one
 * @fn:   receives it from its beginning on
 * @data: passed to @fn
 * @e:    why it failed
 *
 * Return: 0, what @fn returned, or a negative errno as volt_nanos_list(); -EISDIR for a
 * directory.
 * Since: 0.1
 */
int volt_nanos_read(struct volt_nanos *d, const char *path, volt_nanos_bytes_fn fn,
		    void *data, struct volt_error *e);

/**
 * volt_nanos_dump - how a disk of Nanos is laid out, and what the kernel is told by it
 * @d:   disk
 * @ret: {"size", "partitioned", "overlay", "crash_log", "esp", "bootfs", "root"}; the crash
 *       log is null or {"at", "boot_id", "exit_code", "text"}, "esp" is null or {"at",
 *       "size"}, the others null or, with what cannot be read, {"at", "size", "error"},
 *       else {"at", "size", "label", "uuid", "attributes", "log": [{"at", "size"}],
 *       "log_end", "log_left", "records", "free", "largest_free", "directories", "files",
 *       "links", "specials"}; numbers are bytes of the disk, and in text a byte that is no
 *       UTF-8 is \xHH
 * @e:   why it failed
 *
 * Return: 0 or a negative errno.
 * Since: 0.1
 */
int volt_nanos_dump(struct volt_nanos *d, char **ret, struct volt_error *e);

/**
 * volt_nanos_free - let go of a disk
 * @d: may be NULL
 *
 * Since: 0.1
 */
void volt_nanos_free(struct volt_nanos *d);

/* --- volumes --- */

/**
 * volt_volume_create - make an empty volume
 * @ctx:     context
 * @options: {"name", "size", "labels"}, or NULL; without a name one is made up, the size is in
 *           bytes, whole MiB, and 1 GiB without it; labels are an object of strings
 * @ret:     the volume's name; NULL if not wanted
 * @e:       why it failed
 *
 * A volume is a disk with a file system of Nanos', which outlives the machines that use it.
 * Its name has at most 31 bytes.
 *
 * Return: 0 or a negative errno; -EEXIST where the name is taken.
 * Since: 0.1
 */
int volt_volume_create(struct volt_ctx *ctx, const char *options, char **ret,
		       struct volt_error *e);

/**
 * volt_volume_list - the volumes that are here
 * @ctx: context
 * @ret: array of {"name", "uuid", "size", "labels", "created_at"}, by name
 * @e:   why it failed
 *
 * Return: 0 or a negative errno.
 * Since: 0.1
 */
int volt_volume_list(struct volt_ctx *ctx, char **ret, struct volt_error *e);

/**
 * volt_volume_inspect - all about one volume
 * @ctx:  context
 * @name: its name
 * @ret:  an object with podman's members; "Size" in bytes, "UUID" of its file system, "Disk",
 *        the path of its disk
 * @e:    why it failed
 *
 * Return: 0 or a negative errno; -ENOENT where there is none.
 * Since: 0.1
 */
int volt_volume_inspect(struct volt_ctx *ctx, const char *name, char **ret,
			struct volt_error *e);

/**
 * volt_volume_remove - remove a volume and all that is in it
 * @ctx:   context
 * @name:  its name
 * @force: and the machines that use it, running or not
 * @e:     why it failed
 *
 * Return: 0 or a negative errno; -EBUSY where a machine, running or not, uses it, -ENOENT where
 * there is none.
 * Since: 0.1
 */
int volt_volume_remove(struct volt_ctx *ctx, const char *name, bool force,
		       struct volt_error *e);

/**
 * volt_volume_prune - remove every volume that no machine uses
 * @ctx: context
 * @ret: array of their names; NULL if not wanted
 * @e:   why it failed
 *
 * Return: 0 or a negative errno.
 * Since: 0.1
 */
int volt_volume_prune(struct volt_ctx *ctx, char **ret, struct volt_error *e);

#ifdef __cplusplus
}
#endif

#endif
