/*
 * From sources to a generation in force: everything is parsed and guarded
 * before anything is written, and whatever goes wrong leaves current as it
 * was. Lists that are not to change are hard-linked from the generation in
 * force.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lists/build.h"
#include "lists/change.h"
#include "lists/dump.h"
#include "lists/guard.h"
#include "lists/lookup.h"
#include "lists/store.h"
#include "lists/table.h"

struct compile {
	const struct list_compile *ask;
	struct change *change; /* or NULL */
	struct report report;
	struct store store;
	int64_t now;
	struct list *old[LIST_COUNT]; /* in force; NULL: none or damaged */
	struct source source[LIST_COUNT];
	unsigned parsed; /* lists read from their sources */
	unsigned built;	 /* those among them that are to be written */
	unsigned loaded; /* lists read from the generation in force */
};

static enum compile_outcome
trouble(struct compile *c, const char *path)
{
	struct list_error e;
	int saved = errno;

	list_error_set(&e, path, 0, "%s", strerror(saved));
	report_pass(&c->report, &e);
	errno = saved;
	return COMPILE_TROUBLE;
}

/* Open the lists of a generation, each that can be. True when all can. */
static bool
open_lists(const struct store *st, uint64_t number,
    struct list *lists[LIST_COUNT])
{
	struct list_error e;
	bool whole = true;
	int i, dirfd = store_generation(st, number);

	for (i = 0; i < LIST_COUNT; i++) {
		lists[i] = dirfd == -1 ? NULL :
					 list_open(dirfd, (enum list_id)i, &e);
		whole = whole && lists[i] != NULL;
	}
	if (dirfd != -1)
		close(dirfd);
	return whole;
}

static void
close_lists(struct list *lists[LIST_COUNT])
{
	int i;

	for (i = 0; i < LIST_COUNT; i++)
		list_close(lists[i]);
}

/* 0, or -1 after reporting, with errno. */
static int
compile_init(struct compile *c, const struct list_compile *ask, bool write)
{
	struct list_error e;
	int i, saved;

	memset(c, 0, sizeof(*c));
	c->ask = ask;
	c->report.send = ask->report;
	c->report.arg = ask->report_arg;
	c->report.dir = ask->source_dir;
	c->report.progress = ask->progress;
	c->report.progress_arg = ask->progress_arg;
	c->now = (int64_t)time(NULL);
	for (i = 0; i < LIST_COUNT; i++)
		source_init(&c->source[i], (enum list_id)i);
	if (store_open(&c->store, ask->state_dir, ask->gid, write, &e) == -1) {
		saved = errno;
		report_pass(&c->report, &e);
		errno = saved;
		return -1;
	}
	open_lists(&c->store, c->store.current, c->old);
	return 0;
}

static void
compile_free(struct compile *c)
{
	int i, saved = errno;

	for (i = 0; i < LIST_COUNT; i++)
		source_free(&c->source[i]);
	close_lists(c->old);
	store_close(&c->store);
	errno = saved;
}

/* The sources are those that the list in force was built from. */
static bool
is_same(const struct source *s, const struct list *old)
{
	char *sources;
	bool same;

	if (old == NULL)
		return false;
	sources = build_sources(s);
	same = sources != NULL && strcmp(sources, list_meta(old)->sources) == 0;
	free(sources);
	return same;
}

/* Decide on one list whose sources are loaded. */
static void
plan_list(struct compile *c, enum list_id id)
{
	struct source *s = &c->source[id];
	struct list *old = c->old[id];
	bool named = (c->ask->wanted & BIT(id)) != 0;
	bool all = c->ask->wanted == 0;
	char digest[DIGEST_MAX];

	if (old == NULL) {
		c->parsed |= BIT(id);
		c->built |= BIT(id);
		return;
	}
	if (!named && !all)
		return;
	if (named || c->ask->check)
		c->parsed |= BIT(id);
	source_digest_files(s);
	if (is_same(s, old)) {
		if (named && list_verify(old) == -1)
			c->built |= BIT(id);
		return;
	}
	source_digest(s, digest);
	if (all && held_has(&c->store.held, id, digest)) {
		report_warning(&c->report, list_name(id), 0,
		    "list %s stays as it was before --previous until its "
		    "source changes or it is named",
		    list_name(id));
		return;
	}
	c->parsed |= BIT(id);
	c->built |= BIT(id);
}

