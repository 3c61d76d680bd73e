/* SPDX-License-Identifier: Apache-2.0 */

#include "net/bind.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static socklen_t to_address(const struct port *p, union address *a)
{
	memset(a, 0, sizeof(*a));
	if (inet_pton(AF_INET, p->host_ip, &a->v4.sin_addr) == 1) {
		a->v4.sin_family = AF_INET;
		a->v4.sin_port = htons(p->host_port);
		return sizeof(a->v4);
	}
	(void)inet_pton(AF_INET6, p->host_ip, &a->v6.sin6_addr);
	a->v6.sin6_family = AF_INET6;
	a->v6.sin6_port = htons(p->host_port);
	return sizeof(a->v6);
}

static int explain(const struct port *p, int code, struct volt_error *e)
{
	const char *protocol = p->udp ? "udp" : "tcp";

	switch (code) {
	case EADDRINUSE:
		return fail(e, code, "publish port %u/%s on %s: it is in use",
			    p->host_port, protocol, p->host_ip);
	case EACCES:
		return fail(e, code,
			    "publish port %u/%s on %s: ports below "
			    "net.ipv4.ip_unprivileged_port_start need root",
			    p->host_port, protocol, p->host_ip);
	case EADDRNOTAVAIL:
		return fail(e, code,
			    "publish port %u/%s on %s: this host has no such address",
			    p->host_port, protocol, p->host_ip);
	default:
		return fail_code(e, -code, "publish port %u/%s on %s", p->host_port,
				 protocol, p->host_ip);
	}
}

static int check_one(struct port *p, struct volt_error *e)
{
	_cleanup_close_ int fd = -1;
	union address a;
	socklen_t size = to_address(p, &a);
	int on = 1;

	fd = socket(a.any.sa_family, (p->udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC,
		    0);
	if (fd < 0)
		return explain(p, errno, e);
	if (a.any.sa_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	/* As the helpers do: connections that linger do not count. For UDP it would let two
	 * share a port. */
	if (!p->udp)
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, &a.any, size) < 0 || (!p->udp && listen(fd, 1) < 0))
		return explain(p, errno, e);
	if (p->host_port)
		return 0;
	if (getsockname(fd, &a.any, &size) < 0)
		return explain(p, errno, e);
	p->host_port = ntohs(a.any.sa_family == AF_INET ? a.v4.sin_port : a.v6.sin6_port);
	return 0;
}

int ports_check_free(struct ports *ports, struct volt_error *e)
{
	for (size_t i = 0; i < ports->n; i++) {
		int r = check_one(&ports->v[i], e);

		if (r < 0)
			return r;
	}
	return 0;
}
