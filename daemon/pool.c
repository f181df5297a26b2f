/*
 * The master: it has workers as the policy says, reaps, reloads, and stops. It
 * never reads an octet of a client's. When nothing changes it makes no system
 * call: a worker that takes the last but few idle places wakes it.
 */
#include <sys/mman.h>
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
#include "daemon/hosts.h"
#include "daemon/listen.h"
#include "daemon/pool.h"
#include "daemon/pool_policy.h"
#include "daemon/pool_state.h"
#include "daemon/proxies.h"
#include "daemon/resolv.h"
#include "daemon/service.h"
#include "daemon/zones.h"
#include "worker/log.h"
#include "worker/sandbox.h"
#include "worker/settings.h"
#include "worker/wait.h"

#define KILL_MS 600000 /* what is still there after this is killed */

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

void
pool_report(void *arg, const char *message)
{
	(void)arg;
	log_event(LOG_BAD, "reload", "%s", message);
}

/* ------------------------------------------------------------------- deaths */

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
	pool_dismiss_all(p, SIGTERM);
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
				pool_bury(p, i, status);
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
	next.settings = config_load(old.settings->path, pool_report, NULL);
	if (next.settings == NULL)
		goto fail;
	resolv_load(next.settings, RESOLV_PATH, pool_report, NULL);
	hosts_load(next.settings, HOSTS_PATH, pool_report, NULL);
	if (proxies_check(next.settings, pool_report, NULL) == -1)
		goto fail;
	if (service_open(&next, "reload") == -1)
		goto fail;
	if (strcmp(next.settings->run_dir, old.settings->run_dir) != 0 ||
	    strcmp(next.settings->pid_file, old.settings->pid_file) != 0)
		log_event(LOG_ODD, "reload",
		    "run_dir and pid_file change with a restart only");
	next.listeners = listen_open(next.settings, old.listeners, pool_report,
	    NULL);
	if (next.listeners == NULL)
		goto fail;
	if (pool_open_keys(&keys, p, &next) == -1)
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
			pool_dismiss(p, i);
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
		pool_dismiss_all(p, SIGTERM);
	}
	if (p->book->hurried == 0 &&
	    (now >= p->book->stop_ms + patience || got_stop > 1)) {
		p->book->hurried = 1;
		pool_dismiss_all(p, SIGQUIT);
	}
	if (p->book->hurried == 1 &&
	    now >= p->book->stop_ms + patience + KILL_MS) {
		p->book->hurried = 2;
		pool_dismiss_all(p, SIGKILL);
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
			pool_see_trouble(p, i);
	zones_look(p->zones, p->now.settings, p->probe.fd);
	pool_refresh_lists(p);
}

/* Start what is wanted; true: all of it was, so that more may be. */
static bool
start_workers(struct pool *p, const struct pool_limits *limits)
{
	int64_t now = clock_ms();
	int total, idle, n;

	pool_count(p, &total, &idle);
	n = pool_start(limits, total, idle, p->book->owed);
	if (n == 0 || now < p->book->not_before)
		return false;
	p->book->owed = 0;
	pool_refresh_lists(p);
	while (n > 0 && pool_start_worker(p) == 0)
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

	pool_count(p, &total, &idle);
	n = pool_stop(limits, total, idle);
	if (p->book->next_tick != 0 && now >= p->book->next_tick) {
		pool_dismiss_idle(p, n);
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
	pool_count(p, &total, &idle);
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
		pool_hear_probe(p);
	if (fds[2].revents != 0)
		pool_hear_keys(&p->keys);
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
		pool_start_keys(&p->keys, p, &p->now);
		if (got_stop) {
			stop(p);
			if (p->book->high == 0)
				break;
		} else {
			balance(p);
			pool_see_hops(p);
			pool_start_probe(p);
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
	if (pool_open_keys(&p->keys, p, &p->now) == 0) {
		serve(p);
		code = 0;
	}
	close(p->wake[0]);
	close(p->wake[1]);
out:
	if (p->book != NULL)
		munmap(p->book, sizeof(*p->book));
	zones_free(p->zones);
	free(p->hops);
	board_close(&p->board);
	service_close(&p->now, NULL);
	free(p);
	return code;
}
