/*
 * Questions by udns, with parsers of our own: those of udns 0.4 read the raw
 * question again and write past their buffer when it is compressed. A context
 * lives for one session, so that every session has a port and identifiers of
 * its own. udns counts seconds; it is given twentieths of our monotonic clock
 * instead, so that a silent server costs each question of a chain 50 ms.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <udns.h>

#include "worker/dns.h"
#include "worker/settings.h"
#include "worker/wait.h"

#define TICK_MS	   50
#define TRY_TICKS  10 /* of the first try; doubled with each */
#define TRIES_MOST 50
/* dns_getdn of udns ends a name of 256 octets one octet behind its buffer. */
#define DN_ROOM (DNS_MAXDN + 1)

struct question {
	struct question *next;
	struct dns *dns;
	bool open;
	int64_t deadline_ms;
	dns_done *done;
	void *arg;
};

struct dns {
	struct dns_ctx *ctx;
	struct waiting *waiting;
	int64_t start_ms;
	int64_t deadline_ms; /* of the questions that are asked now */
	int span_ms;	     /* what a step may take */
	struct question *questions;
	unsigned nopen;
};

/* ------------------------------------------------------------------ parsing */

/* A name as text: letters, digits, dash, underscore only, or not at all. */
static int
name_text(char out[NAME_TEXT_MAX], const unsigned char *dn)
{
	char text[NAME_TEXT_MAX];
	size_t n = 0, len;

	for (; (len = *dn) != 0; dn += len + 1) {
		if (len > 63 || n + len + 2 > sizeof(text) ||
		    memchr(dn + 1, '.', len) != NULL)
			return -1;
		memcpy(text + n, dn + 1, len);
		n += len;
		text[n++] = '.';
	}
	return n == 0 ? -1 : name_canonical(out, text, n - 1);
}

static void
take_addr(struct dns_answer *a, const struct dns_rr *rr, int family)
{
	struct addr *addr = &a->addrs[a->n];
	size_t size = family == 4 ? 4 : 16;

	if (rr->dnsrr_dsz != size)
		return;
	if (a->n == DNS_ADDRS) {
		a->more = true;
		return;
	}
	memset(addr, 0, sizeof(*addr));
	addr->family = (uint8_t)family;
	memcpy(addr->bytes, rr->dnsrr_dptr, size);
	a->n++;
}

static void
take_name(struct dns_answer *a, const struct dns_parse *p,
    const struct dns_rr *rr)
{
	unsigned char dn[DN_ROOM];
	const unsigned char *cur = rr->dnsrr_dptr;
	int len;

	len = dns_getdn(p->dnsp_pkt, &cur, p->dnsp_end, dn, DNS_MAXDN);
	if (len <= 0 || len > DNS_MAXDN)
		return;
	if (a->n == DNS_NAMES)
		a->more = true;
	else if (name_text(a->names[a->n], dn) == 0)
		a->n++;
}

/* One mail host more: with too many, those that are preferred stay. */
static void
keep_exchange(struct dns_answer *a, const char *name, uint16_t preference)
{
	unsigned i, at = a->n;

	if (a->n < DNS_NAMES) {
		a->n++;
	} else {
		a->more = true;
		for (at = 0, i = 1; i < DNS_NAMES; i++)
			if (a->preferences[i] > a->preferences[at])
				at = i;
		if (preference >= a->preferences[at])
			return;
	}
	strlcpy(a->names[at], name, sizeof(a->names[at]));
	a->preferences[at] = preference;
}

/* Preference and host; the root stands for no host at all (RFC 7505). */
static void
take_exchange(struct dns_answer *a, const struct dns_parse *p,
    const struct dns_rr *rr)
{
	const unsigned char *cur = rr->dnsrr_dptr + 2;
	const unsigned char *end = rr->dnsrr_dptr + rr->dnsrr_dsz;
	unsigned char dn[DN_ROOM];
	char name[NAME_TEXT_MAX] = "";

	if (rr->dnsrr_dsz < 3 ||
	    dns_getdn(p->dnsp_pkt, &cur, p->dnsp_end, dn, DNS_MAXDN) <= 0 ||
	    cur != end)
		return;
	a->names_host |= dn[0] != 0;
	if (dn[0] == 0 || name_text(name, dn) == 0)
		keep_exchange(a, name, dns_get16(rr->dnsrr_dptr));
}

