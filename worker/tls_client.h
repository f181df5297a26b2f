/*
 * TLS to next hops: the client's end. What may be trusted is read by the
 * master, one set for each section next_hop that wants TLS; a worker inherits
 * it, and could not open the files.
 */
#ifndef LICTOR_TLS_CLIENT_H
#define LICTOR_TLS_CLIENT_H

#include "worker/tls.h"

struct next_hop;
struct tls_clients;

/*
 * Read the CA files of the settings. 0: *clients is NULL where no section
 * wants TLS. -1 after every mistake was reported.
 */
int tls_clients_new(struct tls_clients **clients, const struct settings *,
    tls_report *, void *arg);
void tls_clients_free(struct tls_clients *);

/*
 * A client's session with a hop of that section, on a socket, which no longer
 * blocks; or NULL: there is no memory, or nothing was read that it could be
 * verified by. name is what the route has for it, to be told to the hop where
 * the section has no name; or NULL. It is read, written, asked and freed
 * as any session (worker/tls.h).
 */
struct tls *tls_client_new(const struct tls_clients *, const struct next_hop *,
    const char *name, int fd);

/*
 * Shake hands, and verify as the section has it: TLS_DONE is a hop that is who
 * it must be. Else as tls_handshake.
 */
enum tls_result tls_client_handshake(struct tls *, struct waiting *,
    int64_t deadline_ms, char *why, size_t size);

#endif
