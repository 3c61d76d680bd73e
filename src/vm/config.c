/* SPDX-License-Identifier: Apache-2.0 */

#include "vm/config.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/macro.h"

#define ENTROPY_SIZE  64
#define NINEP_OPTIONS "trans=virtio,version=9p2000.L,msize=512000"
#define SEARCH_MAX    6

static const char *hostname(const struct spec *s, char text[static 16])
{
	if (s->hostname)
		return s->hostname;
	(void)snprintf(text, 16, "%.12s", s->id);
	return text;
}

/* init knows the usual lines; what it cannot know is the machine's name. */
static void write_hosts(const struct config *c, struct wire_out *out)
{
	char own[16], line[256];

	wire_text(out, AGENT_TAG_HOSTNAME, hostname(c->spec, own));
	(void)snprintf(line, sizeof(line), "%s %s", c->link ? NET_ADDRESS : "127.0.1.1",
		       c->spec->name);
	wire_text(out, AGENT_TAG_HOSTS, line);
}

/* The host's search domains hold for names in its guests too. */
static void write_search(struct wire_out *out)
{
	_cleanup_fclose_ FILE *f = fopen("/etc/resolv.conf", "re");
	char line[512], *save, *word;
	int n = 0;

	while (f && fgets(line, sizeof(line), f)) {
		word = strtok_r(line, " \t\n", &save);
		if (!word || strcmp(word, "search") != 0)
			continue;
		while ((word = strtok_r(NULL, " \t\n", &save)) && n++ < SEARCH_MAX)
			wire_text(out, AGENT_TAG_SEARCH, word);
	}
}

static void write_link(const struct net_link *l, struct wire_out *out)
{
	char address[64];

	wire_group(out, AGENT_TAG_LINK);
	wire_text(out, AGENT_TAG_MAC, l->mac);
	(void)snprintf(address, sizeof(address), "%s/%d", NET_ADDRESS, NET_PREFIX);
	wire_text(out, AGENT_TAG_ADDRESS, address);
	wire_text(out, AGENT_TAG_GATEWAY, NET_GATEWAY);
	if (l->ipv6) {
		(void)snprintf(address, sizeof(address), "%s/%d", NET6_ADDRESS,
			       NET6_PREFIX);
		wire_text(out, AGENT_TAG_ADDRESS, address);
		wire_text(out, AGENT_TAG_GATEWAY, NET6_GATEWAY);
	}
	if (l->mtu)
		wire_number(out, AGENT_TAG_MTU, l->mtu);
	wire_group_end(out);
	if (!l->restricted)
		wire_text(out, AGENT_TAG_DNS, NET_RESOLVER);
	write_search(out);
}

static void write_root(const struct config *c, struct wire_out *out)
{
	wire_group(out, AGENT_TAG_ROOT);
	wire_text(out, AGENT_TAG_TYPE, "erofs");
	wire_text(out, AGENT_TAG_SOURCE, "root");
	wire_group_end(out);
	if (c->spec->read_only)
		return;
	wire_group(out, AGENT_TAG_UPPER);
	wire_text(out, AGENT_TAG_TYPE, c->upper_disk ? "ext4" : "tmpfs");
	if (c->upper_disk)
		wire_text(out, AGENT_TAG_SOURCE, "upper");
	wire_group_end(out);
}

static void write_volume(const struct config *c, size_t i, struct wire_out *out)
{
	const struct spec_volume *v = &c->spec->volumes[i];
	char tag[24];

	(void)snprintf(tag, sizeof(tag), "v%zu", i);
	wire_group(out, AGENT_TAG_MOUNT);
	wire_text(out, AGENT_TAG_TYPE, c->by_virtiofs ? "virtiofs" : "9p");
	wire_text(out, AGENT_TAG_SOURCE, tag);
	if (!c->by_virtiofs)
		wire_text(out, AGENT_TAG_OPTIONS, NINEP_OPTIONS);
	wire_text(out, AGENT_TAG_TARGET, v->target);
	if (c->shares->v[i].file)
		wire_text(out, AGENT_TAG_SUBPATH, FILE_IN_SHARE);
	if (v->read_only)
		wire_flag(out, AGENT_TAG_READ_ONLY);
	wire_group_end(out);
}

static void write_mounts(const struct config *c, struct wire_out *out)
{
	for (size_t i = 0; i < c->spec->n_tmpfs; i++) {
		const struct spec_tmpfs *t = &c->spec->tmpfs[i];

		wire_group(out, AGENT_TAG_MOUNT);
		wire_text(out, AGENT_TAG_TYPE, "tmpfs");
		wire_text(out, AGENT_TAG_TARGET, t->target);
		if (t->options && *t->options)
			wire_text(out, AGENT_TAG_OPTIONS, t->options);
		wire_group_end(out);
	}
	for (size_t i = 0; i < c->spec->n_volumes; i++)
		write_volume(c, i, out);
}

static void write_process(const struct config *c, struct wire_out *out)
{
	const struct spec_process *p = &c->spec->process;

	wire_group(out, AGENT_TAG_PROCESS);
	strv_foreach(a, p->args.v)
		wire_text(out, AGENT_TAG_ARG, *a);
	strv_foreach(v, p->env.v)
		wire_text(out, AGENT_TAG_ENV, *v);
	wire_text(out, AGENT_TAG_CWD, p->cwd);
	if (*p->user)
		wire_text(out, AGENT_TAG_USER, p->user);
	if (c->spec->tty)
		wire_flag(out, AGENT_TAG_TTY);
	if (c->spec->open_stdin)
		wire_flag(out, AGENT_TAG_STDIN);
	if (c->spec->tty && c->rows && c->columns) {
		wire_number(out, AGENT_TAG_ROWS, c->rows);
		wire_number(out, AGENT_TAG_COLUMNS, c->columns);
	}
	wire_group_end(out);
}

void config_write(const struct config *c, struct wire_out *out)
{
	char entropy[ENTROPY_SIZE];

	wire_number(out, AGENT_TAG_NANOSECONDS, clock_wall());
	if (getrandom(entropy, sizeof(entropy), 0) == sizeof(entropy))
		wire_bytes(out, AGENT_TAG_ENTROPY, entropy, sizeof(entropy));
	write_hosts(c, out);
	if (c->link)
		write_link(c->link, out);
	write_root(c, out);
	write_mounts(c, out);
	write_process(c, out);
}
