/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <limits.h>

#include "init.h"

#define ITEMS 1024 /* at most: mounts, links, addresses, names; not args and env */

int list_add(struct list *l, const char *text, size_t size)
{
	char **v = l->v, *copy;

	/* Grows at every power of two, the NULL included. */
	if (((l->n + 1) & l->n) == 0) {
		v = realloc(l->v, 2 * (l->n + 1) * sizeof(*v));
		if (!v)
			return -ENOMEM;
		l->v = v;
	}
	copy = strndup(text, size);
	if (!copy) {
		v[l->n] = NULL;
		return -ENOMEM;
	}
	v[l->n++] = copy;
	v[l->n] = NULL;
	return 0;
}

void list_done(struct list *l)
{
	for (size_t k = 0; k < l->n; k++)
		free(l->v[k]);
	free(l->v);
	*l = (struct list){ 0 };
}

static int add_text(struct list *l, const struct agent_item *i, size_t max)
{
	if (l->n >= max || agent_text(i, AGENT_CONFIG_MAX) < 0)
		return -EBADMSG;
	return list_add(l, i->data, i->size);
}

static int set_text(char **at, const struct agent_item *i)
{
	if (*at || agent_text(i, PATH_MAX - 1) < 0)
		return -EBADMSG;
	*at = strndup(i->data, i->size);
	return *at ? 0 : -ENOMEM;
}

static int set_flag(bool *at, const struct agent_item *i)
{
	*at = true;
	return i->size == 0 ? 0 : -EBADMSG;
}

static int take_mount(struct mount_wish *m, const struct agent_item *i)
{
	switch (i->tag) {
	case AGENT_TAG_TYPE:
		return set_text(&m->type, i);
	case AGENT_TAG_SOURCE:
		return set_text(&m->source, i);
	case AGENT_TAG_OPTIONS:
		return set_text(&m->options, i);
	case AGENT_TAG_TARGET:
		return set_text(&m->target, i);
	case AGENT_TAG_SUBPATH:
		return set_text(&m->subpath, i);
	case AGENT_TAG_READ_ONLY:
		return set_flag(&m->read_only, i);
	default:
		return -EBADMSG;
	}
}

static int parse_mount(const struct agent_item *group, bool target, struct mount_wish *m)
{
	struct agent_cursor c = agent_group(group);
	struct agent_item i;
	int r;

	if (m->type)
		return -EBADMSG;
	while ((r = agent_next(&c, &i)) > 0) {
		r = take_mount(m, &i);
		if (r < 0)
			return r;
	}
	if (r == 0 && (!m->type || !target != !m->target))
		return -EBADMSG;
	if (m->target && m->target[0] != '/')
		return -EBADMSG;
	return r;
}

static int take_link(struct link_wish *l, const struct agent_item *i)
{
	switch (i->tag) {
	case AGENT_TAG_MAC:
		return set_text(&l->mac, i);
	case AGENT_TAG_ADDRESS:
		return add_text(&l->addresses, i, ITEMS);
	case AGENT_TAG_GATEWAY:
		return add_text(&l->gateways, i, ITEMS);
	case AGENT_TAG_MTU:
		return agent_number(i, 68, 65535, &l->mtu);
	default:
		return -EBADMSG;
	}
}

static int parse_link(const struct agent_item *group, struct link_wish *l)
{
	struct agent_cursor c = agent_group(group);
	struct agent_item i;
	int r;

	while ((r = agent_next(&c, &i)) > 0) {
		r = take_link(l, &i);
		if (r < 0)
			return r;
	}
	return r;
}

static int take_process(struct process_wish *p, const struct agent_item *i)
{
	switch (i->tag) {
	case AGENT_TAG_ARG:
		return add_text(&p->args, i, AGENT_CONFIG_MAX);
	case AGENT_TAG_ENV:
		return add_text(&p->env, i, AGENT_CONFIG_MAX);
	case AGENT_TAG_CWD:
		return set_text(&p->cwd, i);
	case AGENT_TAG_USER:
		return set_text(&p->user, i);
	case AGENT_TAG_TTY:
		return set_flag(&p->tty, i);
	case AGENT_TAG_STDIN:
		return set_flag(&p->in, i);
	case AGENT_TAG_ROWS:
		return agent_number(i, 0, UINT16_MAX, &p->rows);
	case AGENT_TAG_COLUMNS:
		return agent_number(i, 0, UINT16_MAX, &p->columns);
	default:
		return -EBADMSG;
	}
}

