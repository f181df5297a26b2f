/*
 * Handing over into Maildirs. Every copy is written into tmp/ and synced
 * before the first one is renamed into new/, and the folders are synced before
 * the answer is yes: until then nothing is delivered, and what was written is
 * removed. Only a failure after the first rename can double a message.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "worker/data.h"
#include "worker/deliver.h"
#include "worker/settings.h"

#define TARGETS 64 /* Maildirs in one transaction */
#define PIECE	16384

struct target {
	char path[ROUTE_TEXT_MAX];
	char name[128]; /* of the file, in tmp/ and new/ */
	int dirfd;	/* the Maildir, or -1 */
	int fd;		/* the file in tmp/, or -1 */
};

struct maildir {
	struct target targets[TARGETS];
	int n;
	int error; /* errno of the first write that failed */
	struct data_unstuff unstuff;
	char out[PIECE + 1];
};

static void
answer_errno(struct hop_answer *a, int error, const char *path)
{
	if (error == ENOSPC || error == EFBIG)
		answer_is(a, HOP_TROUBLE, 452, "4.3.1",
		    "no room for the message, try again later");
	else if (error == EDQUOT)
		answer_is(a, HOP_TROUBLE, 452, "4.2.2",
		    "the mailbox is full, try again later");
	else
		answer_is(a, HOP_TROUBLE, 451, "4.3.0",
		    "the mailbox is not available now, try again later");
	snprintf(a->log, sizeof(a->log), "%.80s: %.40s", path, strerror(error));
}

static void
close_target(struct target *t)
{
	if (t->fd != -1)
		close(t->fd);
	if (t->dirfd != -1)
		close(t->dirfd);
	t->fd = t->dirfd = -1;
}

/* Take back every copy that is still in tmp/. */
static void
discard(struct maildir *m)
{
	char path[160];
	int i;

	for (i = 0; i < m->n; i++) {
		if (m->targets[i].fd != -1) {
			snprintf(path, sizeof(path), "tmp/%s",
			    m->targets[i].name);
			unlinkat(m->targets[i].dirfd, path, 0);
		}
		close_target(&m->targets[i]);
	}
	m->n = 0;
}

static int
sync_folder(int dirfd, const char *name)
{
	int r, fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd == -1)
		return -1;
	r = fsync(fd);
	close(fd);
	return r;
}

/* Make the folders of a Maildir that are not there yet. */
static int
make_parts(int dirfd, bool *made)
{
	static const char *const parts[] = { "tmp", "new", "cur" };
	size_t i;

	*made = false;
	for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (mkdirat(dirfd, parts[i], 0700) == 0)
			*made = true;
		else if (errno != EEXIST)
			return -1;
	}
	return *made ? fsync(dirfd) : 0;
}

/*
 * Is what placeholders stand for below one of maildir_roots? Other folders
 * are not ours to make.
 */
static bool
varies_below_root(const struct settings *set, const char *path, size_t varies)
{
	const char *root;
	size_t i, n;

	for (i = 0; i < set->maildir_roots.n; i++) {
		root = set->maildir_roots.item[i];
		n = strlen(root);
		while (n > 0 && root[n - 1] == '/')
			n--;
		if (n < varies && path[n] == '/' && strncmp(path, root, n) == 0)
			return true;
	}
	return false;
}

/* Call each for the folders that the path leads through beyond from. */
static int
each_above(const char *path, size_t from, int (*each)(const char *))
{
	char folder[ROUTE_TEXT_MAX];
	const char *slash = path + from;

	for (; (slash = strchr(slash, '/')) != NULL; slash++) {
		snprintf(folder, sizeof(folder), "%.*s", (int)(slash - path),
		    path);
		if (folder[0] != '\0' && each(folder) == -1)
			return -1;
	}
	return 0;
}

static int
make_folder(const char *path)
{
	return mkdir(path, 0700) == 0 || errno == EEXIST ? 0 : -1;
}

static int
sync_path(const char *path)
{
	return sync_folder(AT_FDCWD, path);
}

/* Make the Maildir's own folder and those above that may be made. */
static bool
make_own(const struct settings *set, const char *path, size_t varies)
{
	if (mkdir(path, 0700) == 0)
		return true;
	return errno == ENOENT && varies_below_root(set, path, varies) &&
	    each_above(path, varies, make_folder) == 0 &&
	    mkdir(path, 0700) == 0;
}

/*
 * Open a Maildir; one that is not there yet is made. The folder above one that
 * was empty is synced as well, in case its maker died before it did that;
 * where it is one of maildir_roots, what is above is out of our reach, and it
 * has been there all the time. -1 with errno.
 */
static int
open_maildir(const struct settings *set, const char *path, size_t varies)
{
	bool made, parts_made;
	int fd;

	made = make_own(set, path, varies);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1)
		return -1;
	if (make_parts(fd, &parts_made) == 0 &&
	    (!parts_made || sync_folder(fd, "..") == 0 ||
		(!made && errno == EACCES)) &&
	    (!parts_made || varies == 0 ||
		each_above(path, varies - 1, sync_path) == 0))
		return fd;
	close(fd);
	return -1;
}

