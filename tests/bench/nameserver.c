/*
 * nameserver: a name server whose every answer comes after the same time, for
 * measuring what waits for it. Each address has a name that leads back to it,
 * and whatever is below any other name is a DNS list that lists its test point
 * 127.0.0.2 and nobody else.
 */
#include <sys/prctl.h>
#include <sys/socket.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <err.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/net.h"

enum {
	SECONDS_DEFAULT = 600,
	DELAY_MOST_MS = 60000,
	WAITING_MAX = 16384, /* answers that are not due yet */
	PACKET_MAX = 512,
	HEAD_BYTES = 12,
	NAME_MAX_BYTES = 256,
	TYPE_A = 1,
	TYPE_PTR = 12,
	NXDOMAIN = 3,
	TTL_SECS = 60
};

#define REVERSE ".in-addr.arpa"
#define CLIENTS ".client.bench.example"

struct answer {
	struct sockaddr_storage to;
	socklen_t to_len;
	int64_t due_us;
	size_t len;
	uint8_t packet[PACKET_MAX];
};

/* All wait for the same time, so the first to come is the first to go. */
struct queue {
	struct answer answers[WAITING_MAX];
	size_t first, n;
	int64_t delay_us;
	uint64_t asked, dropped;
};

static volatile sig_atomic_t stop;

static void
on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

/* ---------------------------------------------------------------- questions */

/* The question's name as text, and its length in the packet; or 0. */
static size_t
question_name(const struct answer *a, char text[NAME_MAX_BYTES])
{
	const uint8_t *p = a->packet + HEAD_BYTES, *end = a->packet + a->len;
	size_t n = 0, len;

	while (p < end && (len = *p++) != 0) {
		if (len > 63 || len >= (size_t)(end - p) ||
		    n + len + 2 > NAME_MAX_BYTES)
			return 0;
		if (n > 0)
			text[n++] = '.';
		memcpy(text + n, p, len);
		n += len;
		p += len;
	}
	text[n] = '\0';
	return end - p < 4 ? 0 : (size_t)(p - a->packet) - HEAD_BYTES;
}

/* Does the name end so? Then *head is what stands before it. */
static bool
ends_with(const char *name, const char *tail, char head[NAME_MAX_BYTES])
{
	size_t n = strlen(name), t = strlen(tail);

	if (n <= t || strcmp(name + n - t, tail) != 0)
		return false;
	memcpy(head, name, n - t);
	head[n - t] = '\0';
	return true;
}

/* The data of the one record that answers, and its length; 0: there is none. */
static size_t
record(const char *name, unsigned type, uint8_t data[NAME_MAX_BYTES])
{
	static const char listed[] = "2.0.0.127.";
	char head[NAME_MAX_BYTES], text[NAME_MAX_BYTES], *label, *rest = text;
	unsigned b[4];
	size_t n = 0, len;

	if (type == TYPE_PTR && ends_with(name, REVERSE, head) &&
	    sscanf(head, "%u.%u.%u.%u", &b[3], &b[2], &b[1], &b[0]) == 4) {
		snprintf(text, sizeof(text), "%u-%u-%u-%u" CLIENTS, b[0], b[1],
		    b[2], b[3]);
		while ((label = strsep(&rest, ".")) != NULL) {
			len = strlen(label);
			data[n++] = (uint8_t)len;
			memcpy(data + n, label, len);
			n += len;
		}
		data[n++] = 0;
		return n;
	}
	if (type != TYPE_A)
		return 0;
	if (ends_with(name, CLIENTS, head) &&
	    sscanf(head, "%u-%u-%u-%u", &b[0], &b[1], &b[2], &b[3]) == 4) {
		for (n = 0; n < 4; n++)
			data[n] = (uint8_t)b[n];
		return n;
	}
	if (strncmp(name, listed, sizeof(listed) - 1) != 0)
		return 0;
	memcpy(data, "\x7f\0\0\2", 4);
	return 4;
}

/* ------------------------------------------------------------------ answers */

static uint8_t *
put(uint8_t *p, uint32_t value, size_t octets)
{
	while (octets-- > 0)
		*p++ = (uint8_t)(value >> 8 * octets);
	return p;
}

