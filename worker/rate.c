/*
 * Rates in the life of a session. They are counted in the clients mapping, for
 * an IPv4 address or an IPv6 /64, and refuse for now, never for good.
 */
#include <string.h>

#include "worker/admit.h"
#include "worker/clients.h"
#include "worker/rate.h"
#include "worker/reply.h"
#include "worker/session.h"

static const struct {
	enum rate rate;
	const char *word;
	int code;
	const char *status, *text;
} rates[RATE_COUNT] = {
	{ RATE_CONNECTIONS, "rate-connections", 421, "4.7.0",
	    "too many connections from your network, try again later" },
	{ RATE_MESSAGES, "rate-messages", 450, "4.7.1",
	    "too many messages from your network, try again later" },
	{ RATE_REFUSED, "rate-refused", 450, "4.7.1",
	    "too many wrong recipients from your network, try again later" },
};

/* Is there a rate that holds for this client? */
static bool
holds(const struct session *s, enum rate rate)
{
	return s->set->rates[rate] > 0 && !s->peer.relay;
}

static bool
take(struct session *s, enum rate rate)
{
	return clients_take(s->clients, clients_key(s->clients, &s->peer.addr),
	    rate, s->set->rates[rate], clock_ms());
}

static bool
may(const struct session *s, enum rate rate)
{
	return clients_may(s->clients, clients_key(s->clients, &s->peer.addr),
	    rate, s->set->rates[rate], clock_ms());
}

static void
refuse(struct session *s, enum rate rate, const char *to)
{
	reply_refuse_as(s, "limits", rates[rate].word, rates[rate].code,
	    rates[rate].status, rates[rate].text, to);
}

bool
rate_refuses(struct session *s, enum rate rate)
{
	if (!holds(s, rate) || take(s, rate))
		return false;
	refuse(s, rate, NULL);
	return true;
}

void
rate_count(struct session *s, enum rate rate)
{
	if (holds(s, rate))
		take(s, rate);
}

bool
rate_refuses_rcpt(struct session *s, const char *to)
{
	static const enum rate at_rcpt[] = { RATE_MESSAGES, RATE_REFUSED };

	size_t i;

	for (i = 0; i < sizeof(at_rcpt) / sizeof(at_rcpt[0]); i++) {
		if (!holds(s, at_rcpt[i]) || may(s, at_rcpt[i]))
			continue;
		if (s->peer.relay_unknown) {
			admit_settle(s, true);
			if (s->peer.relay)
				return false;
		}
		refuse(s, at_rcpt[i], to);
		return true;
	}
	return false;
}
