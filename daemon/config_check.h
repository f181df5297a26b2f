/*
 * The last part of reading a configuration file: what settings are together.
 */
#ifndef LICTOR_CONFIG_CHECK_H
#define LICTOR_CONFIG_CHECK_H

#include "daemon/config_report.h"
#include "daemon/config_scan.h"

struct cfg_t;
struct settings;

/* A file that is being read (daemon/config.c). */
struct loader {
	struct config_log log;
	struct scan scan;
	struct cfg_t *cfg;
	struct settings *set;
};

/* All values are in: report what is wrong between them. */
void config_check(struct loader *);

#endif
