/*
 * For the tests of what workers share: a clients mapping of each test's own,
 * which the processes that it forks share with it.
 */
#ifndef LICTOR_CLIENTS_FIXTURE_H
#define LICTOR_CLIENTS_FIXTURE_H

#include <sys/mman.h>

#include "tests/unit/fixture.h"
#include "worker/slot.h"

static struct clients *c;

static int
setup(void **state)
{
	(void)state;
	c = mmap(NULL, sizeof(*c), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (c == MAP_FAILED)
		return -1;
	c->secret[0] = 0x1234567890abcdef;
	c->secret[1] = 0xfedcba0987654321;
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	return munmap(c, sizeof(*c));
}

#endif
