/*
 * Writing a CDB (https://cr.yp.to/cdb/cdb.txt) whose number of records is
 * known: they go out in large pieces as they come, and the hash tables are
 * laid out at the end, each in its place at once.
 */
#ifndef LICTOR_CDB_WRITE_H
#define LICTOR_CDB_WRITE_H

#include <stddef.h>
#include <stdint.h>

struct cdb_writer;

/*
 * Into an empty file at its beginning, of records in all; to be freed in any
 * case. No memory ends the program.
 */
struct cdb_writer *cdb_write_new(int fd, size_t records);
void cdb_write_free(struct cdb_writer *);

/*
 * Append a record; the keys must differ. 0, or -1 with errno. What cannot be
 * written is said by a later call, at the latest by cdb_write_finish.
 */
int cdb_write_add(struct cdb_writer *, const char *key, size_t klen,
    const char *value, size_t vlen);

/* The hash tables, when all records were added. 0, or -1 with errno. */
int cdb_write_finish(struct cdb_writer *);

/* Octets of the file that are made so far. */
uint64_t cdb_write_size(const struct cdb_writer *);

/* The hash of the format, by which a key is found. */
uint32_t cdb_key_hash(const char *key, size_t len);

#endif
