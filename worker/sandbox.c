/*
 * Landlock (paths) and seccomp (system calls). What the wall does not let
 * through is EACCES for a path, and the end of the process for a system call:
 * a worker that asks for one of those is not ours any more.
 */
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>

#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "worker/sandbox.h"
#include "worker/settings.h"

struct sandbox {
	int ruleset;		  /* Landlock, or -1 */
	struct sock_fprog filter; /* seccomp; len 0: there is none */
	char text[64];
};

/* Rights newer than the headers of the oldest system we build on. */
#define FS_TRUNCATE  (1ULL << 14) /* ABI 3 */
#define NET_BIND_TCP (1ULL << 0)  /* ABI 4 */
#define SCOPE_ALL    (3ULL << 0)  /* ABI 6: abstract sockets, signals */

struct ruleset_attr {
	uint64_t fs, net, scoped;
};

#define FS_READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define FS_MAILDIR                                                             \
	(LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_WRITE_FILE |         \
	    LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG |     \
	    LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_REFER)

/* ----------------------------------------------------------------- landlock */

static int
landlock_abi(void)
{
	return (int)syscall(SYS_landlock_create_ruleset, NULL, 0,
	    LANDLOCK_CREATE_RULESET_VERSION);
}

static int
allow_below(int ruleset, const char *path, uint64_t rights)
{
	struct landlock_path_beneath_attr rule;
	int r;

	rule.allowed_access = rights;
	rule.parent_fd = open(path, O_PATH | O_CLOEXEC);
	if (rule.parent_fd == -1)
		return errno == ENOENT ? 0 : -1; /* nothing is there to use */
	r = (int)syscall(SYS_landlock_add_rule, ruleset,
	    LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
	close(rule.parent_fd);
	return r;
}

static int
build_ruleset(struct sandbox *box, const struct settings *set,
    enum sandbox_for who, int abi)
{
	struct ruleset_attr attr = { .fs = (1ULL << 13) - 1,
		.net = 0,
		.scoped = 0 };
	size_t i, size = sizeof(attr.fs);

	if (abi >= 2)
		attr.fs |= LANDLOCK_ACCESS_FS_REFER;
	if (abi >= 3)
		attr.fs |= FS_TRUNCATE;
	if (abi >= 4) {
		attr.net = NET_BIND_TCP; /* a worker never binds a port */
		size = offsetof(struct ruleset_attr, scoped);
	}
	if (abi >= 6) {
		attr.scoped = SCOPE_ALL;
		size = sizeof(attr);
	}
	box->ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, size,
	    0);
	if (box->ruleset == -1)
		return -1;
	fcntl(box->ruleset, F_SETFD, FD_CLOEXEC);
#ifdef LICTOR_SANITIZED
	/* The leak checker looks at its own process when a worker leaves. */
	if (allow_below(box->ruleset, "/proc", FS_READ) == -1)
		return -1;
#endif
	if (who != SANDBOX_WORKER)
		return 0;
	if (allow_below(box->ruleset, set->state_dir, FS_READ) == -1)
		return -1;
	for (i = 0; i < set->maildir_roots.n; i++)
		if (allow_below(box->ruleset, set->maildir_roots.item[i],
			FS_MAILDIR & attr.fs) == -1)
			return -1;
	return 0;
}

/* ------------------------------------------------------------------ seccomp */

#define BOTH (SANDBOX_WORKER | SANDBOX_PROBE)
#define ALL  (BOTH | SANDBOX_KEYS)

