/*
 * A list in force beside its sources: what it holds, how old it is, and
 * whether a compile would find the files it was built from.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "lists/lookup.h"
#include "lists/source.h"

static void
fill(const struct list *l, struct list_status *st)
{
	const struct list_meta *m = list_meta(l);

	memset(st, 0, sizeof(*st));
	st->count = m->count;
	st->octets = m->size;
	st->nv4 = m->nv4;
	st->nv6 = m->nv6;
	memcpy(st->v4, m->v4, sizeof(st->v4));
	memcpy(st->v6, m->v6, sizeof(st->v6));
	st->has_names = m->names;
	st->built = list_built(l);
}

static void
keep_first(void *arg, bool warning, const struct list_error *e)
{
	struct list_error *first = arg;

	if (!warning && first->text[0] == '\0')
		*first = *e;
}

/* The digest that @meta has for a file; false: it was not there. */
static bool
was_built_from(const struct list *l, const char *file, char digest[DIGEST_MAX])
{
	const char *p = list_meta(l)->sources;
	char name[SOURCE_NAME_MAX + 1];
	int n;

	for (; sscanf(p, "source %200s %64s\n%n", name, digest, &n) == 2;
	     p += n)
		if (strcmp(name, file) == 0)
			return true;
	return false;
}

static void
tell_gone(const struct list *l, const struct source *now,
    void (*each)(void *, const char *file, enum source_state), void *arg)
{
	const char *p = list_meta(l)->sources;
	char name[SOURCE_NAME_MAX + 1], digest[DIGEST_MAX];
	int n;

	for (; sscanf(p, "source %200s %64s\n%n", name, digest, &n) == 2;
	     p += n)
		if (source_file(now, name) == NULL)
			each(arg, name, SOURCE_GONE);
}

int
list_status(const struct generation *g, enum list_id id, const char *source_dir,
    struct list_status *st,
    void (*each)(void *, const char *file, enum source_state), void *arg,
    struct list_error *e)
{
	const struct list *l = generation_list(g, id);
	struct report r = { .send = keep_first, .arg = e, .dir = source_dir };
	char digest[DIGEST_MAX];
	struct source now;
	size_t i;
	int dirfd;

	e->text[0] = '\0';
	fill(l, st);
	dirfd = open(source_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dirfd == -1) {
		list_error_set(e, source_dir, 0, "%s", strerror(errno));
		return -1;
	}
	source_init(&now, id);
	source_load(&now, dirfd, &r);
	source_digest_files(&now);
	for (i = 0; i < now.nfiles && r.errors == 0; i++) {
		if (!was_built_from(l, now.files[i].name, digest))
			each(arg, now.files[i].name, SOURCE_NEW);
		else
			each(arg, now.files[i].name,
			    strcmp(digest, now.files[i].digest) == 0 ?
				SOURCE_SAME :
				SOURCE_CHANGED);
	}
	if (r.errors == 0)
		tell_gone(l, &now, each, arg);
	source_free(&now);
	close(dirfd);
	return r.errors == 0 ? 0 : -1;
}
