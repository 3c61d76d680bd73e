/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libvolt: OCI images run as virtual machines.
 *
 * Four opaque objects: struct volt_ctx (a store and its machines), struct volt_machine
 * (one of them, by any of its names), struct volt_attach (a conversation with what runs
 * inside) and struct volt_nanos (a disk to look into). Everything with more than a name to it is a JSON document: a machine's wish is
 * the one volt.json(5) describes, options and answers are described here. Unknown members
 * of what is passed in are errors; answers may gain members.
 *
 * The library never prints, exits, or changes its caller's directory, umask, signals or
 * environment. A context and what was made from it belong to one thread at a time;
 * different contexts are independent, also on the same store.
 *
 * A function that can fail returns 0 or more, or a negative errno after writing *@e, which
 * may be NULL. Results are written on success only. Text a function returns through a
 * `char **` is the caller's, to be given to free().
 */
#ifndef VOLT_H
#define VOLT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * struct volt_error - why a call failed
 * @code: positive errno value, 0 while nothing has failed
 * @msg:  one line for a person, no newline, cut to fit
 *
 * The caller owns it and normally keeps it on the stack. It holds no pointers: nothing is
 * to be freed, it works when memory is out, and it goes through a pipe in one write.
 */
struct volt_error {
	int code;
	char msg[508];
};

struct volt_ctx;
struct volt_machine;
struct volt_attach;

/**
 * struct volt_progress - how far a long operation is
 * @what:       a word for what is going on: "fetch", "unpack", "rootfs", "push", …
 * @done:       bytes dealt with
 * @total:      bytes there will be, 0 when not known
 * @items:      layers (or files) dealt with
 * @items_total: how many there will be, 0 when not known
 */
struct volt_progress {
	const char *what;
	uint64_t done, total;
	unsigned int items, items_total;
};

/**
 * volt_log_fn - receives what is worth saying but is no error
 * @data:  as given to volt_set_log()
 * @level: as in syslog: LOG_WARNING, LOG_NOTICE, LOG_INFO, LOG_DEBUG
 * @line:  no newline
 */
typedef void (*volt_log_fn)(void *data, int level, const char *line);

/**
 * volt_progress_fn - receives progress, at most some tens of times a second
 * @data: as given to volt_set_progress()
 * @p:    valid during the call
 */
typedef void (*volt_progress_fn)(void *data, const struct volt_progress *p);

/**
 * volt_logs_fn - receives a machine's output, a line at a time
 * @data:    as given to volt_machine_logs()
 * @ns:      when it was written, nanoseconds since 1970
 * @stream:  1 is stdout, 2 is stderr, 0 is the console
 * @bytes:   the line without its newline; not NUL-terminated, any bytes
 * @size:    how many
 * @partial: no newline followed; the stream's next call goes on with the line
 *
 * Return: 0 to go on; anything else ends volt_machine_logs(), which returns it.
 */
typedef int (*volt_logs_fn)(void *data, int64_t ns, int stream, const void *bytes,
			    size_t size, bool partial);

/**
 * struct volt_output - what volt_attach_next() found
 * @stream: 1 is stdout (all of a terminal), 2 is stderr, 0 is the machine's end
 * @bytes:  valid until the next call
 * @size:   how many
 * @status: with the end: the exit status, 0 … 255
 */
struct volt_output {
	int stream;
	const void *bytes;
	size_t size;
	int status;
};

/* --- context --- */

/**
 * volt_version - the version of the library in use
 *
 * Return: "MAJOR.MINOR.PATCH", static.
 * Since: 0.1
 */
const char *volt_version(void);

/**
 * volt_ctx_new - open a store and its machines
 * @root: the directory that holds everything, run-time files in its "run"; NULL for
 *        /var/lib/volt and /run/volt (root) or $XDG_DATA_HOME/volt and $XDG_RUNTIME_DIR/volt
 * @ret:  to be given to volt_ctx_free()
 * @e:    why it failed
 *
 * Makes the directory if it is missing. Opens nothing else yet, so it is cheap.
 *
 * Return: 0 or a negative errno.
 * Since: 0.1
 */
