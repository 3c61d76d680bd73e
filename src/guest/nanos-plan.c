/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: a plan
 *
 * An image's tree and a wish become another tree, of which the base disk is written; it refers
 * to the same objects of the store, except for a few small files that the plan makes and keeps
 * in memory. Nothing is unpacked and nothing is written.
 *
 * The digest is over that tree and the base's attributes, so two wishes that come to the same
 * files share a disk; what differs between machines (arguments, environment, directory) is in
 * the record that each machine's own disk has in addition.
 */
#include "guest/nanos-plan.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/io.h"
#include "base/json.h"
#include "guest/nanos-plan-internal.h"
#include "image/layer.h"
#include "store/sha256.h"

/* Changes when the same image and wish come to something else. */
#define PLAN_HEADER "volt nanos plan 1\n"

/* Measured (doc/nanos.md): with less a kernel does not begin; what a file costs; what most
 * programs are content with. */
#define MEMORY_LEAST    ((uint64_t)11 << 20)
#define MEMORY_PER_FILE 3072u
#define MEMORY_SENSIBLE ((uint64_t)64 << 20)
#define MEMORY_STEP     ((uint64_t)32 << 20)
#define US_PER_FILE     100u

void nanos_plan_free(struct nanos_plan *p)
{
	if (!p)
		return;
	tree_free(p->tree);
	for (size_t i = 0; i < p->n_made; i++) {
		free(p->made[i].path);
		free(p->made[i].text);
	}
	free(p->made);
	json_decref(p->attributes);
	free(p->program);
	strv_done(&p->args);
	strv_done(&p->closure);
	strv_done(&p->notes);
	free(p);
}

static void choice_done(struct nanos_choice *c)
{
	free(c->found);
	free(c->left);
	free(c->want);
	free(c->content);
	elf_closure_done(&c->closure);
}

/* Of all that the loader maps when the program begins. */
static uint64_t program_bytes(const struct nanos_choice *c)
{
	uint64_t sum = c->closure.n > 0 ? 0 : c->t->v[c->program].size;
	uint32_t found;

	for (size_t i = 0; i < c->closure.n; i++)
		if (tree_resolve(c->t, c->closure.v[i].host, NULL, &found) == 0)
			sum += c->t->v[found].size;
	return sum;
}

static int add_up(struct nanos_choice *c, struct volt_error *e)
{
	struct nanos_plan *p = c->p;

	for (uint32_t i = 0; i < c->t->n; i++) {
		const struct tree_entry *t = &c->t->v[i];

		if (c->left[i] == NANOS_IN || S_ISDIR(t->mode))
			continue;
		p->left[c->left[i]].files++;
		if (t->hardlink == TREE_NONE && S_ISREG(t->mode))
			p->left[c->left[i]].bytes += t->size;
	}
	for (uint32_t i = 0; i < p->tree->n; i++) {
		p->in.files++;
		if (S_ISREG(p->tree->v[i].mode) && p->tree->v[i].hardlink == TREE_NONE)
			p->in.bytes += p->tree->v[i].size;
	}
	p->program_bytes = program_bytes(c);
	strv_foreach(word, c->w->args->v)
		if (strv_add(&p->args, *word) < 0)
			return fail_oom(e);
	return 0;
}

static int make_digest(struct nanos_plan *p, struct volt_error *e)
{
	struct layer l = { .tree = p->tree };
	_cleanup_free_ char *bytes = NULL, *attributes = NULL;
	_cleanup_(sha256_freep) struct sha256 *h = NULL;
	size_t size;
	int r = layer_encode(&l, &bytes, &size, e);

	if (r < 0)
		return r;
	attributes = json_dumps(p->attributes, JSON_COMPACT | JSON_SORT_KEYS);
	if (!attributes || sha256_new(&h) < 0 ||
	    sha256_update(h, PLAN_HEADER, strlen(PLAN_HEADER)) < 0 ||
	    sha256_update(h, bytes, size) < 0 ||
	    sha256_update(h, attributes, strlen(attributes)) < 0 ||
	    sha256_final(h, &p->digest) < 0)
		return fail_oom(e);
	return 0;
}

static int make_attributes(struct nanos_plan *p, struct volt_error *e)
{
	p->attributes = json_pack("{s:s}", "program", p->program);
	if (!p->attributes)
		return fail(e, ENOTSUP, "the name of program '%s' is not UTF-8",
			    p->program);
	return 0;
}

static int begin(struct nanos_choice *c, struct volt_error *e)
{
	c->p->s = c->s;
	c->p->full = c->w->full;
	c->p->arch = platform_find(c->w->arch) ? platform_find(c->w->arch)->arch : "";
	c->left = calloc(c->t->n, 1);
	c->want = calloc(c->t->n, 1);
	c->content = calloc(c->t->n, 1);
	return c->left && c->want && c->content ? 0 : fail_oom(e);
}

int nanos_plan_make(const struct tree *t, const struct store *s,
		    const struct nanos_wish *w, struct nanos_plan **ret,
		    struct volt_error *e)
{
	_cleanup_(nanos_plan_freep) struct nanos_plan *p = calloc(1, sizeof(*p));
	_cleanup_(choice_done) struct nanos_choice c = { .t = t, .s = s, .w = w, .p = p };
	int r;

