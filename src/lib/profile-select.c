/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <stdio.h>

#include "base/error.h"
#include "lib/profile.h"

#define WHY_SIZE (KVM_WHY_SIZE + 128)

static int choice_parse(const char *options, struct profile_choice *c,
			struct volt_error *e)
{
	static const char *const known[] = { "mode", "arch", "os", NULL };
	const char *mode = "auto", *arch = NULL, *os = "linux";
	json_auto_t *j = NULL;
	int r;

	if ((r = document_parse(options, known, &j, e)) < 0 ||
	    (r = json_get_string(j, "mode", &mode, e)) < 0 ||
	    (r = json_get_string(j, "arch", &arch, e)) < 0 ||
	    (r = json_get_string(j, "os", &os, e)) < 0 ||
	    (r = profile_mode_parse(mode, &c->mode, e)) < 0 ||
	    (r = profile_os_parse(os, &c->os, e)) < 0 ||
	    (r = profile_arch_parse(arch, &c->guest, e)) < 0)
		return r;
	return profile_arch_parse(NULL, &c->host, e);
}

/* @note is why KVM is not usable. */
static void explain(const struct profile_choice *c, const char *note,
		    char why[static WHY_SIZE])
{
	switch (c->mode) {
	case PROFILE_HYBRID_EMULATED:
		(void)snprintf(why, WHY_SIZE, "mode '%s' emulates always",
			       profile_mode_text(c->mode));
		break;
	case PROFILE_HYBRID_KVM:
		(void)snprintf(
			why, WHY_SIZE, "mode '%s' takes KVM always%s%s",
			profile_mode_text(c->mode),
			c->kvm_usable ? "" : ", which cannot be used here: ", note);
		break;
	case PROFILE_AUTO:
		(void)snprintf(why, WHY_SIZE, "%s%s",
			       c->kvm_usable ? "KVM of this host runs guests of "
					       "architecture "
					     : "KVM cannot be used: ",
			       c->kvm_usable ? c->guest->name : note);
		break;
	}
}

static json_t *choice_json(const struct profile_choice *c, enum profile_name name,
			   const char *why)
{
	bool kvm = name == PROFILE_KVM_LINUX || name == PROFILE_KVM_UEFI;
	bool uefi = c->os == PROFILE_OS_WINDOWS || c->os == PROFILE_OS_UEFI;
	json_t *j = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:b, s:[s], s:s}",
			      "profile", profile_name_text(name), "accel",
			      kvm ? "kvm" : "tcg", "mode", profile_mode_text(c->mode),
			      "arch", c->guest->name, "os", profile_os_text(c->os),
			      "host_arch", c->host->name, "kvm_usable", c->kvm_usable,
			      "needs", kvm ? "kvm" : "tcg", "why", why);

	if (uefi)
		(void)json_array_append_new(json_object_get(j, "needs"),
					    json_string("uefi"));
	return j;
}

int volt_profile_select(struct volt_ctx *ctx, const char *options, char **ret,
			struct volt_error *e)
{
	struct profile_choice c = { 0 };
	char note[KVM_WHY_SIZE] = "", why[WHY_SIZE] = "";
	enum accel accel = ACCEL_TCG;
	enum profile_name name;
	int r;

	r = choice_parse(options, &c, e);
	if (r == 0)
		r = accel_choose(ACCEL_AUTO, c.guest->name, ctx->runfd, &accel, note, e);
	if (r < 0)
		return r;
	c.kvm_usable = accel == ACCEL_KVM;
	r = profile_select(&c, &name, e);
	if (r < 0)
		return r;
	explain(&c, note, why);
	return answer(0, choice_json(&c, name, why), ret, e);
}