static int parse_process(struct agent_cursor c, struct process_wish *p)
{
	struct agent_item i;
	int r;

	while ((r = agent_next(&c, &i)) > 0) {
		r = take_process(p, &i);
		if (r < 0)
			return r;
	}
	if (r == 0 && (p->args.n == 0 || p->args.v[0][0] == 0))
		return -EBADMSG;
	if (p->cwd && p->cwd[0] != '/')
		return -EBADMSG;
	return r;
}

int process_wish_parse(struct agent_cursor c, struct process_wish *ret)
{
	int r;

	*ret = (struct process_wish){ 0 };
	r = parse_process(c, ret);
	if (r < 0)
		process_wish_done(ret);
	return r;
}

/* Appends a zeroed element to an array of *@n. */
static void *grow(void *array, size_t *n, size_t size)
{
	void **v = array;
	char *grown;

	if (*n >= ITEMS)
		return NULL;
	grown = realloc(*v, (*n + 1) * size);
	if (!grown)
		return NULL;
	*v = grown;
	memset(grown + *n * size, 0, size);
	return grown + (*n)++ * size;
}

static int add_mount(struct config *c, const struct agent_item *i)
{
	struct mount_wish *m = grow(&c->mounts, &c->n_mounts, sizeof(*m));

	return m ? parse_mount(i, true, m) : -ENOMEM;
}

static int add_link(struct config *c, const struct agent_item *i)
{
	struct link_wish *l = grow(&c->links, &c->n_links, sizeof(*l));

	return l ? parse_link(i, l) : -ENOMEM;
}

static int set_entropy(struct config *c, const struct agent_item *i)
{
	if (i->size > sizeof(c->entropy))
		return -EBADMSG;
	memcpy(c->entropy, i->data, i->size);
	c->entropy_size = i->size;
	return 0;
}

static int take(struct config *c, const struct agent_item *i)
{
	switch (i->tag) {
	case AGENT_TAG_NANOSECONDS:
		return agent_number(i, 0, INT64_MAX, &c->wall);
	case AGENT_TAG_ENTROPY:
		return set_entropy(c, i);
	case AGENT_TAG_HOSTNAME:
		return set_text(&c->hostname, i);
	case AGENT_TAG_HOSTS:
		return add_text(&c->hosts, i, ITEMS);
	case AGENT_TAG_DNS:
		return add_text(&c->dns, i, ITEMS);
	case AGENT_TAG_SEARCH:
		return add_text(&c->search, i, ITEMS);
	case AGENT_TAG_ROOT:
		return parse_mount(i, false, &c->root);
	case AGENT_TAG_UPPER:
		return parse_mount(i, false, &c->upper);
	case AGENT_TAG_MOUNT:
		return add_mount(c, i);
	case AGENT_TAG_LINK:
		return add_link(c, i);
	case AGENT_TAG_PROCESS:
		return c->process.args.n ? -EBADMSG
					 : parse_process(agent_group(i), &c->process);
	default:
		return -EBADMSG;
	}
}

static int parse(struct agent_cursor cursor, struct config *c)
{
	struct agent_item i;
	int r;

	while ((r = agent_next(&cursor, &i)) > 0) {
		r = take(c, &i);
		if (r < 0)
			return r;
	}
	if (r == 0 && (!c->root.type || !c->root.source || c->process.args.n == 0))
		return -EBADMSG;
	return r;
}

int config_parse(struct agent_cursor c, struct config *ret)
{
	int r;

	*ret = (struct config){ 0 };
	r = parse(c, ret);
	if (r < 0)
		config_done(ret);
	return r;
}

static void mount_wish_done(struct mount_wish *m)
{
	free(m->type);
	free(m->source);
	free(m->target);
	free(m->options);
	free(m->subpath);
}

void process_wish_done(struct process_wish *p)
{
	list_done(&p->args);
	list_done(&p->env);
	free(p->cwd);
	free(p->user);
	*p = (struct process_wish){ 0 };
}

static void link_wish_done(struct link_wish *l)
{
	free(l->mac);
	list_done(&l->addresses);
	list_done(&l->gateways);
}

void config_done(struct config *c)
{
	free(c->hostname);
	list_done(&c->hosts);
	list_done(&c->dns);
	list_done(&c->search);
	mount_wish_done(&c->root);
	mount_wish_done(&c->upper);
	for (size_t k = 0; k < c->n_mounts; k++)
		mount_wish_done(&c->mounts[k]);
	free(c->mounts);
	for (size_t k = 0; k < c->n_links; k++)
		link_wish_done(&c->links[k]);
	free(c->links);
	process_wish_done(&c->process);
	*c = (struct config){ 0 };
}
