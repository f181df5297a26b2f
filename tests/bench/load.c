/*
 * load: drive an SMTP server with many sessions at once and print one line of
 * figures. One process, one epoll loop. It outlives refused and lost
 * connections: the next session goes on, and with a ledger no message is
 * dropped before it was told 250, its tries are used up or the time is over.
 *
 * Exit status: 0 all went as expected, 1 something failed, 2 wrong use. With
 * a ledger failures are what is looked for: 1 only when messages are left.
 */
#include <sys/epoll.h>

#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/bench/bag.h"
#include "tests/bench/client.h"
#include "tests/bench/hold.h"
#include "tests/bench/net.h"
#include "tests/bench/tally.h"

enum {
	EVENTS = 256,
	TICK_MS = 20,	   /* between looks at deadlines and pauses */
	PAUSE_US = 20000,  /* after a failure, before the next session */
	GRACE_US = 5000000 /* for sessions that run when the time is over */
};

struct options {
	const char *ledger;
	int concurrency, sessions, retries, newcomers;
	size_t message_bytes;
	int64_t limit_us, session_us, hold_us;
};

struct load {
	struct job job;
	struct options opt;
	struct net_source from;
	struct tally tally, taken;
	struct bag bag;
	struct client *clients;
	int started, running;
	uint64_t done;
	int64_t begun_us, ended_us, look_us;
};

/* -------------------------------------------------------------- options */

enum {
	OPT_LEDGER = 256,
	OPT_RETRIES,
	OPT_FROM,
	OPT_TO,
	OPT_PAUSE
};

static const struct option longopts[] = {
	{ "mode", required_argument, NULL, 'm' },
	{ "pipeline", no_argument, NULL, 'p' },
	{ "concurrency", required_argument, NULL, 'c' },
	{ "sessions", required_argument, NULL, 'n' },
	{ "messages", required_argument, NULL, 'M' },
	{ "size", required_argument, NULL, 's' },
	{ "recipients", required_argument, NULL, 'r' },
	{ "seconds", required_argument, NULL, 'S' },
	{ "session-seconds", required_argument, NULL, 't' },
	{ "bind", required_argument, NULL, 'b' },
	{ "code", required_argument, NULL, 'e' },
	{ "hold", required_argument, NULL, 'H' },
	{ "newcomers", required_argument, NULL, 'k' },
	{ "ledger", required_argument, NULL, OPT_LEDGER },
	{ "retries", required_argument, NULL, OPT_RETRIES },
	{ "from", required_argument, NULL, OPT_FROM },
	{ "to", required_argument, NULL, OPT_TO },
	{ "pause", required_argument, NULL, OPT_PAUSE },
	{ NULL, 0, NULL, 0 },
};

__attribute__((noreturn)) static void
usage(void)
{
	fprintf(stderr,
	    "usage: load [-p] [-m deliver|reject|idle] [-c concurrency]\n"
	    "            [-n sessions] [-M messages] [-s size] "
	    "[-r recipients]\n"
	    "            [-S seconds] [-t session-seconds] [-b source[/len]]\n"
	    "            [-e code] [-H hold-seconds] [-k newcomers]\n"
	    "            [--from address] [--to address] [--pause seconds]\n"
	    "            [--ledger file] [--retries number] address:port\n");
	exit(2);
}

static int
number(const char *arg, int least, int most)
{
	const char *trouble;
	long long n = strtonum(arg, least, most, &trouble);

	if (trouble != NULL)
		errx(2, "%s: %s (%d to %d)", arg, trouble, least, most);
	return (int)n;
}

static int64_t
seconds(const char *arg)
{
	char *end;
	double d = strtod(arg, &end);

	if (end == arg || *end != '\0' || !(d >= 0) || d > 3600)
		errx(2, "%s: not a number of seconds (0 to 3600)", arg);
	return (int64_t)(d * 1000000);
}

static const char *
mailbox(const char *arg)
{
	if (strchr(arg, '@') == NULL || strlen(arg) > 254)
		errx(2, "%s: not an address", arg);
	return arg;
}

