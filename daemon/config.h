/*
 * The configuration file: read into a struct settings, checked, and written
 * back from one.
 */
#ifndef LICTOR_CONFIG_H
#define LICTOR_CONFIG_H

#include <stdio.h>

#define CONFIG_DEFAULT_PATH "/etc/lictor/lictor.conf"

struct settings;

/*
 * Read the file and return settings that are complete and checked, or NULL
 * after every mistake that could be found was reported as "file:line:
 * message" ("file: message" where no line is to blame). A warning is reported
 * as "file:line: warning: ..." and does not fail. Nothing else is printed, no
 * environment variable is looked at, and the file is read once.
 */
struct settings *config_load(const char *path,
    void (*report)(void *, const char *message), void *arg);

void settings_free(struct settings *);

/*
 * Write all settings in force, in the order of lictor.conf(5), as a
 * configuration that loads to the same settings. 0, or -1 with errno.
 */
int config_print(const struct settings *, FILE *);

#endif
