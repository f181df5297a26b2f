/*
 * DNS lists: the weights of the zones that list anything of this session are
 * summed up and held against a threshold. A refusal is certain only when no
 * answer that is missing could bring the sum under it, and there is none when
 * none could bring it there.
 */
#include <string.h>

#include "worker/check.h"
#include "worker/dnsbl.h"
#include "worker/peer.h"

/* How far answers that are missing can move the sum. */
struct reach {
	int low, high;
};

struct sum {
	int known;
	struct reach asked, later, unknown;
	const struct listing *heaviest;
	int weight; /* of that one */
};

/* All that a zone says of the session, as one: it counts once. */
static enum listing_state
zone_state(const struct dnsbl *b, size_t zone, const struct listing **found)
{
	static const int rank[] = {
		[LISTING_NONE] = 0,
		[LISTING_UNKNOWN] = 1,
		[LISTING_LATER] = 2,
		[LISTING_ASKED] = 3,
		[LISTING_FOUND] = 4,
	};
	const struct listing *l;
	unsigned of;

	*found = dnsbl_listing(b, zone, OF_CLIENT);
	for (of = OF_CLIENT + 1; of < OF_COUNT; of++) {
		l = dnsbl_listing(b, zone, (enum zone_of)of);
		if (rank[l->state] > rank[(*found)->state])
			*found = l;
	}
	return (*found)->state;
}

static void
stretch(struct reach *r, int weight)
{
	if (weight < 0)
		r->low += weight;
	else
		r->high += weight;
}

static void
add_zone(struct sum *s, const struct zone *z, enum listing_state state,
    const struct listing *l)
{
	switch (state) {
	case LISTING_NONE:
		break;
	case LISTING_FOUND:
		s->known += z->weight;
		if (z->weight > s->weight) {
			s->weight = z->weight;
			s->heaviest = l;
		}
		break;
	case LISTING_ASKED:
		stretch(&s->asked, z->weight);
		break;
	case LISTING_LATER:
		stretch(&s->later, z->weight);
		break;
	case LISTING_UNKNOWN:
		stretch(&s->unknown, z->weight);
		break;
	}
}

static enum verdict
weigh(const struct sum *s, int threshold)
{
	int low = s->known + s->later.low + s->unknown.low;
	int high = s->known + s->later.high + s->unknown.high;

	if (low + s->asked.low >= threshold)
		return V_REJECT;
	if (high + s->asked.high < threshold)
		return V_NEXT;
	/* Can those that were asked make one of the two true? */
	if (low + s->asked.high >= threshold || high + s->asked.low < threshold)
		return V_PENDING;
	return s->later.low != 0 || s->later.high != 0 ? V_LATER : V_UNKNOWN;
}

static enum verdict
check_zones(const struct peer *peer, const struct settings *set,
    struct reason *why, enum test_mode least)
{
	const struct listing *found;
	enum listing_state state;
	struct sum sum;
	enum verdict v;
	size_t i;

	if (peer->relay || peer->allowed || peer->banned || peer->dnsbl == NULL)
		return V_NEXT;
	if (peer->dnsbl->listings == NULL)
		return V_PENDING;
	memset(&sum, 0, sizeof(sum));
	for (i = 0; i < set->nzones; i++) {
		if (set->zones[i].mode < least)
			continue;
		state = zone_state(peer->dnsbl, i, &found);
		add_zone(&sum, &set->zones[i], state, found);
	}
	v = weigh(&sum, set->tests[TEST_DNSBL].threshold);
	if (v == V_REJECT) {
		why->code = "dnsbl";
		why->status = "5.7.1";
		why->listing = sum.heaviest;
		why->least = least;
		why->score = sum.known;
	} else if (v == V_UNKNOWN) {
		why->code = "dnsbl-unknown";
		why->status = "4.4.3";
		why->text = "whether you are listed is not known now, "
			    "try again later";
	}
	return v;
}

enum verdict
check_dnsbl(const struct peer *peer, const struct settings *set,
    struct reason *why)
{
	return check_zones(peer, set, why, MODE_ON);
}

enum verdict
check_dnsbl_rehearsed(const struct peer *peer, const struct settings *set,
    struct reason *why)
{
	size_t i;

	for (i = 0; i < set->nzones; i++)
		if (set->zones[i].mode == MODE_WARN)
			return check_zones(peer, set, why, MODE_WARN);
	return V_NEXT;
}
