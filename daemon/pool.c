/*
 * The master: it forks workers as the policy says, reaps and replaces them,
 * reloads, and stops. It never reads an octet of a client's; what it reads of
 * a worker's slot it does not trust. When nothing changes it makes no system
 * call: a worker that takes the last but few idle places wakes it.
 */
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <bsd/libutil.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "daemon/board.h"
#include "daemon/config.h"
#include "daemon/helper.h"
#include "daemon/keys.h"
#include "daemon/listen.h"
#include "daemon/pool.h"
#include "daemon/pool_policy.h"
#include "daemon/privs.h"
#include "daemon/probe.h"
#include "daemon/resolv.h"
#include "daemon/service.h"
#include "daemon/zones.h"
#include "worker/clients.h"
#include "worker/log.h"
#include "worker/sandbox.h"
#include "worker/settings.h"
#include "worker/wait.h"
#include "worker/worker.h"

#define KILL_MS 600000 /* what is still there after this is killed */

struct child {
	pid_t pid;	  /* 0: this slot is free */
	bool leaving;	  /* was told to go */
	uint64_t born;	  /* the how manieth worker it is */
	uint32_t trouble; /* list_trouble of its slot, as seen last */
};

/*
 * What the master notes down. Workers do not get a copy: what it writes after
 * a fork would cost each of them a page.
 */
struct book {
	unsigned high;	      /* slots below this have been in use */
	int owed;	      /* workers that were killed: to be replaced */
	int early_deaths;     /* in a row, before a first session's end */
	uint64_t births;      /* workers started so far */
	uint64_t early_birth; /* births at the last of those deaths */
	int64_t not_before;   /* no worker is started before */
	int64_t next_tick;    /* when idle ones are looked at; 0: never */
	int64_t stop_ms;      /* when stopping began; 0: serving */
	int hurried;	      /* how far stopping has gone */
	char list_error[520]; /* the trouble that was logged last */
	struct child children[SLOTS_MAX];
};

struct pool {
	pid_t pid; /* of the master */
	struct service now;
	struct board board;
	struct zones *zones;
	struct helper probe, keys;
	struct pidfh *pidfile;
	sigset_t waiting; /* the signals held back while it sleeps: none */
	int wake[2];
	struct book *book; /* not there in a worker */
};

static volatile sig_atomic_t got_child, got_reload, got_stop;

static void
take_signal(int sig)
{
	switch (sig) {
	case SIGCHLD:
		got_child = 1;
		break;
	case SIGHUP:
		got_reload = 1;
		break;
	default:
		got_stop++;
	}
}

/* Signals are blocked but while the master waits. */
static void
master_signals(sigset_t *waiting)
{
	static const int taken[] = { SIGCHLD, SIGHUP, SIGTERM, SIGINT };
	struct sigaction sa;
	sigset_t held;
	size_t i;

	memset(&sa, 0, sizeof(sa));
	sigemptyset(&sa.sa_mask);
	sigemptyset(&held);
	sa.sa_handler = take_signal;
	for (i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
		sigaction(taken[i], &sa, NULL);
		sigaddset(&held, taken[i]);
	}
	sa.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &sa, NULL);
	sigaction(SIGXFSZ, &sa, NULL);
	sigaction(SIGUSR1, &sa, NULL); /* for workers that are just born */
	sigprocmask(SIG_SETMASK, &held, NULL);
	sigemptyset(waiting);
}

/* --------------------------------------------------------------- the workers */

static struct slot *
slot_of(const struct pool *p, unsigned i)
{
	return slot_at(p->board.slots, i);
}

/* Idle workers that are to stay, and all that are. */
static void
count(const struct pool *p, int *total, int *idle)
{
	unsigned i;

	*total = *idle = 0;
	for (i = 0; i < p->book->high; i++) {
		if (p->book->children[i].pid == 0 ||
		    p->book->children[i].leaving)
			continue;
		(*total)++;
		*idle += clients_is_idle(p->board.clients, i);
	}
}