/* All that they need; libraries and the C library included. */
static const struct {
	int nr;
	unsigned who;
} calls[] = {
	/* the client and the next hop */
	{ SCMP_SYS(accept4), SANDBOX_WORKER },
	{ SCMP_SYS(read), BOTH },
	{ SCMP_SYS(write), BOTH },
	{ SCMP_SYS(writev), BOTH },
	{ SCMP_SYS(recvfrom), BOTH },
	{ SCMP_SYS(recvmsg), ALL },
	{ SCMP_SYS(sendto), BOTH },
	{ SCMP_SYS(sendmsg), ALL },
	{ SCMP_SYS(connect), BOTH },
	{ SCMP_SYS(shutdown), BOTH },
	{ SCMP_SYS(getsockopt), BOTH },
	{ SCMP_SYS(setsockopt), BOTH },
	{ SCMP_SYS(getsockname), BOTH },
	{ SCMP_SYS(getpeername), BOTH },
	{ SCMP_SYS(close), ALL },
	/* waiting and time */
	{ SCMP_SYS(ppoll), ALL },
	{ SCMP_SYS(poll), ALL },
	{ SCMP_SYS(epoll_pwait), SANDBOX_WORKER },
	{ SCMP_SYS(epoll_wait), SANDBOX_WORKER },
	{ SCMP_SYS(epoll_ctl), SANDBOX_WORKER },
	{ SCMP_SYS(clock_gettime), ALL },
	{ SCMP_SYS(gettimeofday), ALL },
	{ SCMP_SYS(clock_nanosleep), ALL },
	{ SCMP_SYS(restart_syscall), ALL },
	{ SCMP_SYS(rt_sigreturn), ALL },
	{ SCMP_SYS(rt_sigprocmask), ALL },
	{ SCMP_SYS(rt_sigaction), ALL },
	/* lists, spool and Maildirs */
	{ SCMP_SYS(openat), SANDBOX_WORKER },
	{ SCMP_SYS(fstat), SANDBOX_WORKER },
	{ SCMP_SYS(newfstatat), SANDBOX_WORKER },
	{ SCMP_SYS(readlinkat), SANDBOX_WORKER },
	{ SCMP_SYS(readlink), SANDBOX_WORKER },
	{ SCMP_SYS(pread64), SANDBOX_WORKER },
	{ SCMP_SYS(pwrite64), SANDBOX_WORKER },
	{ SCMP_SYS(lseek), SANDBOX_WORKER },
	{ SCMP_SYS(ftruncate), SANDBOX_WORKER },
	{ SCMP_SYS(fsync), SANDBOX_WORKER },
	{ SCMP_SYS(fdatasync), SANDBOX_WORKER },
	{ SCMP_SYS(mkdir), SANDBOX_WORKER },
	{ SCMP_SYS(mkdirat), SANDBOX_WORKER },
	{ SCMP_SYS(rename), SANDBOX_WORKER },
	{ SCMP_SYS(renameat), SANDBOX_WORKER },
	{ SCMP_SYS(renameat2), SANDBOX_WORKER },
	{ SCMP_SYS(unlinkat), SANDBOX_WORKER },
	{ SCMP_SYS(getdents64), SANDBOX_WORKER },
	/* memory and the process itself */
	{ SCMP_SYS(brk), ALL },
	{ SCMP_SYS(munmap), ALL },
	{ SCMP_SYS(mremap), ALL },
	{ SCMP_SYS(madvise), ALL },
	{ SCMP_SYS(futex), ALL },
	{ SCMP_SYS(getpid), ALL },
	{ SCMP_SYS(gettid), ALL },
	{ SCMP_SYS(getppid), ALL },
	{ SCMP_SYS(getrandom), ALL },
	{ SCMP_SYS(exit), ALL },
	{ SCMP_SYS(exit_group), ALL },
};

/* Sockets, and what is done with them that would be too much at large. */
static int
add_sockets(scmp_filter_ctx ctx, const struct settings *set,
    enum sandbox_for who)
{
	static const int families[] = { AF_INET, AF_INET6 };
	size_t i;

	for (i = 0; i < sizeof(families) / sizeof(families[0]); i++)
		if (seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
			SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)families[i])) != 0)
			return -1;
	/* UNIX datagrams are for the log, streams for LMTP. */
	if (seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2,
		SCMP_A0(SCMP_CMP_EQ, AF_UNIX),
		SCMP_A1(SCMP_CMP_MASKED_EQ, 0xf, SOCK_DGRAM)) != 0)
		return -1;
	if (set->lmtp_sockets.n > 0 &&
	    seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2,
		SCMP_A0(SCMP_CMP_EQ, AF_UNIX),
		SCMP_A1(SCMP_CMP_MASKED_EQ, 0xf, SOCK_STREAM)) != 0)
		return -1;
	/* Flags may be set, but nobody named who is to get a signal. */
	if (seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1,
		SCMP_A1(SCMP_CMP_LE, F_SETFL)) != 0)
		return -1;
	/* A pair of its own, for the answer of the keys helper. */
	return who == SANDBOX_WORKER &&
		seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(socketpair), 1,
		    SCMP_A0(SCMP_CMP_EQ, AF_UNIX)) != 0 ?
	    -1 :
	    0;
}

