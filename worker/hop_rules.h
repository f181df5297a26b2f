/*
 * What the settings say of one next hop.
 */
#ifndef LICTOR_HOP_RULES_H
#define LICTOR_HOP_RULES_H

#include <stdbool.h>

#include "lists/list.h"

struct next_hop;
struct place;
struct settings;

/*
 * The section next_hop of the name that the route has for it, or else of the
 * address, or else what holds for all others. The name comes first: whoever
 * answers for it in the DNS must not choose another section by the address.
 */
const struct next_hop *hop_rules(const struct settings *, const struct place *);

/*
 * The host of "host:port", if it has a name. False: it is an address, text is
 * the path of a socket, or of MX, whose hosts are what the DNS says.
 */
bool hop_host_name(char host[NAME_TEXT_MAX], const char *text);

#endif
