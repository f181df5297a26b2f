/*
 * DNS lists in the eyes of the master. A list that does what no list does is
 * taken out of service for all workers by one bit, and comes back by another.
 */
#include <sys/socket.h>

#include <stdlib.h>
#include <string.h>

#include "daemon/probe.h"
#include "daemon/zones.h"
#include "worker/log.h"
#include "worker/settings.h"
#include "worker/wait.h"
#include "worker/zone_health.h"

#define REQUEST_MS 10000 /* a zone is probed no more often for its workers */

/* What the master knows of a zone, by its place in the shared state. */
struct note {
	enum probe_outcome outcome[ZONE_FAMILIES];
	int64_t requested_ms;
	int64_t error_ms; /* when an error was logged; 0: none is known */
	int64_t surge_ms; /* when a surge was logged */
};

struct zones {
	struct state *state;
	struct clients *clients;
	struct note notes[ZONE_ENTRIES];
	unsigned next; /* where to look for a free place */
};

static const char *const reasons[PROBE_OUTCOMES] = {
	[PROBE_LISTS_NOTHING] = "lists-nothing",
	[PROBE_LISTS_ALL] = "lists-everything",
	[PROBE_ERROR] = "error",
	[PROBE_SILENT] = "no-answer",
};

struct zones *
zones_new(struct state *state, struct clients *clients)
{
	struct zones *z = calloc(1, sizeof(*z));

	if (z != NULL) {
		z->state = state;
		z->clients = clients;
	}
	return z;
}

void
zones_free(struct zones *z)
{
	free(z);
}

/* ------------------------------------------------------------------- places */

static bool
same_points(const struct strings *a, const struct strings *b)
{
	size_t i;

	if (a->n != b->n)
		return false;
	for (i = 0; i < a->n; i++)
		if (strcmp(a->item[i], b->item[i]) != 0)
			return false;
	return true;
}

/* Whatever was found out about the one holds for the other. */
static bool
same_zone(const struct zone *a, const struct zone *b)
{
	return strcmp(a->name, b->name) == 0 && a->of == b->of &&
	    (a->weight < 0) == (b->weight < 0) &&
	    (a->mode == MODE_OFF) == (b->mode == MODE_OFF) &&
	    same_points(&a->probe, &b->probe);
}

static const struct zone *
find_same(const struct settings *set, const struct zone *z)
{
	size_t i;

	for (i = 0; set != NULL && i < set->nzones; i++)
		if (same_zone(&set->zones[i], z))
			return &set->zones[i];
	return NULL;
}

static bool
is_used(const struct settings *set, unsigned entry)
{
	size_t i;

	for (i = 0; set != NULL && i < set->nzones; i++)
		if (set->zones[i].entry == entry)
			return true;
	return false;
}

/* Places are used in turn, so that workers of long ago are gone. */
static unsigned
free_place(struct zones *z, const struct settings *old)
{
	unsigned entry;

	do {
		entry = z->next;
		z->next = (z->next + 1) % ZONE_ENTRIES;
	} while (is_used(old, entry));
	memset(&z->notes[entry], 0, sizeof(z->notes[entry]));
	atomic_store(&z->state->zone_out[entry], 0);
	memset(&z->clients->zones[entry], 0, sizeof(z->clients->zones[entry]));
	return entry;
}

void
zones_place(struct zones *z, struct settings *next, const struct settings *old)
{
	const struct zone *same;
	size_t i;

	for (i = 0; i < next->nzones; i++) {
		same = find_same(old, &next->zones[i]);
		next->zones[i].entry = same != NULL ? same->entry :
						      free_place(z, old);
	}
}

/* ---------------------------------------------------------------------- log */

static void
log_zone(struct logline *l, const struct zone *z, const char *state)
{
	log_start(l, LOG_NOTE, "zone");
	log_text(l, "zone", z->show_as);
	log_text(l, "state", state);
}

static void
log_reply(struct logline *l, const struct zone *z, uint32_t reply)
{
	char text[ZONE_REPLY_MAX];

	log_text(l, "answer", zone_reply_text(reply, text));
	log_text(l, "text", zone_error_text(reply, z->weight < 0));
}

