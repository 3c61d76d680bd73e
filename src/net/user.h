/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

#include "net/port.h"

/* User mode networking: no privilege, no interface on the host. The guest has a network of
 * its own, with one fixed address, a gateway and a resolver, all the helper's inventions;
 * what it sends leaves the host from an ordinary process. */
enum net_kind {
	NET_NOTHING,
	NET_PASST, /* a process of its own, sandboxed by itself; its socket goes to QEMU */
	NET_SLIRP  /* inside QEMU */
};

#define NET_MAC_SIZE  18
#define NET_ADDRESS   "10.0.2.15"
#define NET_PREFIX    24
#define NET_GATEWAY   "10.0.2.2"
#define NET_RESOLVER  "10.0.2.3"
#define NET6_ADDRESS  "fd76:6f6c:7400::15"
#define NET6_PREFIX   64
#define NET6_GATEWAY  "fe80::2"
#define NET_PASST_MTU 65520

struct net_link {
	enum net_kind kind;
	bool ipv6;        /* the guest has an IPv6 address too */
	bool restricted;  /* nothing leaves the host: slirp without a route */
	unsigned int mtu; /* 0: the usual */
	char mac[NET_MAC_SIZE];
	char note[160]; /* why it is not passt, or "" */
	int fd;         /* NET_PASST: QEMU's end of the socket */
	pid_t pid;      /* NET_PASST */
	int pidfd;
	int errors; /* NET_PASST: reads what it says */
};
#define NET_LINK_INIT                               \
	{                                           \
		.fd = -1, .pidfd = -1, .errors = -1 \
	}

/* Checks that the ports are free, choosing where the host port is 0 (@ports is changed),
 * and starts what is needed. @id, the machine's, makes the MAC address. -EADDRINUSE names
 * the port. */
int net_user_start(struct ports *ports, const char *id, struct net_link *ret,
		   struct volt_error *e);

/* Closes what is open; the process is the caller's to end (it ends with its socket). */
void net_link_done(struct net_link *l);

/* Why passt has ended, in its own words. */
void net_passt_reason(const struct net_link *l, char *text, size_t size);

/* The argument of -netdev for id "net0". NULL: out of memory. */
json_t *net_netdev(const struct net_link *l, const struct ports *ports);