	if (!p)
		return fail_oom(e);
	if ((r = begin(&c, e)) < 0 || (r = nanos_find_program(&c, e)) < 0 ||
	    (r = nanos_choose(&c, e)) < 0 || (r = nanos_build(&c, e)) < 0 ||
	    (r = add_up(&c, e)) < 0 || (r = make_attributes(p, e)) < 0 ||
	    (r = make_digest(p, e)) < 0)
		return r;
	*ret = TAKE_PTR(p);
	return 0;
}

static int open_made(const struct nanos_made *m, struct volt_error *e)
{
	_cleanup_close_ int fd = memfd_create("nanos-file", MFD_CLOEXEC);
	int r = fd < 0 ? -errno : pwrite_all(fd, m->text, strlen(m->text), 0);

	return r < 0 ? fail_code(e, r, "make '%s'", m->path) : TAKE_FD(fd);
}

static int open_content(void *data, uint32_t entry, struct volt_error *e)
{
	const struct nanos_plan *p = data;
	const struct tree_entry *t = &p->tree->v[entry];

	for (size_t i = 0; i < p->n_made; i++)
		if (digest_equal(&p->made[i].digest, &t->object))
			return open_made(&p->made[i], e);
	return store_open_object(p->s, &t->object, e);
}

void nanos_plan_input(const struct nanos_plan *p, struct tfs_input *ret)
{
	*ret = (struct tfs_input){
		.tree = p->tree,
		.open = open_content,
		.data = (void *)(uintptr_t)p,
		.attributes = p->attributes,
	};
	memcpy(ret->uuid, p->digest.b, sizeof(ret->uuid));
}

const struct digest *nanos_plan_digest(const struct nanos_plan *p)
{
	return &p->digest;
}

const char *nanos_plan_program(const struct nanos_plan *p)
{
	return p->program;
}

uint64_t nanos_plan_memory(const struct nanos_plan *p)
{
	return MEMORY_LEAST + p->in.files * MEMORY_PER_FILE;
}

/* The program and what it maps is in memory twice: as files, and as it runs. */
static uint64_t sensible_memory(const struct nanos_plan *p)
{
	uint64_t need = nanos_plan_memory(p) + MEMORY_LEAST + 2 * p->program_bytes;

	need = (need + MEMORY_STEP - 1) / MEMORY_STEP * MEMORY_STEP;
	return need > MEMORY_SENSIBLE ? need : MEMORY_SENSIBLE;
}

static json_t *texts(const struct strv *list)
{
	json_t *j = json_array();

	strv_foreach(word, list->v) /* names in an image are any bytes */
		if (json_array_append_new(j, json_bytes(*word, strlen(*word))) < 0) {
			json_decref(j);
			return NULL;
		}
	return j;
}

static json_t *left_json(const struct nanos_plan *p)
{
	json_t *j = json_array();

	for (size_t i = NANOS_IN + 1; i < NANOS_LEFT_MAX; i++)
		if (p->left[i].files > 0)
			(void)json_array_append_new(
				j, json_pack("{s:s, s:s, s:I, s:I}", "rule",
					     nanos_rules[i].name, "what",
					     nanos_rules[i].text, "files",
					     (json_int_t)p->left[i].files, "bytes",
					     (json_int_t)p->left[i].bytes));
	return j;
}

static json_t *files_json(const struct nanos_plan *p)
{
	_cleanup_strv_ struct strv names = { 0 };

	for (uint32_t i = 1; i < p->tree->n; i++)
		if (strv_addf(&names, "/%s%s", p->tree->v[i].path,
			      S_ISDIR(p->tree->v[i].mode) ? "/" : "") < 0)
			return NULL;
	return texts(&names);
}

static json_t *costs_json(const struct nanos_plan *p)
{
	return json_pack("{s:I, s:I, s:I, s:I}", "boot_us",
			 (json_int_t)p->in.files * US_PER_FILE, "guest_bytes",
			 (json_int_t)p->in.files * MEMORY_PER_FILE, "memory_least",
			 (json_int_t)nanos_plan_memory(p), "memory_sensible",
			 (json_int_t)sensible_memory(p));
}

json_t *nanos_plan_json(const struct nanos_plan *p, bool files)
{
	char digest[DIGEST_OCI_SIZE];
	json_t *j = json_pack(
		"{s:s, s:o, s:s, s:b, s:o, s:o, s:{s:I, s:I}, s:o, s:o, s:s}", "program",
		p->program, "arguments", texts(&p->args), "arch", p->arch, "full",
		p->full, "libraries", texts(&p->closure), "notes", texts(&p->notes), "in",
		"files", (json_int_t)p->in.files, "bytes", (json_int_t)p->in.bytes,
		"left_out", left_json(p), "costs", costs_json(p), "digest",
		digest_oci(&p->digest, digest));

	if (j && files && json_object_set_new(j, "files", files_json(p)) < 0) {
		json_decref(j);
		return NULL;
	}
	return j;
}