int volt_ctx_new(const char *root, struct volt_ctx **ret, struct volt_error *e);

/**
 * volt_ctx_free - close a context
 * @ctx: may be NULL. Handles made from it must be freed before.
 *
 * Machines go on running.
 * Since: 0.1
 */
void volt_ctx_free(struct volt_ctx *ctx);

/**
 * volt_set_log - say where warnings and notes go
 * @ctx:  context
 * @fn:   NULL for nowhere, as at the start
 * @data: passed to @fn
 *
 * Since: 0.1
 */
void volt_set_log(struct volt_ctx *ctx, volt_log_fn fn, void *data);

/**
 * volt_set_progress - say where progress goes
 * @ctx:  context
 * @fn:   NULL for nowhere, as at the start
 * @data: passed to @fn
 *
 * Since: 0.1
 */
void volt_set_progress(struct volt_ctx *ctx, volt_progress_fn fn, void *data);

/**
 * volt_set_qemu - say where QEMU is
 * @ctx:       context
 * @directory: absolute path of a directory that has qemu-system-ARCH; NULL for the host's
 * @e:         why it failed
 *
 * Of the machines that are started through @ctx from now on.
 *
 * Return: 0 or a negative errno.
 * Since: 0.1
 */
int volt_set_qemu(struct volt_ctx *ctx, const char *directory, struct volt_error *e);

/**
 * volt_info - what this installation is and holds
 * @ctx: context
 * @ret: {"version", "root", "run", "host", "accel", "programs", "profiles", "store",
 *       "machines"} as an object; "machines" counts them by status
 * @e:   why it failed
 *
 * Return: 0 or a negative errno.
 * Since: 0.1
 */
int volt_info(struct volt_ctx *ctx, char **ret, struct volt_error *e);

/**
 * volt_doctor - look at all that running a machine needs
 * @ctx: context
 * @ret: array of {"check", "status": "ok"|"warning"|"error", "found", "advice"}
 * @e:   why it failed
 *
 * Return: how many checks have the status "error", or a negative errno.
 * Since: 0.1
 */
int volt_doctor(struct volt_ctx *ctx, char **ret, struct volt_error *e);

/* --- images --- */

/**
 * volt_pull - fetch an image and make it ready to boot
 * @ctx:     context
 * @image:   a name, or a transport and a place: "alpine", "docker://…", "oci:DIR",
 *           "oci-archive:FILE", "docker-archive:FILE", "containers-storage:NAME"
 * @options: {"arch", "tls_verify", "authfile", "creds", "policy"}, or NULL; "policy" is
 *           "always" (default), "missing", "newer" or "never"
 * @ret:     the manifest's digest, "sha256:…"; NULL if not wanted
 * @e:       why it failed
 *
 * Return: 0 or a negative errno; -ENOENT where there is no such image.
 * Since: 0.1
 */
int volt_pull(struct volt_ctx *ctx, const char *image, const char *options, char **ret,
	      struct volt_error *e);

/**
 * volt_push - send an image to a registry or a place
 * @ctx:         context
 * @image:       a local image
 * @destination: a name or a transport and a place; NULL for the image's own name
 * @options:     {"tls_verify", "authfile", "creds"}, or NULL
 * @e:           why it failed
 *
 * Return: 0 or a negative errno.
 * Since: 0.1
 */
int volt_push(struct volt_ctx *ctx, const char *image, const char *destination,
	      const char *options, struct volt_error *e);