static int
add_rules(scmp_filter_ctx ctx, const struct settings *set, enum sandbox_for who)
{
	static const int mappers[] = { SCMP_SYS(mmap), SCMP_SYS(mprotect) };
	size_t i;

	for (i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if ((calls[i].who & who) != 0 &&
		    seccomp_rule_add(ctx, SCMP_ACT_ALLOW, calls[i].nr, 0) != 0)
			return -1;
	if (who != SANDBOX_KEYS && add_sockets(ctx, set, who) == -1)
		return -1;
	/* Memory is never made executable. */
	for (i = 0; i < sizeof(mappers) / sizeof(mappers[0]); i++)
		if (seccomp_rule_add(ctx, SCMP_ACT_ALLOW, mappers[i], 1,
			SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)) != 0)
			return -1;
	return 0;
}

/* Keep the compiled filter in memory: it is loaded once a worker. */
static int
keep_filter(struct sandbox *box, scmp_filter_ctx ctx)
{
	int fd = memfd_create("filter", MFD_CLOEXEC), r = -1;
	off_t size;

	if (fd == -1)
		return -1;
	if (seccomp_export_bpf(ctx, fd) == 0 &&
	    (size = lseek(fd, 0, SEEK_END)) > 0 &&
	    (box->filter.filter = malloc((size_t)size)) != NULL &&
	    pread(fd, box->filter.filter, (size_t)size, 0) == size) {
		box->filter.len = (unsigned short)((size_t)size /
		    sizeof(struct sock_filter));
		r = 0;
	}
	close(fd);
	return r;
}

static int
build_filter(struct sandbox *box, const struct settings *set,
    enum sandbox_for who)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int r = -1;

	if (ctx == NULL)
		return -1;
	if (add_rules(ctx, set, who) == 0)
		r = keep_filter(box, ctx);
	seccomp_release(ctx);
	return r;
}

/* --------------------------------------------------------------- the public */

struct sandbox *
sandbox_new(const struct settings *set, enum sandbox_for who, char *text,
    size_t size)
{
	struct sandbox *box = calloc(1, sizeof(*box));
	int abi = landlock_abi(), n;
	uint32_t kill_process = SECCOMP_RET_KILL_PROCESS;

	if (box == NULL) {
		snprintf(text, size, "sandbox: out of memory");
		return NULL;
	}
	box->ruleset = -1;
	if (abi == 1 && who == SANDBOX_WORKER && set->maildir_roots.n > 0)
		abi = 0; /* it has no right to rename into another folder */
	if (abi > 0 && build_ruleset(box, set, who, abi) == -1) {
		snprintf(text, size, "Landlock: %s", strerror(errno));
		goto fail;
	}
	if (build_filter(box, set, who) == -1) {
		snprintf(text, size, "seccomp: the filter cannot be built");
		goto fail;
	}
	if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &kill_process) ==
	    -1)
		box->filter.len = 0; /* a kernel without it */
#ifdef LICTOR_SANITIZED
	box->filter.len = 0; /* sanitizers call what no worker may */
#endif
	n = abi > 0 ?
	    snprintf(box->text, sizeof(box->text), "landlock ABI %d", abi) :
	    snprintf(box->text, sizeof(box->text), "no landlock");
	snprintf(box->text + n, sizeof(box->text) - (size_t)n, ", %s",
	    box->filter.len > 0 ? "seccomp" : "no seccomp");
	return box;
fail:
	sandbox_free(box);
	return NULL;
}

void
sandbox_free(struct sandbox *box)
{
	if (box == NULL)
		return;
	if (box->ruleset != -1)
		close(box->ruleset);
	free(box->filter.filter);
	free(box);
}

const char *
sandbox_describe(const struct sandbox *box)
{
	return box->text;
}

void
sandbox_let_go(const struct sandbox *box)
{
	if (box != NULL && box->ruleset != -1)
		close(box->ruleset);
}

int
sandbox_enter(const struct sandbox *box)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		return -1;
#ifdef LICTOR_SANITIZED
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); /* for the leak checker */
#endif
	if (box->ruleset != -1) {
		if (syscall(SYS_landlock_restrict_self, box->ruleset, 0) == -1)
			return -1;
		close(box->ruleset);
	}
	if (box->filter.len > 0 &&
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &box->filter) == -1)
		return -1;
	return 0;
}
