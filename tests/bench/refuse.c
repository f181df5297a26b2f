/*
 * refuse: the yardstick for refusing clients. A few processes accept, write
 * 554 and close, and do nothing else: no pre-forked server that says as much
 * to a client can be faster on this machine.
 */
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <err.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/bench/net.h"

enum {
	WORKERS_MAX = 64,
	SECONDS_DEFAULT = 600
};

static const char reply[] = "554 5.7.1 you are not welcome here\r\n";

static volatile sig_atomic_t stop;

static void
on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

__attribute__((noreturn)) static void
serve(int lfd, pid_t parent)
{
	int fd;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(0);
	for (;;) {
		if ((fd = accept(lfd, NULL, NULL)) == -1)
			continue;
		if (write(fd, reply, sizeof(reply) - 1) == -1)
			warn("write");
		close(fd);
	}
}

static void
start(pid_t *pids, int n, int lfd)
{
	pid_t parent = getpid();
	int i;

	for (i = 0; i < n; i++) {
		if ((pids[i] = fork()) == -1)
			err(1, "fork");
		if (pids[i] == 0)
			serve(lfd, parent);
	}
}

static int
number(const char *arg, int most)
{
	const char *trouble;
	int n = (int)strtonum(arg, 1, most, &trouble);

	if (trouble != NULL)
		errx(2, "%s: %s (1 to %d)", arg, trouble, most);
	return n;
}

__attribute__((noreturn)) static void
usage(void)
{
	fprintf(stderr,
	    "usage: refuse [-w workers] [-S seconds] address:port\n");
	exit(2);
}

int
main(int argc, char **argv)
{
	struct sigaction sa = { .sa_handler = on_signal };
	struct sockaddr_storage ss;
	sigset_t stops, before;
	pid_t pids[WORKERS_MAX];
	int ch, i, lfd, n = 4, secs = SECONDS_DEFAULT;

	while ((ch = getopt(argc, argv, "w:S:")) != -1) {
		if (ch == 'w')
			n = number(optarg, WORKERS_MAX);
		else if (ch == 'S')
			secs = number(optarg, 3600);
		else
			usage();
	}
	if (argc - optind != 1)
		usage();
	if (net_endpoint(&ss, argv[optind]) == -1 ||
	    (lfd = net_listen(&ss, false)) == -1)
		err(1, "%s", argv[optind]);
	start(pids, n, lfd);
	sigemptyset(&stops);
	sigaddset(&stops, SIGTERM);
	sigaddset(&stops, SIGINT);
	sigaddset(&stops, SIGALRM);
	sigprocmask(SIG_BLOCK, &stops, &before);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGALRM, &sa, NULL);
	alarm((unsigned)secs);
	while (!stop)
		sigsuspend(&before);
	for (i = 0; i < n; i++)
		kill(pids[i], SIGKILL);
	while (wait(NULL) > 0 || errno == EINTR)
		;
	return 0;
}
