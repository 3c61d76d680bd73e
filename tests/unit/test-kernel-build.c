/* SPDX-License-Identifier: Apache-2.0 */
/* `volt kernel build` with sources that are a Makefile of a few lines: what is real about it
 * is make, the directories, and what becomes of results and failures. */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/path.h"
#include "base/spawn.h"
#include "guest/kernel.h"
#include "put-file.h"
#include "tap.h"

static char root[] = "/tmp/volt-test-build-XXXXXX";
static char source[256], config[256];
static int rootfd = -1;
static struct kernels ks;
static struct volt_error e;
static char said[4096];

static void put_text(const char *path, const char *text)
{
	put_file(root, path, text, strlen(text));
}

/* What QEMU enters, as a file that make has only to copy. */
static void put_image(void)
{
	char data[1024];
	Elf64_Ehdr h = { .e_machine = EM_X86_64,
			 .e_phoff = sizeof(h),
			 .e_phnum = 1,
			 .e_phentsize = sizeof(Elf64_Phdr) };
	Elf64_Phdr p = { .p_type = PT_NOTE,
			 .p_offset = sizeof(h) + sizeof(p),
			 .p_filesz = 16 };
	Elf64_Nhdr n = { 4, 0, 18 };
	size_t at = p.p_offset;

	memcpy(h.e_ident, ELFMAG, SELFMAG);
	h.e_ident[EI_CLASS] = ELFCLASS64;
	h.e_ident[EI_DATA] = ELFDATA2LSB;
	memcpy(data, &h, sizeof(h));
	memcpy(data + sizeof(h), &p, sizeof(p));
	memcpy(data + at, &n, sizeof(n));
	memcpy(data + at + sizeof(n), "Xen", 4);
	at += 16;
	at += (size_t)sprintf(data + at, "Linux version 6.5-made (x)");
	put_file(root, "source/image", data, at);
}

static const char good[] =
	"olddefconfig:\n\t@grep -q CONFIG_MADE=y $(O)/.config\n"
	"bzImage:\n\t@if [ -s arch/x86/kernel/apic/apic.c ]; then echo error: changed; false; fi\n"
	"\t@echo \"  CC      everything for $(ARCH)\"\n"
	"\t@mkdir -p $(O)/arch/x86/boot\n\t@cp image $(O)/arch/x86/boot/bzImage\n"
	"\t@printf 'k/virtio_pci.ko\\nk/virtio_console.ko\\nk/virtio_blk.ko\\n"
	"k/virtio_net.ko\\nk/erofs.ko\\nk/overlay.ko\\nk/9p.ko\\n' >$(O)/modules.builtin\n";

static void remember(void *data, int level, const char *line)
{
	(void)data;
	(void)level;
	(void)strncat(said, line, sizeof(said) - strlen(said) - 2);
	(void)strncat(said, "\n", 2);
}

static int build(const char *from, const char *name, char **ret)
{
	static const struct log log = { remember, NULL };
	struct kernel_build o = { .arch = "x86_64",
				  .name = name,
				  .source = from,
				  .config = config,
				  .jobs = 1 };

	said[0] = 0;
	return kernel_build(&ks, &o, &log, ret, &e);
}

