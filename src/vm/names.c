/* SPDX-License-Identifier: Apache-2.0 */

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/macro.h"
#include "vm/machine-internal.h"

static const char *const adjectives[] = {
	"able",   "agile",  "alert",  "amber",  "ample",  "apt",     "bold",   "brave",
	"brief",  "bright", "brisk",  "calm",   "candid", "clear",   "clever", "cosy",
	"crisp",  "curly",  "deft",   "eager",  "early",  "earnest", "exact",  "fair",
	"fast",   "fine",   "firm",   "fleet",  "fond",   "frank",   "fresh",  "gentle",
	"glad",   "golden", "grand",  "happy",  "hardy",  "honest",  "jolly",  "keen",
	"kind",   "light",  "lively", "loyal",  "lucid",  "lucky",   "mellow", "merry",
	"mild",   "modest", "neat",   "nimble", "noble",  "patient", "plain",  "polite",
	"prompt", "proud",  "pure",   "quick",  "quiet",  "rapid",   "ready",  "royal",
	"sage",   "sharp",  "silent", "simple", "sleek",  "smart",   "snug",   "sober",
	"solid",  "sound",  "spry",   "steady", "still",  "stout",   "strong", "subtle",
	"sunny",  "sure",   "swift",  "tame",   "tidy",   "true",    "upbeat", "urban",
	"valid",  "vivid",  "warm",   "wary",   "whole",  "wise",    "witty",  "zesty",
};

static const char *const nouns[] = {
	"acorn",  "alder",  "anchor", "anvil",  "arrow",   "aspen",   "badger", "banjo",
	"basin",  "beacon", "beaver", "birch",  "bison",   "bobcat",  "brook",  "canyon",
	"cedar",  "cello",  "cliff",  "clover", "comet",   "coral",   "crane",  "delta",
	"dune",   "eagle",  "ember",  "falcon", "fern",    "ferret",  "finch",  "fjord",
	"flute",  "fox",    "gannet", "garnet", "geyser",  "glacier", "grove",  "gull",
	"harbor", "hare",   "hawk",   "hazel",  "heron",   "hill",    "ibis",   "iris",
	"island", "ivy",    "jackal", "jasper", "kestrel", "lagoon",  "lake",   "larch",
	"lark",   "laurel", "lemur",  "lichen", "linden",  "lynx",    "maple",  "marten",
	"meadow", "mesa",   "moose",  "moss",   "oak",     "onyx",    "opal",   "orchid",
	"osprey", "otter",  "owl",    "pebble", "pine",    "plover",  "pond",   "poplar",
	"quail",  "quartz", "raven",  "reef",   "ridge",   "robin",   "rowan",  "sable",
	"spruce", "stork",  "summit", "swan",   "thrush",  "tulip",   "valley", "willow",
};

void name_make(char name[static 64], unsigned int attempt)
{
	unsigned int dice[2] = { attempt, attempt };

	(void)!getrandom(dice, sizeof(dice), GRND_NONBLOCK);
	(void)snprintf(name, 64, "%s_%s", adjectives[dice[0] % ARRAY_SIZE(adjectives)],
		       nouns[dice[1] % ARRAY_SIZE(nouns)]);
	if (attempt)
		(void)snprintf(name + strlen(name), 16, "%u", attempt);
}
