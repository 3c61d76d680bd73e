/* SPDX-License-Identifier: Apache-2.0 */

#include "net/bind.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"

#define TRIES 1000 /* to find a number that is not used */

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

/* Binds @p; *@ret_port is the port it got. */
static int try_bind(const struct port *p, uint16_t *ret_port)
{
	_cleanup_close_ int fd = -1;
	union address a;
	socklen_t size = to_address(p, &a);
	int on = 1;

	fd = socket(a.any.sa_family, (p->udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC,
		    0);
	if (fd < 0)
		return -errno;
	if (a.any.sa_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	/* As the helpers do: connections that linger do not count. For UDP it would let two
	 * share a port. */
	if (!p->udp)
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, &a.any, size) < 0 || (!p->udp && listen(fd, 1) < 0) ||
	    getsockname(fd, &a.any, &size) < 0)
		return -errno;
	*ret_port = ntohs(a.any.sa_family == AF_INET ? a.v4.sin_port : a.v6.sin6_port);
	return 0;
}

/* passt wants a number on one address only, so another's address makes no difference. */
static bool is_taken(const struct ports *ports, bool udp, uint16_t number)
{
	for (size_t i = 0; i < ports->n; i++)
		if (ports->v[i].host_port == number && ports->v[i].udp == udp)
			return true;
	return false;
}

/* What was bound is free again before the next port is chosen, so the kernel may give the
 * same number twice. */
static int check_one(const struct ports *ports, struct port *p, struct volt_error *e)
{
	uint16_t number = 0;
	int r;

	for (int tries = 0; tries < TRIES; tries++) {
		r = try_bind(p, &number);
		if (r < 0)
			return explain(p, -r, e);
		if (p->host_port)
			return 0;
		if (!is_taken(ports, p->udp, number)) {
			p->host_port = number;
			return 0;
		}
	}
	return fail(e, EADDRINUSE, "publish a port on %s: no free one was found",
		    p->host_ip);
}

int ports_check_free(struct ports *ports, struct volt_error *e)
{
	for (size_t i = 0; i < ports->n; i++) {
		int r = check_one(ports, &ports->v[i], e);

		if (r < 0)
			return r;
	}
	return 0;
}
