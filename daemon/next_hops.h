/*
 * The master's care for next hops: what the probe helper has seen of them goes
 * into the shared state, where it survives the master, and into the log when
 * it changes.
 */
#ifndef LICTOR_NEXT_HOPS_H
#define LICTOR_NEXT_HOPS_H

struct clients;
struct probe_visit;
struct state;

/*
 * Give each of hops (as list routes tells them, or NULL) its place, and take
 * those of others back.
 */
void next_hops_place(struct state *, const char *hops);

/*
 * The helper's word, which is not trusted beyond its meaning: a hop without a
 * place is passed over. One that answers is alive for the workers, too.
 */
void
next_hops_take(struct state *, struct clients *, const struct probe_visit *);

#endif
