/*
 * The wall around a worker or a helper: no_new_privs, Landlock and seccomp,
 * derived from the settings. The master prepares it once for each set of settings, so that
 * to enter it costs a worker three system calls.
 */
#ifndef LICTOR_SANDBOX_H
#define LICTOR_SANDBOX_H

#include <stddef.h>

struct sandbox;
struct settings;

enum sandbox_for {
	SANDBOX_WORKER = 1,
	SANDBOX_PROBE = 2, /* datagrams and its channel; not one file */
	SANDBOX_KEYS = 4   /* its channel; neither file nor network */
};

/*
 * Prepare: below state_dir a worker may read, below maildir_roots create,
 * write, rename and remove; nothing else on disk may be opened, and nothing at
 * all by the helpers. NULL with a message in
 * text when this kernel has something and it failed; a kernel
 * without Landlock or seccomp gives a wall without that part.
 */
struct sandbox *
sandbox_new(const struct settings *, enum sandbox_for, char *text, size_t size);
void sandbox_free(struct sandbox *);

/* What the wall consists of, for the log: "landlock 4, seccomp". */
const char *sandbox_describe(const struct sandbox *);

/* In a child that is to enter another one: let go of it. */
void sandbox_let_go(const struct sandbox *);

/*
 * Enter; there is no way back. 0, or -1 with errno. Log and spool must be
 * open, the time zone known. To be called once in a process.
 */
int sandbox_enter(const struct sandbox *);

#endif
