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

static void *
map(int fd, size_t size, int protection)
{
	void *p = mmap(NULL, size, protection, MAP_SHARED, fd, 0);

	return p == MAP_FAILED ? NULL : p;
}

/*
 * Make run_dir/name, which *made names; *readable, when wanted, is a second mapping of it that
 * can never be made writable, being of a read-only descriptor.
 */
static void *
make_file(const char *run_dir, const char *name, size_t size,
    const void **readable, const char **made)
{
	char path[PATH_MAX], temp[PATH_MAX];
	void *p = NULL;
	int fd, rfd;

	*made = name;
	if (snprintf(path, sizeof(path), "%s/%s", run_dir, name) >=
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
	if (ftruncate(fd, (off_t)size) == -1 ||
	    (p = map(fd, size, PROT_READ | PROT_WRITE)) == NULL)
		goto out;
	if (readable != NULL) {
		if ((rfd = open(temp, O_RDONLY | O_CLOEXEC)) == -1)
			goto fail;
		*readable = map(rfd, size, PROT_READ);
		close(rfd);
		if (*readable == NULL)
			goto fail;
	}
	if (rename(temp, path) == 0)
		goto out;
fail:
	munmap(p, size);
	p = NULL;
out:
	close(fd);
	return p;
}

int
board_open(struct board *b, const char *run_dir, const char **made)
{
	const void *visible;

	memset(b, 0, sizeof(*b));
	b->slots = make_file(run_dir, "slots", SLOTS_BYTES, NULL, made);
	if (b->slots == NULL)
		return -1;
	b->state = make_file(run_dir, "state", sizeof(*b->state), &visible,
	    made);
	if (b->state == NULL)
		return -1;
	b->visible = visible;
	b->clients = make_file(run_dir, "clients", sizeof(*b->clients), NULL,
	    made);
	if (b->clients == NULL)
		return -1;
	arc4random_buf(b->clients->secret, sizeof(b->clients->secret));
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
}

void
board_keep_none(const struct board *b)
{
	munmap(b->slots, SLOTS_BYTES);
	munmap(b->state, sizeof(*b->state));
	munmap((void *)(uintptr_t)b->visible, sizeof(*b->visible));
	munmap(b->clients, sizeof(*b->clients));
}
