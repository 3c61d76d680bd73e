/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "net/port.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whatever is typed, only numbers and an address come out. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char allowed[] = "0123456789abcdef.:";
	struct volt_error e = { 0 };
	struct ports p = { 0 };
	char *text = strndup((const char *)data, size < 128 ? size : 128);

	if (text && port_parse(text, &p, &e) < 0 && (!e.code || !e.msg[0]))
		abort();
	for (size_t i = 0; i < p.n; i++)
		if (!p.v[i].guest_port || p.v[i].host_ip[strspn(p.v[i].host_ip, allowed)])
			abort();
	ports_done(&p);
	free(text);
	return 0;
}