static void
log_list_trouble(struct pool *p, const char *text)
{
	struct logline l;

	if (strcmp(text, p->book->list_error) == 0)
		return;
	strlcpy(p->book->list_error, text, sizeof(p->book->list_error));
	log_start(&l, LOG_BAD, "list");
	log_text(&l, "text", text);
	log_send(&l);
}

/* New workers begin with the lists that are in force now. */
static void
refresh_lists(struct pool *p)
{
	char text[sizeof(p->book->list_error)];
	struct list_error error;

	switch (generation_refresh(&p->now.lists, p->now.state_dirfd, &error)) {
	case GENERATION_BAD:
		snprintf(text, sizeof(text), "%s: %s", error.file, error.text);
		log_list_trouble(p, text);
		break;
	case GENERATION_NEW:
		p->book->list_error[0] = '\0';
		log_event(LOG_USUAL, "list", "%s is in force",
		    generation_name(p->now.lists));
		break;
	case GENERATION_SAME:
		break;
	}
}

/* What a slot says of itself is a worker's word: cut and escaped. */
static void
see_trouble(struct pool *p, unsigned i)
{
	struct slot *slot = slot_of(p, i);
	uint32_t seen = atomic_load(&slot->list_trouble);
	char text[sizeof(slot->list_error)];

	if (seen == p->book->children[i].trouble)
		return;
	p->book->children[i].trouble = seen;
	memcpy(text, slot->list_error, sizeof(text));
	text[sizeof(text) - 1] = '\0';
	log_list_trouble(p, text);
}

/* In any child, first. */
static void
leave_master(const struct pool *p)
{
	log_forked();
	if (p->pidfile != NULL)
		pidfile_close(p->pidfile);
	close(p->wake[0]);
	if (p->probe.fd != -1)
		close(p->probe.fd);
	if (p->keys.fd != -1)
		close(p->keys.fd);
}

/* In any child: its user and its signals. 0, or -1: it is not to go on. */
static int
become_child(const struct service *sv, pid_t master)
{
	if (privs_drop(&sv->privs) == -1) {
		log_event(LOG_BAD, "worker", "cannot become user %s: %s",
		    sv->settings->user, strerror(errno));
		return -1;
	}
	wait_signals();
	/* A change of user clears it: so it comes after that. */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	return getppid() == master ? 0 : -1;
}

/* In the child: nothing of the master's stays but what a worker needs. */
static int
be_worker(const struct pool *p, unsigned i)
{
	const struct service *sv = &p->now;
	struct worker_start start;

	leave_master(p);
	sandbox_let_go(sv->probe_sandbox);
	sandbox_let_go(sv->keys_sandbox);
	if (sv->keys[0] != -1)
		close(sv->keys[0]);
	memset(&start, 0, sizeof(start));
	start.slot = slot_of(p, i);
	board_keep_own(&p->board, i);
	start.settings = sv->settings;
	start.sandbox = sv->sandbox;
	start.listeners = sv->listeners->fds;
	start.tls = sv->listeners->tls;
	start.tls_context = sv->tls;
	start.keys = sv->keys[1];
	start.nlisteners = sv->listeners->n;
	start.state_dirfd = sv->state_dirfd;
	start.lists = sv->lists;
	start.slot_number = i;
	start.state = p->board.visible;
	start.clients = p->board.clients;
	start.wake_fd = p->wake[1];
	if (become_child(sv, p->pid) == -1)
		return getppid() == p->pid ? WORKER_TROUBLE : WORKER_DONE;
	return worker_main(&start);
}

