/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Kernel modules in the initramfs, where the kernel has any: /modules/order has a line
 * "WHEN FILE" for each, in load order. WHEN is "boot", or the type of a file system. */
#define MODULES_BOOT "boot"

/* Loads those of @when that are not loaded yet; what fails is reported and passed over:
 * whether it matters shows in what needs it. */
void modules_for(const char *when);

/* Frees what holds them, once the root is there. */
void modules_forget(void);