static void
maildir_recipient(struct delivery *d, const struct route *route,
    const char *rcpt, const char *params, struct hop_answer *a)
{
	struct maildir *m = d->state;
	struct target *t;
	int i;

	(void)rcpt; /* the route says where its mail goes */
	(void)params;
	if (m == NULL && (m = calloc(1, sizeof(*m))) == NULL) {
		answer_errno(a, ENOMEM, route_argument(route));
		return;
	}
	d->state = m;
	answer_is(a, HOP_OK, 250, "2.1.5", "recipient ok");
	for (i = 0; i < m->n; i++)
		if (strcmp(m->targets[i].path, route_argument(route)) == 0)
			return;
	if (m->n == TARGETS) {
		answer_is(a, HOP_TROUBLE, 452, "4.5.3",
		    "too many mailboxes in one transaction");
		return;
	}
	t = &m->targets[m->n];
	strlcpy(t->path, route_argument(route), sizeof(t->path));
	t->fd = -1;
	if ((t->dirfd = open_maildir(d->set, t->path, route->varies)) == -1)
		answer_errno(a, errno, t->path);
	else
		m->n++;
}

/* Seconds, microseconds, process and reference make it unique for ever. */
static int
create_copy(struct delivery *d, struct target *t, int number)
{
	char path[160];
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	snprintf(t->name, sizeof(t->name), "%lld.M%06ldP%dQ%dR%s.%.60s",
	    (long long)ts.tv_sec, ts.tv_nsec / 1000, (int)getpid(), number,
	    d->ref, d->set->hostname);
	snprintf(path, sizeof(path), "tmp/%s", t->name);
	t->fd = openat(t->dirfd, path,
	    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	return t->fd == -1 ? -1 : 0;
}

/* To all copies. What fails is kept, and the end of data tells it. */
static void
write_copies(struct maildir *m, const char *p, size_t len)
{
	size_t done;
	ssize_t n;
	int i;

	for (i = 0; i < m->n && m->error == 0; i++) {
		for (done = 0; done < len; done += (size_t)n) {
			n = write(m->targets[i].fd, p + done, len - done);
			if (n == -1 && errno == EINTR)
				n = 0;
			if (n == -1) {
				m->error = errno;
				return;
			}
		}
	}
}

static void
maildir_data(struct delivery *d, struct hop_answer *a)
{
	char line[MAILBOX_TEXT_MAX + 32];
	struct maildir *m = d->state;
	int i, n;

	m->error = 0;
	data_unstuff_start(&m->unstuff);
	for (i = 0; i < m->n; i++) {
		if (create_copy(d, &m->targets[i], i) == -1) {
			answer_errno(a, errno, m->targets[i].path);
			return; /* the session aborts: nothing stays */
		}
	}
	n = snprintf(line, sizeof(line), "Return-Path: <%s>\n", d->env->sender);
	write_copies(m, line, (size_t)n);
	answer_is(a, HOP_OK, 250, "2.0.0", "");
}

static int
maildir_write(struct delivery *d, const char *p, size_t len)
{
	struct maildir *m = d->state;
	size_t n, part;

	for (; len > 0 && m->error == 0; p += part, len -= part) {
		part = len < PIECE ? len : PIECE;
		n = data_unstuff(&m->unstuff, p, part, m->out);
		write_copies(m, m->out, n);
	}
	return m->error == 0 ? 0 : -1;
}

static int
sync_copies(struct maildir *m, const char **path)
{
	int i;

	for (i = 0; i < m->n && m->error == 0; i++) {
		*path = m->targets[i].path;
		if (fsync(m->targets[i].fd) == -1)
			m->error = errno;
	}
	return m->error == 0 ? 0 : -1;
}

/* Make one copy visible and see that it stays so. */
static int
publish(struct target *t)
{
	char from[160], to[160];

	snprintf(from, sizeof(from), "tmp/%s", t->name);
	snprintf(to, sizeof(to), "new/%s", t->name);
	if (renameat(t->dirfd, from, t->dirfd, to) == -1)
		return -1;
	close(t->fd);
	t->fd = -1;
	return sync_folder(t->dirfd, "new");
}

static void
maildir_end(struct delivery *d, struct hop_answer *a)
{
	struct maildir *m = d->state;
	const char *path = m->n > 0 ? m->targets[0].path : "";
	int i;

	if (m->error != 0 || sync_copies(m, &path) == -1) {
		answer_errno(a, m->error, path);
		discard(m);
		return;
	}
	for (i = 0; i < m->n; i++) {
		if (publish(&m->targets[i]) == 0)
			continue;
		answer_errno(a, errno, m->targets[i].path);
		if (i > 0 || m->targets[i].fd == -1)
			a->result = HOP_DOUBTFUL; /* some have it already */
		discard(m);
		return;
	}
	discard(m);
	answer_is(a, HOP_OK, 250, "2.0.0", "delivered");
}

static void
maildir_abort(struct delivery *d)
{
	if (d->state != NULL)
		discard(d->state);
}

static void
maildir_close(struct delivery *d)
{
	maildir_abort(d);
	free(d->state);
	d->state = NULL;
}

const struct deliver_ops deliver_maildir = {
	.name = "maildir",
	.unsure = "doubled",
	.recipient = maildir_recipient,
	.data = maildir_data,
	.write = maildir_write,
	.end = maildir_end,
	.abort = maildir_abort,
	.close = maildir_close,
};
