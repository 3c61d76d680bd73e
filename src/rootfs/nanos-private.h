/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "rootfs/nanos-disk.h"

#define NANOS_ESP_SIZE (33ull << 20)

/* Makes the EFI system partition, NANOS_ESP_SIZE bytes at @at of @fd that are zero: FAT32
 * with @loader where firmware of @arch looks for it. */
int nanos_esp_write(int fd, uint64_t at, int loader, const char *arch,
		    struct volt_error *e);