/**
 * volt_build - make an image
 * @ctx:     context
 * @options: {"tag", and either "binary" (a path) with "name_in_image", "entrypoint", "cmd",
 *           "env", "workdir", "user", "ports", "labels", "arch", or "context" (a path) with
 *           "containerfile", "build_args", "target", "arch"}
 * @ret:     the manifest's digest; NULL if not wanted
 * @e:       why it failed
 *
 * Return: 0 or a negative errno.
 * Since: 0.1
 */
int volt_build(struct volt_ctx *ctx, const char *options, char **ret,
	       struct volt_error *e);

/**
 * volt_login - prove and keep credentials for a registry
 * @ctx:     context
 * @options: {"registry", "username", "password", "authfile", "tls_verify"}
 * @e:       why it failed
 *
 * Return: 0 or a negative errno; -EACCES where the registry refuses them.
 * Since: 0.1
 */
int volt_login(struct volt_ctx *ctx, const char *options, struct volt_error *e);

/**
 * volt_logout - forget credentials
 * @ctx:     context
 * @options: {"registry", "authfile", "all"}
 * @e:       why it failed
 *
 * Return: 0 or a negative errno.
 * Since: 0.1
 */
int volt_logout(struct volt_ctx *ctx, const char *options, struct volt_error *e);

/**
 * volt_image_exists - is there such an image here?
 * @ctx:   context
 * @image: a name, an id or its beginning
 * @e:     why it failed
 *
 * Return: 1, 0 or a negative errno.
 * Since: 0.1
 */
int volt_image_exists(struct volt_ctx *ctx, const char *image, struct volt_error *e);

/**
 * volt_image_list - the images that are here
 * @ctx: context
 * @ret: array of {"id", "digest", "names", "created_at", "size", "arch"}, newest first
 * @e:   why it failed
 *
 * Return: 0 or a negative errno.
 * Since: 0.1
 */
int volt_image_list(struct volt_ctx *ctx, char **ret, struct volt_error *e);

/**
 * volt_image_inspect - all about one image
 * @ctx:   context
 * @image: a name, an id or its beginning
 * @ret:   an object with podman's names for its members (Id, Digest, RepoTags, Config, …);
 *         "Volt" holds volt's own
 * @e:     why it failed
 *
 * Return: 0 or a negative errno; -ENOENT where there is no such image.
 * Since: 0.1
 */
int volt_image_inspect(struct volt_ctx *ctx, const char *image, char **ret,
		       struct volt_error *e);

/**
 * volt_image_tag - give an image one more name
 * @ctx:   context
 * @image: a name, an id or its beginning
 * @name:  the new name, taken from another image that has it
 * @e:     why it failed
 *
 * Return: 0 or a negative errno.
 * Since: 0.1
 */
int volt_image_tag(struct volt_ctx *ctx, const char *image, const char *name,
		   struct volt_error *e);

/**
 * volt_image_untag - take a name away, keep the image
 * @ctx:   context
 * @image: a name, an id or its beginning
 * @name:  one of its names; NULL for all
 * @e:     why it failed
 *
 * Return: 0 or a negative errno.
 * Since: 0.1
 */
int volt_image_untag(struct volt_ctx *ctx, const char *image, const char *name,
		     struct volt_error *e);

/* Flags of volt_image_remove() */
#define VOLT_REMOVE_FORCE 1u
#define VOLT_REMOVE_WHOLE 2u

/**
 * volt_image_remove - remove a name, and the image with its last one
 * @ctx:   context
 * @image: a name, an id or its beginning
 * @flags: VOLT_REMOVE_FORCE: by its id also with several names, and with the machines that
 *         were made from it; VOLT_REMOVE_WHOLE: the image with all its names or none of
 *         them, even where @image is one of several
 * @ret:   {"untagged": [names], "deleted": [ids]}; NULL if not wanted
 * @e:     why it failed
 *
 * Return: 0 or a negative errno; -EBUSY where a machine uses it.
 * Since: 0.1
 */
int volt_image_remove(struct volt_ctx *ctx, const char *image, unsigned int flags,
		      char **ret, struct volt_error *e);

