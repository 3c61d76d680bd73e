/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <sys/stat.h>

#include "init.h"
#include "network.h"

/* Replaces what is there unless it is a plain file, which is written anew: symbolic links
 * in images lead to what another init would have made. */
static FILE *open_etc(const char *path)
{
	struct stat st;

	if (lstat(path, &st) == 0 && !S_ISREG(st.st_mode) && unlink(path) < 0)
		return NULL;
	return fopen(path, "we");
}

static int close_etc(FILE *f, const char *path, struct why *w)
{
	int failed = f ? ferror(f) : 1;

	if ((f && fclose(f) != 0) || failed)
		return because(w, errno ? -errno : -EIO, "write '%s'", path);
	return 0;
}

static int write_hosts(const struct config *c, struct why *w)
{
	static const char path[] = "/etc/hosts";
	FILE *f = open_etc(path);

	if (f)
		(void)fputs("127.0.0.1\tlocalhost localhost.localdomain\n"
			    "::1\tlocalhost localhost.localdomain\n",
			    f);
	for (size_t k = 0; f && k < c->hosts.n; k++)
		(void)fprintf(f, "%s\n", c->hosts.v[k]);
	for (size_t k = 0; f && c->hostname && k < c->n_links; k++)
		for (size_t i = 0; i < c->links[k].addresses.n; i++) {
			const char *a = c->links[k].addresses.v[i];

			(void)fprintf(f, "%.*s\t%s\n", (int)strcspn(a, "/"), a,
				      c->hostname);
		}
	if (f && c->hostname && c->n_links == 0)
		(void)fprintf(f, "127.0.0.1\t%s\n", c->hostname);
	return close_etc(f, path, w);
}

static int write_resolver(const struct config *c, struct why *w)
{
	static const char path[] = "/etc/resolv.conf";
	FILE *f;

	if (c->dns.n == 0 && c->search.n == 0)
		return 0;
	f = open_etc(path);
	if (f && c->search.n > 0)
		(void)fputs("search", f);
	for (size_t k = 0; f && k < c->search.n; k++)
		(void)fprintf(f, " %s%s", c->search.v[k],
			      k + 1 == c->search.n ? "\n" : "");
	for (size_t k = 0; f && k < c->dns.n; k++)
		(void)fprintf(f, "nameserver %s\n", c->dns.v[k]);
	return close_etc(f, path, w);
}

int network_names(const struct config *c, struct why *w)
{
	FILE *f;
	int r;

	if (mkdir("/etc", 0755) < 0 && errno != EEXIST)
		return because(w, -errno, "make '/etc'");
	r = write_hosts(c, w);
	if (r == 0)
		r = write_resolver(c, w);
	if (r < 0 || !c->hostname)
		return r;
	if (sethostname(c->hostname, strlen(c->hostname)) < 0)
		return because(w, -errno, "set the host name '%s'", c->hostname);
	f = open_etc("/etc/hostname");
	if (f)
		(void)fprintf(f, "%s\n", c->hostname);
	return close_etc(f, "/etc/hostname", w);
}
