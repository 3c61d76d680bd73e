/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "store/internal.h"

/* Open addressing, at most half full. A digest is its own hash. */

static size_t slot(const struct digest_set *set, const struct digest *d)
{
	uint64_t h;
	size_t i;

	memcpy(&h, d->b, sizeof(h));
	for (i = h & (set->room - 1); set->used[i]; i = (i + 1) & (set->room - 1))
		if (digest_equal(&set->v[i], d))
			break;
	return i;
}

static int grow(struct digest_set *set)
{
	struct digest_set big = { .n = set->n, .room = set->room ? set->room * 2 : 1024 };
	size_t i, at;

	big.v = calloc(big.room, sizeof(*big.v));
	big.used = calloc(big.room, sizeof(*big.used));
	if (!big.v || !big.used) {
		digest_set_done(&big);
		return -ENOMEM;
	}
	for (i = 0; i < set->room; i++) {
		if (!set->used[i])
			continue;
		at = slot(&big, &set->v[i]);
		big.v[at] = set->v[i];
		big.used[at] = true;
	}
	digest_set_done(set);
	*set = big;
	return 0;
}

int digest_set_add(struct digest_set *set, const struct digest *d)
{
	size_t at;
	int r = set->n * 2 >= set->room ? grow(set) : 0;

	if (r < 0)
		return r;
	at = slot(set, d);
	if (set->used[at])
		return 0;
	set->v[at] = *d;
	set->used[at] = true;
	set->n++;
	return 1;
}

bool digest_set_has(const struct digest_set *set, const struct digest *d)
{
	return set->n > 0 && set->used[slot(set, d)];
}

void digest_set_done(struct digest_set *set)
{
	free(set->v);
	free(set->used);
	memset(set, 0, sizeof(*set));
}