/* 0, or -1: no slot or no process was to be had. */
static int
start_worker(struct pool *p)
{
	unsigned i;
	pid_t pid;

	for (i = 0; i < SLOTS_MAX && p->book->children[i].pid != 0; i++)
		;
	if (i == SLOTS_MAX)
		return -1;
	if (board_reserve(&p->board, i) == -1) {
		log_event(LOG_BAD, "worker", "slots: %s", strerror(errno));
		p->book->early_deaths++;
		return -1;
	}
	if (i >= p->book->high) {
		p->book->high = i + 1;
		atomic_store(&p->board.state->words, i / 64 + 1);
	}
	memset(slot_of(p, i), 0, sizeof(struct slot));
	atomic_store(&slot_of(p, i)->phase, SLOT_IDLE);
	clients_set_idle(p->board.clients, i);
	switch (pid = fork()) {
	case -1:
		log_event(LOG_BAD, "worker", "fork: %s", strerror(errno));
		clients_set_busy(p->board.clients, i);
		p->book->early_deaths++;
		return -1;
	case 0:
		exit(be_worker(p, i));
	}
	memset(&p->book->children[i], 0, sizeof(p->book->children[i]));
	p->book->children[i].pid = pid;
	p->book->children[i].born = ++p->book->births;
	slot_of(p, i)->pid = pid;
	return 0;
}

static void
dismiss(struct pool *p, unsigned i)
{
	p->book->children[i].leaving = true;
	clients_set_busy(p->board.clients, i);
	kill(p->book->children[i].pid, SIGTERM);
}

static void
dismiss_all(struct pool *p, int sig)
{
	unsigned i;

	for (i = 0; i < p->book->high; i++) {
		if (p->book->children[i].pid == 0)
			continue;
		if (sig == SIGTERM)
			dismiss(p, i);
		else
			kill(p->book->children[i].pid, sig);
	}
}

/* Idle ones from the end of the slots: the ones that are used least. */
static void
dismiss_idle(struct pool *p, int n)
{
	unsigned i;

	for (i = p->book->high; i > 0 && n > 0; i--) {
		if (p->book->children[i - 1].pid == 0 ||
		    p->book->children[i - 1].leaving ||
		    !clients_is_idle(p->board.clients, i - 1))
			continue;
		dismiss(p, i - 1);
		n--;
	}
}

/* -------------------------------------------------------------- the helpers */

/* In the child: the settings, its channel, and no more. */
static int
be_probe(void *arg, int fd)
{
	struct pool *p = arg;
	struct probe_start start = { p->now.settings, p->now.probe_sandbox,
		fd };

	leave_master(p);
	sandbox_let_go(p->now.sandbox);
	sandbox_let_go(p->now.keys_sandbox);
	if (p->now.tls != NULL)
		service_hang_up(&p->now);
	close(p->wake[1]);
	close(p->now.state_dirfd);
	listen_close(p->now.listeners, NULL);
	board_keep_none(&p->board);
	generation_close(p->now.lists);
	if (become_child(&p->now, p->pid) == -1)
		return 1;
	setproctitle("probe");
	return probe_main(&start);
}

/* The keys helper may be one for settings that are not in force yet. */
struct keys_birth {
	const struct pool *pool;
	const struct service *service;
};

/* In the child: the keys, its two channels, and no more. */
static int
be_keys(void *arg, int fd)
{
	const struct keys_birth *b = arg;
	const struct pool *p = b->pool;
	const struct service *sv = b->service;
	int requests = sv->keys[0];
	struct tls_keys *keys;

	leave_master(p);
	close(p->wake[1]);
	board_keep_none(&p->board);
	sandbox_let_go(sv->sandbox);
	sandbox_let_go(sv->probe_sandbox);
	close(sv->keys[1]);
	close(sv->state_dirfd);
	listen_close(sv->listeners, sv != &p->now ? p->now.listeners : NULL);
	if (sv != &p->now)
		service_let_go(&p->now);
	if ((keys = keys_read(sv->tls, sv->settings, fd)) == NULL ||
	    become_child(sv, p->pid) == -1)
		return 1;
	setproctitle("keys");
	return keys_serve(keys, sv->keys_sandbox, fd, requests);
}

static void
start_keys(struct helper *h, const struct pool *p, const struct service *sv)
{
	struct keys_birth birth = { p, sv };

	if (sv->tls != NULL)
		helper_start(h, be_keys, &birth);
}

