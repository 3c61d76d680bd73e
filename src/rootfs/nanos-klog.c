/* SPDX-License-Identifier: Apache-2.0 */

#include "rootfs/nanos-klog.h"

#include <endian.h>
#include <string.h>

#define KLOG_MAGIC "KLOG"

struct klog_header {
	char magic[4];
	uint64_t boot_id;
	int32_t code;
} __attribute__((packed));
_Static_assert(sizeof(struct klog_header) == NANOS_KLOG_SIZE - NANOS_KLOG_TEXT, "klog");

int nanos_klog_read(const struct byte_source *from, uint64_t at, struct nanos_klog *ret,
		    struct volt_error *e)
{
	char area[NANOS_KLOG_SIZE];
	struct klog_header h;
	int r;

	r = byte_source_read(from, area, sizeof(area), at);
	if (r < 0)
		return fail_code(e, r, "read the crash log of the disk");
	*ret = (struct nanos_klog){ 0 };
	memcpy(&h, area, sizeof(h));
	if (memcmp(h.magic, KLOG_MAGIC, sizeof(h.magic)) != 0)
		return 0;
	ret->boot_id = le64toh(h.boot_id);
	ret->code = (int32_t)le32toh((uint32_t)h.code);
	memcpy(ret->text, area + sizeof(h), NANOS_KLOG_TEXT);
	return 1;
}
