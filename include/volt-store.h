/* SPDX-License-Identifier: Apache-2.0 */
/* What volt.h has of profiles and of the content store; include that. */
#ifndef VOLT_STORE_H
#define VOLT_STORE_H

#include "volt.h"

#ifdef __cplusplus
extern "C" {
#endif

/* --- profiles: QEMU in the content store --- */

/**
 * volt_profile_select - which profile would a machine get, and why?
 * @ctx:     context
 * @options: {"mode", "arch", "os"}, or NULL; "mode" is "auto" (default), "hybrid-kvm" or
 *           "hybrid-emulated", "os" is "linux" (default), "nanos", "windows" or "uefi"; the
 *           architecture is the host's by default
 * @ret:     {"profile", "accel", "mode", "arch", "os", "host_arch", "kvm_usable", "needs",
 *           "why"}; "needs" are the capabilities that it must have
 * @e:       why it failed
 *
 * Return: 0 or a negative errno; -ENOTSUP where KVM is asked for and this host's does not
 * run that architecture.
 * Since: 0.1
 */
int volt_profile_select(struct volt_ctx *ctx, const char *options, char **ret,
			struct volt_error *e);

/**
 * volt_profile_list - the profiles that are here, in all their versions
 * @ctx: context
 * @ret: array of {"name", "ref", "digest", "current", "assembled", "qemu_version", "arch",
 *       "guests", "capabilities", "size", "created_at"}, by name, newest first; the current
 *       version is the one that "name" means
 * @e:   why it failed
 *
 * Return: 0 or a negative errno.
 * Since: 0.1
 */
int volt_profile_list(struct volt_ctx *ctx, char **ret, struct volt_error *e);

/**
 * volt_profile_inspect - all about one profile
 * @ctx:     context
 * @profile: a name, whose current version is meant, or a version: NAME-DIGITS
 * @ret:     what volt_profile_list() has of it, and {"binaries", "libraries", "firmware"}
 *           as {"files", "bytes"}, {"own", "shared"}: bytes that other profiles have not or
 *           have too, {"linked", "copied"}: files of the assembled tree, "path", "source",
 *           "build_host"
 * @e:       why it failed
 *
 * Return: 0 or a negative errno; -ENOENT where there is none.
 * Since: 0.1
 */
int volt_profile_inspect(struct volt_ctx *ctx, const char *profile, char **ret,
			 struct volt_error *e);

/**
 * volt_profile_resolve - have a profile assembled
 * @ctx:     context
 * @profile: a name or a version; one of volt's own names that is not here is first made of
 *           what this host has installed
 * @ret:     the absolute path of a directory with its bin/, lib/ and firmware/
 * @e:       why it failed
 *
 * Return: 0 or a negative errno; -ENOENT where there is none.
 * Since: 0.1
 */
int volt_profile_resolve(struct volt_ctx *ctx, const char *profile, char **ret,
			 struct volt_error *e);

/**
 * volt_profile_build - make a profile, and assemble it
 * @ctx:     context
 * @options: {"profile", "from", "source", "jobs"}; "from" is "host" (default: what this host
 *           has installed) or "source": compiled as volt's recipe for the profile says,
 *           which takes minutes, from @source (a directory, a tar archive or a .dsc; default:
 *           Debian's package, by apt), so many files at once as "jobs" says. SIGHUP, SIGINT,
 *           SIGQUIT and SIGTERM, where the caller has blocked them, end that with -EINTR and
 *           stay pending
 * @ret:     its version; NULL if not wanted
 * @e:       why it failed
 *
 * Return: 0 or a negative errno.
 * Since: 0.1
 */
int volt_profile_build(struct volt_ctx *ctx, const char *options, char **ret,
		       struct volt_error *e);

/**
 * volt_profile_store - make a profile of a directory, and assemble it
 * @ctx:       context
 * @directory: it has bin/, lib/ and firmware/, or some of them
 * @name:      what it will be called
 * @ret:       its version; NULL if not wanted
 * @e:         why it failed
 *
 * Return: 0 or a negative errno.
 * Since: 0.1
 */
int volt_profile_store(struct volt_ctx *ctx, const char *directory, const char *name,
		       char **ret, struct volt_error *e);

/* Flags of volt_profile_verify() and volt_profile_remove() */
#define VOLT_PROFILE_NO_REPAIR 1u
#define VOLT_PROFILE_FORCE     2u

/**
 * volt_profile_verify - look at all files of a profile, and mend what is wrong
 * @ctx:     context
 * @profile: a name or a version; NULL for all
 * @flags:   VOLT_PROFILE_NO_REPAIR only looks
 * @ret:     array of {"profile", "path", "hash", "why", "repaired"}; NULL if not wanted
 * @e:       why it failed
 *
 * An object is mended by the file that it was made of, where that is still the same.
 *
 * Return: how many files remain broken, or a negative errno.
 * Since: 0.1
 */
int volt_profile_verify(struct volt_ctx *ctx, const char *profile, unsigned int flags,
			char **ret, struct volt_error *e);

/**
 * volt_profile_remove - remove a version of a profile, with its tree
 * @ctx:     context
 * @profile: a name, whose current version is meant, or a version
 * @flags:   VOLT_PROFILE_FORCE: also while a machine runs from it
 * @ret:     the version; NULL if not wanted
 * @e:       why it failed
 *
 * Its objects stay until volt_store_gc().
 *
 * Return: 0 or a negative errno; -EBUSY while a machine runs from it.
 * Since: 0.1
 */
int volt_profile_remove(struct volt_ctx *ctx, const char *profile, unsigned int flags,
			char **ret, struct volt_error *e);

/**
 * volt_profile_push - send a profile to a registry
 * @ctx:     context
 * @profile: a name, whose current version is meant, or a version
 * @place:   "REGISTRY/NAME[:TAG]"
 * @options: {"tls_verify", "authfile", "creds"}, or NULL
 * @ret:     the digest by which it can be pulled, "sha256:…"; NULL if not wanted
 * @e:       why it failed
 *
 * Return: 0 or a negative errno; -ENOENT where there is no such profile.
 * Since: 0.1
 */
int volt_profile_push(struct volt_ctx *ctx, const char *profile, const char *place,
		      const char *options, char **ret, struct volt_error *e);

/**
 * volt_profile_pull - fetch a profile from a registry
 * @ctx:     context
 * @place:   "REGISTRY/NAME[:TAG]" or "REGISTRY/NAME@sha256:…"
 * @options: {"name": what it is to be called here, else NAME's last part; "tls_verify",
 *           "authfile", "creds"}, or NULL
 * @ret:     the digest of what the registry has, "sha256:…"; NULL if not wanted
 * @e:       why it failed
 *
 * It becomes the current version of the name that was asked for, assembled; what it calls
 * itself does not matter. Files that are held are not fetched, and nothing is kept unless
 * all of it is what its manifest says.
 *
 * Return: 0 or a negative errno; -ENOTSUP for an image or another artifact, -EBADMSG where
 * something in it is not as it should be.
 * Since: 0.1
 */
int volt_profile_pull(struct volt_ctx *ctx, const char *place, const char *options,
		      char **ret, struct volt_error *e);

/**
 * volt_profile_run - start a profile's QEMU with arguments of one's own
 * @ctx:     context
 * @profile: a name or a version; as for volt_profile_resolve()
 * @options: {"arch", "volumes": ["HOST:/NAME", "HOST:/NAME:ro", …]}, or NULL
 * @args:    QEMU's arguments, NULL ends; NULL for none
 * @ret:     a pidfd of it, to be waited for with waitid() and closed
 * @e:       why it failed
 *
 * It has the caller's stdin, stdout and stderr, and sees no other files than its own, those
 * of "volumes" and /dev/kvm. It is killed when the calling thread ends.
 *
 * Return: 0 or a negative errno; -ENOENT where there is no such profile.
 * Since: 0.1
 */
int volt_profile_run(struct volt_ctx *ctx, const char *profile, const char *options,
		     const char *const *args, int *ret, struct volt_error *e);

/* --- the content store --- */

/**
 * volt_store_list - every object in the store
 * @ctx: context
 * @ret: array of {"hash", "size", "allocated", "links", "plain", "executable", "kept"}, by
 *       hash; "links" are hard links from elsewhere, "kept" says that some ref needs it
 * @e:   why it failed
 *
 * Return: 0 or a negative errno.
 * Since: 0.1
 */
int volt_store_list(struct volt_ctx *ctx, char **ret, struct volt_error *e);

/**
 * volt_store_verify - read all of the store and compare it with its digests
 * @ctx: context
 * @ret: array of {"what", "why"}: objects that are damaged, missing or have another mode,
 *       refs that cannot be read, files that do not belong there; NULL if not wanted
 * @e:   why it failed
 *
 * Changes nothing.
 *
 * Return: how many were found, or a negative errno.
 * Since: 0.1
 */
int volt_store_verify(struct volt_ctx *ctx, char **ret, struct volt_error *e);

/**
 * volt_store_gc - remove every object that no ref needs
 * @ctx:     context
 * @dry_run: only say what would be removed
 * @ret:     {"removed", "removed_bytes", "kept", "kept_bytes"}; bytes are those on disk that
 *           get free, or not; NULL if not wanted
 * @e:       why it failed
 *
 * Waits until no other command uses the store. A ref that cannot be read stops it before
 * anything is removed.
 *
 * Return: 0 or a negative errno.
 * Since: 0.1
 */
int volt_store_gc(struct volt_ctx *ctx, bool dry_run, char **ret, struct volt_error *e);

/**
 * volt_store_usage - what the store holds, and for what
 * @ctx: context
 * @ret: {"objects", "bytes", "allocated", "unreferenced", "unreferenced_bytes", "kinds":
 *       [{"kind", "refs", "objects", "bytes", "allocated"}]}; what several kinds of refs
 *       need counts with each of them
 * @e:   why it failed
 *
 * Return: 0 or a negative errno.
 * Since: 0.1
 */
int volt_store_usage(struct volt_ctx *ctx, char **ret, struct volt_error *e);

/**
 * volt_store_why - what keeps an object alive?
 * @ctx:  context
 * @hash: its SHA-256 or the beginning of it
 * @ret:  {"hash", "refs": [{"ref", "path"} or {"ref", "list"}]}: the refs that name it,
 *        directly or by a list object; a ref is "KIND/NAME", a profile's only its name
 * @e:    why it failed
 *
 * Return: how many refs and lists name it, or a negative errno; -ENOENT where there is no
 * such object, -EEXIST where several have digests that begin so.
 * Since: 0.1
 */
int volt_store_why(struct volt_ctx *ctx, const char *hash, char **ret,
		   struct volt_error *e);

#ifdef __cplusplus
}
#endif
#endif
