/*
 * Reverse DNS, then forward: every PTR name is asked for its addresses as soon
 * as it is known, at most DNS_NAMES of them, all at once.
 */
#include <string.h>

#include "worker/rdns.h"

const struct rdns rdns_nothing = { .ptr = DNS_NONE };
const struct rdns rdns_asked = { .ptr = DNS_ASKED };

static void
take_addrs(void *arg, const struct dns_answer *a)
{
	struct rdns_name *name = arg;
	unsigned i;

	if (a->state != DNS_FOUND) {
		name->forward = a->state == DNS_NONE ? FORWARD_NONE :
						       FORWARD_UNKNOWN;
		return;
	}
	name->forward = a->more ? FORWARD_UNKNOWN : FORWARD_OTHER;
	for (i = 0; i < a->n; i++)
		if (addr_equal(&a->addrs[i], &name->owner->client))
			name->forward = FORWARD_CONFIRMED;
}

static void
take_names(void *arg, const struct dns_answer *a)
{
	struct rdns *r = arg;
	struct rdns_name *name;

	r->ptr = a->state;
	r->more = a->more;
	for (r->n = 0; r->n < a->n; r->n++) {
		name = &r->names[r->n];
		name->owner = r;
		name->forward = FORWARD_ASKED;
		strlcpy(name->name, a->names[r->n], sizeof(name->name));
		if (dns_ask_addrs(r->dns, name->name, r->client.family,
			take_addrs, name) == -1)
			name->forward = FORWARD_UNKNOWN;
	}
}

void
rdns_ask(struct rdns *r, struct dns *dns, const struct addr *client)
{
	r->n = 0;
	r->more = false;
	r->dns = dns;
	r->client = *client;
	r->ptr = DNS_ASKED;
	if (dns == NULL || dns_ask_names(dns, client, take_names, r) == -1)
		r->ptr = DNS_UNKNOWN;
}

void
rdns_settle(struct rdns *r)
{
	unsigned i;

	if (r->ptr == DNS_ASKED)
		r->ptr = DNS_UNKNOWN;
	for (i = 0; i < r->n; i++)
		if (r->names[i].forward == FORWARD_ASKED)
			r->names[i].forward = FORWARD_UNKNOWN;
}

const char *
rdns_confirmed(const struct rdns *r)
{
	unsigned i;

	for (i = 0; i < r->n; i++)
		if (r->names[i].forward == FORWARD_CONFIRMED)
			return r->names[i].name;
	return NULL;
}

const char *
rdns_state_name(const struct rdns *r)
{
	unsigned i;

	if (r->ptr == DNS_NONE)
		return "none";
	if (r->ptr != DNS_FOUND || r->more)
		return "unknown";
	for (i = 0; i < r->n; i++)
		if (r->names[i].forward == FORWARD_UNKNOWN ||
		    r->names[i].forward == FORWARD_ASKED)
			return "unknown";
	return "unconfirmed";
}
