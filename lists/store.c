/*
 * The state folder as a writer sees it. A generation is built in
 * generations/.new and gets its number by rename(2) when it is complete and
 * synced; current is a relative link that is swung by rename(2). A compiler
 * that is killed leaves .new, or a number that never came into force: the
 * next one removes both and uses the number for nothing else.
 */
#include <sys/types.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lists/report.h"
#include "lists/store.h"

#define FOLDER	 "generations"
#define BUILDING ".new"

/* A decimal number as printed, without leading zero; else 0. */
static uint64_t
number_parse(const char *s)
{
	uint64_t v = 0;

	if (*s == '0')
		return 0;
	for (; *s != '\0'; s++) {
		if (*s < '0' || *s > '9' || v > UINT64_MAX / 100)
			return 0;
		v = v * 10 + (uint64_t)(*s - '0');
	}
	return v;
}

uint64_t
generation_parse(const char *name)
{
	size_t n = strlen(FOLDER "/");

	return strncmp(name, FOLDER "/", n) == 0 ? number_parse(name + n) : 0;
}

void
generation_text(char out[GENERATION_NAME_MAX], uint64_t number)
{
	snprintf(out, GENERATION_NAME_MAX, FOLDER "/%llu",
	    (unsigned long long)number);
}

static int
open_folder(int dirfd, const char *name)
{
	return openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Make sure of a folder with our rights and open it. */
static int
make_folder(const struct store *st, int dirfd, const char *name)
{
	int fd;

	if (mkdirat(dirfd, name, 0750) == -1 && errno != EEXIST)
		return -1;
	fd = open_folder(dirfd, name);
	if (fd == -1)
		return -1;
	if (fchmod(fd, 0750) == -1 ||
	    (st->gid != (gid_t)-1 && fchown(fd, (uid_t)-1, st->gid) == -1)) {
		close(fd);
		return -1;
	}
	return fd;
}

/* Remove a folder of plain files. */
static int
remove_folder(int dirfd, const char *name)
{
	struct dirent *d;
	DIR *dir;
	int fd = openat(dirfd, name,
	    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd == -1)
		return errno == ENOENT ? 0 : -1;
	dir = fdopendir(fd);
	if (dir == NULL) {
		close(fd);
		return -1;
	}
	while ((d = readdir(dir)) != NULL)
		if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
			unlinkat(fd, d->d_name, 0);
	closedir(dir);
	return unlinkat(dirfd, name, AT_REMOVEDIR);
}

static uint64_t
read_current(int state_dirfd)
{
	char name[GENERATION_NAME_MAX];
	ssize_t n = readlinkat(state_dirfd, "current", name, sizeof(name) - 1);

	if (n == -1)
		return 0;
	name[n] = '\0';
	return generation_parse(name);
}

static int
open_write(struct store *st)
{
	st->lockfd = openat(st->fd, "lock",
	    O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (st->lockfd == -1)
		return -1;
	while (flock(st->lockfd, LOCK_EX) == -1)
		if (errno != EINTR)
			return -1;
	st->dirfd = make_folder(st, st->fd, FOLDER);
	return st->dirfd == -1 ? -1 : 0;
}

int
store_open(struct store *st, const char *state_dir, gid_t gid, bool write,
    struct list_error *e)
{
	int saved;

	memset(st, 0, sizeof(*st));
	st->dirfd = st->lockfd = -1;
	st->gid = gid;
	st->fd = open_folder(AT_FDCWD, state_dir);
	if (st->fd == -1 && errno == ENOENT) {
		if (!write)
			return 0;
		st->fd = make_folder(st, AT_FDCWD, state_dir);
	}
	if (st->fd == -1 || (write && open_write(st) == -1)) {
		saved = errno;
		list_error_set(e, state_dir, 0, "%s", strerror(saved));
		store_close(st);
		errno = saved;
		return -1;
	}
	if (st->dirfd == -1)
		st->dirfd = open_folder(st->fd, FOLDER);
	st->current = read_current(st->fd);
	held_load(&st->held, st->fd);
	return 0;
}

void
store_close(struct store *st)
{
	held_free(&st->held);
	if (st->dirfd != -1)
		close(st->dirfd);
	if (st->lockfd != -1)
		close(st->lockfd);
	if (st->fd != -1)
		close(st->fd);
	st->fd = st->dirfd = st->lockfd = -1;
}

int
store_generation(const struct store *st, uint64_t number)
{
	char name[GENERATION_NAME_MAX];

	if (st->fd == -1 || number == 0)
		return -1;
	generation_text(name, number);
	return open_folder(st->fd, name);
}

static int
falling(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x < *y) - (*x > *y);
}

/* All numbers there are, newest first; to be freed. */
static uint64_t *
list_numbers(const struct store *st, size_t *n)
{
	uint64_t *all = NULL, v;
	struct dirent *d;
	DIR *dir = NULL;
	int fd = st->dirfd == -1 ? -1 : open_folder(st->dirfd, ".");

	*n = 0;
	if (fd != -1)
		dir = fdopendir(fd);
	if (dir == NULL) {
		if (fd != -1)
			close(fd);
		return NULL;
	}
	while ((d = readdir(dir)) != NULL) {
		v = number_parse(d->d_name);
		if (v == 0)
			continue;
		all = mem_resize(all, *n + 1, sizeof(*all));
		all[(*n)++] = v;
	}
	closedir(dir);
	if (*n > 1)
		qsort(all, *n, sizeof(*all), falling);
	return all;
}

bool
store_same_list(const struct store *st, uint64_t a, uint64_t b, enum list_id id)
{
	uint64_t numbers[2] = { a, b };
	struct stat files[2];
	char path[GENERATION_NAME_MAX + 32];
	int i;

	for (i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), FOLDER "/%llu/%s.cdb",
		    (unsigned long long)numbers[i], list_name(id));
		if (fstatat(st->fd, path, &files[i], AT_SYMLINK_NOFOLLOW) == -1)
			return false;
	}
	return files[0].st_dev == files[1].st_dev &&
	    files[0].st_ino == files[1].st_ino;
}

