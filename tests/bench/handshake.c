/*
 * handshake: how many TLS handshakes a server does. A few processes connect,
 * say STARTTLS, shake hands and leave, one session after the other; or one
 * process opens many sessions and holds them, so that somebody may look at
 * the server meanwhile.
 */
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/net.h"

enum {
	CLIENTS_MAX = 64,
	HELD_MAX = 16384,
	PATIENCE_MS = 20000
};

struct drive {
	struct sockaddr_storage to;
	struct net_source from;
	SSL_CTX *ctx;
	int clients;
	double secs;
};

/* A blocking connection, or -1. */
static int
dial(struct drive *d)
{
	int fd = net_connect(&d->to, &d->from);
	struct pollfd pfd = { .fd = fd, .events = POLLOUT };
	struct timeval patience = { PATIENCE_MS / 1000, 0 };
	socklen_t len = sizeof(int);
	int error = 0;

	if (fd == -1)
		return -1;
	if (poll(&pfd, 1, PATIENCE_MS) == 1 &&
	    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 &&
	    error == 0 && fcntl(fd, F_SETFL, 0) == 0 &&
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience,
		sizeof(patience)) == 0)
		return fd;
	close(fd);
	return -1;
}

/* The last line of a reply begins with that code. */
static bool
is_reply(const char *text, const char *code)
{
	const char *line = text, *next;

	while ((next = strstr(line, "\r\n")) != NULL && next[2] != '\0')
		line = next + 2;
	return strncmp(line, code, 3) == 0 && line[3] == ' ';
}

static bool
hear(int fd, const char *code)
{
	char text[1024];
	ssize_t n = recv(fd, text, sizeof(text) - 1, 0);

	net_quickack(fd);
	if (n <= 0)
		return false;
	text[n] = '\0';
	return is_reply(text, code);
}

/* A session in TLS, or NULL. */
static SSL *
start_tls(struct drive *d, int fd)
{
	static const char verb[] = "STARTTLS\r\n";
	SSL *ssl;

	if (!hear(fd, "220") ||
	    send(fd, verb, sizeof(verb) - 1, MSG_NOSIGNAL) == -1 ||
	    !hear(fd, "220") || (ssl = SSL_new(d->ctx)) == NULL)
		return NULL;
	if (SSL_set_fd(ssl, fd) == 1 && SSL_connect(ssl) == 1)
		return ssl;
	SSL_free(ssl);
	return NULL;
}

static bool
say(SSL *ssl, const char *line, const char *code)
{
	char text[1024];
	int n;

	if (SSL_write(ssl, line, (int)strlen(line)) <= 0 ||
	    (n = SSL_read(ssl, text, sizeof(text) - 1)) <= 0)
		return false;
	text[n] = '\0';
	return is_reply(text, code);
}

/* One session from its first octet to its last. */
static bool
shake_hands(struct drive *d)
{
	int fd = dial(d);
	SSL *ssl = fd != -1 ? start_tls(d, fd) : NULL;
	bool good = ssl != NULL && say(ssl, "QUIT\r\n", "221");

	if (ssl != NULL)
		SSL_free(ssl);
	if (fd != -1)
		close(fd);
	return good;
}

/* ------------------------------------------------------------------- rate */

struct count {
	unsigned long good, bad;
};

__attribute__((noreturn)) static void
be_client(struct drive *d, int i, int report)
{
	int64_t end = net_now_us() + (int64_t)(d->secs * 1e6);
	struct count c = { 0, 0 };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	d->from.next += (uint32_t)i * 7;
	while (net_now_us() < end)
		if (shake_hands(d))
			c.good++;
		else
			c.bad++;
	if (write(report, &c, sizeof(c)) != sizeof(c))
		_exit(1);
	_exit(0);
}

static int
measure_rate(struct drive *d)
{
	struct count c, all = { 0, 0 };
	int64_t begun = net_now_us();
	double secs;
	int i, report[2];

	if (pipe(report) == -1)
		err(1, "pipe");
	for (i = 0; i < d->clients; i++)
		switch (fork()) {
		case -1:
			err(1, "fork");
		case 0:
			be_client(d, i, report[1]);
		}
	close(report[1]);
	while (read(report[0], &c, sizeof(c)) == sizeof(c)) {
		all.good += c.good;
		all.bad += c.bad;
	}
	while (wait(NULL) > 0)
		;
	secs = (double)(net_now_us() - begun) / 1e6;
	printf("mode=rate handshakes=%lu handshakes_s=%.1f failed=%lu\n",
	    all.good, (double)all.good / secs, all.bad);
	return all.good > 0 && all.bad == 0 ? 0 : 1;
}

/* ------------------------------------------------------------------- hold */

static int
hold(struct drive *d)
{
	struct timespec pause = { (time_t)d->secs, 0 };
	int i, fd, held = 0;
	SSL *ssl;

	net_raise_nofile();
	for (i = 0; i < d->clients; i++) {
		if ((fd = dial(d)) == -1)
			continue;
		ssl = start_tls(d, fd); /* never freed: it is held */
		held += ssl != NULL &&
		    say(ssl, "EHLO client.example\r\n", "250");
	}
	fprintf(stderr, "holding %d\n", held);
	nanosleep(&pause, NULL);
	printf("mode=hold held=%d\n", held);
	return held == d->clients ? 0 : 1;
}

/* ------------------------------------------------------------------- main */

__attribute__((noreturn)) static void
usage(void)
{
	fprintf(stderr,
	    "usage: handshake [-2] [-m rate|hold] [-b net] [-c clients]\n"
	    "                 [-S seconds] address:port\n");
	exit(2);
}

static void
read_options(struct drive *d, int argc, char **argv, bool *holds, bool *old)
{
	const char *trouble = NULL;
	int ch;

	while ((ch = getopt(argc, argv, "2m:b:c:S:")) != -1) {
		if (ch == '2')
			*old = true;
		else if (ch == 'm')
			*holds = strcmp(optarg, "hold") == 0;
		else if (ch == 'b' && net_source(&d->from, optarg) == -1)
			err(1, "%s", optarg);
		else if (ch == 'c')
			d->clients = (int)strtonum(optarg, 1, HELD_MAX,
			    &trouble);
		else if (ch == 'S')
			d->secs = strtod(optarg, NULL);
		else if (ch == '?')
			usage();
	}
	if (argc - optind != 1 || trouble != NULL || d->secs <= 0 ||
	    d->secs > 600 || (!*holds && d->clients > CLIENTS_MAX))
		usage();
	if (net_endpoint(&d->to, argv[optind]) == -1)
		err(1, "%s", argv[optind]);
}

int
main(int argc, char **argv)
{
	struct drive d = { .clients = 4, .secs = 2 };
	bool holds = false, old = false;

	read_options(&d, argc, argv, &holds, &old);
	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if ((d.ctx = SSL_CTX_new(TLS_client_method())) == NULL)
		errx(1, "no TLS");
	if (old)
		SSL_CTX_set_max_proto_version(d.ctx, TLS1_2_VERSION);
	return holds ? hold(&d) : measure_rate(&d);
}
