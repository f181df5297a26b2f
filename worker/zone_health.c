/*
 * Counting what DNS lists answer. A window ends when the list is seen not to
 * list nearly everybody, or when it is: a wave of listed clients alone does
 * not make a fault, it only has the list probed.
 */
#include "worker/zone_health.h"

#define SURGE_SESSIONS 100
#define SURGE_TENTHS   9 /* of them listed */

bool
zone_is_out(const struct state *st, const struct zone *z, enum zone_family f)
{
	return (atomic_load(&st->zone_out[z->entry]) & 1u << f) != 0;
}

void
zone_set_out(struct state *st, unsigned entry, enum zone_family f, bool out)
{
	if (out)
		atomic_fetch_or(&st->zone_out[entry], (uint8_t)(1u << f));
	else
		atomic_fetch_and(&st->zone_out[entry], (uint8_t) ~(1u << f));
}

/* The /24 or /48 of a client as a word that is not 0. */
static uint32_t
network_of(const struct addr *a)
{
	uint32_t w = 0;
	size_t i, n = a->family == 4 ? 3 : 6;

	for (i = 0; i < n; i++)
		w = w * 257 + a->bytes[i] + 1;
	return w != 0 ? w : 1;
}

/* Note a network. True: there are SURGE_NETWORKS of them. */
static bool
note_network(struct zone_load *z, uint32_t network)
{
	uint32_t was;
	unsigned i;

	for (i = 0; i < SURGE_NETWORKS; i++) {
		was = 0;
		if (atomic_compare_exchange_strong(&z->networks[i], &was,
			network) ||
		    was == network)
			break;
	}
	return atomic_load(&z->networks[SURGE_NETWORKS - 1]) != 0;
}

static void
begin_window(struct zone_load *z)
{
	unsigned i;

	for (i = 0; i < SURGE_NETWORKS; i++)
		atomic_store(&z->networks[i], 0);
	atomic_store(&z->listed, 0);
	atomic_store(&z->asked, 0);
}

bool
zone_count(struct clients *c, const struct zone *zone, const struct addr *a,
    bool listed)
{
	struct zone_load *z = &c->zones[zone->entry];
	uint32_t asked = atomic_fetch_add(&z->asked, 1) + 1, n;
	bool many = false;

	if (listed) {
		atomic_fetch_add(&z->listed, 1);
		many = note_network(z, network_of(a));
	}
	if (asked < SURGE_SESSIONS)
		return false;
	n = atomic_load(&z->listed);
	if ((uint64_t)n * 10 < (uint64_t)asked * SURGE_TENTHS) {
		begin_window(z);
		return false;
	}
	if (!many)
		return false;
	begin_window(z);
	return atomic_exchange(&z->surge, 1) == 0;
}

bool
zone_note_error(struct clients *c, const struct zone *zone, uint32_t reply)
{
	uint64_t word = ZONE_NOTED | reply;

	return atomic_exchange(&c->zones[zone->entry].error, word) != word;
}

bool
zone_surged(struct clients *c, unsigned entry)
{
	return atomic_exchange(&c->zones[entry].surge, 0) != 0;
}

bool
zone_error(const struct clients *c, unsigned entry, uint32_t *reply)
{
	uint64_t word = atomic_load(&c->zones[entry].error);

	*reply = (uint32_t)word;
	return word != 0;
}

void
zone_forget_error(struct clients *c, unsigned entry)
{
	atomic_store(&c->zones[entry].error, 0);
}
