/*
 * What all workers count together in the clients mapping: who is idle, and how
 * many sessions each client address (IPv4) or /64 (IPv6) holds. Everything is
 * one atomic word, so a worker that dies anywhere leaves nothing half done.
 */
#ifndef LICTOR_CLIENTS_H
#define LICTOR_CLIENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "lists/list.h"
#include "worker/settings.h"

struct clients;

/* The key under which a client is counted; never 0. */
uint64_t clients_key(const struct clients *, const struct addr *);

/*
 * Count one session more for key; returns how many it holds now. 0 when its
 * bucket is full of others: then it is not counted and must not be released.
 */
unsigned clients_enter(struct clients *, uint64_t key);
void clients_leave(struct clients *, uint64_t key);

/*
 * A rate of most a minute: so many at once, and then one whenever a part of a
 * minute has gone by. now_ms is of the monotonic clock. clients_take counts
 * one more, unless that is beyond the rate: then false, and it is not counted.
 * clients_may tells what clients_take would. Where a bucket is full of others,
 * the one that has counted least is forgotten.
 */
bool clients_take(struct clients *, uint64_t key, enum rate, int most,
    int64_t now_ms);
bool clients_may(const struct clients *, uint64_t key, enum rate, int most,
    int64_t now_ms);

/*
 * Are nearly all of at most max workers busy, fewer than a tenth being free?
 * It is so until a fifth is free again, and never with a single worker.
 */
bool clients_pressed(int max, int busy, bool was);
/* So many sessions one client may hold: a tenth of the workers is left. */
int clients_share(int max);

void clients_set_idle(struct clients *, unsigned slot);
void clients_set_busy(struct clients *, unsigned slot);
/* Idle workers among the first words * 64 slots. */
int clients_idle(const struct clients *, unsigned words);
int clients_is_idle(const struct clients *, unsigned slot);

#endif
