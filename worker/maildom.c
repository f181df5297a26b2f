/*
 * Mail domains. Mail hosts decide by themselves; only where there are none do
 * the addresses count (RFC 5321, section 5.1).
 */
#include <string.h>

#include "worker/maildom.h"

const struct maildom maildom_nothing = { .mx = DNS_FOUND };
const struct maildom maildom_asked = { .mx = DNS_ASKED };

static void
take_mx(void *arg, const struct dns_answer *a)
{
	struct maildom *m = arg;

	m->mx = a->state;
	m->null_mx = a->state == DNS_FOUND && !a->names_host;
}

static void
take_a(void *arg, const struct dns_answer *a)
{
	struct maildom *m = arg;

	m->a = a->state;
}

static void
take_aaaa(void *arg, const struct dns_answer *a)
{
	struct maildom *m = arg;

	m->aaaa = a->state;
}

/* An answer to the former question must not be taken for one to this. */
static void
start(struct maildom *m, struct dns *dns, const char *domain)
{
	if (m->dns != NULL)
		dns_forget(m->dns, m);
	strlcpy(m->domain, domain, sizeof(m->domain));
	m->dns = dns;
	m->null_mx = false;
	m->mx = m->a = m->aaaa = DNS_ASKED;
}

void
maildom_ask(struct maildom *m, struct dns *dns, const char *domain)
{
	if (m->dns == dns && strcmp(m->domain, domain) == 0 &&
	    maildom_state(m) != MAILDOM_UNKNOWN)
		return;
	start(m, dns, domain);
	if (dns == NULL || dns_ask_mx(dns, domain, take_mx, m) == -1)
		m->mx = DNS_UNKNOWN;
	if (dns == NULL || dns_ask_addrs(dns, domain, 4, take_a, m) == -1)
		m->a = DNS_UNKNOWN;
	if (dns == NULL || dns_ask_addrs(dns, domain, 6, take_aaaa, m) == -1)
		m->aaaa = DNS_UNKNOWN;
}

void
maildom_settle(struct maildom *m)
{
	enum dns_state *const states[] = { &m->mx, &m->a, &m->aaaa };

	size_t i;

	for (i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		if (*states[i] == DNS_ASKED)
			*states[i] = DNS_UNKNOWN;
}

enum maildom_state
maildom_state(const struct maildom *m)
{
	if (m->mx == DNS_FOUND)
		return m->null_mx ? MAILDOM_NULL_MX : MAILDOM_GOOD;
	if (m->mx == DNS_ASKED)
		return MAILDOM_ASKED;
	/* A null MX that was not seen would be a no: addresses are no yes. */
	if (m->mx == DNS_UNKNOWN)
		return MAILDOM_UNKNOWN;
	if (m->a == DNS_FOUND || m->aaaa == DNS_FOUND)
		return MAILDOM_GOOD;
	if (m->a == DNS_ASKED || m->aaaa == DNS_ASKED)
		return MAILDOM_ASKED;
	if (m->a == DNS_UNKNOWN || m->aaaa == DNS_UNKNOWN)
		return MAILDOM_UNKNOWN;
	return MAILDOM_NONE;
}
