/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "image/skopeo.h"

/* A skopeo that runs beside the caller. */
struct skopeo_process {
	pid_t pid;
	int pidfd, log;
};
#define SKOPEO_PROCESS_INIT            \
	{                              \
		.pidfd = -1, .log = -1 \
	}

/* In @cwd; @keep (or -1) stays open in it, at the same number. */
int skopeo_process_start(struct skopeo_process *p, const struct strv *args, int cwd,
			 int keep, struct volt_error *e);

/* Waits for its end: 0, or why it failed, from the last line it wrote. */
int skopeo_process_end(struct skopeo_process *p, struct volt_error *e);

/* Kills it if it still runs. */
void skopeo_process_stop(struct skopeo_process *p);
