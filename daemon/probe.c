/*
 * Asking test points, all that are due at once. What a list says of them is
 * judged without its reply filters: a list that lists an address it must not
 * list is ill whatever it says.
 */
#include <sys/socket.h>

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/probe.h"
#include "daemon/visit.h"
#include "worker/dns.h"
#include "worker/log.h"
#include "worker/sandbox.h"
#include "worker/settings.h"
#include "worker/wait.h"
#include "worker/zone.h"

#define SOON_SHARE  10 /* of probe_secs, until one that is ill is asked again */
#define SOON_MOST_S 60

struct probe;

/* One of the two points of a family of a zone. */
struct point {
	struct probe *probe;
	enum zone_reply said;
	uint32_t reply;
};

struct probe {
	struct prober *owner;
	struct zone zone; /* without its filters; strings are the settings' */
	unsigned place;	  /* of the zone in the settings */
	enum zone_family family;
	struct point listed, clean;
	unsigned open; /* points that are not answered yet */
	int64_t due_ms;
	enum probe_outcome told;
	bool requested; /* tell the outcome even if it is the same */
};

struct prober {
	const struct settings *set;
	int fd;
	struct waiting waiting;
	struct dns_servers servers;
	struct dns *dns;
	struct probe *probes;
	size_t n;
	struct visitor visitor;
};

/* ------------------------------------------------------------- test points */

/* 127.0.0.N, or ::FFFF:7F00:N as an IPv6 address. */
static void
usual_addr(struct addr *a, enum zone_family family, uint8_t n)
{
	static const uint8_t head[16] = { [10] = 0xff, 0xff, 127 };
	const uint8_t *from = family == ZONE_IPV4 ? head + 12 : head;
	size_t size = family == ZONE_IPV4 ? 4 : 16;

	memset(a, 0, sizeof(*a));
	a->family = family == ZONE_IPV4 ? 4 : 6;
	memcpy(a->bytes, from, size);
	a->bytes[size - 1] = n;
}

/* Does the zone have points of its own for that family? */
static bool
has_own_points(const struct zone *z, enum zone_family family)
{
	struct addr a;

	if (z->probe.n == 0)
		return false;
	if (addr_parse(&a, z->probe.item[0]) == -1)
		return family == ZONE_NAMES;
	return family == zone_family_of(&a);
}

static int
question(char out[NAME_TEXT_MAX], const struct probe *p, bool clean)
{
	bool own = has_own_points(&p->zone, p->family);
	const char *text = own ? p->zone.probe.item[clean] : NULL;
	struct addr a;

	if (p->family == ZONE_NAMES)
		return zone_name_question(out, &p->zone,
		    own	      ? text :
			clean ? "invalid" :
				"test");
	if (own)
		addr_parse(&a, text);
	else
		usual_addr(&a, p->family, clean ? 1 : 2);
	return zone_addr_question(out, &p->zone, &a);
}

/* ------------------------------------------------------------------ outcomes */

static enum probe_outcome
judge(const struct probe *p, uint32_t *reply)
{
	const struct {
		bool holds;
		const struct point *by;
		enum probe_outcome outcome;
	} rows[] = {
		{ p->clean.said == ZONE_ERROR, &p->clean, PROBE_ERROR },
		{ p->listed.said == ZONE_ERROR, &p->listed, PROBE_ERROR },
		{ p->clean.said == ZONE_LISTED, &p->clean, PROBE_LISTS_ALL },
		{ p->clean.said == ZONE_UNKNOWN, &p->clean, PROBE_SILENT },
		{ p->listed.said == ZONE_UNKNOWN, &p->listed, PROBE_SILENT },
		{ p->listed.said == ZONE_CLEAN, &p->listed,
		    PROBE_LISTS_NOTHING },
	};

	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (!rows[i].holds)
			continue;
		*reply = rows[i].by->reply;
		return rows[i].outcome;
	}
	*reply = 0;
	return PROBE_GOOD;
}

/*
 * Soon, so that one that is well again is asked again. That a list does not
 * know a family at all is no illness that passes.
 */
static int64_t
next_ms(const struct probe *p, enum probe_outcome outcome)
{
	int64_t secs = p->owner->set->probe_secs, soon = secs / SOON_SHARE;

	if (outcome != PROBE_GOOD &&
	    (outcome != PROBE_LISTS_NOTHING || p->family != ZONE_IPV6))
		secs = soon < 1 ? 1 : soon > SOON_MOST_S ? SOON_MOST_S : soon;
	return clock_ms() + secs * 1000;
}

static void
finish(struct probe *p)
{
	struct probe_answer answer = { .zone = p->place, .family = p->family };
	enum probe_outcome outcome = judge(p, &answer.reply);

	p->due_ms = next_ms(p, outcome);
	if (outcome == p->told && !p->requested)
		return;
	answer.outcome = outcome;
	if (send(p->owner->fd, &answer, sizeof(answer), MSG_NOSIGNAL) == -1)
		return; /* the master is busy: told with the next probe */
	p->told = outcome;
	p->requested = false;
}

static void
take_point(void *arg, const struct dns_answer *a)
{
	struct point *point = arg;

	point->said = zone_reply(&point->probe->zone, a, &point->reply);
	if (--point->probe->open == 0)
		finish(point->probe);
}

