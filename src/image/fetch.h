/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "image/skopeo-process.h"
#include "image/unpack.h"

/* skopeo's destination in the staging directory, a plain one: it must be empty, and leaves
 * the manifest and the config as they are. */
#define FETCH_DIR "copy"

struct skopeo_proxy;

/* Getting one image's layers, while what arrives is being unpacked. */
struct fetch {
	struct images *images;
	const struct staging *staging;
	struct unpack *unpack;
	struct skopeo_proxy *proxy; /* NULL: not from a registry */
	int blobs;                  /* FETCH_DIR */
	uint64_t total;  /* bytes of the layers that are to come, 0: not known */
	unsigned layers; /* how many, 0: not known */
};

/* Tells of progress, if anybody wants to know, which should be done so often. */
void fetch_report(struct fetch *f, const char *what, int ended);
int fetch_report_ms(const struct fetch *f);

/* Runs the skopeo that copies into FETCH_DIR. */
int fetch_copy(struct fetch *f, const struct strv *args, struct volt_error *e);

/* Waits for the layers; the same progress goes on. */
int fetch_wait(struct fetch *f, struct volt_error *e);
