/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "rootfs/volume.h"

/* Shared by the files of this module. -EINVAL. */
int volume_check_size(uint64_t size, struct volt_error *e);
int volume_check_labels(const json_t *labels, struct volt_error *e);
