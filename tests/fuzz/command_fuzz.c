/*
 * Any octets as a whole session, from the first command to the closed
 * connection, with real lists and a Maildir. Whatever comes, the gateway
 * speaks nothing but well-formed replies, and delivers exactly what it said
 * that it delivered. The first octet chooses the settings.
 */
#include <sys/socket.h>
#include <sys/stat.h>

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lists/list.h"
#include "worker/hop.h"
#include "worker/log.h"
#include "worker/session.h"
#include "worker/settings.h"
#include "worker/slot.h"
#include "worker/spool.h"
#include "worker/where_names.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

/* Reports of the sanitizers go to the real stderr, not to where logs go. */
extern void __sanitizer_set_report_fd(void *) __attribute__((weak));

static struct gear {
	char dir[40], mail[64];
	char hostname[16], open[16];
	char *open_item;
	struct settings set;
	struct slot slot;
	struct spool spool;
	struct dns_servers servers;
	struct hop hop; /* all routes are Maildirs: it is never opened */
	struct where_cache where_cache;
	struct session session;
	struct generation *lists;
	int stderr_fd, null_fd;
} gear;

static struct clients shared;

static void
require(bool condition)
{
	if (!condition)
		abort();
}

static int
remove_entry(const char *path, const struct stat *st, int type, struct FTW *w)
{
	(void)st;
	(void)type;
	(void)w;
	return remove(path);
}

