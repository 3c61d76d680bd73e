/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "store/ref.h"

static_assert(sizeof(struct digest) == 32, "a list is read as an array of digests");

static int by_value(const void *a, const void *b)
{
	return digest_compare(a, b);
}

static size_t sort_unique(struct digest *v, size_t n)
{
	size_t i, out = 0;

	if (n == 0)
		return 0;
	qsort(v, n, sizeof(*v), by_value);
	for (i = 0; i < n; i++)
		if (i == 0 || !digest_equal(&v[i], &v[out - 1]))
			v[out++] = v[i];
	return out;
}

int object_list_add(struct ingest *g, struct digest *v, size_t n, struct digest *ret,
		    struct volt_error *e)
{
	const size_t head = strlen(OBJECT_LIST_MAGIC);
	_cleanup_free_ char *data = NULL;

	n = sort_unique(v, n);
	if (n > OBJECT_LIST_MAX)
		return fail(e, E2BIG, "a list of %zu objects is more than %u", n,
			    OBJECT_LIST_MAX);
	data = malloc(head + n * sizeof(*v));
	if (!data)
		return fail_oom(e);
	memcpy(data, OBJECT_LIST_MAGIC, head);
	if (n > 0)
		memcpy(data + head, v, n * sizeof(*v));
	return ingest_add(g, data, head + n * sizeof(*v), OBJECT_PLAIN, ret, e);
}

int object_list_parse(const char *data, size_t size, struct digest **ret, size_t *ret_n)
{
	const size_t head = strlen(OBJECT_LIST_MAGIC);
	_cleanup_free_ struct digest *v = NULL;
	size_t i, n;

	if (size < head || memcmp(data, OBJECT_LIST_MAGIC, head) != 0 ||
	    (size - head) % sizeof(*v) != 0)
		return -EBADMSG;
	n = (size - head) / sizeof(*v);
	v = malloc(n * sizeof(*v) + 1);
	if (!v)
		return -ENOMEM;
	memcpy(v, data + head, n * sizeof(*v));
	for (i = 1; i < n; i++)
		if (digest_compare(&v[i - 1], &v[i]) >= 0)
			return -EBADMSG;
	*ret = TAKE_PTR(v);
	*ret_n = n;
	return 0;
}

int object_list_read(const struct store *s, const struct digest *d, struct digest **ret,
		     size_t *ret_n, struct volt_error *e)
{
	const size_t max = strlen(OBJECT_LIST_MAGIC) + OBJECT_LIST_MAX * sizeof(*d);
	_cleanup_free_ char *data = NULL;
	char hex[DIGEST_HEX_SIZE];
	size_t size;
	int r;

	r = store_read(s, d, max, &data, &size, e);
	if (r < 0)
		return r;
	r = object_list_parse(data, size, ret, ret_n);
	if (r < 0)
		return fail(e, -r, "object '%s' is not a list of objects",
			    digest_hex(d, hex));
	return 0;
}
