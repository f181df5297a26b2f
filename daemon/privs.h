/*
 * The user that workers run as.
 */
#ifndef LICTOR_PRIVS_H
#define LICTOR_PRIVS_H

#include <sys/types.h>

#include <stdbool.h>

struct settings;

struct privs {
	bool change; /* started as root: workers change their user */
	uid_t uid;
	gid_t gid;
	gid_t groups[64];
	int ngroups;
};

/* Find out; -1 with a message in text when there is no such user. */
int
privs_find(struct privs *, const struct settings *, char *text, size_t size);
/* Make the folders that may be missing: run_dir, spool_dir, state_dir. */
int privs_folders(const struct privs *, const struct settings *, char *text,
    size_t size);
/* In a worker: become that user for good. -1 with errno. */
int privs_drop(const struct privs *);

#endif