/* A list that a change of another one does not even look at. */
static bool
is_aside(const struct compile *c, enum list_id id)
{
	return c->change != NULL && c->change->id != id && c->old[id] != NULL;
}

/* Load, plan and parse, one list after the other. 0, or -1 with errno. */
static int
read_sources(struct compile *c)
{
	enum list_id id;
	int dirfd = open(c->ask->source_dir,
	    O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dirfd == -1)
		return -1;
	for (id = 0; id < LIST_COUNT; id++) {
		if (is_aside(c, id))
			continue;
		source_load(&c->source[id], dirfd, &c->report);
		if (c->change != NULL && c->change->id == id &&
		    change_edit(c->change, &c->source[id], c->now,
			&c->report) == -1)
			break;
		plan_list(c, id);
		if (c->parsed & BIT(id)) {
			source_parse(&c->source[id], &c->report);
			source_warn_shadowed(&c->source[id], &c->report);
		} else {
			source_free(&c->source[id]);
		}
	}
	close(dirfd);
	return 0;
}

static bool
count_live(void *arg, const char *key, size_t len, const struct list_entry *e)
{
	const struct compile *c = ((void **)arg)[0];
	size_t *n = ((void **)arg)[1];

	(void)key;
	(void)len;
	if (e->until == 0 || e->until > c->now)
		(*n)++;
	return true;
}

static void
guard_losses(struct compile *c)
{
	size_t before, after;
	void *arg[2] = { c, &before };
	int i;

	for (i = 0; i < LIST_COUNT; i++) {
		if ((c->built & BIT(i)) == 0 || c->old[i] == NULL)
			continue;
		/* More than half of all there were need not be counted. */
		after = source_unexpired(&c->source[i], c->now);
		before = 0;
		if (after <= list_meta(c->old[i])->count / 2 &&
		    list_each(c->old[i], count_live, arg) == 0)
			guard_loss(&c->report, (enum list_id)i, before, after);
	}
}

static void
run_guards(struct compile *c)
{
	struct guard g;
	unsigned need = guard_needs(c->parsed);
	int i;

	memset(&g, 0, sizeof(g));
	g.ask = c->ask;
	g.report = &c->report;
	g.now = c->now;
	g.in_force = c->old;
	if (c->change != NULL)
		g.known = guard_known(c->old[c->change->id],
		    &c->source[c->change->id], c->now);
	for (i = 0; i < LIST_COUNT; i++) {
		if ((need & BIT(i)) == 0)
			continue;
		g.lists[i] = &c->source[i];
		if (c->parsed & BIT(i))
			continue;
		if (dump_load(&c->source[i], c->old[i]) == -1)
			report_error(&c->report, list_name((enum list_id)i), 0,
			    "the list in force is damaged: name it to compile "
			    "it again");
		c->loaded |= BIT(i);
	}
	guard_losses(c);
	guard_lists(&g, c->parsed);
}

/* Everything up to the first write. */
static enum compile_outcome
compile_check(struct compile *c)
{
	if (read_sources(c) == -1)
		return trouble(c, c->ask->source_dir);
	if (c->report.errors > 0)
		return COMPILE_ERRORS;
	if (!c->ask->force)
		run_guards(c);
	if (c->report.errors > 0)
		return COMPILE_ERRORS;
	return c->built == 0 || c->ask->check ? COMPILE_UNCHANGED :
						COMPILE_DONE;
}

/* The same list in another generation. 0, or -1 with the error filled. */
static int
link_list(int fromfd, int dirfd, enum list_id id, struct list_error *e)
{
	char name[32];
	int r;

	snprintf(name, sizeof(name), "%s.cdb", list_name(id));
	r = linkat(fromfd, name, dirfd, name, 0);
	if (r == -1)
		list_error_set(e, name, 0, "cannot be linked: %s",
		    strerror(errno));
	return r;
}

