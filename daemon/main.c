/*
 * lictord: options, the configuration, the way into the background; the rest
 * is the pool's.
 */
#include <bsd/libutil.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/config.h"
#include "daemon/hosts.h"
#include "daemon/keys.h"
#include "daemon/listen.h"
#include "daemon/pool.h"
#include "daemon/privs.h"
#include "daemon/proxies.h"
#include "daemon/resolv.h"
#include "worker/log.h"
#include "worker/settings.h"
#include "worker/tls_client.h"

struct options {
	const char *config;
	bool foreground; /* -d */
	bool check;	 /* -n */
	bool print;	 /* -v with -n */
};

static void
usage(FILE *to)
{
	fputs("usage: lictord [-dnv] [-c FILE]\n"
	      "  -c FILE  the configuration (" CONFIG_DEFAULT_PATH ")\n"
	      "  -d       stay in the foreground, log to stderr\n"
	      "  -n       check the configuration and leave\n"
	      "  -v       with -n: print it\n",
	    to);
}

static void
read_options(int argc, char **argv, struct options *o)
{
	int c;

	if (argc > 1 && strcmp(argv[1], "--help") == 0) {
		usage(stdout);
		exit(0);
	}
	while ((c = getopt(argc, argv, "c:dhnv")) != -1) {
		switch (c) {
		case 'c':
			o->config = optarg;
			break;
		case 'd':
			o->foreground = true;
			break;
		case 'n':
			o->check = true;
			break;
		case 'v':
			o->print = true;
			break;
		case 'h':
			usage(stdout);
			exit(0);
		default:
			usage(stderr);
			exit(1);
		}
	}
	if (optind < argc) {
		usage(stderr);
		exit(1);
	}
}

/* What is opened later must not become somebody's stdin or stdout. */
static void
hold_standard_fds(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd != -1 && fd <= STDERR_FILENO);
	if (fd != -1)
		close(fd);
}

static void
report_setting(void *arg, const char *message)
{
	(void)arg;
	fprintf(stderr, "%s\n", message);
}

/* What next hops are verified by can be read. */
static int
check_next_hops(const struct settings *set)
{
	struct tls_clients *clients;

	if (tls_clients_new(&clients, set, report_setting, NULL) == -1)
		return -1;
	tls_clients_free(clients);
	return 0;
}

static void
report_listen(void *arg, const char *message)
{
	(void)arg;
	warnx("%s", message);
}

static int
check_only(const struct settings *set, bool print)
{
	struct privs privs;
	char text[512];

	/* The file is good; this host may not be ready for it. */
	if (privs_find(&privs, set, text, sizeof(text)) == -1)
		fprintf(stderr, "%s: warning: %s\n", set->path, text);
	return print && config_print(set, stdout) == -1;
}

/* What would keep it from serving is told while there is a terminal. */
static void
check_host(const struct settings *set)
{
	struct privs privs;
	char text[512];

	if (privs_find(&privs, set, text, sizeof(text)) == -1 ||
	    privs_folders(&privs, set, text, sizeof(text)) == -1)
		errx(1, "%s", text);
}

static struct pidfh *
take_pidfile(const char *path)
{
	struct pidfh *pidfile;
	pid_t other;

	if ((pidfile = pidfile_open(path, 0644, &other)) != NULL)
		return pidfile;
	if (errno == EEXIST)
		errx(1, "already running, pid %d", (int)other);
	err(1, "%s", path);
}

int
main(int argc, char **argv)
{
	struct options o = { .config = CONFIG_DEFAULT_PATH };
	struct pidfh *pidfile = NULL;
	struct listeners *listeners;
	struct settings *set;
	int code;

	setproctitle_init(argc, argv, environ);
	hold_standard_fds();
	read_options(argc, argv, &o);
	if ((set = config_load(o.config, report_setting, NULL)) == NULL)
		return 1;
	resolv_load(set, RESOLV_PATH, report_setting, NULL);
	hosts_load(set, HOSTS_PATH, report_setting, NULL);
	if (keys_check(set, report_setting, NULL) == -1 ||
	    proxies_check(set, report_setting, NULL) == -1 ||
	    check_next_hops(set) == -1) {
		settings_free(set);
		return 1;
	}
	if (o.check) {
		code = check_only(set, o.print);
		settings_free(set);
		return code;
	}
	umask(022);
	check_host(set);
	if (!o.foreground)
		pidfile = take_pidfile(set->pid_file);
	if ((listeners = listen_open(set, NULL, report_listen, NULL)) == NULL) {
		if (pidfile != NULL)
			pidfile_remove(pidfile);
		errx(1, "cannot listen");
	}
	if (!o.foreground && daemon(0, 0) == -1)
		err(1, "daemon");
	log_open(o.foreground);
	setproctitle("master");
	code = pool_run(set, listeners, pidfile);
	if (pidfile != NULL)
		pidfile_remove(pidfile);
	return code;
}
