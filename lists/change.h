/*
 * One source file that changes together with its list. The new text is parsed,
 * guarded and compiled before it is written, and takes the place of the old one
 * only when nothing but the swing of the generation is left to do. So a
 * refusal leaves everything as it was, and whoever is killed leaves the old
 * file or the new one, whole. For the lists folder only.
 */
#ifndef LICTOR_CHANGE_H
#define LICTOR_CHANGE_H

#include "lists/list.h"
#include "lists/source.h"

struct change {
	enum list_id id;
	const char *file; /* NAME.d/FILE, relative to source_dir */
	/*
	 * Write the new text. 0, or -1 after reporting why there is none.
	 * What comes out as it was is not written.
	 */
	int (*edit)(struct change *, const char *old, size_t size, int64_t now,
	    FILE *new, struct report *);
	void *arg;

	/* Its own state; zero before. */
	char *text; /* new; NULL: as it was */
	size_t size;
	int dirfd; /* NAME.d while .FILE.new waits in it; else -1 */
};

/*
 * Edit the file of a source that is loaded and not parsed yet. 0, or -1 after
 * reporting.
 */
int change_edit(struct change *, struct source *, int64_t now, struct report *);

/*
 * Write the new text beside the old one, synced. 0, or -1 with the error
 * filled and errno kept.
 */
int change_stage(struct change *, const char *source_dir, struct list_error *);
/* Let it take the place of the old one. 0, or -1 with errno. */
int change_commit(struct change *);
/* Remove what was staged and not committed, and free all. */
void change_free(struct change *);

/*
 * As list_compile, for the list of the change and no other that is whole. The
 * change may be NULL.
 */
enum compile_outcome compile_change(const struct list_compile *,
    struct change *, char *name, size_t size);

#endif
