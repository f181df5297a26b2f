/*
 * A worker: one process that waits for a client, serves it, and waits again,
 * with no way to anything but its lists, its spool and its Maildirs.
 *
 * Several workers wait on the same listeners, each in an epoll of its own with
 * EPOLLEXCLUSIVE, so that one connection wakes one worker, the one that became
 * idle last. A worker that was woken owes that wake-up an accept: when it is
 * told to leave at that moment, it accepts before it goes.
 */
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "worker/clients.h"
#include "worker/hop.h"
#include "worker/log.h"
#include "worker/refused.h"
#include "worker/sandbox.h"
#include "worker/session.h"
#include "worker/settings.h"
#include "worker/slot.h"
#include "worker/spool.h"
#include "worker/wait.h"
#include "worker/where_names.h"
#include "worker/worker.h"

/* Behind the listeners, in epoll's data. */
#define NEXT_HOP LISTEN_MAX
#define REFUSED	 (LISTEN_MAX + 1)

struct worker {
	struct worker_start given;
	int listeners[LISTEN_MAX];
	enum tls_level tls[LISTEN_MAX]; /* of each of them */
	const struct prefixes *proxy_from[LISTEN_MAX];
	int epoll;
	struct generation *lists;
	struct spool spool;
	struct dns_servers servers;
	struct refused refused;
	struct session session;
	/* Not touched before a client names a recipient. */
	struct where_cache where_cache;
	struct hop hop;
};

/* ------------------------------------------------------------ the way in */

static void
close_listeners(void *arg)
{
	struct worker *w = arg;
	size_t i;

	if (w->epoll == -1)
		return;
	close(w->epoll);
	for (i = 0; i < w->given.nlisteners; i++)
		close(w->listeners[i]);
	w->epoll = -1;
}

/* From here on this worker may be woken, and owes every client an accept. */
static int
watch_listeners(struct worker *w)
{
	struct epoll_event ev;
	size_t i;

	for (i = 0; i < w->given.nlisteners; i++) {
		ev.events = EPOLLIN | EPOLLEXCLUSIVE;
		ev.data.u64 = i;
		if (epoll_ctl(w->epoll, EPOLL_CTL_ADD, w->listeners[i], &ev) ==
		    -1)
			return -1;
	}
	return 0;
}

/* A client of that listener, or -1; what it has there is the session's. */
static int
accept_from(struct worker *w, size_t listener, struct sockaddr_storage *from)
{
	socklen_t len = sizeof(*from);

	w->session.tls_level = w->tls[listener];
	w->session.proxy_from = w->proxy_from[listener];
	return accept4(w->listeners[listener], (struct sockaddr *)from, &len,
	    SOCK_CLOEXEC);
}

/* No descriptor or no memory: come back later, and do not spin. */
static void
catch_breath(void)
{
	struct timespec pause = { 0, 100 * 1000000 };

	nanosleep(&pause, NULL);
}

/* Whoever waits on any listener, or -1. */
static int
accept_any(struct worker *w, struct sockaddr_storage *from)
{
	size_t i;
	int fd;

	for (i = 0; i < w->given.nlisteners; i++)
		if ((fd = accept_from(w, i, from)) != -1)
			return fd;
	return -1;
}

/* A connection to a next hop that is kept: it may close, or speak. */
static void
watch_hop(struct worker *w)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = NEXT_HOP };

	if (!w->hop.open || w->hop.watched)
		return;
	if (epoll_ctl(w->epoll, EPOLL_CTL_ADD, w->hop.fd, &ev) == -1)
		hop_quit(&w->hop);
	else
		w->hop.watched = true;
}

/* How long to sleep at most; -1: for ever. */
static int
idle_ms(const struct worker *w)
{
	int hop = hop_idle_ms(&w->hop), refused = refused_ms(&w->refused);

	if (wait_told())
		return 0;
	if (hop == -1 || refused == -1)
		return hop == -1 ? refused : hop;
	return hop < refused ? hop : refused;
}

/* It is no client that wakes us. */
static void
look_after(struct worker *w, uint64_t data)
{
	if (data >= REFUSED)
		refused_hear(&w->refused, data - REFUSED);
	else
		hop_idle(&w->hop, true);
}

/* The next client, or -1: this worker is to leave. */
static int
next_client(struct worker *w, struct sockaddr_storage *from)
{
	struct epoll_event ev;
	int fd, n;

	for (;;) {
		/* Whoever wakes us how often, nobody else may be late. */
		hop_idle(&w->hop, false);
		refused_expire(&w->refused);
		wait_take_signals(clock_ms());
		n = epoll_pwait(w->epoll, &ev, 1, idle_ms(w), wait_mask());
		if (wait_leaving())
			return accept_any(w, from); /* its wake-up's due */
		if (wait_poked()) /* a sibling died, perhaps with one */
			fd = accept_any(w, from);
		else if (n == 1 && ev.data.u64 < LISTEN_MAX)
			fd = accept_from(w, ev.data.u64, from);
		else {
			if (n == 1)
				look_after(w, ev.data.u64);
			continue;
		}
		if (fd == -1 && errno == EMFILE && refused_let_go(&w->refused))
			fd = accept_any(w, from);
		if (fd != -1)
			return fd;
		if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
			catch_breath();
	}
}

