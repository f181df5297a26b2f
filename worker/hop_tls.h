/*
 * TLS on a connection to a next hop (RFC 3207), by the rules of its section.
 */
#ifndef LICTOR_HOP_TLS_H
#define LICTOR_HOP_TLS_H

#include <stdbool.h>

struct hop;
struct logline;

/*
 * The hop has answered to EHLO: change over, if it offers that. h->tls tells
 * whether TLS is there; then the hop is to be greeted again. Where it is
 * required and not to be had, the connection has failed, with h->tls_failed.
 */
void hop_start_tls(struct hop *);

/*
 * TLS has failed: may the hop be spoken to without, on another connection? It
 * is logged that it will be.
 */
bool hop_may_do_without(const struct hop *);

/* Version and cipher, and what they are worth; nothing in the clear. */
void hop_log_tls(const struct hop *, struct logline *);

#endif