static void
report(void *arg, const char *message)
{
	(void)arg;
	log_event(LOG_BAD, "reload", "%s", message);
}

/* Start one and wait for it. 0, or -1: these settings cannot be used. */
static int
open_keys(struct helper *h, const struct pool *p, const struct service *sv)
{
	helper_init(h, "keys");
	start_keys(h, p, sv);
	if (sv->tls == NULL || keys_wait(h, report, NULL) == 0)
		return 0;
	if (h->pid != 0)
		kill(h->pid, SIGKILL);
	helper_stop(h);
	return -1;
}

/* One that was started later, in place of one that died, speaks. */
static void
hear_keys(struct helper *h)
{
	int heard = keys_hear(h, report, NULL);

	if (heard != 0)
		helper_heard(h, heard == 1);
}

/* ------------------------------------------------------------------- deaths */

static void
log_death(const struct slot *slot, pid_t pid, int status)
{
	char client[sizeof(slot->client)], ref[sizeof(slot->ref)];
	struct logline l;

	memcpy(client, slot->client, sizeof(client));
	memcpy(ref, slot->ref, sizeof(ref));
	client[sizeof(client) - 1] = ref[sizeof(ref) - 1] = '\0';
	log_start(&l, LOG_BAD, "worker");
	log_number(&l, "pid", pid);
	if (WIFSIGNALED(status))
		log_number(&l, "signal", WTERMSIG(status));
	else
		log_number(&l, "status", WEXITSTATUS(status));
	if (client[0] != '\0') {
		log_text(&l, "client", client);
		log_text(&l, "ref", ref);
	}
	log_text(&l, "text",
	    WIFSIGNALED(status) ? "a worker was killed" : "a worker failed");
	log_send(&l);
}

/* Has a worker that was started since the last early death served anybody? */
static bool
start_is_proven(const struct pool *p)
{
	unsigned i;

	for (i = 0; i < p->book->high; i++)
		if (p->book->children[i].born > p->book->early_birth &&
		    slot_of(p, i)->sessions > 0)
			return true;
	return false;
}

/*
 * A worker that died may have taken the wake-up of a client with it. Where its
 * successor, who would see that client, may not come yet, the idle ones look.
 */
static void
poke_idle(const struct pool *p)
{
	unsigned i;

	for (i = 0; i < p->book->high; i++)
		if (p->book->children[i].pid != 0 &&
		    clients_is_idle(p->board.clients, i))
			kill(p->book->children[i].pid, SIGUSR1);
}

/*
 * A worker that dies badly is owed a successor whatever the policy says. The
 * pause before that grows with every death before a first session's end, until
 * a worker that was started since has served.
 */
static void
count_death(struct pool *p, const struct slot *slot)
{
	p->book->owed++;
	if (start_is_proven(p))
		p->book->early_deaths = 0;
	if (slot->sessions == 0) {
		p->book->early_deaths++;
		p->book->early_birth = p->book->births;
	}
	if (p->book->early_deaths > 1)
		p->book->not_before = clock_ms() +
		    pool_pause_ms(p->book->early_deaths - 1);
}

static void
bury(struct pool *p, unsigned i, int status)
{
	struct slot *slot = slot_of(p, i);
	bool badly = !WIFEXITED(status) || WEXITSTATUS(status) != WORKER_DONE;

	see_trouble(p, i);
	if (badly) {
		log_death(slot, p->book->children[i].pid, status);
		count_death(p, slot);
	}
	clients_set_busy(p->board.clients, i);
	if (slot->held != 0)
		clients_leave(p->board.clients, slot->held);
	if (WIFEXITED(status) && WEXITSTATUS(status) == WORKER_LISTS) {
		/* What the master has open is the same damaged file. */
		generation_close(p->now.lists);
		p->now.lists = NULL;
	}
	memset(slot, 0, sizeof(*slot));
	memset(&p->book->children[i], 0, sizeof(p->book->children[i]));
	if (badly && p->book->not_before > clock_ms())
		poke_idle(p);
}

