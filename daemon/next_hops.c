/*
 * Next hops in the eyes of the master. Readers see a place while its flags are
 * not 0, so these are cleared first and set last.
 */
#include <string.h>

#include "daemon/next_hops.h"
#include "daemon/probe.h"
#include "worker/hops.h"
#include "worker/log.h"

/* Is it one of the list? */
static bool
is_among(const char *hops, const char *hop)
{
	size_t len, wanted = strlen(hop);

	for (; (len = hops_next(&hops)) > 0; hops += len)
		if (len == wanted && memcmp(hops, hop, len) == 0)
			return true;
	return false;
}

static struct hop_seen *
find(struct state *s, const char *hop, size_t len)
{
	struct hop_seen *h;

	for (h = s->hops; h < s->hops + SEEN_HOPS; h++)
		if (atomic_load(&h->flags) != 0 && strlen(h->hop) == len &&
		    memcmp(h->hop, hop, len) == 0)
			return h;
	return NULL;
}

static void
add(struct state *s, const char *hop, size_t len)
{
	struct hop_seen *h;

	if (len >= sizeof(h->hop) || find(s, hop, len) != NULL)
		return;
	for (h = s->hops; h < s->hops + SEEN_HOPS; h++)
		if (atomic_load(&h->flags) == 0) {
			memcpy(h->hop, hop, len);
			h->hop[len] = '\0';
			atomic_store(&h->flags, SEEN_HERE);
			return;
		}
}

void
next_hops_place(struct state *s, const char *hops)
{
	struct hop_seen *h;
	size_t len;

	for (h = s->hops; h < s->hops + SEEN_HOPS; h++)
		if (atomic_load(&h->flags) != 0 && !is_among(hops, h->hop))
			atomic_store(&h->flags, 0);
	for (; (len = hops_next(&hops)) > 0; hops += len)
		add(s, hops, len);
}

static void
log_visit(const struct probe_visit *v)
{
	struct logline l;

	log_start(&l, v->up ? LOG_NOTE : LOG_ODD, "hop");
	log_text(&l, "next_hop", v->hop);
	log_text(&l, "state", v->up ? "back" : "out");
	log_text(&l, "text", v->why);
	log_send(&l);
}

void
next_hops_take(struct state *s, struct clients *c, const struct probe_visit *v)
{
	struct hop_seen *h;
	struct hop_note *note;
	uint32_t was, flags;
	const char *target;

	if (memchr(v->hop, '\0', sizeof(v->hop)) == NULL ||
	    memchr(v->why, '\0', sizeof(v->why)) == NULL ||
	    (h = find(s, v->hop, strlen(v->hop))) == NULL)
		return;
	was = atomic_load(&h->flags);
	/* What it could do counts over an outage. */
	flags = SEEN_HERE | (was & SEEN_KEYWORDS);
	if (v->up)
		flags = SEEN_HERE | HOP_KNOWN | (v->keywords & HOP_NOTABLE);
	else
		flags |= SEEN_DOWN;
	atomic_store(&h->flags, flags);
	hops_scheme(v->hop, &target);
	if (v->up && (note = hops_take(c, target)) != NULL)
		atomic_store(&note->dead_ms, 0);
	if ((was & SEEN_DOWN) != (flags & SEEN_DOWN))
		log_visit(v);
}
