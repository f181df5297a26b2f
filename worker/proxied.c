/*
 * Who the client is, where proxies name it. A proxy is believed because its
 * address is in the settings, and nobody else is listened to.
 */
#include <string.h>

#include "worker/proxied.h"
#include "worker/proxy.h"
#include "worker/reply.h"
#include "worker/session.h"
#include "worker/settings.h"

static bool
is_proxy(const struct session *s)
{
	size_t i;

	for (i = 0; i < s->proxy_from->n; i++)
		if (prefix_contains(&s->proxy_from->item[i], &s->peer.addr))
			return true;
	return false;
}

/* What is wrong with a connection that brings no header, if anything. */
static void
explain(struct reason *why, enum proxy_state state)
{
	switch (state) {
	case PROXY_GONE:
		break; /* somebody has looked whether we are there */
	case PROXY_LATE:
		why->code = "proxy-timeout";
		break;
	case PROXY_LOST:
		why->code = "proxy-lost";
		break;
	default:
		why->code = "proxy-header";
	}
}

/*
 * Version 1 cannot say LOCAL: a proxy that looks whether we are there names
 * its own connection, which no client of its can have.
 */
static bool
is_own(const struct session *s, const struct proxy_header *h)
{
	struct addr local;
	uint16_t port;

	if (!addr_equal(&h->source, &s->peer.addr) ||
	    h->source_port != s->peer.port)
		return false;
	io_local(&s->io, &local, &port);
	return addr_equal(&h->destination, &local) &&
	    h->destination_port == port;
}

static enum proxy_state
read_client(struct session *s)
{
	struct proxy_header h;
	enum proxy_state state;

	state = proxy_read(&s->io, session_deadline(s, PROXY_MS / 1000), &h);
	if (state != PROXY_DONE)
		return state;
	s->quiet = h.local || is_own(s, &h);
	if (!s->quiet) {
		s->via = s->peer.addr;
		s->peer.local = h.destination;
		s->peer.local_port = h.destination_port;
		session_set_client(s, &h.source, h.source_port);
	}
	return state;
}

bool
proxied_client(struct session *s)
{
	enum proxy_state state;
	struct reason why;

	memset(&why, 0, sizeof(why));
	if (!is_proxy(s))
		why.code = "proxy-from";
	else if ((state = read_client(s)) == PROXY_DONE)
		return true;
	else
		explain(&why, state);
	if (why.code != NULL)
		reply_unspoken(s, "proxy", "reply", "drop", &why, NULL);
	return false;
}