static void
clean_up(void)
{
	generation_close(gear.lists);
	spool_close(&gear.spool);
	nftw(gear.dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static void
write_source(const char *name, const char *text)
{
	char path[80];
	FILE *out;

	snprintf(path, sizeof(path), "%s/%s", gear.dir, name);
	require((out = fopen(path, "w")) != NULL);
	fputs(text, out);
	require(fclose(out) == 0);
}

static void
compile_lists(void)
{
	struct list_compile ask;
	struct list_error e;
	char name[64], routes[96];
	int fd;

	snprintf(routes, sizeof(routes), "* maildir:%s\n", gear.mail);
	write_source("banned", "192.0.2.1\n");
	write_source("relay", "10.0.0.0/8\n");
	write_source("domains", "b.example\n");
	write_source("recipients",
	    "a@b.example\nm@b.example moved n@b.example\n"
	    "f@b.example forward a@b.example\n"
	    "\"\\\"q q\\\"@b.example\"\n");
	write_source("routes", routes);
	memset(&ask, 0, sizeof(ask));
	ask.source_dir = ask.state_dir = gear.dir;
	ask.gid = (gid_t)-1;
	ask.force = true;
	require(list_compile(&ask, name, sizeof(name)) == COMPILE_DONE);
	require((fd = open(gear.dir, O_RDONLY | O_DIRECTORY)) != -1);
	require(generation_refresh(&gear.lists, fd, &e) == GENERATION_NEW);
	close(fd);
}

static void
set_up(void)
{
	struct settings *set = &gear.set;
	int i;

	strlcpy(gear.dir, "/dev/shm/lictor.XXXXXX", sizeof(gear.dir));
	require(mkdtemp(gear.dir) != NULL);
	atexit(clean_up);
	snprintf(gear.mail, sizeof(gear.mail), "%s/mail", gear.dir);
	strlcpy(gear.hostname, "gw.example", sizeof(gear.hostname));
	strlcpy(gear.open, "postmaster", sizeof(gear.open));
	gear.open_item = gear.open;
	compile_lists();
	set->hostname = gear.hostname;
	set->postmaster = gear.open + strlen(gear.open);
	set->open.item = &gear.open_item;
	set->open.n = 1;
	set->moved_code = 551;
	set->forward_code = 251;
	set->limits.message_bytes = 65536;
	set->limits.line_bytes = 10000;
	set->limits.recipients = 5;
	set->limits.errors = 20;
	set->limits.idle_commands = 20;
	set->timeouts.command_secs = 5;
	set->timeouts.data_secs = 5;
	set->timeouts.session_secs = 20;
	for (i = 0; i < TEST_COUNT; i++)
		set->tests[i].mode = MODE_ON;
	require(spool_open(&gear.spool, gear.dir) == 0);
	gear.session.set = set;
	gear.session.slot = &gear.slot;
	gear.session.clients = &shared;
	gear.session.spool = &gear.spool;
	gear.session.hop = &gear.hop;
	gear.session.servers = &gear.servers; /* none: names are unknown */
	gear.session.where_cache = &gear.where_cache;
	gear.stderr_fd = dup(STDERR_FILENO);
	gear.null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (__sanitizer_set_report_fd != NULL)
		__sanitizer_set_report_fd((void *)(intptr_t)gear.stderr_fd);
	log_open(1);
}

/* The number of messages that were delivered; they are removed. */
static unsigned
delivered(void)
{
	char path[80];
	struct dirent *e;
	unsigned n = 0;
	DIR *d;

	snprintf(path, sizeof(path), "%s/new", gear.mail);
	if ((d = opendir(path)) == NULL)
		return 0;
	while ((e = readdir(d)) != NULL)
		if (e->d_name[0] != '.' &&
		    unlinkat(dirfd(d), e->d_name, 0) == 0)
			n++;
	closedir(d);
	return n;
}

/* Every line is "NNN text" or "NNN-text", printable and short. */
static unsigned
check_replies(const char *p, size_t len)
{
	const char *end = p + len, *cr, *q;
	unsigned yes = 0;

	for (; p < end; p = cr + 2) {
		cr = memmem(p, (size_t)(end - p), "\r\n", 2);
		require(cr != NULL && cr - p >= 4 && cr - p <= 510);
		require(p[0] >= '2' && p[0] <= '5');
		require(isdigit((unsigned char)p[1]) &&
		    isdigit((unsigned char)p[2]));
		require(p[3] == ' ' || p[3] == '-');
		for (q = p; q < cr; q++)
			require(*q >= 0x20 && *q < 0x7f);
		yes += strncmp(p, "250 2.0.0 delivered; ref ", 25) == 0;
	}
	return yes;
}

static void
run(const uint8_t *data, size_t size, const struct addr *addr)
{
	static char said[1 << 18];
	int fds[2], room = 1 << 20;
	size_t len = 0;
	ssize_t n;

	require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0);
	setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	if (size > 0)
		require(write(fds[0], data, size) == (ssize_t)size);
	shutdown(fds[0], SHUT_WR);
	dup2(gear.null_fd, STDERR_FILENO);
	generation_begin(gear.lists);
	require(session_begin(&gear.session, fds[1], addr, 1025));
	session_run(&gear.session, gear.lists);
	dup2(gear.stderr_fd, STDERR_FILENO);
	close(fds[1]);
	while ((n = read(fds[0], said + len, sizeof(said) - len)) > 0)
		len += (size_t)n;
	/* closed with octets unread: then the end is a reset */
	require(n == 0 || errno == ECONNRESET);
	close(fds[0]);
	require(check_replies(said, len) == delivered());
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const clients[] = { "192.0.3.1", "192.0.2.1",
		"10.0.0.1", "2001:db8::1" };
	struct addr addr;

	if (size-- == 0 || size > 50000)
		return 0;
	if (gear.lists == NULL)
		set_up();
	gear.set.require_helo = data[0] & 1;
	gear.set.soft = data[0] >> 1 & 1;
	gear.set.bare_ends = data[0] >> 4 & 1 ? ENDS_NORMALISE : ENDS_REFUSE;
	gear.set.bare_ends_bdat = data[0] >> 5 & 1 ? ENDS_NORMALISE :
						     ENDS_REFUSE;
	addr_parse(&addr, clients[data[0] >> 2 & 3]);
	run(data + 1, size, &addr);
	return 0;
}