/**
 * volt_image_prune - remove images without a name, and what nothing needs any more
 * @ctx: context
 * @all: also images with a name that no machine uses
 * @ret: {"deleted": [ids], "bytes": freed}; NULL if not wanted
 * @e:   why it failed
 *
 * Return: 0 or a negative errno.
 * Since: 0.1
 */
int volt_image_prune(struct volt_ctx *ctx, bool all, char **ret, struct volt_error *e);

/**
 * volt_image_load - take images from a file or directory
 * @ctx:  context
 * @path: an OCI archive, a docker archive or an OCI layout directory
 * @ret:  array of names (or ids, where there is no name); NULL if not wanted
 * @e:    why it failed
 *
 * Return: 0 or a negative errno.
 * Since: 0.1
 */
int volt_image_load(struct volt_ctx *ctx, const char *path, char **ret,
		    struct volt_error *e);

/**
 * volt_image_save - write an image to a file or directory
 * @ctx:    context
 * @image:  a name, an id or its beginning
 * @path:   where to; it must not exist
 * @format: "docker-archive", "oci-archive" or "oci-dir"
 * @e:      why it failed
 *
 * Return: 0 or a negative errno.
 * Since: 0.1
 */
int volt_image_save(struct volt_ctx *ctx, const char *image, const char *path,
		    const char *format, struct volt_error *e);

/* --- guest kernels --- */

/**
 * volt_kernel_import - take a kernel and the modules a machine needs
 * @ctx:     context
 * @options: {"name", "source", "modules", "arch", "guest"}; the source is "debian" (default;
 *           the distribution's cloud kernel, downloaded), "debian:PACKAGE", "host" (the
 *           running kernel's files), a .deb file, or a kernel image, whose modules are in
 *           the directory "modules". For the guest "nanos" (default: "linux") it is the
 *           directory or tar archive of a release, by default the newest below ~/.ops
 * @ret:     the kernel's name; NULL if not wanted
 * @e:       why it failed
 *
 * Return: 0 or a negative errno.
 * Since: 0.1
 */
int volt_kernel_import(struct volt_ctx *ctx, const char *options, char **ret,
		       struct volt_error *e);

/**
 * volt_kernel_build - build a small kernel from the distribution's sources
 * @ctx:     context
 * @options: {"name", "arch", "source", "jobs"}, or NULL
 * @ret:     the kernel's name; NULL if not wanted
 * @e:       why it failed
 *
 * Return: 0 or a negative errno.
 * Since: 0.1
 */
int volt_kernel_build(struct volt_ctx *ctx, const char *options, char **ret,
		      struct volt_error *e);

/**
 * volt_kernel_list - the kernels that are here
 * @ctx: context
 * @ret: array of {"name", "guest", "arch", "version", "source", "size", "default",
 *       "created_at", "digest"}
 * @e:   why it failed
 *
 * Return: 0 or a negative errno.
 * Since: 0.1
 */
int volt_kernel_list(struct volt_ctx *ctx, char **ret, struct volt_error *e);

/**
 * volt_kernel_remove - remove a kernel
 * @ctx:  context
 * @name: its name
 * @e:    why it failed
 *
 * Return: 0 or a negative errno.
 * Since: 0.1
 */
int volt_kernel_remove(struct volt_ctx *ctx, const char *name, struct volt_error *e);

/**
 * volt_kernel_default - choose the kernel of machines that name none
 * @ctx:  context
 * @name: its name; it becomes the default of its kind and architecture
 * @e:    why it failed
 *
 * Return: 0 or a negative errno.
 * Since: 0.1
 */
int volt_kernel_default(struct volt_ctx *ctx, const char *name, struct volt_error *e);

/* --- machines --- */

