/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "volt.h"

#include "base/macro.h"

#define PORT_IP_SIZE 46   /* INET6_ADDRSTRLEN */
#define PORTS_MAX    8192 /* published by one machine */

/* One published port: a connection to host_ip:host_port on the host reaches guest_port in
 * the machine. Only numbers and an address in canonical text are left of what was typed,
 * so nothing of it can become an option of QEMU or passt. */
struct port {
	char host_ip[PORT_IP_SIZE]; /* "127.0.0.1", "::1", "0.0.0.0", … */
	uint16_t host_port;         /* 0: any free one, chosen when the machine starts */
	uint16_t guest_port;
	bool udp;
};

struct ports {
	struct port *v;
	size_t n;
};

void ports_done(struct ports *p);

/* Appends what one -p argument means:
 *
 *	[[IP:][HOST]:]GUEST[/tcp|/udp]     IP is dotted IPv4 or [IPv6]; HOST and GUEST are
 *	                                   a port or a range a-b, both of one length
 *
 * Without IP it binds 127.0.0.1; "80" alone is 80:80; "IP::80" takes any free port.
 * -EINVAL with a message that quotes @text. */
int port_parse(const char *text, struct ports *p, struct volt_error *e);

/* Appends one; checks it against what is there: the same protocol, address and host port
 * twice is -EINVAL. */
int ports_add(struct ports *p, const struct port *port, struct volt_error *e);

/* "ip" in canonical form, IPv4 or IPv6. -EINVAL. */
int port_ip_parse(const char *text, char ip[static PORT_IP_SIZE]);
