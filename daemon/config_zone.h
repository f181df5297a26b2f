/*
 * The settings of DNS lists: sections dnsbl, each a struct zone.
 */
#ifndef LICTOR_CONFIG_ZONE_H
#define LICTOR_CONFIG_ZONE_H

#include "daemon/config_value.h"

struct zone;

/*
 * One more reply that counts: an address, a range "first-last", a network, or
 * "&mask". 0, or -1 with why; that holds for all of these.
 */
int config_zone_reply(struct zone *, const struct config_row *,
    const char *text, char why[CONFIG_WHY_MAX]);

/* One more test point: an address or a name. */
int config_zone_point(const struct config_row *, struct strings *,
    const char *text, char why[CONFIG_WHY_MAX]);

/* What a refusal may say. */
int config_zone_text(const char *text, char why[CONFIG_WHY_MAX]);

/* Give a zone its name, which is the title of its section. */
int
config_zone_name(struct zone *, const char *title, char why[CONFIG_WHY_MAX]);

/* What only all settings of a zone together tell; fills show_as. */
int config_zone_check(struct zone *, char why[CONFIG_WHY_MAX]);

void config_zone_free(struct zone *);

#endif