/* 0, or -1 with errno and the file that failed. */
static int
write_lists(struct compile *c, int dirfd, struct list_error *e)
{
	int i, r = 0, oldfd = store_generation(&c->store, c->store.current);

	for (i = 0; i < LIST_COUNT && r == 0; i++) {
		if (c->built & BIT(i)) {
			r = build_list(dirfd, &c->source[i], c->ask->gid,
			    &c->report, e);
			source_free(&c->source[i]);
			continue;
		}
		r = link_list(oldfd, dirfd, (enum list_id)i, e);
	}
	if (oldfd != -1)
		close(oldfd);
	if (r == 0 && c->change != NULL)
		r = change_stage(c->change, c->ask->source_dir, e);
	return r;
}

/* What was built is held back no more. 0, or -1 with errno. */
static int
release_held(struct compile *c)
{
	size_t before = c->store.held.nlists;
	int i;

	for (i = 0; i < LIST_COUNT; i++)
		if (c->built & BIT(i))
			held_drop(&c->store.held, (enum list_id)i);
	if (c->store.held.nlists == before)
		return 0;
	return held_save(&c->store.held, c->store.fd);
}

static enum compile_outcome
write_generation(struct compile *c)
{
	struct list_error e;
	uint64_t number = 0;
	int saved, dirfd = store_begin(&c->store);

	if (dirfd == -1)
		return trouble(c, c->ask->state_dir);
	if (write_lists(c, dirfd, &e) == -1) {
		saved = errno;
		report_pass(&c->report, &e);
		close(dirfd);
		store_abandon(&c->store);
		errno = saved;
		return COMPILE_TROUBLE;
	}
	number = store_finish(&c->store, dirfd);
	close(dirfd);
	if (number == 0 || store_aim(&c->store, number) == -1 ||
	    (c->change != NULL && change_commit(c->change) == -1) ||
	    store_swing(&c->store, number) == -1 || release_held(c) == -1)
		return trouble(c, c->ask->state_dir);
	store_prune(&c->store);
	return COMPILE_DONE;
}

static void
name_current(const struct compile *c, char *name, size_t size)
{
	char text[GENERATION_NAME_MAX] = "";

	if (c->store.current != 0)
		generation_text(text, c->store.current);
	strlcpy(name, text, size);
}

enum compile_outcome
compile_change(const struct list_compile *ask, struct change *change,
    char *name, size_t size)
{
	enum compile_outcome outcome;
	struct compile c;

	strlcpy(name, "", size);
	if (compile_init(&c, ask, !ask->check) == -1)
		return COMPILE_TROUBLE;
	c.change = change;
	outcome = compile_check(&c);
	if (outcome == COMPILE_DONE)
		outcome = write_generation(&c);
	name_current(&c, name, size);
	compile_free(&c);
	return outcome;
}

enum compile_outcome
list_compile(const struct list_compile *ask, char *name, size_t size)
{
	return compile_change(ask, NULL, name, size);
}

enum compile_outcome
list_diff(const struct list_compile *ask,
    void (
	*each)(void *, bool comes, const char *key, const struct list_entry *),
    void *arg)
{
	struct list_compile quiet = *ask;
	enum compile_outcome outcome;
	struct source old;
	struct compile c;
	int i;

	quiet.check = true;
	quiet.force = true;
	if (compile_init(&c, &quiet, false) == -1)
		return COMPILE_TROUBLE;
	outcome = compile_check(&c);
	for (i = 0; i < LIST_COUNT && outcome == COMPILE_UNCHANGED; i++) {
		if ((c.parsed & BIT(i)) == 0)
			continue;
		source_init(&old, (enum list_id)i);
		if (c.old[i] != NULL && dump_load(&old, c.old[i]) == -1)
			source_init(&old, (enum list_id)i);
		dump_diff(&old, &c.source[i], each, arg);
		source_free(&old);
	}
	compile_free(&c);
	return outcome;
}

/* --------------------------------------------------------------- previous */

