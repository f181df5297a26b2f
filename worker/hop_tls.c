/*
 * STARTTLS as a client. What the hop said before the handshake may have been
 * said by anybody on the way: octets behind its 220 are not taken into TLS, and
 * its keywords are asked for again.
 */
#include "worker/hop_tls.h"
#include <stdio.h>

#include "worker/hop.h"
#include "worker/hop_rules.h"
#include "worker/hops.h"
#include "worker/log.h"
#include "worker/settings.h"
#include "worker/tls_client.h"
#include "worker/wait.h"

#define HANDSHAKE_MS 30000

static void
shake_hands(struct hop *h)
{
	char why[112] = "timed out", host[NAME_TEXT_MAX];
	bool named = hop_host_name(host, h->at.named);

	h->tls = tls_client_new(h->tls_clients, h->rules, named ? host : NULL,
	    h->fd);
	if (h->tls == NULL) {
		hop_lose(h, "TLS: it cannot be used");
		return;
	}
	switch (tls_client_handshake(h->tls, h->waiting,
	    hop_patience(h, HANDSHAKE_MS), why, sizeof(why))) {
	case TLS_DONE:
		return;
	case TLS_HURRIED:
		hop_lose(h, "shutting down");
		return;
	case TLS_LATE:
		h->late = true;
		/* FALLTHROUGH */
	case TLS_FAILED:
		hop_lose(h, "TLS: %s", why);
	}
}

/* In the clear, and known to whoever reads the log; unless it is a visit. */
static void
log_clear(const struct hop *h, const char *why)
{
	struct logline l;

	if (h->ref == NULL)
		return;
	log_start(&l, LOG_ODD, "clear");
	log_text(&l, "ref", h->ref);
	log_format(&l, "next_hop", "%s:%s", h->at.lmtp ? "lmtp" : "smtp",
	    h->at.text);
	log_text(&l, "text", why);
	log_send(&l);
}

/* It is offered, and was refused. */
static void
see_refusal(struct hop *h)
{
	char why[128];

	snprintf(why, sizeof(why), "STARTTLS: %d %.100s", h->reply.code,
	    h->reply.text);
	if (h->rules->tls == TLS_REQUIRED || h->reply.code == 421) {
		hop_lose(h, "%s", why);
		return;
	}
	h->tls_failed = false;
	log_clear(h, why);
}

void
hop_start_tls(struct hop *h)
{
	bool offered = h->keywords & HOP_STARTTLS;

	if (!offered && h->rules->tls != TLS_REQUIRED)
		return;
	h->tls_failed = true; /* until it is there */
	if (!offered) {
		hop_lose(h, "STARTTLS is not offered");
		return;
	}
	hop_command(h, "STARTTLS");
	if (hop_read(h, HOP_COMMAND_MS, NULL) == -1)
		return;
	if (h->reply.code != 220)
		see_refusal(h);
	else if (h->in_start < h->in_end)
		hop_lose(h, "STARTTLS: octets behind its answer, in the clear");
	else
		shake_hands(h);
}

bool
hop_may_do_without(const struct hop *h)
{
	if (h->rules->tls != TLS_OPTIONAL || wait_hurried())
		return false;
	log_clear(h, h->why);
	return true;
}

void
hop_log_tls(const struct hop *h, struct logline *l)
{
	if (h->tls == NULL)
		return;
	log_format(l, "hop_tls", "%s:%s", tls_version(h->tls),
	    tls_cipher(h->tls));
	log_text(l, "hop_tls_state",
	    h->rules->tls != TLS_REQUIRED ? "unverified" :
		h->rules->pin.n > 0	  ? "pinned" :
					    "verified");
}
