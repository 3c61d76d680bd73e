/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>

#include "profile/machine.h"
#include "profile/recipe.h"
#include "tap.h"

static struct volt_error e;

static int parse(const char *text, struct recipe *ret)
{
	return recipe_parse(text, strlen(text), "x", ret, &e);
}

#define LEAST "source qemu trixie\nfeature kvm\nformat raw\n"

static void words_of_a_kind_add_up(void)
{
	_cleanup_recipe_ struct recipe r = { 0 };
	_cleanup_free_ char *devices = NULL;

	CHECK_INT(parse("# a comment\n\nsource qemu trixie # another\n"
			"package gcc  ninja-build\npackage\tg++\n"
			"feature kvm seccomp\nformat raw qcow2\n"
			"firmware bios.bin keymaps/en-us\n"
			"device VIRTIO_BLK\ntarget x86_64 Q35 VIRTIO_PCI\n"
			"device VIRTIO_NET\ntarget aarch64\n",
			&r),
		  0);
	CHECK_STR(r.source, "qemu");
	CHECK_STR(r.release, "trixie");
	CHECK_INT(r.packages.n, 3);
	CHECK_STR(r.packages.v[2], "g++");
	CHECK_STR(r.firmware.v[1], "keymaps/en-us");
	CHECK(recipe_has_feature(&r, "seccomp") && !recipe_has_feature(&r, "tcg"));
	CHECK(recipe_has_firmware(&r, "bios.bin") && !recipe_has_firmware(&r, "bios"));
	CHECK(recipe_has_device(&r, "Q35") && !recipe_has_device(&r, "MICROVM"));
	CHECK_INT(r.n_targets, 2);
	devices = recipe_devices(&r.targets[0]);
	CHECK_STR(devices, "CONFIG_Q35=y\nCONFIG_VIRTIO_PCI=y\nCONFIG_VIRTIO_BLK=y\n"
			   "CONFIG_VIRTIO_NET=y\n");
	free(devices);
	devices = recipe_devices(&r.targets[1]);
	CHECK_STR(devices, "CONFIG_VIRTIO_BLK=y\nCONFIG_VIRTIO_NET=y\n");
}

static void a_target_without_devices_has_an_empty_list(void)
{
	_cleanup_recipe_ struct recipe r = { 0 };
	_cleanup_free_ char *devices = NULL;

	CHECK_INT(parse(LEAST "target x86_64", &r), 0);
	devices = recipe_devices(&r.targets[0]);
	CHECK_STR(devices, "");
}

