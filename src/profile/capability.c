/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "profile/manifest.h"

static const struct {
	unsigned int capability;
	const char *word;
} words[] = {
	{ PROFILE_CAN_KVM, "kvm" },           { PROFILE_CAN_TCG, "tcg" },
	{ PROFILE_CAN_UEFI, "uefi" },         { PROFILE_CAN_MICROVM, "microvm" },
	{ PROFILE_CAN_VIRTIOFS, "virtiofs" }, { PROFILE_CAN_TPM, "tpm" },
	{ PROFILE_CAN_VNC, "vnc" },
};

unsigned int profile_capability_parse(const char *word)
{
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strcmp(words[i].word, word) == 0)
			return words[i].capability;
	return 0;
}

const char *profile_capability_text(unsigned int capability)
{
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (words[i].capability == capability)
			return words[i].word;
	return NULL;
}
