/*
 * A source file that is replaced as a whole, by rename(2). All is done under
 * the lock of the store, so no two write it, and what one that was killed
 * left behind is written over.
 */
#include <sys/types.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lists/change.h"

int
change_edit(struct change *ch, struct source *s, int64_t now, struct report *r)
{
	const struct source_file *f = source_file(s, ch->file);
	const char *old = f == NULL || f->text == NULL ? "" : f->text;
	char *text = NULL, *copy;
	size_t size, old_size = f == NULL ? 0 : f->size;
	FILE *new = open_memstream(&text, &size);
	int done = -1;

	if (new != NULL) {
		done = ch->edit(ch, old, old_size, now, new, r);
		if (fclose(new) != 0)
			done = -1;
	}
	if (done == -1) {
		if (r->errors == 0)
			report_error(r, ch->file, 0, "%s", strerror(errno));
		free(text);
		return -1;
	}
	if (size == old_size && memcmp(text, old, size) == 0) {
		free(text);
		return 0;
	}
	ch->text = text;
	ch->size = size;
	copy = mem_resize(NULL, size + 1, 1);
	memcpy(copy, text, size);
	source_replace(s, ch->file, copy, size);
	return 0;
}

/* NAME.d/FILE in its parts; the name of the new file. */
static const char *
split(const struct change *ch, char folder[32], char staged[64])
{
	const char *slash = strchr(ch->file, '/');

	snprintf(folder, 32, "%.*s", (int)(slash - ch->file), ch->file);
	snprintf(staged, 64, ".%s.new", slash + 1);
	return slash + 1;
}

/* The folder of drop-ins, made where it is not there yet. */
static int
open_dropins(const char *source_dir, const char *folder)
{
	int fd, dirfd = open(source_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dirfd == -1)
		return -1;
	if (mkdirat(dirfd, folder, 0755) == 0)
		fsync(dirfd);
	fd = openat(dirfd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	close(dirfd);
	return fd;
}

/* Whoever may read the old file may read the new one. */
static int
copy_rights(int dirfd, const char *file, int fd)
{
	struct stat st;

	if (fstatat(dirfd, file, &st, 0) == -1)
		return errno == ENOENT ? 0 : -1;
	if (fchown(fd, st.st_uid, st.st_gid) == -1 && errno != EPERM)
		return -1;
	return fchmod(fd, st.st_mode & 0777);
}

static int
write_all(int fd, const char *text, size_t size)
{
	ssize_t n;

	for (; size > 0; text += n, size -= (size_t)n)
		if ((n = write(fd, text, size)) == -1)
			return -1;
	return fsync(fd);
}

static int
stage(struct change *ch, const char *source_dir)
{
	char folder[32], staged[64];
	const char *file = split(ch, folder, staged);
	int fd, r;

	ch->dirfd = open_dropins(source_dir, folder);
	if (ch->dirfd == -1)
		return -1;
	fd = openat(ch->dirfd, staged,
	    O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd == -1)
		return -1;
	r = copy_rights(ch->dirfd, file, fd);
	if (r == 0)
		r = write_all(fd, ch->text, ch->size);
	return close(fd) == -1 ? -1 : r;
}

int
change_stage(struct change *ch, const char *source_dir, struct list_error *e)
{
	char path[sizeof(e->file)];
	int saved;

	if (ch->text == NULL || stage(ch, source_dir) == 0)
		return 0;
	saved = errno;
	snprintf(path, sizeof(path), "%s/%s", source_dir, ch->file);
	list_error_set(e, path, 0, "%s", strerror(saved));
	errno = saved;
	return -1;
}

int
change_commit(struct change *ch)
{
	char folder[32], staged[64];
	const char *file = split(ch, folder, staged);
	int r;

	if (ch->text == NULL)
		return 0;
	r = renameat(ch->dirfd, staged, ch->dirfd, file);
	if (r == 0)
		r = fsync(ch->dirfd);
	if (r == 0) {
		close(ch->dirfd);
		ch->dirfd = -1;
	}
	return r;
}

void
change_free(struct change *ch)
{
	char folder[32], staged[64];
	int saved = errno;

	split(ch, folder, staged);
	if (ch->dirfd != -1) {
		unlinkat(ch->dirfd, staged, 0);
		close(ch->dirfd);
	}
	free(ch->text);
	ch->dirfd = -1;
	ch->text = NULL;
	errno = saved;
}