/**
 * volt_machine_create - make a machine from an image
 * @ctx:     context
 * @spec:    its wish, as volt.json(5) describes; "image" may be {"ref": NAME}
 * @options: {"pull", "replace", "start", "lock", "tls_verify", "authfile", "creds"}, or
 *           NULL; "pull" is "missing" (default), "always", "newer" or "never"; "replace" removes
 *           the machine that has the name; "start" says that it will be started, so that
 *           what it lacks for that is said before anything is pulled or removed, and
 *           "lock" that volt_machine_lock() will be called
 * @ret:     to be given to volt_machine_free(); NULL if not wanted
 * @e:       why it failed
 *
 * Return: 0 or a negative errno; -EEXIST where the name is taken, -ESTALE where the wish
 * has a "lock" and something there differs.
 * Since: 0.1
 */
int volt_machine_create(struct volt_ctx *ctx, const char *spec, const char *options,
			struct volt_machine **ret, struct volt_error *e);

/**
 * volt_machine_open - find a machine
 * @ctx:  context
 * @name: its name, its id or the beginning of its id
 * @ret:  to be given to volt_machine_free()
 * @e:    why it failed
 *
 * It may be removed while it is open. To stop it and to remove it succeeds then, to wait for it
 * gives its exit status; all else fails with -EIDRM.
 *
 * Return: 0 or a negative errno; -ENOENT where there is none, -EEXIST where several have
 * ids that begin so.
 * Since: 0.1
 */
int volt_machine_open(struct volt_ctx *ctx, const char *name, struct volt_machine **ret,
		      struct volt_error *e);

/**
 * volt_machine_free - let go of a handle; the machine stays as it is
 * @m: may be NULL
 *
 * Since: 0.1
 */
void volt_machine_free(struct volt_machine *m);

/**
 * volt_machine_id - a machine's id
 * @m: machine
 *
 * Return: 64 hexadecimal digits, as long as @m lives.
 * Since: 0.1
 */
const char *volt_machine_id(const struct volt_machine *m);

/**
 * volt_machine_lock - what a machine is made of
 * @m:   machine
 * @ret: an object that names, each by its digest, the image, its root file system, the
 *       kernel and the profile that it would be started with now; as "lock" of a wish for
 *       volt_machine_create() it keeps that machine from being started with anything else
 * @e:   why it failed
 *
 * Return: 0 or a negative errno.
 * Since: 0.1
 */
int volt_machine_lock(struct volt_machine *m, char **ret, struct volt_error *e);

/**
 * volt_machine_start - boot a machine
 * @m:          machine
 * @options:    {"begun": when the wish was uttered, nanoseconds of CLOCK_BOOTTIME, for the
 *              timeline, "remove_on_failure": bool, "stdin": bool, with streams only}, or
 *              NULL
 * @ret:        its streams from the first byte on, for volt_attach_free(); NULL if not
 *              wanted
 * @ret_status: on failure, the exit status a shell would give: 127 where the image has no
 *              such program, 126 where it cannot be run, else 125; may be NULL
 * @e:          why it failed
 *
 * Returns when its workload runs. A caller that dies before has given the start up.
 *
 * Return: 0 or a negative errno; -EALREADY where it runs.
 * Since: 0.1
 */
int volt_machine_start(struct volt_machine *m, const char *options,
		       struct volt_attach **ret, int *ret_status, struct volt_error *e);

/**
 * volt_machine_become - boot a machine in the foreground
 * @m:       machine
 * @options: {"begun", "remove_on_failure"} as for volt_machine_start(), or NULL
 * @e:       why it failed
 *
 * The calling process becomes the machine's supervisor by execve(), keeps its pid,
 * environment, stdout and stderr, and lives as long as the machine runs. It speaks
 * sd_notify(3) where NOTIFY_SOCKET is set, takes SIGTERM for a wish to end, and exits with
 * the workload's status, with 0 where the machine was asked to end.
 *
 * Return: a negative errno; nothing on success. -EALREADY where it runs.
 * Since: 0.1
 */