static enum job_mode
mode(const char *arg)
{
	if (strcmp(arg, "deliver") == 0)
		return JOB_DELIVER;
	if (strcmp(arg, "reject") == 0)
		return JOB_REJECT;
	if (strcmp(arg, "idle") == 0)
		return JOB_HOLD;
	errx(2, "%s: no such mode", arg);
}

static void
option_run(struct load *l, int ch, const char *arg)
{
	struct options *o = &l->opt;

	switch (ch) {
	case 'c':
		o->concurrency = number(arg, 1, 16384);
		break;
	case 'n':
		o->sessions = number(arg, 1, INT_MAX);
		break;
	case 'S':
		o->limit_us = seconds(arg);
		break;
	case 't':
		o->session_us = seconds(arg);
		break;
	case 'H':
		o->hold_us = seconds(arg);
		break;
	case 'k':
		o->newcomers = number(arg, 0, 100000);
		break;
	case 's':
		o->message_bytes = (size_t)number(arg, 0, 1 << 30);
		break;
	case OPT_LEDGER:
		o->ledger = arg;
		break;
	case OPT_RETRIES:
		o->retries = number(arg, 0, INT_MAX - 1);
		break;
	default:
		usage();
	}
}

static void
option_session(struct load *l, int ch, const char *arg)
{
	struct job *job = &l->job;

	switch (ch) {
	case 'm':
		job->mode = mode(arg);
		break;
	case 'p':
		job->pipeline = true;
		break;
	case 'M':
		job->messages = number(arg, 1, 1000000);
		break;
	case 'r':
		job->recipients = number(arg, 1, 100000);
		break;
	case 'e':
		job->reject_code = number(arg, 200, 599);
		break;
	case 'b':
		if (net_source(&l->from, arg) == -1)
			err(2, "%s", arg);
		break;
	case OPT_FROM:
		job->sender = *arg == '\0' ? arg : mailbox(arg);
		break;
	case OPT_TO:
		job->recipient = mailbox(arg);
		break;
	case OPT_PAUSE:
		job->pause_us = seconds(arg);
		break;
	default:
		option_run(l, ch, arg);
	}
}

static void
options(struct load *l, int argc, char **argv)
{
	int ch;

	while ((ch = getopt_long(argc, argv,
		    "m:pc:n:M:s:r:S:t:b:e:H:k:", longopts, NULL)) != -1)
		option_session(l, ch, optarg);
	if (argc - optind != 1)
		usage();
	if (l->job.pause_us > 0 && l->opt.concurrency > 1)
		errx(2, "--pause is for one session at a time");
	if (net_endpoint(&l->job.to, argv[optind]) == -1)
		err(2, "%s", argv[optind]);
	if ((int64_t)l->opt.sessions * l->job.messages > UINT32_MAX)
		errx(2, "more than %" PRIu32 " messages", UINT32_MAX);
}

/* ------------------------------------------------------------------ run */

static bool
has_work(const struct load *l, int64_t now)
{
	if (now >= l->begun_us + l->opt.limit_us)
		return false;
	if (l->opt.ledger != NULL)
		return !bag_empty(&l->bag);
	return l->started < l->opt.sessions;
}

/* Have a slot begin its next session, or none if it may not yet. */
static void
begin(struct load *l, struct client *c, int64_t now)
{
	if (c->wake_us > now || !has_work(l, now))
		return;
	client_start(c, &l->job);
	l->started++;
	if (c->state == CLIENT_BUSY)
		l->running++;
	else
		c->wake_us = now + PAUSE_US;
}

static void
ended(struct load *l, struct client *c)
{
	l->running--;
	l->ended_us = net_now_us();
	if (c->state == CLIENT_DONE)
		l->done++;
	else
		c->wake_us = l->ended_us + PAUSE_US;
	begin(l, c, l->ended_us);
}

