/*
 * The beginning of a connection to a next hop: connecting, its greeting, and
 * what it says to EHLO, or LHLO where it speaks LMTP (RFC 2033).
 */
#include <sys/socket.h>
#include <sys/un.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "worker/hop.h"
#include "worker/hop_client.h"
#include "worker/hop_rules.h"
#include "worker/hop_share.h"
#include "worker/hop_tls.h"
#include "worker/hops.h"
#include "worker/settings.h"
#include "worker/wait.h"

#define CONNECT_MS 30000
#define QUEUE_MS   50	 /* between two looks at a full queue */
#define GREET_MS   60000 /* for its greeting and for EHLO */

/*
 * The address of its socket. A list is a file: a path that the settings do not
 * name is not spoken to. False: there is none.
 */
static bool
socket_address(const struct hop *h, struct sockaddr_un *sun)
{
	const struct strings *named = &h->set->lmtp_sockets;
	size_t i;

	memset(sun, 0, sizeof(*sun));
	sun->sun_family = AF_UNIX;
	for (i = 0; i < named->n; i++)
		if (strcmp(named->item[i], h->at.text) == 0)
			return strlcpy(sun->sun_path, h->at.text,
				   sizeof(sun->sun_path)) <
			    sizeof(sun->sun_path);
	return false;
}

static socklen_t
address(const struct hop *h, struct sockaddr_storage *ss)
{
	struct sockaddr_un sun;

	if (h->at.addr.family != 0)
		return addr_to_sockaddr(&h->at.addr, h->at.port, ss);
	if (!socket_address(h, &sun))
		return 0;
	memcpy(ss, &sun, sizeof(sun));
	return sizeof(sun);
}

/*
 * A socket of this host whose queue is full says so at once, and nobody tells
 * when there is room again: look now and then. 0, or -1 with errno.
 */
static int
connect_or_queue(struct hop *h, const struct sockaddr_storage *ss,
    socklen_t len, int64_t until)
{
	int64_t look;

	while (connect(h->fd, (const struct sockaddr *)ss, len) == -1) {
		if (errno != EAGAIN || clock_ms() >= until)
			return -1;
		look = clock_ms() + QUEUE_MS;
		if (wait_for(h->waiting, WAIT_HOP, 0, look) == WAIT_HURRIED) {
			errno = EINTR;
			return -1;
		}
	}
	return 0;
}

static void
try_to_connect(struct hop *h)
{
	int64_t until = hop_patience(h, CONNECT_MS);
	struct sockaddr_storage ss;
	socklen_t len = address(h, &ss), errlen = sizeof(int);
	int error = 0, on = 1;

	if (len == 0) {
		hop_lose(h, "connecting: the socket is not in lmtp_sockets");
		return;
	}
	h->fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
	    0);
	if (h->fd == -1) {
		hop_lose(h, "socket: %s", strerror(errno));
		return;
	}
	h->open = true;
	wait_set(h->waiting, WAIT_HOP, h->fd);
	if (ss.ss_family != AF_UNIX)
		setsockopt(h->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect_or_queue(h, &ss, len, until) == 0)
		return;
	if (errno != EINPROGRESS) {
		hop_lose(h, "connecting: %s", strerror(errno));
		return;
	}
	if (hop_wait(h, POLLOUT, until) == -1)
		return;
	getsockopt(h->fd, SOL_SOCKET, SO_ERROR, &error, &errlen);
	if (error != 0)
		hop_lose(h, "connecting: %s", strerror(error));
}

/* Its answers are waited for in recv(2): see wait_octets(). */
static void
connect_to(struct hop *h)
{
	try_to_connect(h);
	if (!h->failed && wait_limit_recv(h->fd) == 0)
		wait_let_block(h->fd, true);
}

/* Keywords that are a word and no more. */
static const struct {
	const char *word;
	unsigned bit;
} words[] = {
	{ "PIPELINING", HOP_PIPELINING },
	{ "8BITMIME", HOP_8BIT },
	{ "DSN", HOP_DSN },
	{ "SMTPUTF8", HOP_UTF8 },
	{ "STARTTLS", HOP_STARTTLS },
	{ "CHUNKING", HOP_CHUNKING },
};

/* One line of the answer to EHLO. */
static void
take_keyword(void *arg, const char *line)
{
	struct hop *h = arg;
	size_t i;

	hop_take_attributes(h, line);
	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcasecmp(line, words[i].word) == 0)
			h->keywords |= words[i].bit;
	if (strncasecmp(line, "SIZE", 4) == 0 &&
	    (line[4] == ' ' || line[4] == '\0')) {
		h->keywords |= HOP_SIZE;
		h->size = line[4] == ' ' ?
		    strtonum(line + 5, 0, INT64_MAX, NULL) :
		    0;
	}
}

/*
 * Does its greeting, "220 NAME ...", bear our own name? One that speaks LMTP is
 * not us, and may well run on this host.
 */
static bool
greets_as_us(const struct hop *h)
{
	size_t len = strlen(h->set->hostname);
	const char *text = h->reply.text;

	return !h->at.lmtp && strncasecmp(text, h->set->hostname, len) == 0 &&
	    (text[len] == '\0' || text[len] == ' ');
}

static void
hear_greeting(struct hop *h)
{
	if (hop_read(h, GREET_MS, NULL) == -1)
		return;
	if (h->reply.code != 220)
		hop_lose(h, "greeting: %d %s", h->reply.code, h->reply.text);
	else if (greets_as_us(h))
		hop_lose(h, "loop: it greets with our own name");
}

/* EHLO, or HELO where that is not known; what it can do is then known. */
static void
say_hello(struct hop *h)
{
	const char *verb = h->at.lmtp ? "LHLO" : "EHLO";

	h->keywords = h->attributes = 0;
	h->size = 0;
	hop_command(h, "%s %s", verb, h->hello);
	if (hop_read(h, GREET_MS, take_keyword) == -1)
		return;
	h->tls_failed = false; /* as far as there was TLS, it is good */
	if (h->reply.code / 100 == 5 && !h->at.lmtp) {
		h->keywords = h->attributes = 0;
		hop_command(h, "HELO %s", h->hello);
		if (hop_read(h, GREET_MS, NULL) == -1)
			return;
	}
	if (h->reply.code / 100 != 2)
		hop_lose(h, "%s: %d %s", verb, h->reply.code, h->reply.text);
	if (h->at.lmtp)
		h->keywords &= ~(unsigned)HOP_DSN; /* it reports to nobody */
}

/* What is said before it may be known who we are, in the clear. */
static void
begin(struct hop *h)
{
	connect_to(h);
	if (!h->failed)
		hop_say_proxy(h);
	if (!h->failed)
		hear_greeting(h);
	if (!h->failed)
		say_hello(h);
}

/* Where there is TLS now, all is said anew. */
static void
change_over(struct hop *h)
{
	hop_start_tls(h);
	if (h->tls != NULL && !h->failed)
		say_hello(h);
	if (!h->tls_failed || !hop_may_do_without(h))
		return;
	hop_hang_up(h);
	begin(h);
}

void
hop_open(struct hop *h, const struct place *at)
{
	h->at = *at;
	h->rules = hop_rules(h->set, at);
	h->opened_ms = clock_ms();
	strlcpy(h->hello, h->set->hostname, sizeof(h->hello));
	if (hop_enter(h) == -1)
		return;
	begin(h);
	if (!h->failed && h->rules->tls != TLS_OFF)
		change_over(h);
	if (!h->failed && hop_say_xclient(h))
		say_hello(h);
	hop_note_health(h);
	if (!h->failed)
		hops_note(h->clients, at->text, h->keywords);
}
