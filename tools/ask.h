/* What the tools that compile have in common. */
#ifndef LICTOR_ASK_H
#define LICTOR_ASK_H

#include "lists/list.h"

struct settings;

struct ask {
	struct list_compile compile;
	struct addr *listen;
	struct list_own *own;
	struct prefix *proxies;
};

/*
 * A compile as the settings want it, its messages on stderr; the settings must
 * outlive it.
 */
void ask_init(struct ask *, const struct settings *);
void ask_free(struct ask *);

/* The exit status of an outcome; error is the errno it left. */
int ask_status(enum compile_outcome, int error);

#endif
