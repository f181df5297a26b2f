/* Writing one list as a CDB. */
#ifndef LICTOR_BUILD_H
#define LICTOR_BUILD_H

#include <sys/types.h>

struct list_error;
struct report;
struct source;

/*
 * Write NAME.cdb below dirfd, which must not hold it yet, from a source that
 * is sorted and merged. It is complete, verified and synced, or -1 with the
 * error filled and errno kept. The same source gives the same octets.
 */
int build_list(int dirfd, const struct source *, gid_t, const struct report *,
    struct list_error *);

/* The lines "source FILE DIGEST" of @meta; to be freed. */
char *build_sources(const struct source *);

#endif