bool
store_same(const struct store *st, uint64_t a, uint64_t b)
{
	enum list_id id;

	for (id = 0; id < LIST_COUNT; id++)
		if (id != LIST_BANS && !store_same_list(st, a, b, id))
			return false;
	return true;
}

uint64_t
store_earlier(const struct store *st, uint64_t below)
{
	uint64_t *all, found = 0;
	size_t i, n;

	if (below == 0)
		below = st->current;
	all = list_numbers(st, &n);
	for (i = 0; i < n && found == 0; i++)
		if (all[i] < below && !held_is_out(&st->held, all[i]) &&
		    !store_same(st, all[i], st->current))
			found = all[i];
	free(all);
	return found;
}

int
store_begin(struct store *st)
{
	if (remove_folder(st->dirfd, BUILDING) == -1)
		return -1;
	return make_folder(st, st->dirfd, BUILDING);
}

/*
 * One that is newer than the current and was not stepped back from is the
 * rest of a compiler that was killed before it swung the link.
 */
static void
remove_leftovers(const struct store *st, const uint64_t *all, size_t n,
    uint64_t next)
{
	char name[GENERATION_NAME_MAX];
	size_t i;

	for (i = 0; i < n; i++) {
		if (all[i] <= st->current || all[i] == next ||
		    held_is_out(&st->held, all[i]))
			continue;
		snprintf(name, sizeof(name), "%llu",
		    (unsigned long long)all[i]);
		remove_folder(st->dirfd, name);
	}
}

uint64_t
store_finish(struct store *st, int dirfd)
{
	char name[GENERATION_NAME_MAX];
	uint64_t *all, next = st->current;
	size_t n;

	if (fsync(dirfd) == -1)
		return 0;
	all = list_numbers(st, &n);
	if (n > 0 && all[0] > next)
		next = all[0];
	next++;
	generation_text(name, next);
	if (renameat(st->dirfd, BUILDING, st->fd, name) == -1)
		next = 0;
	else
		remove_leftovers(st, all, n, next);
	free(all);
	return next != 0 && fsync(st->dirfd) == 0 ? next : 0;
}

void
store_abandon(struct store *st)
{
	remove_folder(st->dirfd, BUILDING);
}

int
store_aim(const struct store *st, uint64_t number)
{
	char name[GENERATION_NAME_MAX];

	generation_text(name, number);
	if (unlinkat(st->fd, "current.new", 0) == -1 && errno != ENOENT)
		return -1;
	return symlinkat(name, st->fd, "current.new");
}

int
store_swing(struct store *st, uint64_t number)
{
	if (renameat(st->fd, "current.new", st->fd, "current") == -1 ||
	    fsync(st->fd) == -1)
		return -1;
	st->current = number;
	return 0;
}

void
store_leave_out(struct store *st, uint64_t number)
{
	size_t i, n;
	uint64_t *all = list_numbers(st, &n);

	for (i = 0; i < n; i++)
		if (all[i] > number && all[i] <= st->current)
			held_add_out(&st->held, all[i]);
	free(all);
}

/*
 * Kept are the newest that can be gone back to, those stepped back from since,
 * and the current one however old it is. Those that differ from the next one
 * in their bans alone do not count; they are kept for a while, as a reader may
 * be about to open one.
 */
void
store_prune(struct store *st)
{
	uint64_t *all, newer = 0;
	size_t i, n, kept = 0;
	char name[GENERATION_NAME_MAX];
	bool counts;

	all = list_numbers(st, &n);
	for (i = 0; i < n; i++) {
		counts = newer == 0 || !store_same(st, newer, all[i]);
		if (all[i] == st->current ||
		    (kept < GENERATIONS_KEPT &&
			(counts || i < GENERATIONS_KEPT))) {
			kept += counts && !held_is_out(&st->held, all[i]);
			newer = all[i];
			continue;
		}
		snprintf(name, sizeof(name), "%llu",
		    (unsigned long long)all[i]);
		remove_folder(st->dirfd, name);
	}
	free(all);
}
