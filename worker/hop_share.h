/*
 * What workers share of a next hop, in its note: how many connections to it
 * there are of all of them, how many wait for one, and that it does not answer.
 */
#ifndef LICTOR_HOP_SHARE_H
#define LICTOR_HOP_SHARE_H

#include <stdbool.h>
#include <stdint.h>

struct clients;
struct hop;
struct slot;
struct state;

/*
 * Take one of the connections that h->at may have (setting connections); waits
 * while others have them all. 0, or -1: the hop has failed. What was taken is
 * noted in the worker's slot, where the master finds it if the worker dies.
 */
int hop_enter(struct hop *);
/* Give it back; nothing where nothing was taken. */
void hop_give_back(struct hop *);
/* Does another worker wait for a connection to where this one leads? */
bool hop_is_wanted(const struct hop *);
/*
 * Can a connection be spared as long as a client likes? It is open, and no more
 * than half of those that there may be are in use.
 */
bool hop_is_spare(const struct hop *);
/* The master's part: give back what a worker held that has died. */
void hop_take_back(struct clients *, const struct slot *);

enum hop_health {
	HOP_ALIVE, /* as far as is known */
	HOP_AWAY,  /* it did not answer just now: others come first */
	HOP_SILENT /* it keeps its clients waiting: to be left alone */
};

/*
 * How is that hop? Where it was AWAY or SILENT and that is over, one worker is
 * told that it is ALIVE, and finds out; the others go on without.
 */
enum hop_health
hop_health(struct clients *, const struct state *, const char *hop);
/* h->at was tried, and this is what came of it. */
void hop_note_health(struct hop *);

#endif
