/* SPDX-License-Identifier: Apache-2.0 */
/* An overlay that QEMU, or who has taken it over, has written. */
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/io.h"
#include "rootfs/overlay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool holds)
{
	if (!holds)
		abort();
}

/* Some bytes here and there. */
static void look_at(const struct overlay *o)
{
	const uint64_t offsets[] = { 0, 511, 65535, o->size / 2, o->size - 1 };
	uint8_t buf[3000];

	for (size_t i = 0; i < ARRAY_SIZE(offsets); i++) {
		uint64_t left = offsets[i] < o->size ? o->size - offsets[i] : 0;
		ssize_t n = overlay_read(o, buf, sizeof(buf), offsets[i]);

		expect(n < 0 || (uint64_t)n == (left < sizeof(buf) ? left : sizeof(buf)));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_close_ int fd = memfd_create("overlay", MFD_CLOEXEC);
	_cleanup_close_ int base = memfd_create("base", MFD_CLOEXEC);
	struct volt_error e = { 0 };
	struct overlay o;

	if (fd < 0 || base < 0 || write_all(fd, data, size) < 0 ||
	    write_all(base, "base", 4) < 0)
		return 0;
	if (overlay_open(fd, base, &o, &e) < 0)
		expect(e.code != 0 && e.msg[0] != '\0');
	else
		look_at(&o);
	return 0;
}
