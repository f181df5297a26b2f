/*
 * The keys helper: a confined process that alone has the private keys, and
 * signs with them for the workers.
 *
 * It reads the key files as root, right after the fork, and says on its
 * channel to the master what came of that: each mistake as a record, or one
 * that says it is ready. Requests come over another channel, on which the
 * workers send (worker/signer.h); it ends when that one does, so that workers
 * of old settings have their old keys as long as they live.
 */
#ifndef LICTOR_KEYS_H
#define LICTOR_KEYS_H

struct helper;
struct sandbox;
struct settings;
struct tls_context;
struct tls_keys;

typedef void keys_report(void *arg, const char *message);

/*
 * In the helper, before it loses its rights: read the keys, complain to the
 * master. NULL: the helper must not go on.
 */
struct tls_keys *
keys_read(const struct tls_context *, const struct settings *, int master);

/*
 * In the helper: enter the sandbox, say that it is ready, sign until requests
 * has no other end any more. Returns the exit code.
 */
int
keys_serve(struct tls_keys *, const struct sandbox *, int master, int requests);

/*
 * In the master, when the helper has said something: pass its mistakes on.
 * 1: it is ready; 0: nothing more to read now; -1: it has ended.
 */
int keys_hear(struct helper *, keys_report *, void *arg);

/*
 * In the master: wait until the helper is ready. 0, or -1 after it was
 * reported why it is not.
 */
int keys_wait(struct helper *, keys_report *, void *arg);

/*
 * Would the helper start with these settings? The keys are read in a child,
 * which reports by itself. 0 or -1.
 */
int keys_check(const struct settings *, keys_report *, void *arg);

#endif
