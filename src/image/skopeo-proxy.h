/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "image/manifest.h"
#include "image/skopeo-process.h"

/* One `skopeo experimental-image-proxy`, which fetches blobs of one image and hands their
 * bytes over through pipes. */
struct skopeo_proxy {
	struct skopeo_process process;
	int socket;
	int64_t image; /* its handle for the image */
};
#define SKOPEO_PROXY_INIT                                    \
	{                                                    \
		.process = SKOPEO_PROCESS_INIT, .socket = -1 \
	}

int skopeo_proxy_start(struct skopeo_proxy *p, const struct skopeo *sk,
		       struct volt_error *e);

/* Everything it still writes to ends: who reads gets an end of file. */
void skopeo_proxy_stop(struct skopeo_proxy *p);
#define _cleanup_skopeo_proxy_ _cleanup_(skopeo_proxy_stop)

struct skopeo_reply {
	json_t *value;
	int64_t pipe; /* what to finish */
	int fd;       /* where to read, or -1 */
};
void skopeo_reply_done(struct skopeo_reply *r);
#define SKOPEO_REPLY_INIT \
	{                 \
		.fd = -1  \
	}

/* One request, whose answer is to be received before the next one is sent; @p->socket is
 * readable then. Receiving fails with what skopeo says. */
int skopeo_proxy_ask_open(struct skopeo_proxy *p, const char *ref, struct volt_error *e);
int skopeo_proxy_ask_blob(struct skopeo_proxy *p, const struct descriptor *d,
			  struct volt_error *e);
/* Answered when skopeo has written the whole blob and has found its size and digest right;
 * or with what went wrong. Only then does the pipe end for its reader. */
int skopeo_proxy_ask_finish(struct skopeo_proxy *p, int64_t pipe, struct volt_error *e);
int skopeo_proxy_receive(struct skopeo_proxy *p, struct skopeo_reply *ret,
			 struct volt_error *e);
