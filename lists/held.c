/*
 * The file state_dir/held, which --previous writes: "list NAME DIGEST" says
 * that sources of this digest stay out until they change or the list is
 * named; "out N" that generation N was stepped back from. Lines that mean
 * nothing are passed over: at worst a list comes back that was held.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lists/store.h"

bool
held_has(const struct held *h, enum list_id id, const char *digest)
{
	size_t i;

	for (i = 0; i < h->nlists; i++)
		if (h->lists[i].id == id &&
		    strcmp(h->lists[i].digest, digest) == 0)
			return true;
	return false;
}

void
held_add(struct held *h, enum list_id id, const char *digest)
{
	struct held_list *l;

	if (held_has(h, id, digest))
		return;
	h->lists = mem_resize(h->lists, h->nlists + 1, sizeof(*h->lists));
	l = &h->lists[h->nlists++];
	l->id = id;
	strlcpy(l->digest, digest, sizeof(l->digest));
}

void
held_drop(struct held *h, enum list_id id)
{
	size_t i, n = 0;

	for (i = 0; i < h->nlists; i++)
		if (h->lists[i].id != id)
			h->lists[n++] = h->lists[i];
	h->nlists = n;
}

bool
held_is_out(const struct held *h, uint64_t number)
{
	size_t i;

	for (i = 0; i < h->nout; i++)
		if (h->out[i] == number)
			return true;
	return false;
}

void
held_add_out(struct held *h, uint64_t number)
{
	if (held_is_out(h, number))
		return;
	h->out = mem_resize(h->out, h->nout + 1, sizeof(*h->out));
	h->out[h->nout++] = number;
}

void
held_free(struct held *h)
{
	free(h->lists);
	free(h->out);
	memset(h, 0, sizeof(*h));
}

static void
load_line(struct held *h, const char *line)
{
	char name[32], digest[DIGEST_MAX];
	unsigned long long number;
	int id;

	if (sscanf(line, "list %31s %64s", name, digest) == 2) {
		id = list_by_name(name);
		if (id != -1)
			held_add(h, (enum list_id)id, digest);
	} else if (sscanf(line, "out %19llu", &number) == 1) {
		held_add_out(h, number);
	}
}

void
held_load(struct held *h, int state_dirfd)
{
	char line[256];
	FILE *in;
	int fd;

	memset(h, 0, sizeof(*h));
	fd = openat(state_dirfd, "held", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd == -1)
		return;
	in = fdopen(fd, "r");
	if (in == NULL) {
		close(fd);
		return;
	}
	while (fgets(line, sizeof(line), in) != NULL)
		load_line(h, line);
	fclose(in);
}

static int
print(const struct held *h, int fd)
{
	size_t i;

	for (i = 0; i < h->nlists; i++)
		if (dprintf(fd, "list %s %s\n", list_name(h->lists[i].id),
			h->lists[i].digest) < 0)
			return -1;
	for (i = 0; i < h->nout; i++)
		if (dprintf(fd, "out %llu\n", (unsigned long long)h->out[i]) <
		    0)
			return -1;
	return fsync(fd);
}

int
held_save(const struct held *h, int state_dirfd)
{
	int fd, r;

	fd = openat(state_dirfd, "held.new",
	    O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0640);
	if (fd == -1)
		return -1;
	r = print(h, fd);
	if (close(fd) == -1 || r == -1)
		return -1;
	return renameat(state_dirfd, "held.new", state_dirfd, "held");
}
