/*
 * What the settings say of one next hop.
 */
#ifndef LICTOR_HOP_RULES_H
#define LICTOR_HOP_RULES_H

struct next_hop;
struct place;
struct settings;

/*
 * The section next_hop of an address, or else of the name that the route has
 * for it, or else what holds for all others.
 */
const struct next_hop *hop_rules(const struct settings *, const struct place *);

#endif
