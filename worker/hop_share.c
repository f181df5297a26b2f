/*
 * Connections and health of next hops. Counts are atomic words, so a worker
 * that dies leaves nothing half done; at worst one connection too many is
 * made, when it dies between the word in its slot and the count.
 */
#include "worker/hop_share.h"
#include "worker/hop.h"
#include "worker/hops.h"
#include "worker/settings.h"
#include "worker/slot.h"
#include "worker/wait.h"

#define LOOK_MS	  10	/* whether a connection has become free */
#define QUEUE_MS  30000 /* for one to become free */
#define AWAY_MS	  10000 /* it refused, or said no */
#define SILENT_MS 60000 /* it timed out */
#define SILENT	  1	/* a bit of dead_ms */

/* -------------------------------------------------------------- connections */

static bool
count_up(struct hop_note *n, unsigned most)
{
	uint32_t held = atomic_load(&n->held);

	while (held < most)
		if (atomic_compare_exchange_weak(&n->held, &held, held + 1))
			return true;
	return false;
}

static void
count_down(_Atomic uint32_t *count)
{
	uint32_t n = atomic_load(count);

	while (n > 0)
		if (atomic_compare_exchange_weak(count, &n, n - 1))
			return;
}

static uint32_t
number(const struct clients *c, const struct hop_note *n)
{
	return (uint32_t)(n - c->hops) + 1;
}

static bool
try_to_enter(struct hop *h, unsigned most)
{
	h->slot->hop_held = number(h->clients, h->note);
	if (count_up(h->note, most))
		return true;
	h->slot->hop_held = 0;
	return false;
}

/* Others have all of them: those that need theirs less see that we wait. */
static bool
queue_up(struct hop *h, unsigned most)
{
	int64_t until = hop_patience(h, QUEUE_MS);
	bool entered = false;

	h->slot->hop_wanted = number(h->clients, h->note);
	atomic_fetch_add(&h->note->wanted, 1);
	while (!entered && !wait_hurried() && clock_ms() < until) {
		wait_for(h->waiting, WAIT_HOP, 0, clock_ms() + LOOK_MS);
		entered = try_to_enter(h, most);
	}
	count_down(&h->note->wanted);
	h->slot->hop_wanted = 0;
	return entered;
}

int
hop_enter(struct hop *h)
{
	unsigned most = (unsigned)h->rules->connections;

	if (h->slot == NULL ||
	    (h->note = hops_take(h->clients, h->at.text)) == NULL)
		return 0;
	if (try_to_enter(h, most) || queue_up(h, most))
		return 0;
	h->note = NULL;
	hop_lose(h, "%u connections to it are in use", most);
	return -1;
}

void
hop_give_back(struct hop *h)
{
	if (h->note == NULL)
		return;
	count_down(&h->note->held);
	h->slot->hop_held = 0;
	h->note = NULL;
}

bool
hop_is_wanted(const struct hop *h)
{
	return h->note != NULL && atomic_load(&h->note->wanted) > 0;
}

bool
hop_is_spare(const struct hop *h)
{
	if (!h->open || h->note == NULL)
		return h->open;
	return atomic_load(&h->note->wanted) == 0 &&
	    2 * atomic_load(&h->note->held) <= (uint32_t)h->rules->connections;
}

/* A slot is a worker's word. */
static struct hop_note *
note_at(struct clients *c, uint32_t number)
{
	return number > 0 && number <= HOP_NOTES ? &c->hops[number - 1] : NULL;
}

void
hop_take_back(struct clients *c, const struct slot *slot)
{
	struct hop_note *held = note_at(c, slot->hop_held);
	struct hop_note *wanted = note_at(c, slot->hop_wanted);

	if (held != NULL)
		count_down(&held->held);
	if (wanted != NULL)
		count_down(&wanted->wanted);
}

/* ------------------------------------------------------------------- health */

/* A time after which a hop is tried, and in its last bit how it failed. */
static int64_t
dead_until(int64_t ms, bool silent)
{
	int64_t at = clock_ms() + ms;

	return silent ? at | SILENT : at & ~(int64_t)SILENT;
}

enum hop_health
hop_health(struct clients *c, const struct state *s, const char *hop)
{
	struct hop_note *n = hops_take(c, hop);
	int64_t dead = n != NULL ? atomic_load(&n->dead_ms) : 0;
	bool silent = dead & SILENT;

	if (dead == 0)
		return hops_seen_down(s, hop) ? HOP_AWAY : HOP_ALIVE;
	if (dead <= clock_ms() &&
	    atomic_compare_exchange_strong(&n->dead_ms, &dead,
		dead_until(silent ? SILENT_MS : AWAY_MS, silent)))
		return HOP_ALIVE;
	return silent ? HOP_SILENT : HOP_AWAY;
}

/* We have to leave, or the client's time was over: that is not its fault. */
static bool
was_cut_short(const struct hop *h)
{
	return wait_hurried() || (h->late && clock_ms() >= h->until_ms);
}

void
hop_note_health(struct hop *h)
{
	struct hop_note *n = hops_take(h->clients, h->at.text);

	if (n == NULL || was_cut_short(h))
		return;
	if (h->failed)
		atomic_store(&n->dead_ms,
		    dead_until(h->late ? SILENT_MS : AWAY_MS, h->late));
	else if (atomic_load(&n->dead_ms) != 0)
		atomic_store(&n->dead_ms, 0);
}