/* ----------------------------------------------------------- the lists */

static void
wake_master(void *arg)
{
	const struct worker *w = arg;

	if (write(w->given.wake_fd, "", 1) == -1)
		return; /* full: the master is awake already */
}

/* Raise it in the slot, once for each text: the master logs it. */
static void
raise_trouble(struct worker *w, const struct list_error *error)
{
	struct slot *slot = w->given.slot;
	char text[sizeof(slot->list_error)];

	snprintf(text, sizeof(text), "%s: %s", error->file, error->text);
	if (strcmp(text, slot->list_error) == 0)
		return;
	strlcpy(slot->list_error, text, sizeof(slot->list_error));
	atomic_fetch_add(&slot->list_trouble, 1);
	wake_master(w);
}

/* One readlink(2) a session; what is open stays when the new is bad. */
static void
refresh_lists(struct worker *w)
{
	struct list_error error;

	switch (generation_refresh(&w->lists, w->given.state_dirfd, &error)) {
	case GENERATION_BAD:
		raise_trouble(w, &error);
		break;
	case GENERATION_NEW:
		wake_master(w); /* new workers are to begin with it */
		break;
	case GENERATION_SAME:
		break;
	}
	if (w->lists != NULL)
		generation_begin(w->lists);
}

/* -------------------------------------------------------- one session */

/* Whoever sees it first tells the others, and the log. */
static void
see_pressure(const struct worker *w, int idle)
{
	const struct worker_start *g = &w->given;
	int max = g->settings->workers.max;
	int busy = atomic_load(&g->state->workers) - idle;
	uint32_t was = atomic_load(&g->clients->pressed);
	uint32_t is = clients_pressed(max, busy, was != 0);
	struct logline l;

	if (is == was ||
	    !atomic_compare_exchange_strong(&g->clients->pressed, &was, is))
		return;
	log_start(&l, LOG_ODD, "load");
	log_text(&l, "state", is ? "pressed" : "eased");
	log_number(&l, "busy", busy);
	log_send(&l);
}

static int
count_idle(const struct worker *w)
{
	return clients_idle(w->given.clients,
	    atomic_load(&w->given.state->words));
}

/* Nobody else must serve what comes now: tell the master when few are left. */
static void
become_busy(struct worker *w)
{
	const struct worker_start *g = &w->given;
	int idle;

	clients_set_busy(g->clients, g->slot_number);
	idle = count_idle(w);
	if (idle < atomic_load(&g->state->wake_below))
		wake_master(w);
	see_pressure(w, idle);
}

static void
become_idle(struct worker *w)
{
	clients_set_idle(w->given.clients, w->given.slot_number);
	see_pressure(w, count_idle(w));
}

/* Count the session for its client, but not for a proxy that is none. */
static void
count_client(struct worker *w)
{
	struct slot *slot = w->given.slot;

	slot->held = slot->held_count = 0;
	if (w->session.quiet)
		return;
	slot->held = clients_key(w->given.clients, &w->session.peer.addr);
	slot->held_count = clients_enter(w->given.clients, slot->held);
	if (slot->held_count == 0)
		slot->held = 0;
}

static void
serve_client(struct worker *w, int fd)
{
	const struct lineio *io = &w->session.io;
	struct list_error error;

	count_client(w);
	refresh_lists(w);
	if (session_run(&w->session, w->lists))
		close(fd);
	else
		refused_take(&w->refused, w->epoll, fd, io->in + io->start,
		    io->end - io->start, w->session.may_quit);
	if (w->lists != NULL && generation_damaged(w->lists, &error))
		raise_trouble(w, &error);
}

static void
serve(struct worker *w, int fd, const struct sockaddr_storage *from)
{
	struct slot *slot = w->given.slot;
	struct addr addr;
	char text[ADDR_TEXT_MAX];

	addr_from_sockaddr(&addr, (const struct sockaddr *)from);
	setproctitle("-lictord: worker %s", addr_format(&addr, text));
	atomic_store(&slot->phase, SLOT_GREETING);
	if (session_begin(&w->session, fd, &addr, io_port(from))) {
		if (w->session.via.family != 0)
			setproctitle("-lictord: worker %s",
			    w->session.peer.addr_text);
		serve_client(w, fd);
	} else {
		close(fd);
	}
	if (slot->held != 0)
		clients_leave(w->given.clients, slot->held);
	slot->held = 0;
	slot->client[0] = '\0';
	atomic_store(&slot->phase, SLOT_IDLE);
	setproctitle("-lictord: worker idle");
}

