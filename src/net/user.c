/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation
 *
 * passt is preferred: its guests cannot reach what listens on the host's loopback
 * (--no-map-gw; but without that it does not send back what the guest answers to a datagram
 * from there, so a machine that publishes UDP ports goes without), it confines itself, and it is several times faster. It needs a route to
 * somewhere, so without one QEMU's own slirp is taken, cut off from everything but the
 * published ports. Without passt installed, slirp is taken as well, and then the guest can
 * reach the host's loopback through the gateway's address: QEMU offers no switch for that,
 * so it is said in a note.
 *
 * passt is given one end of a socket pair and serves that one connection: it ends when
 * QEMU does, whatever happens to the supervisor. It binds the published ports itself, and
 * says only by ending that it could not; they were tried before, so that the usual failure
 * is a clear one.
 */

#include "net/user.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/io.h"
#include "base/spawn.h"
#include "base/strv.h"
#include "net/bind.h"

void net_link_done(struct net_link *l)
{
	closep(&l->fd);
	closep(&l->pidfd);
	closep(&l->errors);
	*l = (struct net_link)NET_LINK_INIT;
}

/* In which columns a table of routes has what. */
struct route_columns {
	int destination, length; /* of the prefix, or its mask */
	int device;
};

/* A route to everywhere (destination and prefix are zeroes) that is not the loopback's. */
static bool is_default_route(char *line, const struct route_columns *c)
{
	int zeroes = 0;
	bool loopback = false;
	char *save, *field = strtok_r(line, " \t\n", &save);

	for (int i = 0; field; field = strtok_r(NULL, " \t\n", &save), i++) {
		if (i == c->destination || i == c->length)
			zeroes += !field[strspn(field, "0")];
		if (i == c->device)
			loopback = strcmp(field, "lo") == 0;
	}
	return zeroes == 2 && !loopback;
}

static bool has_default_route(const char *path, const struct route_columns *c)
{
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	char line[512];

	while (f && fgets(line, sizeof(line), f))
		if (is_default_route(line, c))
			return true;
	return false;
}

static bool has_route4(void)
{
	static const struct route_columns c = { 1, 7, 0 };

	return has_default_route("/proc/net/route", &c);
}

static bool has_route6(void)
{
	static const struct route_columns c = { 0, 1, 9 };

	return has_default_route("/proc/net/ipv6_route", &c);
}

static bool is_v6(const struct port *p)
{
	return strchr(p->host_ip, ':') != NULL;
}

/* passt keeps one bit a port number: the same one on two addresses is beyond it. */
static const struct port *same_number(const struct ports *ports)
{
	for (size_t i = 0; i < ports->n; i++)
		for (size_t k = 0; k < i; k++)
			if (ports->v[i].host_port == ports->v[k].host_port &&
			    ports->v[i].udp == ports->v[k].udp)
				return &ports->v[i];
	return NULL;
}

static bool passt_installed(void)
{
	static const char *const paths[] = { "/usr/bin/passt", "/usr/local/bin/passt",
					     "/bin/passt" };

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		if (access(paths[i], X_OK) == 0)
			return true;
	return false;
}

static int add_ports(struct strv *argv, const struct ports *ports)
{
	bool udp = false, tcp = false;
	int r = 0;

	for (size_t i = 0; i < ports->n && r == 0; i++) {
		const struct port *p = &ports->v[i];

		udp |= p->udp;
		tcp |= !p->udp;
		r = strv_add(argv, p->udp ? "-u" : "-t");
		r = r
			    ?: strv_addf(argv, "%s/%u:%u", p->host_ip, p->host_port,
					 p->guest_port);
	}
	if (!tcp)
		r = r ?: strv_add(argv, "--tcp-ports=none");
	if (!udp)
		r = r ?: strv_add(argv, "--udp-ports=none");
	return r;
}

static bool publishes_udp(const struct ports *ports)
{
	for (size_t i = 0; i < ports->n; i++)
		if (ports->v[i].udp)
			return true;
	return false;
}

static int passt_arguments(struct strv *argv, const struct net_link *l, int fd,
			   const struct ports *ports)
{
	static const char *const fixed[] = {
		"passt",     "--foreground", "--quiet",       "--no-dhcp-dns",
		"--address", NET_ADDRESS,    "--netmask",     "24",
		"--gateway", NET_GATEWAY,    "--dns-forward", NET_RESOLVER,
	};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(fixed) && r == 0; i++)
		r = strv_add(argv, fixed[i]);
	if (!publishes_udp(ports))
		r = r ?: strv_add(argv, "--no-map-gw");
	if (l->ipv6) {
		r = r ?: strv_add(argv, "--address");
		r = r ?: strv_add(argv, NET6_ADDRESS);
		r = r ?: strv_add(argv, "--gateway");
		r = r ?: strv_add(argv, NET6_GATEWAY);
	} else {
		r = r ?: strv_add(argv, "--ipv4-only");
	}
	r = r ?: strv_addf(argv, "--fd=%d", fd);
	return r ?: add_ports(argv, ports);
}

