/*
 * Names and replies of DNS lists. The replies that operators use to say that
 * something is wrong are told apart from listings here and nowhere else.
 */
#include <stdio.h>
#include <string.h>

#include "worker/dns.h"
#include "worker/zone.h"

static const char *const families[ZONE_FAMILIES] = {
	[ZONE_IPV4] = "ipv4",
	[ZONE_IPV6] = "ipv6",
	[ZONE_NAMES] = "name",
};

static const char *const things[OF_COUNT] = {
	[OF_CLIENT] = "client",
	[OF_NAME] = "name",
	[OF_HELO] = "helo",
	[OF_SENDER] = "sender",
};

/* Replies that are never a listing; the first row that holds one. */
static const struct {
	uint32_t first, last;
	bool allows_only; /* said by allow lists alone */
	const char *text;
} errors[] = {
	{ 0x00000000, 0x7effffff, false,
	    "no answer of a DNS list: the resolver rewrites answers, or the "
	    "zone's domain has been parked" },
	{ 0x80000000, 0xffffffff, false,
	    "no answer of a DNS list: the resolver rewrites answers, or the "
	    "zone's domain has been parked" },
	{ 0x7f000001, 0x7f000001, false,
	    "the list refuses this resolver, or the resolver rewrites answers" },
	{ 0x7f0000ff, 0x7f0000ff, true,
	    "the allow list refuses this resolver: too many questions" },
	{ 0x7f0001ff, 0x7f0001ff, false,
	    "a list of names was asked for an address" },
	{ 0x7ffffffc, 0x7ffffffc, false, "the zone's name is mistyped" },
	{ 0x7ffffffe, 0x7ffffffe, false,
	    "the list does not answer public resolvers: use one of your own" },
	{ 0x7fffffff, 0x7fffffff, false, "too many questions to the list" },
	{ 0x7fffff00, 0x7fffffff, false, "an error code of the list" },
};

const char *
zone_family_name(enum zone_family f)
{
	return families[f];
}

const char *
zone_of_name(enum zone_of of)
{
	return things[of];
}

enum zone_family
zone_family_of(const struct addr *a)
{
	return a->family == 4 ? ZONE_IPV4 : ZONE_IPV6;
}

bool
zone_has_family(const struct zone *z, enum zone_family f)
{
	bool addrs = (z->of & 1u << OF_CLIENT) != 0;

	return f == ZONE_NAMES ? (z->of & ~(1u << OF_CLIENT)) != 0 : addrs;
}

int
zone_addr_question(char out[NAME_TEXT_MAX], const struct zone *z,
    const struct addr *a)
{
	static const char hex[] = "0123456789abcdef";
	const uint8_t *b = a->bytes;
	char nibbles[65];
	int i, n;

	if (a->family == 4) {
		n = snprintf(out, NAME_TEXT_MAX, "%u.%u.%u.%u.%s", b[3], b[2],
		    b[1], b[0], z->name);
		return n <= ZONE_QUESTION_MAX ? 0 : -1;
	}
	for (i = 0; i < 16; i++) {
		nibbles[4 * i] = hex[b[15 - i] & 15];
		nibbles[4 * i + 2] = hex[b[15 - i] >> 4];
		nibbles[4 * i + 1] = nibbles[4 * i + 3] = '.';
	}
	nibbles[64] = '\0';
	n = snprintf(out, NAME_TEXT_MAX, "%s%s", nibbles, z->name);
	return n <= ZONE_QUESTION_MAX ? 0 : -1;
}

int
zone_name_question(char out[NAME_TEXT_MAX], const struct zone *z,
    const char *name)
{
	int n = snprintf(out, NAME_TEXT_MAX, "%s.%s", name, z->name);

	return n <= ZONE_QUESTION_MAX ? 0 : -1;
}

const char *
zone_error_text(uint32_t reply, bool allows)
{
	size_t i;

	for (i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (reply >= errors[i].first && reply <= errors[i].last &&
		    (allows || !errors[i].allows_only))
			return errors[i].text;
	return NULL;
}

static bool
counts(const struct zone *z, uint32_t reply)
{
	const struct reply_filter *f;
	size_t i;

	for (i = 0; i < z->nreplies; i++) {
		f = &z->replies[i];
		if (f->is_mask ? (reply & f->first) == f->first :
				 reply >= f->first && reply <= f->last)
			return true;
	}
	return z->nreplies == 0;
}

static uint32_t
host_order(const struct addr *a)
{
	return (uint32_t)a->bytes[0] << 24 | (uint32_t)a->bytes[1] << 16 |
	    (uint32_t)a->bytes[2] << 8 | a->bytes[3];
}

enum zone_reply
zone_reply(const struct zone *z, const struct dns_answer *a, uint32_t *reply)
{
	enum zone_reply r = ZONE_CLEAN;
	uint32_t one;
	unsigned i;

	*reply = 0;
	if (a->state != DNS_FOUND)
		return a->state == DNS_NONE ? ZONE_CLEAN : ZONE_UNKNOWN;
	for (i = 0; i < a->n; i++) {
		one = host_order(&a->addrs[i]);
		if (zone_error_text(one, z->weight < 0) != NULL) {
			*reply = one;
			return ZONE_ERROR;
		}
		if (r == ZONE_CLEAN && counts(z, one)) {
			*reply = one;
			r = ZONE_LISTED;
		}
	}
	/* Nobody knows what the addresses that were not kept would say. */
	return r == ZONE_CLEAN && a->more ? ZONE_UNKNOWN : r;
}

const char *
zone_reply_text(uint32_t reply, char buf[ZONE_REPLY_MAX])
{
	snprintf(buf, ZONE_REPLY_MAX, "%u.%u.%u.%u", reply >> 24,
	    reply >> 16 & 255, reply >> 8 & 255, reply & 255);
	return buf;
}
