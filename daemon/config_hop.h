/*
 * The settings of TLS to next hops: in sections next_hop, each a struct
 * next_hop.
 */
#ifndef LICTOR_CONFIG_HOP_H
#define LICTOR_CONFIG_HOP_H

#include "daemon/config_value.h"

struct next_hop;

/*
 * One more pin: "sha256:" and 64 hexadecimal digits. 0, or -1 with why; that
 * holds for both.
 */
int config_hop_pin(const struct config_row *, struct strings *,
    const char *text, char why[CONFIG_WHY_MAX]);

/* What only all settings of a next hop together tell. */
int config_hop_check(const struct next_hop *, char why[CONFIG_WHY_MAX]);

void config_hop_free(struct next_hop *);

#endif
