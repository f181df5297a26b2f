/*
 * DNS lists as such (RFC 5782): under which name a thing is asked for, and
 * what an answer means. Pure: nothing here asks, counts or judges.
 */
#ifndef LICTOR_ZONE_H
#define LICTOR_ZONE_H

#include <stdint.h>

#include "lists/list.h"
#include "worker/settings.h"

struct dns_answer;

/* What has a health of its own in a zone. */
enum zone_family {
	ZONE_IPV4,
	ZONE_IPV6,
	ZONE_NAMES,
	ZONE_FAMILIES
};

/* The longest name that can be asked for: 255 octets with their lengths. */
#define ZONE_QUESTION_MAX 253
/* The longest name of a zone: a nibble a label must fit before it. */
#define ZONE_NAME_MAX (ZONE_QUESTION_MAX - 64)

/* Room for a reply as text, "127.255.255.255". */
#define ZONE_REPLY_MAX 16

enum zone_reply {
	ZONE_CLEAN, /* not listed, or with a reply that does not count */
	ZONE_LISTED,
	ZONE_ERROR,   /* never a listing: the zone or the resolver is ill */
	ZONE_UNKNOWN, /* no answer */
};

/* "ipv4", "ipv6", "name"; "client", "name", "helo", "sender". */
const char *zone_family_name(enum zone_family);
const char *zone_of_name(enum zone_of);

enum zone_family zone_family_of(const struct addr *);
/* Has the zone to do with that family at all? */
bool zone_has_family(const struct zone *, enum zone_family);

/*
 * The name to ask for: octets or nibbles reversed (RFC 5782, sections 2.1 and
 * 2.4), or a name before the zone's. -1: it is too long for DNS.
 */
int zone_addr_question(char out[NAME_TEXT_MAX], const struct zone *,
    const struct addr *);
int zone_name_question(char out[NAME_TEXT_MAX], const struct zone *,
    const char *name);

/*
 * What the zone says. *reply, in host order, is the address that counts: of a
 * listing the first that does, of an error the first that is one; else 0. An
 * error among the addresses spoils all of them; addresses that were not kept
 * make what is no listing unknown.
 */
enum zone_reply
zone_reply(const struct zone *, const struct dns_answer *, uint32_t *reply);

/*
 * Why an address is no listing whatever the zone, for the log; NULL: it could
 * be one. allows: of a zone with a negative weight.
 */
const char *zone_error_text(uint32_t reply, bool allows);

const char *zone_reply_text(uint32_t reply, char buf[ZONE_REPLY_MAX]);

#endif