int volt_machine_become(struct volt_machine *m, const char *options,
			struct volt_error *e);

/**
 * volt_machine_stop - end a machine: its signal, the end of its init, then force
 * @m:       machine; nothing happens if it does not run
 * @timeout: seconds before force is used, -1 for the machine's own
 * @e:       why it failed
 *
 * Return: 0 or a negative errno.
 * Since: 0.1
 */
int volt_machine_stop(struct volt_machine *m, int timeout, struct volt_error *e);

/**
 * volt_machine_kill - send a signal to what runs in a machine
 * @m:      machine
 * @signal: "SIGTERM", "TERM", "15"
 * @e:      why it failed
 *
 * SIGKILL ends the machine itself.
 *
 * Return: 0 or a negative errno; -ESRCH where it does not run.
 * Since: 0.1
 */
int volt_machine_kill(struct volt_machine *m, const char *signal, struct volt_error *e);

/**
 * volt_machine_pause - stop a machine's processors, or let them go on
 * @m:  machine
 * @on: stop them
 * @e:  why it failed
 *
 * Return: 0 or a negative errno; -ESRCH where it does not run.
 * Since: 0.1
 */
int volt_machine_pause(struct volt_machine *m, bool on, struct volt_error *e);

/**
 * volt_machine_restart - stop and start a machine
 * @m:       machine
 * @timeout: as for volt_machine_stop()
 * @e:       why it failed
 *
 * Return: 0 or a negative errno.
 * Since: 0.1
 */
int volt_machine_restart(struct volt_machine *m, int timeout, struct volt_error *e);

/**
 * volt_machine_remove - remove a machine and all it wrote
 * @m:     machine; its handle stays to be freed
 * @force: stop it at once if it runs
 * @e:     why it failed
 *
 * Return: 0 or a negative errno; -EBUSY where it runs.
 * Since: 0.1
 */
int volt_machine_remove(struct volt_machine *m, bool force, struct volt_error *e);

/**
 * volt_machine_prune - remove every machine that has ended
 * @ctx: context
 * @ret: array of ids; NULL if not wanted
 * @e:   why it failed
 *
 * Return: 0 or a negative errno.
 * Since: 0.1
 */
int volt_machine_prune(struct volt_ctx *ctx, char **ret, struct volt_error *e);

/**
 * volt_machine_wait - wait until a machine has ended
 * @m:   machine
 * @ret: its exit status, 0 … 255
 * @e:   why it failed
 *
 * Return: 0 or a negative errno.
 * Since: 0.1
 */
int volt_machine_wait(struct volt_machine *m, int *ret, struct volt_error *e);

/**
 * volt_machine_inspect - all about one machine
 * @m:   machine
 * @ret: an object; its "spec" is the machine's wish, its "state" the fact, its "digests"
 *       what it runs on
 * @e:   why it failed
 *
 * Return: 0 or a negative errno.
 * Since: 0.1
 */
int volt_machine_inspect(struct volt_machine *m, char **ret, struct volt_error *e);

/**
 * volt_machine_list - the machines of a context
 * @ctx:     context
 * @options: {"all": bool, "filters": ["name=…", "id=…", "label=…", "status=…",
 *           "ancestor=…", "exited=…"]}, or NULL; without "all", and unless a filter asks
 *           for a status or an exit status, only running ones
 * @ret:     array, newest first
 * @e:       why it failed
 *
 * Return: 0 or a negative errno.
 * Since: 0.1
 */
int volt_machine_list(struct volt_ctx *ctx, const char *options, char **ret,
		      struct volt_error *e);

/**
 * volt_machine_logs - read what a machine wrote
 * @m:       machine
 * @options: {"follow", "tail", "since", "until", "console"}, or NULL; times are
 *           nanoseconds since 1970
 * @fn:      receives it, oldest first
 * @data:    passed to @fn
 * @e:       why it failed
 *
 * With "follow" it returns when the machine has ended.
 *
 * Return: 0, what @fn returned, or a negative errno.
 * Since: 0.1
 */
