/*
 * DNS: all of udns. The questions of a session go out together and are
 * answered while it waits for anything at all; none is asked, and no socket
 * opened, where no test needs one.
 *
 * Every answer has three outcomes: what was asked for, nothing of the kind
 * (NXDOMAIN or no such records: a fact), or unknown (no answer in time,
 * SERVFAIL, truncated, garbled).
 */
#ifndef LICTOR_DNS_H
#define LICTOR_DNS_H

#include <sys/socket.h>

#include <stdbool.h>
#include <stdint.h>

#include "lists/list.h"
#include "worker/settings.h"

struct waiting;

enum dns_state {
	DNS_ASKED, /* no answer yet */
	DNS_FOUND,
	DNS_NONE,
	DNS_UNKNOWN
};

#define DNS_ADDRS    64
#define DNS_NAMES    8
#define DNS_TEXT_MAX 256

/* The name servers that a worker can send to; zero before it first asks. */
struct dns_servers {
	bool known;
	struct sockaddr_storage addrs[NAMESERVERS_MAX];
	size_t n;
};

struct dns_answer {
	enum dns_state state;
	unsigned n;	 /* of the records that are kept */
	bool more;	 /* there were others */
	bool names_host; /* of an MX question: not only the root */
	uint16_t preferences[DNS_NAMES]; /* of it, for each name */

	union {
		struct addr addrs[DNS_ADDRS]; /* of an address question */
		/*
		 * Of a reverse one, and the mail hosts of an MX question:
		 * checked, lower case; "" is the root.
		 */
		char names[DNS_NAMES][NAME_TEXT_MAX];
		char text[DNS_TEXT_MAX]; /* of the first TXT record, printable
					    ASCII; cut where it is longer */
	};
};

/* Called once for every question; the answer is gone when it returns. */
typedef void dns_done(void *arg, const struct dns_answer *);

struct dns;

/*
 * Open a context for one session, and begin its first step. The first context
 * finds the servers: those of the settings that can be sent to. NULL: no
 * socket or memory was to be had, so all is unknown.
 */
struct dns *
dns_begin(struct dns_servers *, const struct settings *, struct waiting *);
/*
 * What is asked from now on, and what that leads to, is unknown when it is
 * unanswered after dns_deadline_ms.
 */
void dns_step(struct dns *);
/* Drop what is not answered, without a call, and close. */
void dns_end(struct dns *);

/* Ask for the names (PTR) of an address. -1: it cannot be asked. */
int dns_ask_names(struct dns *, const struct addr *, dns_done *, void *arg);
/* Ask for the addresses of a name in family 4 (A) or 6 (AAAA). */
int dns_ask_addrs(struct dns *, const char *name, int family, dns_done *,
    void *arg);
/*
 * Ask for the mail hosts (MX) of a name; of more than DNS_NAMES those with the
 * lowest preferences are kept. A host whose name cannot be one is none, but
 * names_host tells of it.
 */
int dns_ask_mx(struct dns *, const char *name, dns_done *, void *arg);
/* Ask for the text (TXT) of a name. */
int dns_ask_text(struct dns *, const char *name, dns_done *, void *arg);
/* Nobody wants the answers any more for which arg was given. */
void dns_forget(struct dns *, const void *arg);
/* Send what was asked; from then on it goes on whenever the session waits. */
void dns_send(struct dns *);
/* Is any question open? */
bool dns_is_open(const struct dns *);

/* The answer parser by itself, for the fuzzer; type 1, 12, 15, 16 or
 * 28. */
int dns_parse_packet(const unsigned char *packet, size_t len, int type,
    struct dns_answer *);

#endif
