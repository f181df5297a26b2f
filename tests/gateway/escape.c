/*
 * A worker that tries to get out: linked in place of worker/session.c, so that
 * everything around it is the gateway's own. A client names one attempt with
 * one octet and is told its outcome, "allowed" or "errno NAME"; where the
 * attempt is the end of the worker, the client sees the connection closed.
 */
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <netinet/in.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "worker/session.h"
#include "worker/settings.h"
#include "worker/slot.h"

/* Each returns -1 with errno when it was refused. */

static int
open_file(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);

	return fd == -1 ? -1 : close(fd);
}

static const char *
in_state(const struct session *s, const char *name)
{
	static char path[4096];

	snprintf(path, sizeof(path), "%s/%s", s->set->state_dir, name);
	return path;
}

static int
read_list(const struct session *s)
{
	return open_file(in_state(s, "current/banned.cdb"), O_RDONLY);
}

static int
write_list(const struct session *s)
{
	return open_file(in_state(s, "current/banned.cdb"), O_WRONLY);
}

static int
truncate_list(const struct session *s)
{
	return open_file(in_state(s, "current/banned.cdb"), O_RDWR | O_TRUNC);
}

static int
create_in_state(const struct session *s)
{
	return open_file(in_state(s, "escaped"), O_WRONLY | O_CREAT);
}

static int
swing_generation(const struct session *s)
{
	return renameat(AT_FDCWD, in_state(s, "current"), AT_FDCWD,
	    "/tmp/lictor-escaped");
}

static int
read_passwd(const struct session *s)
{
	(void)s;
	return open_file("/etc/passwd", O_RDONLY);
}

static int
create_in_tmp(const struct session *s)
{
	(void)s;
	return open_file("/tmp/lictor-escaped", O_WRONLY | O_CREAT);
}

static int
create_maildir_file(const struct session *s)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/allowed",
	    s->set->maildir_roots.item[0]);
	return open_file(path, O_WRONLY | O_CREAT);
}

/* A link into a Maildir root must not lead out of it again. */
static int
follow_link(const struct session *s)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/link", s->set->maildir_roots.item[0]);
	return open_file(path, O_RDONLY);
}

static int
run_shell(const struct session *s)
{
	static char name[] = "sh", *const argv[] = { name, NULL };

	(void)s;
	return execve("/bin/sh", argv, NULL);
}

static int
trace_parent(const struct session *s)
{
	(void)s;
	return (int)ptrace(PTRACE_ATTACH, getppid(), NULL, NULL);
}

static int
signal_parent(const struct session *s)
{
	(void)s;
	return kill(getppid(), 0);
}

static int
schedule_parent(const struct session *s)
{
	const struct sched_param none = { .sched_priority = 0 };

	(void)s;
	return sched_setscheduler(getppid(), SCHED_BATCH, &none);
}

static int
netlink(const struct session *s)
{
	(void)s;
	return socket(AF_NETLINK, SOCK_RAW, 0);
}

static int
unix_stream(const struct session *s)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)s;
	return fd == -1 ? -1 : close(fd);
}

static int
bind_port(const struct session *s)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	(void)s;
	return bind(fd, (struct sockaddr *)&sin, sizeof(sin));
}

static int
make_executable(const struct session *s)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)s;
	return mprotect(page, 4096, PROT_READ | PROT_EXEC);
}

static int
become_root(const struct session *s)
{
	(void)s;
	return setuid(0);
}

static int
be_traceable(const struct session *s)
{
	(void)s;
	return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

/* All workers share that end. */
static int
cut_keys_channel(const struct session *s)
{
	return shutdown(s->keys, SHUT_RDWR);
}

static int
read_other_slot(const struct session *s)
{
	const volatile char *own = (const volatile char *)s->slot;

	return own[SLOT_BYTES] == 0 ? 0 : 1;
}

static const struct {
	char name;
	int (*run)(const struct session *);
} attempts[] = {
	{ 'r', read_list },
	{ 'a', create_maildir_file },
	{ 'w', write_list },
	{ 'y', truncate_list },
	{ 'c', create_in_state },
	{ 'g', swing_generation },
	{ 'p', read_passwd },
	{ 'z', create_in_tmp },
	{ 'f', follow_link },
	{ 'x', run_shell },
	{ 't', trace_parent },
	{ 'k', signal_parent },
	{ 'e', schedule_parent },
	{ 's', netlink },
	{ 'n', unix_stream },
	{ 'b', bind_port },
	{ 'm', make_executable },
	{ 'u', become_root },
	{ 'd', be_traceable },
	{ 'h', cut_keys_channel },
	{ 'l', read_other_slot },
};

static void
attempt(const struct session *s, char name, char *out, size_t size)
{
	size_t i;

	snprintf(out, size, "no such attempt\n");
	for (i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++) {
		if (attempts[i].name != name)
			continue;
		errno = 0;
		if (attempts[i].run(s) == -1)
			snprintf(out, size, "errno %s\n",
			    strerrorname_np(errno));
		else
			snprintf(out, size, "allowed\n");
	}
}

bool
session_begin(struct session *s, int fd, const struct addr *addr, uint16_t port)
{
	(void)port;
	s->io.fd = fd;
	s->peer.addr = *addr;
	addr_format(addr, s->slot->client);
	return true;
}

bool
session_run(struct session *s, struct generation *lists)
{
	int fd = s->io.fd;
	struct waiting w;
	char name, out[64];

	(void)lists;
	s->slot->sessions++; /* its death is then no early one */
	wait_init(&w);
	wait_set(&w, WAIT_CLIENT, fd);
	if (wait_for(&w, WAIT_CLIENT, POLLIN, clock_ms() + 10000) !=
		WAIT_READY ||
	    read(fd, &name, 1) != 1)
		return true;
	attempt(s, name, out, sizeof(out));
	(void)!write(fd, out, strlen(out));
	return true;
}
