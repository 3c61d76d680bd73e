/* SPDX-License-Identifier: Apache-2.0 */
#include "network.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <sys/socket.h>

#include "init.h"

/* One rtnetlink request; the answer is waited for. */
struct request {
	struct nlmsghdr h;
	char rest[256];
};

static void *body(struct request *q, uint16_t type, uint16_t flags, size_t size)
{
	*q = (struct request){
		.h = { .nlmsg_len = (uint32_t)NLMSG_LENGTH(size),
		       .nlmsg_type = type,
		       .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags) },
	};
	return NLMSG_DATA(&q->h);
}

static void attribute(struct request *q, uint16_t type, const void *data, size_t size)
{
	struct rtattr a = { .rta_type = type, .rta_len = (uint16_t)RTA_LENGTH(size) };
	char *at = (char *)q + NLMSG_ALIGN(q->h.nlmsg_len);

	memcpy(at, &a, sizeof(a));
	memcpy(at + RTA_LENGTH(0), data, size);
	q->h.nlmsg_len = (uint32_t)(NLMSG_ALIGN(q->h.nlmsg_len) + RTA_ALIGN(a.rta_len));
}

static int ask(int fd, const struct request *q)
{
	struct {
		struct nlmsghdr h;
		struct nlmsgerr e;
		char rest[512];
	} answer;

	if (send(fd, q, q->h.nlmsg_len, 0) < 0)
		return -errno;
	if (recv(fd, &answer, sizeof(answer), 0) <
	    (ssize_t)NLMSG_LENGTH(sizeof(answer.e)))
		return -EIO;
	return answer.h.nlmsg_type == NLMSG_ERROR ? answer.e.error : -EIO;
}

/* An address of either family. */
struct address {
	unsigned char family, size, prefix;
	unsigned char b[16];
};

static int parse_address(const char *text, bool with_prefix, struct address *ret)
{
	char copy[INET6_ADDRSTRLEN + 4], *slash, *end;
	unsigned long prefix;

	if (snprintf(copy, sizeof(copy), "%s", text) >= (int)sizeof(copy))
		return -EINVAL;
	slash = strchr(copy, '/');
	if (!slash != !with_prefix)
		return -EINVAL;
	if (slash)
		*slash = 0;
	ret->family = strchr(copy, ':') ? AF_INET6 : AF_INET;
	ret->size = ret->family == AF_INET6 ? 16 : 4;
	ret->prefix = (unsigned char)(8 * ret->size);
	if (inet_pton(ret->family, copy, ret->b) != 1)
		return -EINVAL;
	if (!slash)
		return 0;
	prefix = strtoul(slash + 1, &end, 10);
	if (*end || end == slash + 1 || prefix > ret->prefix)
		return -EINVAL;
	ret->prefix = (unsigned char)prefix;
	return 0;
}

static int add_address(int fd, int index, const char *text)
{
	struct address a;
	struct request q;
	struct ifaddrmsg *m;

	if (parse_address(text, true, &a) < 0)
		return -EINVAL;
	m = body(&q, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, sizeof(*m));
	m->ifa_family = a.family;
	m->ifa_prefixlen = a.prefix;
	m->ifa_flags = IFA_F_PERMANENT | (a.family == AF_INET6 ? IFA_F_NODAD : 0);
	m->ifa_index = (unsigned int)index;
	attribute(&q, IFA_LOCAL, a.b, a.size);
	attribute(&q, IFA_ADDRESS, a.b, a.size);
	return ask(fd, &q);
}

static int add_gateway(int fd, int index, const char *text)
{
	struct address a;
	struct request q;
	struct rtmsg *m;

	if (parse_address(text, false, &a) < 0)
		return -EINVAL;
	m = body(&q, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, sizeof(*m));
	m->rtm_family = a.family;
	m->rtm_table = RT_TABLE_MAIN;
	m->rtm_protocol = RTPROT_STATIC;
	m->rtm_scope = RT_SCOPE_UNIVERSE;
	m->rtm_type = RTN_UNICAST;
	attribute(&q, RTA_GATEWAY, a.b, a.size);
	attribute(&q, RTA_OIF, &index, sizeof(index));
	return ask(fd, &q);
}

