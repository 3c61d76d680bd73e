/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <popt.h>

#include "volt.h"

/* What completion offers for an argument. */
enum word {
	WORD_NONE,
	WORD_MACHINE,
	WORD_IMAGE,
	WORD_IMAGE_FIRST, /* an image, then what the guest runs */
	WORD_KERNEL,
	WORD_VOLUME,
	WORD_OBJECT,
	WORD_PROFILE,      /* a name or a version */
	WORD_PROFILE_NAME, /* one of volt's own */
	WORD_FILE,
	WORD_COMMAND
};

/* One command. Everything that must be known about it is here: the parser, help, the
 * argument count, completion and the test of the man pages all read this. */
struct cmd {
	const char *name;     /* "run", "image inspect" */
	const char *alias[3]; /* other spellings, "image ls" */
	const char *args;     /* as in the synopsis: "IMAGE [COMMAND [ARG...]]" */
	const char *help;     /* one line */
	const struct poptOption *options;
	int min_args, max_args; /* max_args < 0: no limit */
	enum word words;
	bool standalone; /* works without a context: ctx is NULL */

	/* The exit status, or a negative errno and a message. */
	int (*run)(struct volt_ctx *ctx, int argc, const char **argv,
		   struct volt_error *e);
};

/* All of them in the order of `volt help`; NULL ends. */
extern const struct cmd *const cmds[];

#define EXIT_VOLT 125 /* volt itself failed */

extern const struct cmd cmd_attach;
extern const struct cmd cmd_build;
extern const struct cmd cmd_cas_build;
extern const struct cmd cmd_cas_gc;
extern const struct cmd cmd_cas_ls;
extern const struct cmd cmd_cas_usage;
extern const struct cmd cmd_cas_verify;
extern const struct cmd cmd_cas_why;
extern const struct cmd cmd_complete;
extern const struct cmd cmd_completion;
extern const struct cmd cmd_create;
extern const struct cmd cmd_doctor;
extern const struct cmd cmd_generate_systemd;
extern const struct cmd cmd_help;
extern const struct cmd cmd_image_exists;
extern const struct cmd cmd_image_inspect;
extern const struct cmd cmd_image_prune;
extern const struct cmd cmd_images;
extern const struct cmd cmd_info;
extern const struct cmd cmd_inspect;
extern const struct cmd cmd_kernel_build;
extern const struct cmd cmd_kernel_default;
extern const struct cmd cmd_kernel_import;
extern const struct cmd cmd_kernel_ls;
extern const struct cmd cmd_kernel_rm;
extern const struct cmd cmd_kill;
extern const struct cmd cmd_load;
extern const struct cmd cmd_login;
extern const struct cmd cmd_logout;
extern const struct cmd cmd_logs;
extern const struct cmd cmd_machine_prune;
extern const struct cmd cmd_nanos_cat;
extern const struct cmd cmd_nanos_dump;
extern const struct cmd cmd_nanos_ls;
extern const struct cmd cmd_nanos_plan;
extern const struct cmd cmd_pause;
extern const struct cmd cmd_port;
extern const struct cmd cmd_ps;
extern const struct cmd cmd_pull;
extern const struct cmd cmd_push;
extern const struct cmd cmd_qemu_build;
extern const struct cmd cmd_qemu_ls;
extern const struct cmd cmd_qemu_pull;
extern const struct cmd cmd_qemu_push;
extern const struct cmd cmd_qemu_resolve;
extern const struct cmd cmd_qemu_rm;
extern const struct cmd cmd_qemu_run;
extern const struct cmd cmd_qemu_select;
extern const struct cmd cmd_qemu_show;
extern const struct cmd cmd_qemu_verify;
extern const struct cmd cmd_restart;
extern const struct cmd cmd_rm;
extern const struct cmd cmd_rmi;
extern const struct cmd cmd_run;
extern const struct cmd cmd_save;
extern const struct cmd cmd_start;
extern const struct cmd cmd_stop;
extern const struct cmd cmd_system_prune;
extern const struct cmd cmd_tag;
extern const struct cmd cmd_unpause;
extern const struct cmd cmd_untag;
extern const struct cmd cmd_version;
extern const struct cmd cmd_volume_create;
extern const struct cmd cmd_volume_inspect;
extern const struct cmd cmd_volume_ls;
extern const struct cmd cmd_volume_prune;
extern const struct cmd cmd_volume_rm;
extern const struct cmd cmd_wait;