/* Character strings, each with its length before it, as one. */
static void
take_text(struct dns_answer *a, const struct dns_rr *rr)
{
	const unsigned char *p = rr->dnsrr_dptr, *end = p + rr->dnsrr_dsz;
	size_t len, out = 0;

	if (a->n++ > 0)
		return;
	while (p < end && *p < end - p)
		for (len = *p++; len > 0; len--, p++)
			if (out + 1 < sizeof(a->text))
				a->text[out++] = *p >= 0x20 && *p < 0x7f ?
				    (char)*p :
				    '?';
	a->text[out] = '\0';
}

static void
take_record(struct dns_answer *a, const struct dns_parse *p,
    const struct dns_rr *rr)
{
	switch (rr->dnsrr_typ) {
	case DNS_T_PTR:
		take_name(a, p, rr);
		break;
	case DNS_T_MX:
		take_exchange(a, p, rr);
		break;
	case DNS_T_TXT:
		take_text(a, rr);
		break;
	default:
		take_addr(a, rr, rr->dnsrr_typ == DNS_T_A ? 4 : 6);
	}
}

/*
 * The records of one type, cur standing behind the question's name; what udns
 * wants: 0 and a result, or its error.
 */
static int
parse(const unsigned char *question, const unsigned char *packet,
    const unsigned char *cur, const unsigned char *end, int type,
    struct dns_answer *a)
{
	struct dns_parse p;
	struct dns_rr rr;
	int r;
	bool any = false;

	memset(a, 0, sizeof(*a));
	/* udns asserts that type and class are there, and takes questions. */
	if (end - cur < 4 || !dns_qr(packet))
		return DNS_E_PROTOCOL;
	dns_initparse(&p, question, packet, cur, end);
	p.dnsp_qcls = DNS_C_IN;
	p.dnsp_qtyp = (enum dns_type)type;
	while ((r = dns_nextrr(&p, &rr)) > 0) {
		take_record(a, &p, &rr);
		any = true;
	}
	/* An MX that cannot be read is not the lack of one. */
	if (r < 0 || (type == DNS_T_MX && any && a->n == 0 && !a->names_host))
		return DNS_E_PROTOCOL;
	a->state = DNS_FOUND;
	return a->n == 0 && !a->names_host ? DNS_E_NODATA : 0;
}

static int
parse_into(const unsigned char *question, const unsigned char *packet,
    const unsigned char *cur, const unsigned char *end, void **result, int type)
{
	struct dns_answer *a = malloc(sizeof(*a));
	int r;

	if (a == NULL)
		return DNS_E_NOMEM;
	if ((r = parse(question, packet, cur, end, type, a)) != 0)
		free(a);
	else
		*result = a;
	return r;
}

static int
parse_a(dnscc_t *q, dnscc_t *pkt, dnscc_t *cur, dnscc_t *end, void **result)
{
	return parse_into(q, pkt, cur, end, result, DNS_T_A);
}

static int
parse_aaaa(dnscc_t *q, dnscc_t *pkt, dnscc_t *cur, dnscc_t *end, void **result)
{
	return parse_into(q, pkt, cur, end, result, DNS_T_AAAA);
}

static int
parse_ptr(dnscc_t *q, dnscc_t *pkt, dnscc_t *cur, dnscc_t *end, void **result)
{
	return parse_into(q, pkt, cur, end, result, DNS_T_PTR);
}

static int
parse_mx(dnscc_t *q, dnscc_t *pkt, dnscc_t *cur, dnscc_t *end, void **result)
{
	return parse_into(q, pkt, cur, end, result, DNS_T_MX);
}

static int
parse_txt(dnscc_t *q, dnscc_t *pkt, dnscc_t *cur, dnscc_t *end, void **result)
{
	return parse_into(q, pkt, cur, end, result, DNS_T_TXT);
}

int
dns_parse_packet(const unsigned char *packet, size_t len, int type,
    struct dns_answer *a)
{
	const unsigned char *cur = packet + DNS_HSIZE, *end = packet + len;
	unsigned char question[DN_ROOM];

	if (len < DNS_HSIZE ||
	    dns_getdn(packet, &cur, end, question, DNS_MAXDN) <= 0)
		return -1;
	return parse(question, packet, cur, end, type, a);
}

/* ------------------------------------------------------------------ servers */

