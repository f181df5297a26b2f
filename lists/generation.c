/*
 * A generation as its readers see it: nine open lists of one folder. It opens
 * whole or not at all; whoever has one open keeps it, whatever happens to the
 * newer ones.
 */
#include <sys/types.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lists/dump.h"
#include "lists/find.h"
#include "lists/lookup.h"
#include "lists/report.h"
#include "lists/store.h"

struct generation {
	char name[GENERATION_NAME_MAX];
	uint64_t number;
	struct list *lists[LIST_COUNT];
	struct list_watch watch[LIST_COUNT];
};

/*
 * The generation that this process found damaged last, with what was wrong,
 * until a good one is opened. It is not in a struct generation, as there may
 * be none yet.
 */
static char bad_name[GENERATION_NAME_MAX];
static struct list_error bad_error;

static struct generation *
generation_open(int state_dirfd, const char *name, struct list_error *e)
{
	struct generation *g = calloc(1, sizeof(*g));
	char path[sizeof(e->file)];
	int i, saved, dirfd;

	if (g == NULL) {
		list_error_set(e, name, 0, "%s", strerror(errno));
		return NULL;
	}
	strlcpy(g->name, name, sizeof(g->name));
	g->number = generation_parse(name);
	dirfd = openat(state_dirfd, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dirfd == -1) {
		list_error_set(e, name, 0, "%s", strerror(errno));
		goto fail;
	}
	for (i = 0; i < LIST_COUNT; i++) {
		g->lists[i] = list_open(dirfd, (enum list_id)i, e);
		if (g->lists[i] == NULL) {
			snprintf(path, sizeof(path), "%s/%.40s", name, e->file);
			strlcpy(e->file, path, sizeof(e->file));
			goto fail;
		}
		list_watch(g->lists[i], &g->watch[i]);
	}
	close(dirfd);
	return g;
fail:
	saved = errno;
	if (dirfd != -1)
		close(dirfd);
	generation_close(g);
	errno = saved;
	return NULL;
}

/* The generation in force by its name. 0, or -1 with the error filled. */
static int
read_current(int state_dirfd, char name[GENERATION_NAME_MAX],
    struct list_error *e)
{
	ssize_t n;

	n = readlinkat(state_dirfd, "current", name, GENERATION_NAME_MAX - 1);
	if (n == -1) {
		list_error_set(e, "current", 0, "%s",
		    errno == ENOENT ?
			"there is no generation: compile the lists" :
			strerror(errno));
		return -1;
	}
	name[n] = '\0';
	if (generation_parse(name) != 0)
		return 0;
	list_error_set(e, "current", 0, "`%s` is no generation", name);
	return -1;
}

/* Something newer came into force, and what was read of is gone already. */
static bool
is_overtaken(int state_dirfd, const char *name)
{
	char now[GENERATION_NAME_MAX];
	struct list_error e;

	return errno == ENOENT && read_current(state_dirfd, now, &e) == 0 &&
	    strcmp(now, name) != 0;
}

enum generation_state
generation_refresh(struct generation **g, int state_dirfd, struct list_error *e)
{
	char name[GENERATION_NAME_MAX];
	struct generation *next;

	do {
		if (read_current(state_dirfd, name, e) == -1)
			return GENERATION_BAD;
		if (*g != NULL && strcmp((*g)->name, name) == 0)
			return GENERATION_SAME;
		if (strcmp(bad_name, name) == 0) {
			*e = bad_error;
			errno = EPROTO;
			return GENERATION_BAD;
		}
		next = generation_open(state_dirfd, name, e);
	} while (next == NULL && is_overtaken(state_dirfd, name));
	if (next == NULL) {
		/* Damage stays; a lack of descriptors or rights may not. */
		if (errno == EPROTO) {
			strlcpy(bad_name, name, sizeof(bad_name));
			bad_error = *e;
		}
		return GENERATION_BAD;
	}
	generation_close(*g);
	*g = next;
	bad_name[0] = '\0';
	return GENERATION_NEW;
}

const char *
generation_name(const struct generation *g)
{
	return g->name;
}

uint64_t
generation_number(const struct generation *g)
{
	return g->number;
}

struct list *
generation_list(const struct generation *g, enum list_id id)
{
	return g->lists[id];
}

void
generation_begin(struct generation *g)
{
	int i;

	for (i = 0; i < LIST_COUNT; i++)
		g->watch[i].due = true;
}

bool
generation_damaged(const struct generation *g, struct list_error *e)
{
	char path[sizeof(e->file)];
	int i;

	for (i = 0; i < LIST_COUNT; i++) {
		if (!g->watch[i].damaged)
			continue;
		snprintf(path, sizeof(path), "%s/%s.cdb", g->name,
		    list_name((enum list_id)i));
		list_error_set(e, path, 0,
		    "damaged: it changed in place; compile it again");
		return true;
	}
	return false;
}

void
generation_close(struct generation *g)
{
	int i;

	if (g == NULL)
		return;
	for (i = 0; i < LIST_COUNT; i++)
		list_close(g->lists[i]);
	free(g);
}

void
generation_info(const struct generation *g, enum list_id id,
    struct list_info *info)
{
	const struct list_meta *m = list_meta(g->lists[id]);

	info->count = m->count;
	info->has_names = m->names;
	info->first = m->first;
	info->hops = m->hops;
}

enum list_found
list_find_addr(const struct generation *g, enum list_id id,
    const struct addr *a, int64_t now, struct list_entry *e)
{
	struct prefix p = { *a, a->family == 4 ? 32 : 128 };

	if (a->family == 0)
		return LIST_NONE;
	return find_prefix(g->lists[id], &p, now, e, NULL);
}

enum list_found
list_find_name(const struct generation *g, enum list_id id, const char *name,
    int64_t now, struct list_entry *e)
{
	return find_name(g->lists[id], name, now, e, NULL);
}

enum list_found
list_find_mailbox(const struct generation *g, enum list_id id,
    const char *local, const char *domain, int64_t now, struct list_entry *e)
{
	return find_mailbox(g->lists[id], local, domain, now, e, NULL);
}

enum list_found
list_find_text(const struct generation *g, enum list_id id, const char *key,
    int64_t now, struct list_entry *e, char matched[MAILBOX_TEXT_MAX])
{
	return find_text(g->lists[id], key, now, e, matched);
}

int
list_walk(const struct generation *g, enum list_id id,
    void (*each)(void *, const char *key, const struct list_entry *), void *arg)
{
	return dump_walk(g->lists[id], each, arg);
}

static void
dump_one(void *arg, const char *key, const struct list_entry *e)
{
	list_print(arg, key, e);
	fputc('\n', arg);
}

int
list_dump(const struct generation *g, enum list_id id, FILE *out)
{
	return list_walk(g, id, dump_one, out);
}
