/*
 * Connections that come through a proxy.
 */
#ifndef LICTOR_PROXIED_H
#define LICTOR_PROXIED_H

#include <stdbool.h>

struct session;

/*
 * Read who the client of a new connection is, which becomes the session's; or
 * that the proxy itself talks, and the session is quiet. False: nobody is to
 * be served, which was logged where it matters.
 */
bool proxied_client(struct session *);

#endif
