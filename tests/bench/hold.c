/*
 * Idle sessions in four parts: all are opened at once, all are held, new
 * clients come one after the other, all leave. A part ends early when the
 * time of the run is over.
 */
#include <sys/epoll.h>

#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/bench/hold.h"
#include "tests/bench/net.h"
#include "tests/bench/tally.h"

enum {
	EVENTS = 256,
	TICK_MS = 20
};

struct hold {
	struct job job, new_job;
	struct tally tally; /* of the newcomers' greetings */
	struct client *clients, newcomer;
	const struct hold_limits *lim;
	int64_t begun_us, greeted_us, held_us;
	int busy, held;
};

/* Tell the sessions apart that changed their state by this event. */
static void
handle(struct hold *h, struct client *c, uint32_t events)
{
	enum client_state state = c->state;
	enum client_step step = c->step;

	client_event(c, events);
	if (c == &h->newcomer)
		return;
	if (step == STEP_GREETING && c->step == STEP_EHLO)
		h->greeted_us = net_now_us();
	if (state == c->state)
		return;
	h->busy += c->state == CLIENT_BUSY;
	h->busy -= state == CLIENT_BUSY;
	h->held -= state == CLIENT_HELD;
	h->held += c->state == CLIENT_HELD;
	if (c->state == CLIENT_HELD)
		h->held_us = net_now_us();
}

static void
pump(struct hold *h)
{
	struct epoll_event ev[EVENTS];
	int i, n;

	n = epoll_wait(h->job.epfd, ev, EVENTS, TICK_MS);
	if (n == -1 && errno != EINTR)
		err(1, "epoll_wait");
	for (i = 0; i < n; i++)
		handle(h, ev[i].data.ptr, ev[i].events);
}

static void
open_all(struct hold *h)
{
	int i;

	h->begun_us = h->greeted_us = h->held_us = net_now_us();
	for (i = 0; i < h->lim->sessions; i++) {
		client_start(&h->clients[i], &h->job);
		h->busy += h->clients[i].state == CLIENT_BUSY;
	}
	while (h->busy > 0 && net_now_us() < h->lim->end_us)
		pump(h);
}

static void
hold_all(struct hold *h)
{
	int64_t until_us = net_now_us() + h->lim->hold_us;

	warnx("holding %d sessions", h->held);
	while (net_now_us() < until_us && net_now_us() < h->lim->end_us)
		pump(h);
}

static void
greet_newcomers(struct hold *h)
{
	struct client *c = &h->newcomer;
	int i;

	for (i = 0; i < h->lim->newcomers; i++) {
		client_start(c, &h->new_job);
		while (c->state == CLIENT_BUSY && net_now_us() < h->lim->end_us)
			pump(h);
		if (c->state == CLIENT_BUSY) {
			client_expire(c);
			return;
		}
	}
}

static void
leave_all(struct hold *h)
{
	struct client *c;
	int i;

	for (i = 0; i < h->lim->sessions; i++) {
		c = &h->clients[i];
		if (c->state != CLIENT_HELD)
			continue;
		client_quit(c);
		h->held--;
		h->busy += c->state == CLIENT_BUSY;
	}
	while (h->busy > 0 && net_now_us() < h->lim->end_us)
		pump(h);
	for (i = 0; i < h->lim->sessions; i++)
		if (h->clients[i].state == CLIENT_BUSY)
			client_expire(&h->clients[i]);
}

uint64_t
hold_run(const struct job *job, const struct hold_limits *lim)
{
	struct hold h = { .job = *job, .new_job = *job, .lim = lim };
	uint64_t failures;
	int held;

	h.job.mode = JOB_HOLD;
	h.new_job.mode = JOB_GREET;
	h.new_job.tally = &h.tally;
	h.clients = calloc((size_t)lim->sessions, sizeof(*h.clients));
	if (h.clients == NULL)
		err(1, NULL);
	open_all(&h);
	held = h.held;
	hold_all(&h);
	greet_newcomers(&h);
	leave_all(&h);
	failures = tally_failures(job->tally) + tally_failures(&h.tally);
	printf("mode=idle held=%d greeted_ms=%.1f ready_ms=%.1f ", held,
	    (double)(h.greeted_us - h.begun_us) / 1000,
	    (double)(h.held_us - h.begun_us) / 1000);
	tally_print_failures(job->tally);
	printf(" new=%zu new_failures=%ju ", h.tally.n,
	    (uintmax_t)tally_failures(&h.tally));
	tally_print_times(&h.tally, "new_");
	printf("\n");
	tally_free(&h.tally);
	free(h.clients);
	return failures;
}