static int passt_start(const struct ports *ports, struct net_link *l,
		       struct volt_error *e)
{
	_cleanup_close_ int own = -1, theirs = -1, errors = -1, errors_write = -1;
	_cleanup_strv_ struct strv argv = { 0 };
	struct spawn s = SPAWN_INIT;
	int ends[2], r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return fail_errno(e, "make a socket pair for passt");
	own = ends[0];
	theirs = ends[1];
	/* Nobody reads what it says while it lives, so it must never wait for a reader. */
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return fail_errno(e, "make a pipe for passt");
	errors = ends[0];
	errors_write = ends[1];
	if (passt_arguments(&argv, l, theirs, ports) < 0)
		return fail_oom(e);
	s.argv = (const char *const *)argv.v;
	s.err = errors_write;
	s.keep_fds = &theirs;
	s.n_keep_fds = 1;
	s.die_with_parent = true;
	r = spawn_start(&s, &l->pid, &l->pidfd, e);
	if (r < 0)
		return r;
	l->fd = TAKE_FD(own);
	l->errors = TAKE_FD(errors);
	return 0;
}

void net_passt_reason(const struct net_link *l, char *text, size_t size)
{
	char buf[4096];
	ssize_t n = l->errors >= 0 ? read(l->errors, buf, sizeof(buf) - 1) : -1;
	char *save, *line;

	(void)snprintf(text, size, "passt ended");
	if (n <= 0)
		return;
	buf[n] = '\0';
	for (line = strtok_r(buf, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		if (!strstr(line, "to syslog") && !strstr(line, "run as root"))
			(void)snprintf(text, size, "passt ended: %s", line);
}

static void make_mac(const char *id, char mac[static NET_MAC_SIZE])
{
	(void)snprintf(mac, NET_MAC_SIZE, "52:54:00:%.2s:%.2s:%.2s", id, id + 2, id + 4);
}

/* passt insists on a user namespace, which a container or a chroot may forbid. A child that
 * is made in one and ends at once tells. */
static bool can_confine(void)
{
	long pid = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL);

	if (pid == 0)
		_exit(0);
	while (pid > 0 && waitpid((pid_t)pid, NULL, 0) < 0 && errno == EINTR)
		;
	return pid > 0;
}

/* Fills l->note when it cannot be passt, or not as closed as usual. */
static enum net_kind choose(const struct ports *ports, struct net_link *l)
{
	bool installed = passt_installed() && can_confine();

	if (installed && has_route4() && publishes_udp(ports))
		(void)snprintf(
			l->note, sizeof(l->note),
			"a UDP port is published: the machine can reach what listens "
			"on the host's loopback");
	if (installed && has_route4())
		return NET_PASST;
	if (installed) {
		l->restricted = true;
		(void)snprintf(l->note, sizeof(l->note),
			       "no IPv4 default route: the machine reaches nothing, "
			       "published ports work");
	} else {
		(void)snprintf(
			l->note, sizeof(l->note),
			"passt is not installed or may not confine itself: slower, and the machine can reach "
			"what listens on the host's loopback");
	}
	return NET_SLIRP;
}

/* What the chosen helper cannot publish. */
static int check_publishable(const struct ports *ports, const struct net_link *l,
			     struct volt_error *e)
{
	const struct port *twice = same_number(ports);

	if (l->kind == NET_PASST && twice)
		return fail(e, EINVAL,
			    "port %u is published on two addresses, and passt can do one "
			    "only: publish it on 0.0.0.0 or use another number",
			    twice->host_port);
	for (size_t i = 0; i < ports->n; i++)
		if (is_v6(&ports->v[i]) && !l->ipv6)
			return fail(e, EAFNOSUPPORT,
				    "publish a port on %s: IPv6 needs passt and an IPv6 "
				    "default route on this host",
				    ports->v[i].host_ip);
	return 0;
}

int net_user_start(struct ports *ports, const char *id, struct net_link *ret,
		   struct volt_error *e)
{
	_cleanup_(net_link_done) struct net_link l = NET_LINK_INIT;
	int r;

	l.kind = choose(ports, &l);
	l.ipv6 = l.kind == NET_PASST && has_route6();
	l.mtu = l.kind == NET_PASST ? NET_PASST_MTU : 0;
	make_mac(id, l.mac);
	r = ports_check_free(ports, e);
	if (r == 0)
		r = check_publishable(ports, &l, e);
	if (r == 0 && l.kind == NET_PASST)
		r = passt_start(ports, &l, e);
	if (r < 0)
		return r;
	*ret = l;
	l = (struct net_link)NET_LINK_INIT;
	return 0;
}

static json_t *hostfwd(const struct ports *ports)
{
	json_t *a = json_array();

	for (size_t i = 0; i < ports->n; i++) {
		const struct port *p = &ports->v[i];
		json_t *text = json_sprintf("%s:%s:%u-" NET_ADDRESS ":%u",
					    p->udp ? "udp" : "tcp", p->host_ip,
					    p->host_port, p->guest_port);

		if (json_array_append_new(a, json_pack("{s:o}", "str", text)) < 0) {
			json_decref(a);
			return NULL;
		}
	}
	return a;
}

json_t *net_netdev(const struct net_link *l, const struct ports *ports)
{
	if (l->kind == NET_PASST)
		return json_pack("{s:s, s:s, s:b, s:{s:s, s:o}}", "type", "stream", "id",
				 "net0", "server", 0, "addr", "type", "fd", "str",
				 json_sprintf("%d", l->fd));
	return json_pack("{s:s, s:s, s:b, s:b, s:o}", "type", "user", "id", "net0",
			 "ipv6", 0, "restrict", l->restricted, "hostfwd", hostfwd(ports));
}