static void
ask_point(struct probe *p, struct point *point, bool clean)
{
	struct prober *o = p->owner;
	char name[NAME_TEXT_MAX];

	point->probe = p;
	point->said = ZONE_UNKNOWN;
	point->reply = 0;
	if (question(name, p, clean) == 0 && o->dns != NULL &&
	    dns_ask_addrs(o->dns, name, 4, take_point, point) == 0)
		return;
	p->open--;
}

static void
start(struct probe *p)
{
	p->open = 2;
	ask_point(p, &p->clean, true);
	if (p->zone.weight < 0) {
		/* Of an allow list it matters only whom it must not know. */
		p->listed.said = ZONE_LISTED;
		p->open--;
	} else {
		ask_point(p, &p->listed, false);
	}
	if (p->open == 0)
		finish(p);
}

/* -------------------------------------------------------------------- rounds */

/* A context for what is due: a new one, with a port of its own, if it can. */
static void
open_dns(struct prober *o)
{
	if (o->dns != NULL && dns_is_open(o->dns)) {
		dns_step(o->dns);
		return;
	}
	dns_end(o->dns);
	o->dns = dns_begin(&o->servers, o->set, &o->waiting);
}

static void
start_due(struct prober *o)
{
	int64_t now = clock_ms();
	bool any = false;
	size_t i;

	for (i = 0; i < o->n; i++) {
		if (o->probes[i].open > 0 || o->probes[i].due_ms > now)
			continue;
		if (!any)
			open_dns(o);
		any = true;
		start(&o->probes[i]);
	}
	if (any && o->dns != NULL)
		dns_send(o->dns);
}

/* The next that is due and not under way. */
static int64_t
next_due(const struct prober *o)
{
	int64_t due = INT64_MAX;
	size_t i;

	for (i = 0; i < o->n; i++)
		if (o->probes[i].open == 0 && o->probes[i].due_ms < due)
			due = o->probes[i].due_ms;
	/* While all are under way something ends within the deadline. */
	if (due == INT64_MAX && o->n > 0)
		due = clock_ms() + o->set->dns_deadline_ms;
	return due < visit_next(&o->visitor) ? due : visit_next(&o->visitor);
}

/* False: the channel has ended. */
static bool
take_request(struct prober *o)
{
	struct probe_request r;
	ssize_t n = recv(o->fd, &r, sizeof(r), 0);
	size_t i;

	if (n == -1)
		return errno == EAGAIN || errno == EINTR;
	for (i = 0; n == sizeof(r) && i < o->n; i++)
		if (o->probes[i].place == r.zone) {
			o->probes[i].due_ms = 0;
			o->probes[i].requested = true;
		}
	return n > 0;
}

static void
add_zone(struct prober *o, unsigned place)
{
	const struct zone *z = &o->set->zones[place];
	struct probe *p;
	unsigned f;

	for (f = 0; f < ZONE_FAMILIES && z->mode != MODE_OFF; f++) {
		if (!zone_has_family(z, (enum zone_family)f))
			continue;
		p = &o->probes[o->n++];
		p->owner = o;
		p->zone = *z;
		p->zone.nreplies = 0;
		p->place = place;
		p->family = (enum zone_family)f;
	}
}

/* Asked to leave: the channel ends, and with it the wait. */
static void
hang_up(void *arg)
{
	struct prober *o = arg;

	shutdown(o->fd, SHUT_RDWR);
}

static void
serve(struct prober *o)
{
	wait_init(&o->waiting);
	wait_set(&o->waiting, WAIT_CLIENT, o->fd);
	o->waiting.left = hang_up;
	o->waiting.arg = o;
	for (;;) {
		start_due(o);
		visit_one(&o->visitor);
		switch (
		    wait_for(&o->waiting, WAIT_CLIENT, POLLIN, next_due(o))) {
		case WAIT_READY:
			if (!take_request(o))
				return;
			break;
		case WAIT_LATE:
			break;
		case WAIT_HURRIED:
			return;
		}
	}
}

/* Probe until the channel ends. */
static int
probe_all(struct prober *o, const struct probe_start *given)
{
	unsigned i;

	o->set = given->settings;
	o->fd = given->fd;
	o->probes = calloc(o->set->nzones * ZONE_FAMILIES + 1,
	    sizeof(*o->probes));
	if (o->probes == NULL)
		return 1;
	for (i = 0; i < o->set->nzones; i++)
		if (o->set->tests[TEST_DNSBL].mode != MODE_OFF)
			add_zone(o, i);
	o->visitor.set = o->set;
	o->visitor.waiting = &o->waiting;
	o->visitor.fd = o->fd;
	o->visitor.hop.tls_clients = given->tls_clients;
	o->visitor.where.set = o->set;
	o->visitor.where.waiting = &o->waiting;
	o->visitor.where.servers = &o->servers;
	o->visitor.where.dns = &o->dns;
	if (visit_init(&o->visitor, given->hops) == 0)
		serve(o);
	visit_free(&o->visitor);
	dns_end(o->dns);
	free(o->probes);
	return 0;
}

int
probe_main(const struct probe_start *given)
{
	struct prober *o;
	int code = 1;

	if (sandbox_enter(given->sandbox) == -1) {
		log_event(LOG_BAD, "worker", "probe: sandbox: %s",
		    strerror(errno));
		return 1;
	}
	/* It holds the buffers of a connection. */
	if ((o = calloc(1, sizeof(*o))) != NULL)
		code = probe_all(o, given);
	free(o);
	return code;
}