static void
log_outcome(const struct zone *z, const struct probe_answer *a)
{
	bool good = a->outcome == PROBE_GOOD;
	struct logline l;

	log_zone(&l, z, good ? "back" : "out");
	l.level = good ? LOG_NOTE : LOG_ODD;
	log_text(&l, "family", zone_family_name((enum zone_family)a->family));
	log_text(&l, "reason", reasons[a->outcome]);
	if (a->reply != 0 || a->outcome == PROBE_ERROR)
		log_reply(&l, z, a->reply);
	log_send(&l);
}

/* --------------------------------------------------------------- the helper */

int
zones_are_probed(const struct settings *set)
{
	size_t i;

	if (set->tests[TEST_DNSBL].mode == MODE_OFF)
		return 0;
	for (i = 0; i < set->nzones; i++)
		if (set->zones[i].mode != MODE_OFF)
			return 1;
	return 0;
}

static void
take_outcome(struct zones *z, const struct zone *zone,
    const struct probe_answer *a)
{
	struct note *note = &z->notes[zone->entry];
	enum probe_outcome *known = &note->outcome[a->family];
	bool out = a->outcome != PROBE_GOOD;
	bool was_out = *known != PROBE_NONE && *known != PROBE_GOOD;

	zone_set_out(z->state, zone->entry, (enum zone_family)a->family, out);
	if (out ? a->outcome != *known : was_out)
		log_outcome(zone, a);
	*known = (enum probe_outcome)a->outcome;
	if (!out && was_out) { /* what comes now is news again */
		note->error_ms = 0;
		zone_forget_error(z->clients, zone->entry);
	}
}

void
zones_take(struct zones *z, const struct settings *set,
    const struct probe_answer *a)
{
	if (a->zone < set->nzones && a->family < ZONE_FAMILIES &&
	    a->outcome > PROBE_NONE && a->outcome < PROBE_OUTCOMES)
		take_outcome(z, &set->zones[a->zone], a);
}

/* --------------------------------------------------------------- the workers */

static void
request(struct note *note, unsigned zone, int fd)
{
	struct probe_request r = { .zone = zone };
	int64_t now = clock_ms();

	if (fd == -1 ||
	    (note->requested_ms != 0 && now - note->requested_ms < REQUEST_MS))
		return;
	if (send(fd, &r, sizeof(r), MSG_NOSIGNAL | MSG_DONTWAIT) == sizeof(r))
		note->requested_ms = now;
}

static bool
is_long_ago(int64_t ms, const struct settings *set)
{
	return ms == 0 || clock_ms() - ms >= (int64_t)set->probe_secs * 1000;
}

/* True: it is news. */
static bool
see_error(struct zones *z, const struct settings *set, const struct zone *zone,
    struct note *note, uint32_t error)
{
	struct logline l;

	if (note->error_ms != 0) {
		/* Known; when it comes again after a while, it is told again. */
		if (is_long_ago(note->error_ms, set)) {
			note->error_ms = 0;
			zone_forget_error(z->clients, zone->entry);
		}
		return false;
	}
	note->error_ms = clock_ms();
	log_zone(&l, zone, "error");
	l.level = LOG_ODD;
	log_reply(&l, zone, error);
	log_send(&l);
	return true;
}

static void
see_surge(const struct settings *set, const struct zone *zone,
    struct note *note)
{
	struct logline l;

	if (!is_long_ago(note->surge_ms, set))
		return;
	note->surge_ms = clock_ms();
	log_zone(&l, zone, "surge");
	log_send(&l);
}

void
zones_look(struct zones *z, const struct settings *set, int fd)
{
	struct zone *zone;
	struct note *note;
	bool error, surge;
	uint32_t reply;
	unsigned i;

	for (i = 0; i < set->nzones; i++) {
		zone = &set->zones[i];
		note = &z->notes[zone->entry];
		surge = zone_surged(z->clients, zone->entry);
		error = zone_error(z->clients, zone->entry, &reply) &&
		    see_error(z, set, zone, note, reply);
		if (surge)
			see_surge(set, zone, note);
		if (surge || error)
			request(note, i, fd);
	}
}