/* A datagram socket learns at connect(2) that there is no way to an address. */
static bool
can_send(const struct sockaddr_storage *ss)
{
	int fd, r;

	fd = socket(ss->ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return false;
	r = connect(fd, (const struct sockaddr *)ss,
	    ss->ss_family == AF_INET ? sizeof(struct sockaddr_in) :
				       sizeof(struct sockaddr_in6));
	close(fd);
	return r == 0;
}

/* Once a worker, and not in one that never asks. */
static void
find_servers(struct dns_servers *servers, const struct settings *set)
{
	size_t i;

	if (servers->known)
		return;
	servers->known = true;
	for (i = 0; i < set->nnameservers && servers->n < NAMESERVERS_MAX;
	     i++) {
		addr_to_sockaddr(&set->nameservers[i].addr,
		    set->nameservers[i].port, &servers->addrs[servers->n]);
		if (can_send(&servers->addrs[servers->n]))
			servers->n++;
	}
}

/* ---------------------------------------------------------------- a session */

static time_t
tick(const struct dns *d)
{
	return (time_t)((clock_ms() - d->start_ms) / TICK_MS + 1);
}

/* So many tries that the schedule of udns reaches up to the deadline. */
static int
tries(const struct dns *d, size_t nservers)
{
	int64_t left = d->span_ms / TICK_MS + 1;
	int n = 0;

	while (left > 0 && n < TRIES_MOST) {
		left -= (int64_t)nservers - 1 + ((int64_t)TRY_TICKS << n);
		n++;
	}
	return n > 0 ? n : 1;
}

static struct dns_ctx *
open_context(const struct dns *d, const struct dns_servers *servers,
    bool ipv4_only)
{
	struct dns_ctx *ctx;
	size_t i, n = 0;

	dns_reset(&dns_defctx); /* no file, no environment */
	if ((ctx = dns_new(&dns_defctx)) == NULL)
		return NULL;
	for (i = 0; i < servers->n; i++) {
		if (ipv4_only && servers->addrs[i].ss_family != AF_INET)
			continue;
		if (dns_add_serv_s(ctx,
			(const struct sockaddr *)(const void *)&servers
			    ->addrs[i]) >= 0)
			n++;
	}
	dns_set_opt(ctx, DNS_OPT_TIMEOUT, TRY_TICKS);
	dns_set_opt(ctx, DNS_OPT_NTRIES, tries(d, n));
	if (n > 0 && dns_open(ctx) >= 0)
		return ctx;
	dns_free(ctx);
	return NULL;
}

void
dns_step(struct dns *d)
{
	d->deadline_ms = clock_ms() + d->span_ms;
}

struct dns *
dns_begin(struct dns_servers *servers, const struct settings *set,
    struct waiting *waiting)
{
	struct dns *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return NULL;
	find_servers(servers, set);
	d->waiting = waiting;
	d->start_ms = clock_ms();
	d->span_ms = set->dns_deadline_ms;
	dns_step(d);
	d->ctx = open_context(d, servers, false);
	if (d->ctx == NULL) /* IPv4 and IPv6 together want IPv6 here */
		d->ctx = open_context(d, servers, true);
	if (d->ctx == NULL) {
		free(d);
		return NULL;
	}
	return d;
}

void
dns_end(struct dns *d)
{
	struct question *q;

	if (d == NULL)
		return;
	wait_background(d->waiting, -1, NULL, NULL);
	dns_free(d->ctx);
	while ((q = d->questions) != NULL) {
		d->questions = q->next;
		free(q);
	}
	free(d);
}

/* What the answer leads to ask belongs to the same step. */
static void
close_question(struct question *q, const struct dns_answer *a)
{
	int64_t step_ms = q->dns->deadline_ms;

	q->open = false;
	q->dns->nopen--;
	q->dns->deadline_ms = q->deadline_ms;
	q->done(q->arg, a);
	q->dns->deadline_ms = step_ms;
}

/* udns knows it no more. */
static void
free_question(struct question *q)
{
	struct question **at = &q->dns->questions;

	while (*at != q)
		at = &(*at)->next;
	*at = q->next;
	free(q);
}

/* udns has an answer, or has given up; for one that is closed, too late. */
static void
answered(struct dns_ctx *ctx, void *result, void *data)
{
	struct dns_answer none = { .state = DNS_NONE };
	struct question *q = data;
	int status = dns_status(ctx);

	if (result == NULL && status != DNS_E_NXDOMAIN &&
	    status != DNS_E_NODATA)
		none.state = DNS_UNKNOWN;
	if (q->open)
		close_question(q, result != NULL ? result : &none);
	free_question(q);
	free(result);
}

/* What is open beyond its deadline is unknown. */
static void
expire(struct dns *d)
{
	struct dns_answer unknown = { .state = DNS_UNKNOWN };
	int64_t now = clock_ms();
	struct question *q;

	for (q = d->questions; q != NULL; q = q->next)
		if (q->open && now >= q->deadline_ms)
			close_question(q, &unknown);
}

/* When something is to be done: a question sent again, or given up. */
static int64_t
next_due(const struct dns *d, int ticks)
{
	int64_t due = clock_ms() + (ticks > 0 ? ticks : 1) * TICK_MS;
	const struct question *q;

	for (q = d->questions; q != NULL; q = q->next)
		if (q->open && q->deadline_ms < due)
			due = q->deadline_ms;
	return due;
}

/*
 * Read what there is, send what is due. When to come again, in milliseconds
 * of the clock; 0: nothing is open any more.
 */
static int64_t
go_on(void *arg, bool readable)
{
	struct dns *d = arg;
	int ticks;

	if (readable)
		dns_ioevent(d->ctx, tick(d));
	expire(d);
	/* Answers and deadlines may have led to questions: send those too. */
	ticks = dns_timeouts(d->ctx, -1, tick(d));
	if (d->nopen > 0)
		return next_due(d, ticks);
	wait_set(d->waiting, WAIT_DNS, -1);
	return 0;
}

static int
ask(struct dns *d, const unsigned char *dn, int type, dns_parse_fn *parser,
    dns_done *done, void *arg)
{
	struct question *q = calloc(1, sizeof(*q));

	if (q == NULL)
		return -1;
	q->dns = d;
	q->done = done;
	q->arg = arg;
	if (dns_submit_dn(d->ctx, dn, DNS_C_IN, type, DNS_NOSRCH, parser,
		answered, q) == NULL) {
		free(q);
		return -1;
	}
	q->open = true;
	q->deadline_ms = d->deadline_ms;
	q->next = d->questions;
	d->questions = q;
	d->nopen++;
	return 0;
}

/* About a name that stands as text. */
static int
ask_name(struct dns *d, const char *name, int type, dns_parse_fn *parser,
    dns_done *done, void *arg)
{
	unsigned char dn[DNS_MAXDN];

	if (dns_sptodn(name, dn, sizeof(dn)) <= 0)
		return -1;
	return ask(d, dn, type, parser, done, arg);
}

int
dns_ask_names(struct dns *d, const struct addr *a, dns_done *done, void *arg)
{
	unsigned char dn[DNS_MAXDN];
	struct in6_addr in6;
	struct in_addr in;
	int r;

	if (a->family == 4) {
		memcpy(&in, a->bytes, sizeof(in));
		r = dns_a4todn(&in, NULL, dn, sizeof(dn));
	} else {
		memcpy(&in6, a->bytes, sizeof(in6));
		r = dns_a6todn(&in6, NULL, dn, sizeof(dn));
	}
	return r > 0 ? ask(d, dn, DNS_T_PTR, parse_ptr, done, arg) : -1;
}

int
dns_ask_addrs(struct dns *d, const char *name, int family, dns_done *done,
    void *arg)
{
	return family == 4 ?
	    ask_name(d, name, DNS_T_A, parse_a, done, arg) :
	    ask_name(d, name, DNS_T_AAAA, parse_aaaa, done, arg);
}

int
dns_ask_mx(struct dns *d, const char *name, dns_done *done, void *arg)
{
	return ask_name(d, name, DNS_T_MX, parse_mx, done, arg);
}

int
dns_ask_text(struct dns *d, const char *name, dns_done *done, void *arg)
{
	return ask_name(d, name, DNS_T_TXT, parse_txt, done, arg);
}

void
dns_forget(struct dns *d, const void *arg)
{
	struct question *q;

	for (q = d->questions; q != NULL; q = q->next) {
		if (!q->open || q->arg != arg)
			continue;
		q->open = false;
		d->nopen--;
	}
}

void
dns_send(struct dns *d)
{
	wait_background(d->waiting, dns_sock(d->ctx), go_on, d);
}

bool
dns_is_open(const struct dns *d)
{
	return d->nopen > 0;
}