int volt_machine_logs(struct volt_machine *m, const char *options, volt_logs_fn fn,
		      void *data, struct volt_error *e);

/**
 * volt_machine_attach - talk to what runs in a machine
 * @m:       machine
 * @options: {"stdin": bool}, or NULL
 * @ret:     to be given to volt_attach_free(), before @m is freed
 * @e:       why it failed
 *
 * Return: 0 or a negative errno; -ESRCH where it does not run, -EBUSY where another has
 * its stdin.
 * Since: 0.1
 */
int volt_machine_attach(struct volt_machine *m, const char *options,
			struct volt_attach **ret, struct volt_error *e);

/**
 * volt_generate_systemd - a unit of systemd for a machine
 * @m:       machine
 * @options: {"new", "id", "header", "program", "restart_policy", "restart_sec",
 *           "start_timeout", "stop_timeout", "after", "wants", "requires"}, or NULL; with
 *           "new" the unit makes the machine anew from its wish each time, else it starts
 *           this one, by its name or, with "id", by its id; "program" is the absolute path
 *           of volt; the last three are arrays of units
 * @ret:     {"unit": the unit's name, "text": what is in its file}
 * @e:       why it failed
 *
 * A unit made by root is one for the system's service manager, else for the user's.
 *
 * Return: 0 or a negative errno; -ENOTSUP where the wish cannot be said to `volt run`.
 * Since: 0.1
 */
int volt_generate_systemd(struct volt_machine *m, const char *options, char **ret,
			  struct volt_error *e);

/* --- streams --- */

/**
 * volt_attach_fd - what to poll before volt_attach_next()
 * @a: streams
 *
 * Return: a descriptor that stays the library's.
 * Since: 0.1
 */
int volt_attach_fd(const struct volt_attach *a);

/**
 * volt_attach_events - what to poll that descriptor for
 * @a: streams
 *
 * Return: POLLIN, and POLLOUT while something taken is not sent yet.
 * Since: 0.1
 */
short volt_attach_events(const struct volt_attach *a);

/**
 * volt_attach_next - take what has arrived and send what waits, without waiting
 * @a:   streams
 * @ret: what it is
 * @e:   why it failed
 *
 * Return: 0 or a negative errno; -EAGAIN, without a message, when nothing has arrived.
 * Since: 0.1
 */
int volt_attach_next(struct volt_attach *a, struct volt_output *ret,
		     struct volt_error *e);

/**
 * volt_attach_write - send to the workload's stdin, without waiting
 * @a:     streams
 * @bytes: what to send
 * @size:  how many; 0 closes its stdin
 * @e:     why it failed
 *
 * Return: how many bytes were taken, perhaps fewer than @size; -EAGAIN when there is no
 * room until volt_attach_fd() is writable (go on reading meanwhile, or both sides wait for
 * each other); -EPIPE when it has no stdin any more; another negative errno.
 * Since: 0.1
 */
int volt_attach_write(struct volt_attach *a, const void *bytes, size_t size,
		      struct volt_error *e);

/**
 * volt_attach_resize - tell its terminal the size of ours
 * @a:       streams
 * @rows:    lines
 * @columns: characters
 * @e:       why it failed
 *
 * Return: 0 or a negative errno.
 * Since: 0.1
 */
int volt_attach_resize(struct volt_attach *a, unsigned int rows, unsigned int columns,
		       struct volt_error *e);

/**
 * volt_attach_free - end the conversation; the machine goes on
 * @a: may be NULL
 *
 * Since: 0.1
 */
void volt_attach_free(struct volt_attach *a);

#ifdef __cplusplus
}
#endif

#include "volt-nanos.h" /* disks of Nanos guests */
#include "volt-store.h" /* profiles and the content store */

#endif
