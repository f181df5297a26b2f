/*
 * What finding an address costs, beside the bare look-ups in the CDB that it
 * consists of: the same keys, made beforehand, the same number of them, and
 * nothing else. One line of key=value.
 *
 *	lookup STATE-DIR LIST FIRST-ADDRESS LAST-ADDRESS
 *
 * Random addresses of that range, the same ones for both, in turns; the
 * medians of the turns are printed. Only IPv4.
 */
#include <arpa/inet.h>
#include <err.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cdb.h>

#include "lists/key.h"
#include "lists/list.h"
#include "lists/lookup.h"

#define ADDRS 20000
#define TURNS 21

struct probe {
	char text[12]; /* 4LLHHHHHHHH and a NUL */
};

static struct addr addrs[ADDRS];
static struct probe probes[ADDRS][33];

static double
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static uint32_t
address(const char *text)
{
	struct in_addr in;

	if (inet_pton(AF_INET, text, &in) != 1)
		errx(1, "%s: no IPv4 address", text);
	return ntohl(in.s_addr);
}

static void
make_addrs(uint32_t first, uint32_t last)
{
	uint32_t v;
	int i;

	srandom(1);
	for (i = 0; i < ADDRS; i++) {
		v = (uint32_t)((uint64_t)random() << 20 ^ (uint64_t)random());
		v = htonl(first + v % (last - first));
		addrs[i].family = 4;
		memcpy(addrs[i].bytes, &v, sizeof(v));
	}
}

static void
make_probes(const struct list_meta *m)
{
	char key[KEY_MAX];
	struct prefix p;
	unsigned i, j;
	int bit;

	for (i = 0; i < ADDRS; i++)
		for (j = 0; j < m->nv4; j++) {
			p.addr = addrs[i];
			p.len = m->v4[j];
			for (bit = p.len; bit < 32; bit++)
				p.addr.bytes[bit / 8] &= (uint8_t) ~(
				    0x80 >> bit % 8);
			key_from_prefix(key, &p);
			strlcpy(probes[i][j].text, key, sizeof(probes[i][j]));
		}
}

/* All addresses once; how many keys were asked for. */
static unsigned long
run_bare(struct cdb *c, unsigned lengths, unsigned *found)
{
	unsigned long asked = 0;
	unsigned i, j;
	int r;

	*found = 0;
	for (i = 0; i < ADDRS; i++)
		for (j = 0, r = 0; j < lengths && r == 0; j++) {
			r = cdb_find(c, probes[i][j].text, 11);
			*found += r == 1;
			asked++;
		}
	return asked;
}

static unsigned
run_lookup(const struct generation *g, enum list_id id)
{
	struct list_entry e;
	unsigned i, found = 0;

	for (i = 0; i < ADDRS; i++)
		found += list_find_addr(g, id, &addrs[i], 0, &e) == LIST_FOUND;
	return found;
}

static int
rising(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static double
median(double turns[TURNS])
{
	qsort(turns, TURNS, sizeof(*turns), rising);
	return turns[TURNS / 2] / ADDRS;
}

static void
measure(const struct generation *g, enum list_id id, struct cdb *c,
    unsigned lengths)
{
	double bare[TURNS], lookup[TURNS], ratio[TURNS], begun;
	unsigned i, found, found_bare;
	unsigned long asked = 0;

	for (i = 0; i < TURNS; i++) {
		begun = now_ns();
		asked = run_bare(c, lengths, &found_bare);
		bare[i] = now_ns() - begun;
		begun = now_ns();
		found = run_lookup(g, id);
		lookup[i] = now_ns() - begun;
		ratio[i] = lookup[i] / bare[i] * ADDRS;
		if (found != found_bare)
			errx(1, "found %u, bare %u", found, found_bare);
	}
	printf("mode=lookup lengths=%u found=%u probes=%.2f bare_ns=%.0f "
	       "lookup_ns=%.0f ratio=%.3f\n",
	    lengths, found_bare, (double)asked / ADDRS, median(bare),
	    median(lookup), median(ratio));
}

int
main(int argc, char **argv)
{
	struct generation *g = NULL;
	struct list_error e;
	struct list *l;
	struct cdb c;
	char path[64];
	int id, dirfd, fd;

	if (argc != 5 || (id = list_by_name(argv[2])) == -1)
		errx(1, "usage: lookup STATE-DIR LIST FIRST LAST");
	dirfd = open(argv[1], O_RDONLY | O_DIRECTORY);
	if (dirfd == -1)
		err(1, "%s", argv[1]);
	if (generation_refresh(&g, dirfd, &e) != GENERATION_NEW)
		errx(1, "%s: %s", e.file, e.text);
	snprintf(path, sizeof(path), "current/%s.cdb", argv[2]);
	fd = openat(dirfd, path, O_RDONLY);
	if (fd == -1 || cdb_init(&c, fd) == -1)
		err(1, "%s", path);
	fd = openat(dirfd, "current", O_RDONLY | O_DIRECTORY);
	l = list_open(fd, (enum list_id)id, &e);
	if (l == NULL)
		errx(1, "%s: %s", e.file, e.text);
	make_addrs(address(argv[3]), address(argv[4]));
	make_probes(list_meta(l));
	measure(g, (enum list_id)id, &c, list_meta(l)->nv4);
	return 0;
}
