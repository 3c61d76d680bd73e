/* SPDX-License-Identifier: Apache-2.0 */

#include "net/port.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

struct range {
	unsigned int first, last;
};

void ports_done(struct ports *p)
{
	free(p->v);
	*p = (struct ports){ 0 };
}

int port_ip_parse(const char *text, char ip[static PORT_IP_SIZE])
{
	struct in6_addr v6;
	struct in_addr v4;

	if (inet_pton(AF_INET, text, &v4) == 1)
		return inet_ntop(AF_INET, &v4, ip, PORT_IP_SIZE) ? 0 : -EINVAL;
	if (inet_pton(AF_INET6, text, &v6) == 1)
		return inet_ntop(AF_INET6, &v6, ip, PORT_IP_SIZE) ? 0 : -EINVAL;
	return -EINVAL;
}

int ports_add(struct ports *p, const struct port *port, struct volt_error *e)
{
	struct port *v;

	for (size_t i = 0; i < p->n && port->host_port; i++) {
		const struct port *q = &p->v[i];

		if (q->host_port == port->host_port && q->udp == port->udp &&
		    strcmp(q->host_ip, port->host_ip) == 0)
			return fail(e, EINVAL, "port %u/%s of %s is published twice",
				    port->host_port, port->udp ? "udp" : "tcp",
				    port->host_ip);
	}
	if (p->n >= PORTS_MAX)
		return fail(e, EINVAL, "more than %d published ports", PORTS_MAX);
	/* Grows at powers of two. */
	if ((p->n & (p->n - 1)) == 0) {
		v = reallocarray(p->v, p->n ? p->n * 2 : 1, sizeof(*v));
		if (!v)
			return fail_oom(e);
		p->v = v;
	}
	p->v[p->n++] = *port;
	return 0;
}

/* Digits only, 1 to 65535: strtoul() would take signs and spaces. */
static int number_parse(const char *s, size_t n, unsigned int *ret)
{
	unsigned int value = 0;

	if (n == 0 || n > 5)
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		if (s[i] < '0' || s[i] > '9')
			return -EINVAL;
		value = value * 10 + (unsigned int)(s[i] - '0');
	}
	if (value == 0 || value > UINT16_MAX)
		return -EINVAL;
	*ret = value;
	return 0;
}

static int range_parse(const char *s, size_t n, struct range *ret)
{
	const char *dash = memchr(s, '-', n);
	size_t first = dash ? (size_t)(dash - s) : n;

	if (number_parse(s, first, &ret->first) < 0)
		return -EINVAL;
	ret->last = ret->first;
	if (dash && number_parse(dash + 1, n - first - 1, &ret->last) < 0)
		return -EINVAL;
	return ret->last < ret->first ? -EINVAL : 0;
}

/* Cuts "/tcp" or "/udp" off the end of @spec. */
static int protocol_cut(char *spec, bool *ret_udp)
{
	char *slash = strchr(spec, '/');

	*ret_udp = false;
	if (!slash)
		return 0;
	*slash = '\0';
	if (strcasecmp(slash + 1, "udp") == 0)
		*ret_udp = true;
	else if (strcasecmp(slash + 1, "tcp") != 0)
		return -EPROTONOSUPPORT;
	return 0;
}

/* Cuts "IP:" off the front, if there is one, and returns what follows: at most one colon
 * is left in that. */
static int address_cut(char *spec, char ip[static PORT_IP_SIZE], bool *ret_given,
		       char **ret_rest)
{
	char *end, *colon;

	*ret_given = true;
	if (*spec == '[') {
		end = strchr(spec, ']');
		if (!end || end[1] != ':')
			return -EADDRNOTAVAIL;
		*end = '\0';
		*ret_rest = end + 2;
		return strchr(spec, ':') && port_ip_parse(spec + 1, ip) == 0
			       ? 0
			       : -EADDRNOTAVAIL;
	}
	colon = strchr(spec, ':');
	end = colon ? strchr(colon + 1, ':') : NULL;
	if (!end) {
		*ret_given = false;
		*ret_rest = spec;
		memcpy(ip, "127.0.0.1", sizeof("127.0.0.1"));
		return 0;
	}
	*colon = '\0';
	*ret_rest = colon + 1;
	return port_ip_parse(spec, ip) < 0 ? -EADDRNOTAVAIL : 0;
}

/* "HOST:GUEST", ":GUEST" or "GUEST", each a port or a range. */
static int pair_parse(const char *s, bool ip_given, struct range *host,
		      struct range *guest)
{
	const char *colon = strchr(s, ':');

	if (colon && strchr(colon + 1, ':'))
		return -EINVAL;
	if (!colon && ip_given)
		return -EINVAL;
	if (range_parse(colon ? colon + 1 : s, strlen(colon ? colon + 1 : s), guest) < 0)
		return -EINVAL;
	*host = *guest;
	if (colon == s) {
		/* Any free port: each of the range gets its own. */
		*host = (struct range){ 0, 0 };
		return ip_given ? 0 : -EINVAL;
	}
	if (colon && range_parse(s, (size_t)(colon - s), host) < 0)
		return -EINVAL;
	return host->last - host->first == guest->last - guest->first ? 0 : -ERANGE;
}

static int explain(int r, const char *text, struct volt_error *e)
{
	switch (r) {
	case -EADDRNOTAVAIL:
		return fail(e, EINVAL, "published port '%s': bad IP address", text);
	case -EPROTONOSUPPORT:
		return fail(e, EINVAL, "published port '%s': protocol must be tcp or udp",
			    text);
	case -ERANGE:
		return fail(e, EINVAL,
			    "published port '%s': the two ranges differ in length", text);
	default:
		return fail(
			e, EINVAL,
			"published port '%s': must be [[IP:][HOST]:]GUEST[/tcp|/udp], "
			"ports 1 to 65535 or a range a-b",
			text);
	}
}

int port_parse(const char *text, struct ports *p, struct volt_error *e)
{
	_cleanup_free_ char *spec = strdup(text);
	struct port port = { 0 };
	struct range host, guest;
	char *rest = NULL;
	bool given;
	int r;

	if (!spec)
		return fail_oom(e);
	r = protocol_cut(spec, &port.udp);
	if (r == 0)
		r = address_cut(spec, port.host_ip, &given, &rest);
	if (r == 0)
		r = pair_parse(rest, given, &host, &guest);
	if (r < 0)
		return explain(r, text, e);
	for (unsigned int i = 0; i <= guest.last - guest.first; i++) {
		port.guest_port = (uint16_t)(guest.first + i);
		port.host_port = (uint16_t)(host.first ? host.first + i : 0);
		r = ports_add(p, &port, e);
		if (r < 0)
			return r;
	}
	return 0;
}
