/* SPDX-License-Identifier: Apache-2.0 */
/* Tells what a program sees from where it runs, a line an answer; each argument is a
 * question. Linked statically, so that it runs in a root that holds nothing else. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

/* "ls:DIR": its entries, sorted. */
static void show_list(const char *dir)
{
	struct dirent **v;
	int n = scandir(dir, &v, NULL, alphasort);

	printf("ls");
	for (int i = 0; i < n; i++)
		if (v[i]->d_name[0] != '.')
			printf(" %s", v[i]->d_name);
	printf("%s\n", n < 0 ? " ?" : "");
}

/* "open:PATH", "write:PATH": "ok" or the error's name. */
static void try_open(const char *path, int flags)
{
	int fd = open(path, flags, 0644);

	printf("%s\n", fd < 0 ? strerrorname_np(errno) : "ok");
	if (fd >= 0)
		(void)close(fd);
}

/* "text:PATH": the first line. */
static void show_text(const char *path)
{
	FILE *f = fopen(path, "re");
	char line[256] = "";

	if (!f || !fgets(line, sizeof(line), f))
		(void)snprintf(line, sizeof(line), "%s", strerrorname_np(errno));
	line[strcspn(line, "\n")] = '\0';
	printf("%s\n", line);
	if (f)
		(void)fclose(f);
}

static void show_rights(void)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };
	int bounding = 0;

	(void)syscall(SYS_capget, &head, data);
	for (int cap = 0; cap <= CAP_LAST_CAP; cap++)
		bounding += prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1;
	printf("caps %x%08x bounding %d no_new_privs %d\n", data[1].effective,
	       data[0].effective, bounding, prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
}

static void show_ids(void)
{
	printf("uid %u gid %u groups %d\n", getuid(), getgid(), getgroups(0, NULL));
}

static void show_network(void)
{
	struct if_nameindex *v = if_nameindex();
	char host[64] = "";

	(void)gethostname(host, sizeof(host) - 1);
	printf("host %s net", host);
	for (struct if_nameindex *i = v; i && i->if_index; i++)
		printf(" %s", i->if_name);
	printf("\n");
	if_freenameindex(v);
}

/* "flags:PATH": of the mount it is on. */
static void show_flags(const char *path)
{
	struct statvfs st = { 0 };

	if (statvfs(path, &st) < 0)
		printf("%s\n", strerrorname_np(errno));
	else
		printf("%s%s%s%s\n", st.f_flag & ST_RDONLY ? "ro" : "rw",
		       st.f_flag & ST_NOSUID ? " nosuid" : "",
		       st.f_flag & ST_NODEV ? " nodev" : "",
		       st.f_flag & ST_NOEXEC ? " noexec" : "");
}

/* "env:NAME" */
static void show_variable(const char *name)
{
	const char *value = getenv(name);

	printf("%s\n", value ? value : "(unset)");
}

/* "exit:STATUS", "signal:NUMBER", "wait:": until a signal comes from somewhere else. */
static void end(const char *how, const char *text)
{
	int number = (int)strtol(text, NULL, 10);

	(void)fflush(stdout);
	if (strcmp(how, "exit") == 0)
		exit(number);
	if (strcmp(how, "signal") == 0)
		(void)raise(number);
	if (strcmp(how, "wait") == 0)
		(void)pause();
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		char *colon = strchr(argv[i], ':');
		const char *arg = colon ? colon + 1 : "";

		if (colon)
			*colon = '\0';
		if (strcmp(argv[i], "ls") == 0)
			show_list(arg);
		else if (strcmp(argv[i], "open") == 0)
			try_open(arg, O_RDONLY | O_CLOEXEC);
		else if (strcmp(argv[i], "write") == 0)
			try_open(arg, O_WRONLY | O_CREAT | O_CLOEXEC);
		else if (strcmp(argv[i], "text") == 0)
			show_text(arg);
		else if (strcmp(argv[i], "flags") == 0)
			show_flags(arg);
		else if (strcmp(argv[i], "rights") == 0)
			show_rights();
		else if (strcmp(argv[i], "ids") == 0)
			show_ids();
		else if (strcmp(argv[i], "network") == 0)
			show_network();
		else if (strcmp(argv[i], "env") == 0)
			show_variable(arg);
		else if (strcmp(argv[i], "next") == 0) /* the argument that follows */
			printf("%s\n", i + 1 < argc ? argv[i + 1] : "(none)");
		else if (strcmp(argv[i], "-L") == 0 && i + 1 < argc)
			printf("-L %s\n", argv[++i]);
		else if (colon)
			end(argv[i], arg);
	}
	return 0;
}