static bool is_clean(void)
{
	_cleanup_close_ int fd =
		openat(rootfd, "kernels", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_closedir_ DIR *d = fdopendir(TAKE_FD(fd));
	struct dirent *de;

	while (d && (de = readdir(d)))
		if (strncmp(de->d_name, ".work-", 6) == 0 ||
		    strncmp(de->d_name, ".tmp-", 5) == 0)
			return false;
	return d != NULL;
}

static void what_make_makes_becomes_a_kernel(void)
{
	char *name = NULL;
	struct kernel *k;

	CHECK_INT(build(source, NULL, &name), 0);
	CHECK_STR(name, "volt-6.5-made");
	free(name);
	CHECK_INT(kernel_open(&ks, NULL, "x86_64", &k, &e), 0);
	CHECK_STR(k->source, "build");
	CHECK_STR(k->release, "6.5-made");
	CHECK_INT(k->abilities, KERNEL_PVH | KERNEL_PCI | KERNEL_9P);
	kernel_free(k);
	CHECK(strstr(said, "building"));
	CHECK(is_clean());
}

static void sources_may_be_an_archive(void)
{
	char archive[300];
	const char *const argv[] = { "tar", "-cf", archive, "-C", root, "source", NULL };
	struct spawn s = SPAWN_INIT;
	char *name = NULL;

	(void)snprintf(archive, sizeof(archive), "%s/linux.tar", root);
	s.argv = argv;
	CHECK_INT(spawn_run(&s, 0, NULL, &e), 0);
	CHECK_INT(build(archive, "named", &name), 0);
	CHECK_STR(name, "named");
	free(name);
	CHECK(is_clean());
}

static void unpacked_sources_get_volt_s_addition(void)
{
	char archive[300];

	(void)snprintf(archive, sizeof(archive), "%s/linux.tar", root);
	put_text("x86_64.append", "this stops the build\n");
	CHECK_INT(build(archive, "stopped", NULL), -EIO);
	CHECK(strstr(e.msg, "error: changed"));
	CHECK_INT(build(source, "unchanged", NULL),
		  0); /* a directory of the user's own */
	put_text("x86_64.append", "");
}

static void a_failure_of_make_is_told_by_its_line(void)
{
	put_text("source/Makefile",
		 "olddefconfig:\n\t@true\n"
		 "bzImage:\n\t@echo 'x.c:5:1: error: no such thing'; false\n");
	CHECK_INT(build(source, "failing", NULL), -EIO);
	CHECK(strstr(e.msg, "x.c:5:1: error: no such thing"));
	CHECK(is_clean());
}

static void what_lacks_a_driver_is_refused(void)
{
	char *at, text[sizeof(good)];

	memcpy(text, good, sizeof(good));
	at = strstr(text, "erofs");
	memcpy(at, "other", 5);
	put_text("source/Makefile", text);
	CHECK_INT(build(source, "lacking", NULL), -ENOTSUP);
	CHECK_STR(e.msg, "the kernel has no 'erofs', which machines need");
	CHECK(is_clean());
}

static void sources_that_are_not_there_are_named(void)
{
	CHECK_INT(build("/no/such/sources", NULL, NULL), -ENOENT);
	CHECK(strstr(e.msg, "'/no/such/sources'"));
	CHECK(is_clean());
}

static void an_architecture_without_a_configuration_is_told_what_to_do(void)
{
	struct kernel_build o = { .arch = "arm64", .source = source, .config = config };

	CHECK_INT(kernel_build(&ks, &o, NULL, NULL, &e), -ENOTSUP);
	CHECK_STR(e.msg, "volt has no kernel configuration for arm64; 'volt kernel "
			 "import --arch arm64' gets Debian's kernel");
	CHECK_INT(kernel_build_check("loongarch64", &e), -ENOTSUP);
	CHECK_STR(e.msg, "volt has no kernel configuration for loongarch64");
	CHECK_INT(kernel_build_check("x86_64", &e), 0);
}

/* A maker that died: nobody holds its lock. */
static void what_a_dead_build_has_left_is_removed(void)
{
	struct stat st;

	CHECK_INT(mkdirat(rootfd, "kernels/.work-dead", 0700), 0);
	CHECK_INT(mkdirat(rootfd, "kernels/.work-dead/object", 0700), 0);
	put_text("kernels/.work-dead/lock", "");
	CHECK_INT(build("/no/such/sources", NULL, NULL), -ENOENT);
	CHECK(fstatat(rootfd, "kernels/.work-dead", &st, 0) < 0);
}

int main(void)
{
	static const char *const parts[] = { "source/arch", "source/arch/x86",
					     "source/arch/x86/kernel",
					     "source/arch/x86/kernel/apic" };
	char init[256];
	int tmp;
	struct store *store;

	if (!mkdtemp(root) || (rootfd = open(root, O_RDONLY | O_DIRECTORY)) < 0 ||
	    store_open(rootfd, &store, &e) < 0 || mkdirat(rootfd, "source", 0700) < 0)
		return 1;
	(void)snprintf(source, sizeof(source), "%s/source", root);
	(void)snprintf(config, sizeof(config), "%s/x86_64.config", root);
	(void)snprintf(init, sizeof(init), "%s/init", root);
	put_text("init", "the init");
	put_text("x86_64.append", "");
	put_text("x86_64.config", "CONFIG_MADE=y\n");
	put_text("source/Makefile", good);
	for (size_t k = 0; k < ARRAY_SIZE(parts); k++)
		if (mkdirat(rootfd, parts[k], 0700) < 0)
			return 1;
	put_text("source/arch/x86/kernel/apic/apic.c", "");
	put_image();
	ks = (struct kernels){ rootfd, store, init };
	RUN(what_make_makes_becomes_a_kernel);
	RUN(sources_may_be_an_archive);
	RUN(unpacked_sources_get_volt_s_addition);
	RUN(a_failure_of_make_is_told_by_its_line);
	RUN(what_lacks_a_driver_is_refused);
	RUN(sources_that_are_not_there_are_named);
	RUN(an_architecture_without_a_configuration_is_told_what_to_do);
	RUN(what_a_dead_build_has_left_is_removed);
	store_close(store);
	tmp = open("/tmp", O_PATH | O_DIRECTORY);
	if (remove_tree_at(tmp, root + strlen("/tmp/")) < 0)
		return 1;
	return tap_done();
}
