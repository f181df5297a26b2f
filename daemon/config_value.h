/*
 * One value of the configuration: from its text into struct settings.
 */
#ifndef LICTOR_CONFIG_VALUE_H
#define LICTOR_CONFIG_VALUE_H

#include <stddef.h>
#include <stdint.h>

struct config_row;
struct endpoint;
struct settings;

#define CONFIG_WHY_MAX 512

/*
 * Read "address:port" or "[IPv6]:port". The member text stays NULL. 0, or -1
 * with why.
 */
int
config_endpoint(struct endpoint *, const char *text, char why[CONFIG_WHY_MAX]);

/*
 * Check the text as a value of this row and put it in its place, in place of
 * what was there, or as one more of a list. 0, or -1 with why.
 */
int config_value(struct settings *, const struct config_row *, const char *text,
    char why[CONFIG_WHY_MAX]);

#endif