/*
 * The keys helper ends by itself only when its channel does; while the master
 * holds that open, a worker must have shut it down for all. None of ours does:
 * whoever holds that end is to go, and the others get a new one.
 */
static void
renew_channel(struct pool *p)
{
	log_event(LOG_BAD, "worker",
	    "keys: a worker has shut the channel down, all are replaced");
	service_hang_up(&p->now);
	if (service_call(&p->now) == -1)
		log_event(LOG_BAD, "worker", "keys: %s", strerror(errno));
	dismiss_all(p, SIGTERM);
}

static void
reap(struct pool *p)
{
	unsigned i;
	int status;
	pid_t pid;

	got_child = 0;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == p->probe.pid)
			helper_bury(&p->probe, status);
		if (pid == p->keys.pid) {
			helper_bury(&p->keys, status);
			if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
				renew_channel(p);
		}
		for (i = 0; i < p->book->high; i++)
			if (p->book->children[i].pid == pid) {
				bury(p, i, status);
				break;
			}
	}
	while (
	    p->book->high > 0 && p->book->children[p->book->high - 1].pid == 0)
		p->book->high--;
}

/* ------------------------------------------------------------ reload and stop */

static void
reload(struct pool *p)
{
	struct service next, old = p->now;
	struct helper keys;
	unsigned i;

	got_reload = 0;
	service_init(&next, NULL);
	next.settings = config_load(old.settings->path, report, NULL);
	if (next.settings == NULL)
		goto fail;
	resolv_load(next.settings, RESOLV_PATH, report, NULL);
	if (service_open(&next, "reload") == -1)
		goto fail;
	if (strcmp(next.settings->run_dir, old.settings->run_dir) != 0 ||
	    strcmp(next.settings->pid_file, old.settings->pid_file) != 0)
		log_event(LOG_ODD, "reload",
		    "run_dir and pid_file change with a restart only");
	next.listeners = listen_open(next.settings, old.listeners, report,
	    NULL);
	if (next.listeners == NULL)
		goto fail;
	if (open_keys(&keys, p, &next) == -1)
		goto fail;
	if (strcmp(next.settings->state_dir, old.settings->state_dir) == 0) {
		/* The last good lists, whatever current is just now. */
		next.lists = old.lists;
		old.lists = NULL;
	}
	zones_place(p->zones, next.settings, old.settings);
	p->now = next;
	for (i = 0; i < p->book->high; i++)
		if (p->book->children[i].pid != 0)
			dismiss(p, i);
	helper_stop(&p->probe); /* a new one probes what there is now */
	helper_stop(&p->keys);	/* it serves the workers that finish */
	p->keys = keys;
	p->book->early_deaths = 0;
	p->book->not_before = 0;
	service_close(&old, &p->now);
	log_event(LOG_NOTE, "reload", "new settings are in force");
	return;
fail:
	if (next.settings != NULL)
		service_close(&next, &old);
	log_event(LOG_BAD, "reload", "the old settings stay in force");
}

/* Serving ends: by and by, then faster, then at once. */
static void
stop(struct pool *p)
{
	int64_t now = clock_ms();
	int64_t patience = (int64_t)p->now.settings->timeouts.stop_secs * 1000;

	if (p->book->stop_ms == 0) {
		p->book->stop_ms = now;
		log_event(LOG_NOTE, "stop", "sessions may finish");
		listen_close(p->now.listeners, NULL);
		p->now.listeners = NULL;
		helper_stop(&p->probe);
		dismiss_all(p, SIGTERM);
	}
	if (p->book->hurried == 0 &&
	    (now >= p->book->stop_ms + patience || got_stop > 1)) {
		p->book->hurried = 1;
		dismiss_all(p, SIGQUIT);
	}
	if (p->book->hurried == 1 &&
	    now >= p->book->stop_ms + patience + KILL_MS) {
		p->book->hurried = 2;
		dismiss_all(p, SIGKILL);
	}
}