static void
serve_all(struct worker *w)
{
	struct sockaddr_storage from;
	int fd, left = w->given.settings->workers.sessions;

	while ((fd = next_client(w, &from)) != -1) {
		become_busy(w);
		if (--left <= 0 || wait_leaving())
			close_listeners(w);
		serve(w, fd, &from);
		if (w->epoll == -1)
			break;
		become_idle(w);
		watch_hop(w);
	}
}

/* It leaves, and the master must not count on it any more. */
static void
see_off(struct worker *w)
{
	if (w->refused.beside.n == 0)
		return;
	clients_set_busy(w->given.clients, w->given.slot_number);
	refused_see_off(&w->refused);
}

/* ---------------------------------------------------------- the start */

/*
 * Woken by its client, a worker waits for its turn instead of pushing aside who
 * runs: another worker, the next hop, or what serves mail beside us. A crowd
 * of clients would have them do little else to each other.
 */
static void
give_way(void)
{
	const struct sched_param none = { .sched_priority = 0 };

	sched_setscheduler(0, SCHED_BATCH, &none); /* or it is slower */
}

/* A list that was cut short under our feet: this session is lost, no more. */
static void
bus_error(int sig)
{
	(void)sig;
	_exit(WORKER_LISTS);
}

static void
start_failed(const char *what)
{
	log_event(LOG_BAD, "worker", "%s: %s", what, strerror(errno));
}

/*
 * Everything that needs the way out, before it is closed; and the listeners
 * last of all: a worker that cannot start must not be woken for a client.
 */
static int
prepare(struct worker *w)
{
	const struct worker_start *g = &w->given;

	memcpy(w->listeners, g->listeners,
	    g->nlisteners * sizeof(w->listeners[0]));
	memcpy(w->tls, g->tls, g->nlisteners * sizeof(w->tls[0]));
	memcpy(w->proxy_from, g->proxy_from,
	    g->nlisteners * sizeof(w->proxy_from[0]));
	if ((w->epoll = epoll_create1(EPOLL_CLOEXEC)) == -1) {
		start_failed("epoll");
		return -1;
	}
	if (spool_open(&w->spool, g->settings->spool_dir) == -1) {
		start_failed(g->settings->spool_dir);
		return -1;
	}
	give_way();
	if (sandbox_enter(g->sandbox) == -1) {
		start_failed("sandbox");
		return -1;
	}
	if (watch_listeners(w) == -1) {
		start_failed("listeners");
		return -1;
	}
	return 0;
}

/* What DNS lists need of ours. */
static void
give_zones(struct worker *w)
{
	struct dnsbl *d = &w->session.dnsbl;

	d->set = w->given.settings;
	d->state = w->given.state;
	d->clients = w->given.clients;
	d->alarm = wake_master;
	d->alarm_arg = w;
}

int
worker_main(const struct worker_start *given)
{
	struct worker *w;
	int code = WORKER_TROUBLE;

	/* Pages of its own that are touched only where they are used. */
	w = mmap(NULL, sizeof(*w), PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (w == MAP_FAILED)
		return WORKER_TROUBLE;
	if (given->nlisteners > LISTEN_MAX)
		return WORKER_TROUBLE;
	w->given = *given;
	w->lists = given->lists;
	w->session.set = given->settings;
	w->session.slot = given->slot;
	w->session.spool = &w->spool;
	w->session.servers = &w->servers;
	w->session.where_cache = &w->where_cache;
	w->session.left = close_listeners;
	w->session.left_arg = w;
	w->session.state = given->state;
	w->session.clients = given->clients;
	w->session.tls_context = given->tls_context;
	w->session.keys = given->keys;
	w->session.hop = &w->hop;
	w->session.beside = &w->refused.beside;
	refused_start(&w->refused, given->settings->hostname, REFUSED);
	/* What is written here costs each worker a page: only where it is used. */
	if (given->settings->nzones > 0)
		give_zones(w);
	if (given->tls_clients != NULL)
		w->hop.tls_clients = given->tls_clients;
	w->epoll = w->spool.fd = -1;

	signal(SIGBUS, bus_error);
	setproctitle("-lictord: worker idle");
	if (prepare(w) == 0) {
		serve_all(w);
		code = WORKER_DONE;
	}
	hop_quit(&w->hop);
	close_listeners(w);
	see_off(w);
	generation_close(w->lists);
	spool_close(&w->spool);
	dnsbl_free(&w->session.dnsbl);
	return code;
}