/* Words become arguments of configure, lines of a configuration and paths. */
static void what_could_be_more_than_a_name_is_refused(void)
{
	static const struct {
		const char *text, *message;
	} rows[] = {
		{ "run rm", "recipe 'x', line 1: not a word of recipes: 'run'" },
		{ "\nfeature kvm=/bin/sh",
		  "recipe 'x', line 2: not a name for this 'kvm=/bin/sh'" },
		{ "feature --cc=x", "recipe 'x', line 1: not a name for this '--cc=x'" },
		{ "feature -x", "recipe 'x', line 1: not a name for this '-x'" },
		{ "feature modules",
		  "recipe 'x', line 1: a profile cannot have the feature 'modules'" },
		{ "format raw,qcow2",
		  "recipe 'x', line 1: not a name for this 'raw,qcow2'" },
		{ "device q35", "recipe 'x', line 1: not a name for this 'q35'" },
		{ "device Q35=y", "recipe 'x', line 1: not a name for this 'Q35=y'" },
		{ "package -oDir=x",
		  "recipe 'x', line 1: not a name for this '-oDir=x'" },
		{ "package gcc/trixie",
		  "recipe 'x', line 1: not a name for this 'gcc/trixie'" },
		{ "source http://x trixie",
		  "recipe 'x', line 1: not a package's name: 'http://x'" },
		{ "source qemu trixie/../x",
		  "recipe 'x', line 1: not a release's name: 'trixie/../x'" },
		{ "source qemu",
		  "recipe 'x', line 1: expected a package and a release after 'source'" },
		{ "source qemu a b",
		  "recipe 'x', line 1: expected a package and a release after 'source'" },
		{ "target ../../x",
		  "recipe 'x', line 1: not an architecture of QEMU's: '../../x'" },
		{ "target arm64",
		  "recipe 'x', line 1: not an architecture of QEMU's: 'arm64'" },
		{ "target", "recipe 'x', line 1: not an architecture of QEMU's: ''" },
		{ "firmware /etc/passwd",
		  "recipe 'x', line 1: not a file's name: '/etc/passwd'" },
		{ "firmware a/../../b",
		  "recipe 'x', line 1: not a file's name: 'a/../../b'" },
		{ "firmware -x", "recipe 'x', line 1: not a file's name: '-x'" },
		{ "feature kvm\033[2J",
		  "recipe 'x', line 1: a control character in 'feature kvm?[2J'" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct recipe r = { 0 };

		CHECK_INT(parse(rows[i].text, &r), -EINVAL);
		CHECK_STR(e.msg, rows[i].message);
	}
}

static void a_word_twice_is_refused(void)
{
	struct recipe r = { 0 };

	CHECK_INT(parse("feature kvm kvm", &r), -EINVAL);
	CHECK_STR(e.msg, "recipe 'x', line 1: a second time 'kvm'");
	CHECK_INT(parse("target x86_64\ntarget x86_64 Q35", &r), -EINVAL);
	CHECK_STR(e.msg, "recipe 'x', line 2: a second time 'x86_64'");
	CHECK_INT(parse("source a b\nsource a b", &r), -EINVAL);
	CHECK_STR(e.msg, "recipe 'x', line 2: a second time 'source'");
}

static void what_is_missing_is_named(void)
{
	struct recipe r = { 0 };

	CHECK_INT(parse("", &r), -EINVAL);
	CHECK_STR(e.msg, "recipe 'x' has no 'source'");
	CHECK_INT(parse(LEAST, &r), -EINVAL);
	CHECK_STR(e.msg, "recipe 'x' has no 'target'");
	CHECK_INT(parse("source a b\ntarget x86_64\nfeature kvm", &r), -EINVAL);
	CHECK_STR(e.msg, "recipe 'x' has no 'format'");
	CHECK_INT(parse("source a b\ntarget x86_64\nformat raw", &r), -EINVAL);
	CHECK_STR(e.msg, "recipe 'x' has no 'feature kvm' or 'feature tcg'");
}

static void too_much_of_anything_is_refused(void)
{
	static char text[70000], word[200];
	struct recipe r = { 0 };

	memset(text, ' ', sizeof(text) - 1);
	CHECK_INT(parse(text, &r), -EINVAL);
	CHECK_STR(e.msg, "recipe 'x' is too large");
	text[2000] = 0;
	CHECK_INT(parse(text, &r), -EINVAL);
	CHECK(strstr(e.msg, "too many words"));
	(void)snprintf(word, sizeof(word), "device %0100d", 7);
	memset(word + 7, 'A', 100);
	CHECK_INT(parse(word, &r), -EINVAL);
	CHECK(strstr(e.msg, "not a name for this 'AAAA"));
	CHECK_INT(recipe_parse("a\0b", 3, "x", &r, &e), -EINVAL);
	CHECK_STR(e.msg, "recipe 'x' is not text");
}

static bool has_target(const struct recipe *r, const struct machine_row *row)
{
	const char *qemu = profile_arch_find(row->arch)->qemu;

	for (size_t i = 0; i < r->n_targets; i++)
		if (strcmp(r->targets[i].arch->qemu, qemu) == 0)
			return true;
	return false;
}

/* The first file that a machine opens whose kernel is given, and that it lacks. */
static const char *missing_firmware(const struct recipe *r)
{
	for (size_t i = 0; i < machine_rows_n; i++) {
		const struct machine_row *row = &machine_rows[i];

		for (size_t k = 0; k < ARRAY_SIZE(row->firmware) && has_target(r, row);
		     k++)
			if (row->firmware[k] && !recipe_has_firmware(r, row->firmware[k]))
				return row->firmware[k];
	}
	return "none";
}

/* The first device of a machine that boots a disk which it lacks. */
static const char *missing_device(const struct recipe *r)
{
	static const char *const devices[] = {
		"E1000E_PCI_EXPRESS", "NVME_PCI", "TPM_CRB", "TPM_EMULATOR", "USB_HID",
		"USB_XHCI_PCI",       "VGA_PCI"
	};

	for (size_t i = 0; i < ARRAY_SIZE(devices); i++)
		if (!recipe_has_device(r, devices[i]))
			return devices[i];
	return "none";
}

/* Those that volt comes with, each for its profile. */
static void volt_s_own_recipes_are_good(void)
{
	static const struct {
		const char *name, *feature;
		size_t n_targets;
	} rows[] = {
		{ "kvm-linux", "kvm", 1 },
		{ "kvm-uefi", "kvm", 1 },
		{ "emulate-x86", "tcg", 1 },
		{ "emulate-foreign", "tcg", 5 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_recipe_ struct recipe r = { 0 };
		char path[512];

		(void)snprintf(path, sizeof(path), RECIPES "/%s.recipe", rows[i].name);
		CHECK_INT(recipe_read(path, &r, &e), 0);
		CHECK(recipe_has_feature(&r, rows[i].feature));
		CHECK(recipe_has_feature(&r, "seccomp")); /* -sandbox */
		CHECK_INT(r.n_targets, rows[i].n_targets);
		CHECK(recipe_has_device(&r, "VIRTIO_BLK"));
		if (strcmp(rows[i].name, "kvm-uefi") != 0)
			CHECK_STR(missing_firmware(&r), "none");
		if (recipe_has_feature(&r, "vnc"))
			CHECK_STR(missing_device(&r), "none");
	}
}

static void a_recipe_that_is_not_there_is_named(void)
{
	struct recipe r = { 0 };

	CHECK_INT(recipe_read("/no/such.recipe", &r, &e), -ENOENT);
	CHECK(strstr(e.msg, "'/no/such.recipe'"));
}

int main(void)
{
	RUN(words_of_a_kind_add_up);
	RUN(a_target_without_devices_has_an_empty_list);
	RUN(what_could_be_more_than_a_name_is_refused);
	RUN(a_word_twice_is_refused);
	RUN(what_is_missing_is_named);
	RUN(too_much_of_anything_is_refused);
	RUN(volt_s_own_recipes_are_good);
	RUN(a_recipe_that_is_not_there_is_named);
	return tap_done();
}