static int set_up(int fd, int index, int64_t mtu)
{
	uint32_t size = (uint32_t)mtu;
	struct request q;
	struct ifinfomsg *m = body(&q, RTM_NEWLINK, 0, sizeof(*m));

	m->ifi_index = index;
	m->ifi_flags = m->ifi_change = IFF_UP;
	if (mtu > 0)
		attribute(&q, IFLA_MTU, &size, sizeof(size));
	return ask(fd, &q);
}

static bool has_mac(const char *name, const char *mac)
{
	char path[300], text[64];

	(void)snprintf(path, sizeof(path), "/sys/class/net/%s/address", name);
	if (read_text(AT_FDCWD, path, text, sizeof(text)) <= 0)
		return false;
	text[strcspn(text, "\n")] = 0;
	return strcasecmp(text, mac) == 0;
}

/* The interface of a virtual device with @mac, or the first of them. */
static int find_link(const char *mac)
{
	DIR *d = opendir("/sys/class/net");
	struct dirent *de;
	char path[300];
	int index = 0;

	while (d && index == 0 && (de = readdir(d))) {
		(void)snprintf(path, sizeof(path), "/sys/class/net/%s/device",
			       de->d_name);
		if (de->d_name[0] != '.' && access(path, F_OK) == 0 &&
		    (!mac || has_mac(de->d_name, mac)))
			index = (int)if_nametoindex(de->d_name);
	}
	if (d)
		(void)closedir(d);
	return index;
}

/* Links that were brought up, and where the kernel tells of changes. */
static struct {
	int events, indexes[16];
	size_t n;
} links = { .events = -1 };

static int link_up(int fd, const struct link_wish *l, struct why *w)
{
	int index = find_link(l->mac), r;

	if (index == 0)
		return because(w, -ENODEV, "find the network device '%s'",
			       l->mac ? l->mac : "any");
	r = set_up(fd, index, l->mtu);
	if (r < 0)
		return because(w, r, "set up the network device");
	if (links.n < ARRAY_SIZE(links.indexes))
		links.indexes[links.n++] = index;
	for (size_t k = 0; k < l->addresses.n; k++) {
		r = add_address(fd, index, l->addresses.v[k]);
		if (r < 0)
			return because(w, r, "set the address '%s'", l->addresses.v[k]);
	}
	for (size_t k = 0; k < l->gateways.n; k++) {
		r = add_gateway(fd, index, l->gateways.v[k]);
		if (r < 0)
			return because(w, r, "set the gateway '%s'", l->gateways.v[k]);
	}
	return 0;
}

static int open_link_events(void)
{
	struct sockaddr_nl a = { .nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	if (fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
		(void)close(fd);
		return -1;
	}
	return fd;
}

/* The kernel calls a link "running" up to a second later than it passes packets; what
 * counts is the carrier. */
static bool has_carrier(int index)
{
	char name[IF_NAMESIZE], path[64], text[8] = "";

	if (!if_indextoname((unsigned int)index, name))
		return true;
	(void)snprintf(path, sizeof(path), "/sys/class/net/%s/carrier", name);
	return read_text(AT_FDCWD, path, text, sizeof(text)) < 0 || text[0] == '1';
}

static bool all_have_carriers(void)
{
	for (size_t k = 0; k < links.n; k++)
		if (!has_carrier(links.indexes[k]))
			return false;
	return true;
}

void network_wait(int ms)
{
	int64_t until = boottime() + ms * (int64_t)1000000, left;
	struct pollfd p = { .fd = links.events, .events = POLLIN };
	char text[4096];

	while (links.events >= 0 && !all_have_carriers()) {
		left = (until - boottime()) / 1000000;
		if (left <= 0 || poll(&p, 1, (int)left) <= 0)
			break;
		(void)!recv(links.events, text, sizeof(text), MSG_DONTWAIT);
	}
	if (links.events >= 0)
		(void)close(links.events);
	links.events = -1;
}

int network_up(const struct config *c, struct why *w)
{
	_cleanup_close_ int fd =
		socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	int r;

	if (fd < 0)
		return because(w, -errno, "open a netlink socket");
	if (c->n_links > 0)
		links.events = open_link_events();
	r = set_up(fd, (int)if_nametoindex("lo"), 0);
	if (r < 0)
		return because(w, r, "set up lo");
	for (size_t k = 0; r == 0 && k < c->n_links; k++)
		r = link_up(fd, &c->links[k], w);
	return r;
}