/* Look at all slots: who is late, who may begin. */
static void
look(struct load *l)
{
	int64_t now = net_now_us();
	int64_t end_us = l->begun_us + l->opt.limit_us + GRACE_US;
	struct client *c;
	int i;

	if (now < l->look_us)
		return;
	l->look_us = now + TICK_MS * 1000;
	for (i = 0; i < l->opt.concurrency; i++) {
		c = &l->clients[i];
		if (c->state != CLIENT_BUSY) {
			begin(l, c, now);
		} else if (now > c->begun_us + l->opt.session_us ||
		    now > end_us) {
			client_expire(c);
			ended(l, c);
		}
	}
}

static void
pump(struct load *l)
{
	struct epoll_event ev[EVENTS];
	struct client *c;
	int i, n;

	n = epoll_wait(l->job.epfd, ev, EVENTS, TICK_MS);
	if (n == -1 && errno != EINTR)
		err(1, "epoll_wait");
	for (i = 0; i < n; i++) {
		c = ev[i].data.ptr;
		client_event(c, ev[i].events);
		if (c->state != CLIENT_BUSY)
			ended(l, c);
	}
}

static void
run(struct load *l)
{
	l->clients = calloc((size_t)l->opt.concurrency, sizeof(*l->clients));
	if (l->clients == NULL)
		err(1, NULL);
	l->begun_us = l->ended_us = net_now_us();
	while (l->running > 0 || has_work(l, net_now_us())) {
		look(l);
		pump(l);
	}
	free(l->clients);
}

static void
report(struct load *l)
{
	double secs = (double)(l->ended_us - l->begun_us) / 1000000;
	double per = secs > 0 ? 1 / secs : 0;

	printf("mode=%s sessions=%" PRIu64 " sessions_s=%.1f messages=%" PRIu32
	       " messages_s=%.1f left=%" PRIu32 " gave_up=%" PRIu32 " ",
	    l->job.mode == JOB_REJECT ? "reject" : "deliver", l->done,
	    (double)l->done * per, l->bag.accepted, l->bag.accepted * per,
	    l->job.mode == JOB_REJECT ?
		0 :
		l->bag.total - l->bag.accepted - l->bag.gave_up,
	    l->bag.gave_up);
	tally_print_failures(&l->tally);
	printf(" ");
	tally_print_times(&l->tally, "");
	printf(" ");
	tally_print_times(&l->taken, "taken_");
	printf(" seconds=%.3f\n", secs);
}

static int
deliver(struct load *l)
{
	bag_open(&l->bag, (uint32_t)l->opt.sessions * (uint32_t)l->job.messages,
	    l->opt.retries, l->opt.ledger);
	job_prepare(&l->job, l->opt.message_bytes);
	run(l);
	report(l);
	bag_close(&l->bag);
	job_free(&l->job);
	if (l->opt.ledger != NULL)
		return l->bag.accepted != l->bag.total;
	return tally_failures(&l->tally) > 0;
}

static int
idle(struct load *l)
{
	struct hold_limits lim = { l->opt.concurrency, l->opt.newcomers,
		l->opt.hold_us, net_now_us() + l->opt.limit_us };

	return hold_run(&l->job, &lim) > 0;
}

int
main(int argc, char **argv)
{
	static struct load l = {
		.job = { .messages = 1,
		    .recipients = 1,
		    .reject_code = 554,
		    .sender = "sender@bench.example",
		    .recipient = "bench@example.org" },
		.opt = { .concurrency = 1,
		    .sessions = 1,
		    .retries = 100,
		    .newcomers = 20,
		    .message_bytes = 4096,
		    .limit_us = 60000000,
		    .session_us = 30000000,
		    .hold_us = 1000000 },
	};
	int status;

	options(&l, argc, argv);
	net_raise_nofile();
	l.job.from = &l.from;
	l.job.bag = &l.bag;
	l.job.tally = &l.tally;
	l.job.taken = &l.taken;
	if ((l.job.epfd = epoll_create1(EPOLL_CLOEXEC)) == -1)
		err(1, "epoll_create1");
	status = l.job.mode == JOB_HOLD ? idle(&l) : deliver(&l);
	tally_free(&l.tally);
	tally_free(&l.taken);
	close(l.job.epfd);
	return status;
}