/* ------------------------------------------------------------------ the loop */

static void
drain_wake(struct pool *p)
{
	char buf[4096];
	unsigned i;

	/* Once: a worker that never stops writing must not hold the loop. */
	if (read(p->wake[0], buf, sizeof(buf)) == -1)
		return;
	for (i = 0; i < p->book->high; i++)
		if (p->book->children[i].pid != 0)
			see_trouble(p, i);
	zones_look(p->zones, p->now.settings, p->probe.fd);
	refresh_lists(p);
}

/* Start what is wanted; true: all of it was, so that more may be. */
static bool
start_workers(struct pool *p, const struct pool_limits *limits)
{
	int64_t now = clock_ms();
	int total, idle, n;

	count(p, &total, &idle);
	n = pool_start(limits, total, idle, p->book->owed);
	if (n == 0 || now < p->book->not_before)
		return false;
	p->book->owed = 0;
	refresh_lists(p);
	while (n > 0 && start_worker(p) == 0)
		n--;
	if (n > 0) /* fork failed */
		p->book->not_before = now +
		    pool_pause_ms(p->book->early_deaths);
	return n == 0;
}

/* Retire what is idle for too long; sets when to look again. */
static void
retire_workers(struct pool *p, const struct pool_limits *limits)
{
	int64_t now = clock_ms();
	int total, idle, n;

	count(p, &total, &idle);
	n = pool_stop(limits, total, idle);
	if (p->book->next_tick != 0 && now >= p->book->next_tick) {
		dismiss_idle(p, n);
		p->book->next_tick = 0;
	}
	/* Nothing is left to retire, and nobody will become idle: sleep on. */
	if (total <= limits->min || (idle >= total && n == 0))
		p->book->next_tick = 0;
	else if (p->book->next_tick == 0)
		p->book->next_tick = now + POOL_TICK_MS;
}

/*
 * Start and dismiss as the policy says. The line below which a worker wakes
 * the master stands before they are counted, and they are counted again until
 * enough are there: one that became busy meanwhile is not overlooked.
 */
static void
balance(struct pool *p)
{
	const struct settings *set = p->now.settings;
	const struct pool_limits limits = { set->workers.min, set->workers.max,
		set->workers.spare };
	int total, idle;

	atomic_store(&p->board.state->wake_below, limits.spare);
	while (start_workers(p, &limits))
		;
	retire_workers(p, &limits);
	count(p, &total, &idle);
	atomic_store(&p->board.state->workers, total);
	atomic_store(&p->board.state->wake_below,
	    pool_wake_below(&limits, total));
}

static void
sooner(int64_t *when, int64_t candidate)
{
	if (*when == 0 || candidate < *when)
		*when = candidate;
}

/* Until when the master may sleep; 0: until something happens. */
static int64_t
next_event(const struct pool *p, int64_t now)
{
	int64_t when = p->book->next_tick, patience;

	if (p->book->stop_ms != 0) {
		patience = p->now.settings->timeouts.stop_secs * 1000;
		when = p->keys.not_before > now ? p->keys.not_before : 0;
		if (p->book->hurried == 0)
			sooner(&when, p->book->stop_ms + patience);
		else if (p->book->hurried == 1)
			sooner(&when, p->book->stop_ms + patience + KILL_MS);
		return when;
	}
	if (p->book->not_before > now)
		sooner(&when, p->book->not_before);
	if (p->probe.not_before > now)
		sooner(&when, p->probe.not_before);
	if (p->keys.not_before > now)
		sooner(&when, p->keys.not_before);
	return when;
}