/* Digest of the sources of a list in force, as source_digest gives it. */
static void
digest_in_force(const struct list *l, char out[DIGEST_MAX])
{
	char name[SOURCE_NAME_MAX + 1], digest[DIGEST_MAX];
	const char *p = list_meta(l)->sources;
	struct source s;
	struct source_file f;
	int n;

	source_init(&s, LIST_BANNED);
	for (; sscanf(p, "source %200s %64s\n%n", name, digest, &n) == 2;
	     p += n) {
		memset(&f, 0, sizeof(f));
		f.name = arena_copy(&s.strings, name, strlen(name));
		strlcpy(f.digest, digest, sizeof(f.digest));
		s.files = mem_resize(s.files, s.nfiles + 1, sizeof(*s.files));
		s.files[s.nfiles++] = f;
	}
	source_digest(&s, out);
	source_free(&s);
}

/* Note which sources are to stay out, bans aside. 0, or -1 with errno. */
static int
hold_back(struct compile *c, struct list *earlier[LIST_COUNT], uint64_t number)
{
	char digest[DIGEST_MAX];
	int i;

	for (i = 0; i < LIST_COUNT; i++) {
		if (i == LIST_BANS || c->old[i] == NULL ||
		    strcmp(list_meta(c->old[i])->sources,
			list_meta(earlier[i])->sources) == 0)
			continue;
		digest_in_force(c->old[i], digest);
		held_add(&c->store.held, (enum list_id)i, digest);
	}
	store_leave_out(&c->store, number);
	return held_save(&c->store.held, c->store.fd);
}

/*
 * Bans that came or went since are kept: the earlier lists beside the bans in
 * force, as a generation of its own. Its number, or 0 after reporting.
 */
static uint64_t
beside_bans(struct compile *c, uint64_t number)
{
	int bans = store_generation(&c->store, c->store.current);
	int from = store_generation(&c->store, number);
	int i, r = 0, saved, dirfd = store_begin(&c->store);
	struct list_error e;

	list_error_set(&e, c->ask->state_dir, 0, "%s", strerror(errno));
	for (i = 0; i < LIST_COUNT && dirfd != -1 && r == 0; i++)
		r = link_list(i == LIST_BANS ? bans : from, dirfd,
		    (enum list_id)i, &e);
	number = 0;
	if (dirfd != -1 && r == 0) {
		number = store_finish(&c->store, dirfd);
		list_error_set(&e, c->ask->state_dir, 0, "%s", strerror(errno));
	}
	saved = errno;
	if (dirfd != -1)
		close(dirfd);
	if (from != -1)
		close(from);
	if (bans != -1)
		close(bans);
	if (number == 0) {
		store_abandon(&c->store);
		report_pass(&c->report, &e);
	}
	errno = saved;
	return number;
}

/* Bring an earlier generation, whose lists these are, into force. */
static enum compile_outcome
bring_back(struct compile *c, struct list *earlier[LIST_COUNT], uint64_t number)
{
	uint64_t made = number;

	if (c->old[LIST_BANS] != NULL &&
	    !store_same_list(&c->store, number, c->store.current, LIST_BANS))
		made = beside_bans(c, number);
	if (made == 0)
		return COMPILE_TROUBLE;
	if (hold_back(c, earlier, number) == -1 ||
	    store_aim(&c->store, made) == -1 ||
	    store_swing(&c->store, made) == -1)
		return trouble(c, c->ask->state_dir);
	return COMPILE_DONE;
}

static enum compile_outcome
step_back(struct compile *c)
{
	struct list *earlier[LIST_COUNT];
	enum compile_outcome outcome = COMPILE_DONE;
	uint64_t number = 0;

	do {
		number = store_earlier(&c->store, number);
		if (number == 0) {
			c->report.dir = NULL;
			report_error(&c->report, c->ask->state_dir, 0,
			    "there is no earlier generation to go back to");
			return COMPILE_ERRORS;
		}
		if (open_lists(&c->store, number, earlier))
			break;
		close_lists(earlier);
	} while (true);
	if (!c->ask->check)
		outcome = bring_back(c, earlier, number);
	close_lists(earlier);
	return outcome;
}

enum compile_outcome
list_previous(const struct list_compile *ask, char *name, size_t size)
{
	enum compile_outcome outcome;
	struct compile c;

	strlcpy(name, "", size);
	if (compile_init(&c, ask, !ask->check) == -1)
		return COMPILE_TROUBLE;
	outcome = step_back(&c);
	name_current(&c, name, size);
	compile_free(&c);
	return outcome;
}