/* Turn the question into its answer. False: it was no question. */
static bool
answer_question(struct answer *a)
{
	uint8_t data[NAME_MAX_BYTES], *p;
	char name[NAME_MAX_BYTES];
	size_t name_len, len;
	unsigned type;

	if (a->len < HEAD_BYTES || (a->packet[2] & 0x80) != 0 ||
	    (name_len = question_name(a, name)) == 0)
		return false;
	p = a->packet + HEAD_BYTES + name_len;
	type = (unsigned)p[0] << 8 | p[1];
	p += 4;
	len = record(name, type, data);
	if ((size_t)(p - a->packet) + HEAD_BYTES + len > sizeof(a->packet))
		return false;
	if (len > 0) {
		p = put(p, 0xc000 | HEAD_BYTES, 2); /* the question's name */
		p = put(p, type, 2);
		p = put(p, 1, 2);
		p = put(p, TTL_SECS, 4);
		p = put(p, (uint32_t)len, 2);
		memcpy(p, data, len);
		p += len;
	}
	put(a->packet + 2, 0x8180 | (len > 0 ? 0 : NXDOMAIN), 2);
	put(a->packet + 4, 1, 2);
	put(a->packet + 6, len > 0, 2);
	put(a->packet + 8, 0, 4);
	a->len = (size_t)(p - a->packet);
	return true;
}

/* Take in what has come. */
static void
take(struct queue *q, int fd)
{
	struct answer *a;
	ssize_t n;

	for (;;) {
		a = &q->answers[(q->first + q->n) % WAITING_MAX];
		a->to_len = sizeof(a->to);
		n = recvfrom(fd, a->packet, sizeof(a->packet), 0,
		    (struct sockaddr *)&a->to, &a->to_len);
		if (n == -1)
			return;
		a->len = (size_t)n;
		a->due_us = net_now_us() + q->delay_us;
		q->asked++;
		if (q->n == WAITING_MAX - 1 || !answer_question(a))
			q->dropped++;
		else
			q->n++;
	}
}

/* Send what is due; the microseconds until the next is, or -1: none waits. */
static int64_t
send_due(struct queue *q, int fd)
{
	struct answer *a;
	int64_t left;

	while (q->n > 0) {
		a = &q->answers[q->first];
		if ((left = a->due_us - net_now_us()) > 0)
			return left;
		sendto(fd, a->packet, a->len, 0,
		    (const struct sockaddr *)&a->to, a->to_len);
		q->first = (q->first + 1) % WAITING_MAX;
		q->n--;
	}
	return -1;
}

static void
serve(struct queue *q, int fd, const sigset_t *open)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	struct timespec ts;
	int64_t left;

	while (!stop) {
		left = send_due(q, fd);
		ts.tv_sec = left / 1000000;
		ts.tv_nsec = left % 1000000 * 1000;
		if (ppoll(&pfd, 1, left >= 0 ? &ts : NULL, open) > 0)
			take(q, fd);
	}
}

/* --------------------------------------------------------------------- main */

static int
number(const char *arg, int least, int most)
{
	const char *trouble;
	int n = (int)strtonum(arg, least, most, &trouble);

	if (trouble != NULL)
		errx(2, "%s: %s (%d to %d)", arg, trouble, least, most);
	return n;
}

__attribute__((noreturn)) static void
usage(void)
{
	fprintf(stderr,
	    "usage: nameserver [-d delay-ms] [-S seconds] address:port\n");
	exit(2);
}

/* Signals come only while it waits. */
static void
signals(sigset_t *before)
{
	struct sigaction sa = { .sa_handler = on_signal };
	sigset_t stops;

	sigemptyset(&stops);
	sigaddset(&stops, SIGTERM);
	sigaddset(&stops, SIGINT);
	sigaddset(&stops, SIGALRM);
	sigprocmask(SIG_BLOCK, &stops, before);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGALRM, &sa, NULL);
}

int
main(int argc, char **argv)
{
	static struct queue q;
	struct sockaddr_storage ss;
	int ch, fd, secs = SECONDS_DEFAULT;
	sigset_t before;

	while ((ch = getopt(argc, argv, "d:S:")) != -1) {
		if (ch == 'd')
			q.delay_us = (int64_t)number(optarg, 0, DELAY_MOST_MS) *
			    1000;
		else if (ch == 'S')
			secs = number(optarg, 1, 3600);
		else
			usage();
	}
	if (argc - optind != 1)
		usage();
	if (net_endpoint(&ss, argv[optind]) == -1 ||
	    (fd = net_receive(&ss)) == -1)
		err(1, "%s", argv[optind]);
	signals(&before);
	alarm((unsigned)secs);
	prctl(PR_SET_TIMERSLACK, 1L);
	serve(&q, fd, &before);
	printf("asked=%llu dropped=%llu\n", (unsigned long long)q.asked,
	    (unsigned long long)q.dropped);
	return 0;
}
