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
