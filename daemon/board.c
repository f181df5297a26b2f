/*
 * Making and mapping the shared files. Each is made under another name and
 * renamed, so that no reader ever sees one that is too short.
 */
#include <sys/mman.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/board.h"

#define SLOTS_BYTES ((size_t)SLOTS_MAX * SLOT_BYTES)

/* So many slots at a time get their room: a divisor of SLOTS_MAX. */
#define RESERVE_SLOTS 64u

static void *
map(int fd, size_t size, int protection)
{
	void *p = mmap(NULL, size, protection, MAP_SHARED, fd, 0);

	return p == MAP_FAILED ? NULL : p;
}

/* One of the files that are shared. */
struct shared {
	const char *name;
	size_t size, reserve; /* what of it has room on disk at once */
	const void **visible; /* a second mapping, or NULL */
	int *fd;	      /* stays open there, or NULL */
};

/* 0, or -1 with errno. */
static int
reserve(int fd, size_t from, size_t size)
{
	errno = posix_fallocate(fd, (off_t)from, (off_t)size);
	return errno == 0 ? 0 : -1;
}

/*
 * Make a file in run_dir and map it. A second mapping can never be made
 * writable, being of a read-only descriptor.
 */
static void *
make_file(const char *run_dir, const struct shared *f)
{
	char path[PATH_MAX], temp[PATH_MAX];
	void *p = NULL;
	int fd, rfd;

	if (snprintf(path, sizeof(path), "%s/%s", run_dir, f->name) >=
		(int)sizeof(path) ||
	    snprintf(temp, sizeof(temp), "%s.new", path) >= (int)sizeof(temp)) {
		errno = ENAMETOOLONG;
		return NULL;
	}
	unlink(temp);
	fd = open(temp, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
	    0600);
	if (fd == -1)
		return NULL;
	if (ftruncate(fd, (off_t)f->size) == -1 ||
	    reserve(fd, 0, f->reserve) == -1 ||
	    (p = map(fd, f->size, PROT_READ | PROT_WRITE)) == NULL)
		goto fail;
	if (f->visible != NULL) {
		if ((rfd = open(temp, O_RDONLY | O_CLOEXEC)) == -1)
			goto fail;
		*f->visible = map(rfd, f->size, PROT_READ);
		close(rfd);
		if (*f->visible == NULL)
			goto fail;
	}
	if (rename(temp, path) == -1)
		goto fail;
	if (f->fd != NULL)
		*f->fd = fd;
	else
		close(fd);
	return p;
fail:
	rfd = errno;
	if (p != NULL)
		munmap(p, f->size);
	close(fd);
	unlink(temp);
	errno = rfd;
	return NULL;
}

/*
 * What was seen of next hops outlives the master: it is taken over from the
 * file of the one before, if that is of our layout. NULL: there is none.
 */
static struct state *
read_old_state(const char *run_dir)
{
	struct state *old = malloc(sizeof(*old));
	char path[PATH_MAX];
	ssize_t n = -1;
	int fd;

	snprintf(path, sizeof(path), "%s/state", run_dir);
	if (old != NULL &&
	    (fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)) !=
		-1) {
		n = read(fd, old, sizeof(*old));
		close(fd);
	}
	if (n == (ssize_t)sizeof(*old) && old->layout == STATE_LAYOUT)
		return old;
	free(old);
	return NULL;
}

static void
inherit(struct state *state, const struct state *old)
{
	struct hop_seen *h;

	memcpy(state->hops, old->hops, sizeof(state->hops));
	for (h = state->hops; h < state->hops + SEEN_HOPS; h++)
		h->hop[sizeof(h->hop) - 1] = '\0';
}

int
board_open(struct board *b, const char *run_dir, const char **made)
{
	struct state *old;
	const void *visible;
	const struct shared slots = { "slots", SLOTS_BYTES,
		RESERVE_SLOTS * SLOT_BYTES, NULL, &b->slots_fd };
	const struct shared state = { "state", sizeof(*b->state),
		sizeof(*b->state), &visible, NULL };
	const struct shared clients = { "clients", sizeof(*b->clients),
		sizeof(*b->clients), NULL, NULL };

	memset(b, 0, sizeof(*b));
	b->slots_fd = -1;
	*made = slots.name;
	if ((b->slots = make_file(run_dir, &slots)) == NULL)
		return -1;
	b->reserved = RESERVE_SLOTS;
	*made = state.name;
	old = read_old_state(run_dir);
	b->state = make_file(run_dir, &state);
	if (b->state != NULL && old != NULL)
		inherit(b->state, old);
	free(old);
	if (b->state == NULL)
		return -1;
	b->state->layout = STATE_LAYOUT;
	b->visible = visible;
	*made = clients.name;
	if ((b->clients = make_file(run_dir, &clients)) == NULL)
		return -1;
	arc4random_buf(b->clients->secret, sizeof(b->clients->secret));
	return 0;
}

int
board_reserve(struct board *b, unsigned slot)
{
	while (slot >= b->reserved) {
		if (reserve(b->slots_fd, (size_t)b->reserved * SLOT_BYTES,
			(size_t)RESERVE_SLOTS * SLOT_BYTES) == -1)
			return -1;
		b->reserved += RESERVE_SLOTS;
	}
	return 0;
}

void
board_close(struct board *b)
{
	if (b->slots != NULL)
		munmap(b->slots, SLOTS_BYTES);
	if (b->state != NULL)
		munmap(b->state, sizeof(*b->state));
	if (b->clients != NULL)
		munmap(b->clients, sizeof(*b->clients));
	if (b->slots_fd != -1)
		close(b->slots_fd);
}

void
board_keep_own(const struct board *b, unsigned slot)
{
	char *own = (char *)slot_at(b->slots, slot);
	char *end = (char *)b->slots + SLOTS_BYTES;

	if (slot > 0)
		munmap(b->slots, (size_t)(own - (char *)b->slots));
	if (own + SLOT_BYTES < end)
		munmap(own + SLOT_BYTES, (size_t)(end - own) - SLOT_BYTES);
	munmap(b->state, sizeof(*b->state));
	close(b->slots_fd);
}

void
board_keep_none(const struct board *b)
{
	munmap(b->slots, SLOTS_BYTES);
	munmap(b->state, sizeof(*b->state));
	munmap((void *)(uintptr_t)b->visible, sizeof(*b->visible));
	munmap(b->clients, sizeof(*b->clients));
	close(b->slots_fd);
}
