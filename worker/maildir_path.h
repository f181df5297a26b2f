/*
 * The path of a recipient's Maildir: what stands for the placeholders of a
 * route is made so that it can be nothing but a part of one folder's name.
 */
#ifndef LICTOR_MAILDIR_PATH_H
#define LICTOR_MAILDIR_PATH_H

#include <stddef.h>

struct mailbox;

#define FOLDER_NAME_MAX 254 /* octets of one folder's name */

/*
 * Write the path that pattern is for that recipient. *varies is where the
 * name of the first folder begins that a placeholder stands in, or 0. 0, or
 * -1 with why: there can be no such folder.
 */
int maildir_path(char *out, size_t size, const char *pattern,
    const struct mailbox *, size_t *varies, const char **why);

#endif
