/*
 * One value of the configuration: from its text into struct settings.
 */
#ifndef LICTOR_CONFIG_VALUE_H
#define LICTOR_CONFIG_VALUE_H

#include <stddef.h>
#include <stdint.h>

struct config_row;
struct endpoint;
struct strings;

#define CONFIG_WHY_MAX 512

/*
 * Read "address:port" or "[IPv6]:port". The member text stays NULL. 0, or -1
 * with why.
 */
int
config_endpoint(struct endpoint *, const char *text, char why[CONFIG_WHY_MAX]);

/*
 * Check the text as a value of this row and put it in its place in base, the
 * settings or a zone: in place of what was there, or as one more of a list.
 * 0, or -1 with why.
 */
int config_value(void *base, const struct config_row *, const char *text,
    char why[CONFIG_WHY_MAX]);

/* Memory that was to be had; else the program ends. */
void *config_need(void *);

/* For config_zone.c: say why, and -1. */
int config_refuse(char why[CONFIG_WHY_MAX], const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* One more string of a list. */
int config_add_string(const struct config_row *, struct strings *,
    const char *text, char why[CONFIG_WHY_MAX]);

void config_strings_free(struct strings *);

#endif