static void
sleep_until_needed(struct pool *p)
{
	struct pollfd fds[] = { { .fd = p->wake[0], .events = POLLIN },
		{ .fd = p->probe.fd, .events = POLLIN },
		{ .fd = p->keys.fd, .events = POLLIN } };
	int64_t now = clock_ms(), when = next_event(p, now), left;
	struct timespec ts, *timeout = NULL;

	if (when != 0) {
		left = when > now ? when - now : 0;
		ts.tv_sec = left / 1000;
		ts.tv_nsec = left % 1000 * 1000000;
		timeout = &ts;
	}
	if (ppoll(fds, 3, timeout, &p->waiting) <= 0)
		return;
	if (fds[0].revents != 0)
		drain_wake(p);
	if (fds[1].revents != 0)
		helper_heard(&p->probe,
		    zones_read(p->zones, p->now.settings, p->probe.fd) == 0);
	if (fds[2].revents != 0)
		hear_keys(&p->keys);
}

/* Helpers end with their channels; a moment for the last of them. */
static void
wait_helpers(void)
{
	struct timespec pause = { 0, 5 * 1000000 };
	int i;

	for (i = 0; i < 200 && waitpid(-1, NULL, WNOHANG) != -1; i++)
		nanosleep(&pause, NULL);
}

static void
serve(struct pool *p)
{
	if (p->pidfile != NULL && pidfile_write(p->pidfile) == -1)
		log_event(LOG_ODD, "start", "%s: %s", p->now.settings->pid_file,
		    strerror(errno));
	log_event(LOG_NOTE, "start", "serving as %s on %zu addresses, %s",
	    p->now.privs.change ? p->now.settings->user :
				  "the user who started it",
	    p->now.listeners->n, sandbox_describe(p->now.sandbox));
	for (;;) {
		if (got_child)
			reap(p);
		if (got_reload && p->book->stop_ms == 0)
			reload(p);
		/* Sessions that finish want signatures, too. */
		start_keys(&p->keys, p, &p->now);
		if (got_stop) {
			stop(p);
			if (p->book->high == 0)
				break;
		} else {
			if (zones_are_probed(p->now.settings))
				helper_start(&p->probe, be_probe, p);
			balance(p);
		}
		sleep_until_needed(p);
	}
	service_hang_up(&p->now);
	wait_helpers();
	log_event(LOG_NOTE, "stop", "stopped");
}

static struct book *
open_book(void)
{
	void *book = mmap(NULL, sizeof(struct book), PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (book == MAP_FAILED)
		return NULL;
	madvise(book, sizeof(struct book), MADV_DONTFORK);
	return book;
}

int
pool_run(struct settings *set, struct listeners *listeners,
    struct pidfh *pidfile)
{
	struct pool *p = calloc(1, sizeof(*p));
	const char *made;
	int code = 1;

	if (p == NULL)
		return 1;
	service_init(&p->now, set);
	p->now.listeners = listeners;
	p->pid = getpid();
	helper_init(&p->probe, "probe");
	helper_init(&p->keys, "keys");
	p->pidfile = pidfile;
	p->board.slots_fd = -1;
	master_signals(&p->waiting);
	if (service_open(&p->now, "start") == -1)
		goto out;
	if ((p->book = open_book()) == NULL) {
		log_event(LOG_BAD, "start", "%s", strerror(errno));
		goto out;
	}
	if (board_open(&p->board, set->run_dir, &made) == -1) {
		log_event(LOG_BAD, "start", "%s/%s: %s", set->run_dir, made,
		    strerror(errno));
		goto out;
	}
	if ((p->zones = zones_new(p->board.state, p->board.clients)) == NULL) {
		log_event(LOG_BAD, "start", "%s", strerror(errno));
		goto out;
	}
	zones_place(p->zones, set, NULL);
	if (pipe2(p->wake, O_CLOEXEC | O_NONBLOCK) == -1) {
		log_event(LOG_BAD, "start", "pipe: %s", strerror(errno));
		goto out;
	}
	if (open_keys(&p->keys, p, &p->now) == 0) {
		serve(p);
		code = 0;
	}
	close(p->wake[0]);
	close(p->wake[1]);
out:
	if (p->book != NULL)
		munmap(p->book, sizeof(*p->book));
	zones_free(p->zones);
	board_close(&p->board);
	service_close(&p->now, NULL);
	free(p);
	return code;
}
