/*
 * The spool. A small message never leaves memory; of a large one all goes to
 * the file, and the memory is then what it is read back through, so that a
 * worker does not grow with the message.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "worker/spool.h"

/* A file without a name where the file system has none: a name taken away. */
static int
make_nameless(const char *dir)
{
	char path[4096];
	int fd;

	if (snprintf(path, sizeof(path), "%s/message.XXXXXX", dir) >=
	    (int)sizeof(path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	if ((fd = mkostemp(path, O_CLOEXEC)) == -1)
		return -1;
	if (unlink(path) == 0)
		return fd;
	close(fd);
	return -1;
}

int
spool_open(struct spool *s, const char *dir)
{
	memset(s, 0, sizeof(*s));
	s->fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC | O_EXCL, 0600);
	if (s->fd == -1 && (errno == EOPNOTSUPP || errno == EISDIR))
		s->fd = make_nameless(dir);
	return s->fd == -1 ? -1 : 0;
}

void
spool_close(struct spool *s)
{
	if (s->fd != -1)
		close(s->fd);
	s->fd = -1;
	free(s->memory);
	s->memory = NULL;
}

void
spool_reset(struct spool *s)
{
	if (s->file_len > 0 && ftruncate(s->fd, 0) == -1)
		errno = 0; /* the next large message takes the same room */
	s->error = 0;
	s->memory_len = 0;
	s->file_len = 0;
}

/* Move what is in memory behind what is in the file. */
static int
spill(struct spool *s)
{
	size_t done = 0;
	ssize_t n;

	while (done < s->memory_len) {
		n = pwrite(s->fd, s->memory + done, s->memory_len - done,
		    (off_t)s->file_len);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0) {
			s->error = n == 0 ? ENOSPC : errno;
			return -1;
		}
		done += (size_t)n;
		s->file_len += n;
	}
	s->memory_len = 0;
	return 0;
}

void
spool_add(struct spool *s, const char *p, size_t len)
{
	size_t room;

	if (s->memory == NULL && (s->memory = malloc(SPOOL_MEMORY)) == NULL)
		s->error = ENOMEM;
	while (len > 0 && s->error == 0) {
		if (s->memory_len == SPOOL_MEMORY && spill(s) == -1)
			return;
		room = SPOOL_MEMORY - s->memory_len;
		if (room > len)
			room = len;
		memcpy(s->memory + s->memory_len, p, room);
		s->memory_len += room;
		p += room;
		len -= room;
	}
}

bool
spool_overflows(const struct spool *s, size_t len)
{
	return s->file_len == 0 && s->memory_len + len > SPOOL_MEMORY;
}

int
spool_each(struct spool *s, int64_t len,
    int (*write)(void *, const char *, size_t), void *arg)
{
	int64_t at = 0;
	ssize_t n;

	if (s->error == 0 && len > s->file_len + (int64_t)s->memory_len)
		s->error = EIO; /* a part is missing: a fault of our own */
	if (s->error != 0)
		return -1;
	if (s->file_len == 0)
		return len == 0 ? 0 : write(arg, s->memory, (size_t)len);
	if (spill(s) == -1)
		return -1;
	while (at < len) {
		n = pread(s->fd, s->memory,
		    len - at < SPOOL_MEMORY ? (size_t)(len - at) : SPOOL_MEMORY,
		    (off_t)at);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0) {
			s->error = n == 0 ? EIO : errno;
			return -1;
		}
		if (write(arg, s->memory, (size_t)n) == -1)
			return -1;
		at += n;
	}
	return 0;
}
