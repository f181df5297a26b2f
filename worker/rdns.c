/*
 * Reverse DNS, then forward: every PTR name is asked for its addresses as soon
 * as it is known, at most DNS_NAMES of them, all at once.
 */
#include <string.h>

#include "worker/rdns.h"

const struct rdns rdns_nothing = { .ptr = DNS_NONE };
const struct rdns rdns_asked = { .ptr = DNS_ASKED };
const struct rdns rdns_unasked = { .ptr = DNS_UNKNOWN };

/* Tell the name as soon as it is certain which it is. */
static void
tell(struct rdns *r)
{
	void (*known)(void *, const char *) = r->known;
	const char *name = rdns_confirmed(r);
	bool unknown = r->ptr == DNS_UNKNOWN || r->more;
	unsigned i;

	if (known == NULL)
		return;
	for (i = 0; i < r->n && name == NULL; i++) {
		if (r->names[i].forward == FORWARD_ASKED)
			return;
		unknown |= r->names[i].forward == FORWARD_UNKNOWN;
	}
	r->known = NULL;
	known(r->known_arg, name == NULL && !unknown ? "" : name);
}

static void
take_addrs(void *arg, const struct dns_answer *a)
{
	struct rdns_name *name = arg;
	unsigned i;

	if (a->state == DNS_FOUND)
		name->forward = a->more ? FORWARD_UNKNOWN : FORWARD_OTHER;
	else
		name->forward = a->state == DNS_NONE ? FORWARD_NONE :
						       FORWARD_UNKNOWN;
	for (i = 0; a->state == DNS_FOUND && i < a->n; i++)
		if (addr_equal(&a->addrs[i], &name->owner->client))
			name->forward = FORWARD_CONFIRMED;
	tell(name->owner);
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
	tell(r);
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
	if (r->ptr == DNS_UNKNOWN)
		tell(r);
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
	tell(r);
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
