/*
 * Changing the user, once and for good.
 */
#include <sys/stat.h>

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/privs.h"
#include "worker/settings.h"

int
privs_find(struct privs *p, const struct settings *set, char *text, size_t size)
{
	struct passwd *pw;

	memset(p, 0, sizeof(*p));
	p->uid = geteuid();
	p->gid = getegid();
	p->change = p->uid == 0;
	if (!p->change)
		return 0;
	if ((pw = getpwnam(set->user)) == NULL) {
		snprintf(text, size, "user %s: there is no such user",
		    set->user);
		return -1;
	}
	if (pw->pw_uid == 0) {
		snprintf(text, size, "user %s: workers do not run as root",
		    set->user);
		return -1;
	}
	p->uid = pw->pw_uid;
	p->gid = pw->pw_gid;
	p->ngroups = sizeof(p->groups) / sizeof(p->groups[0]);
	if (getgrouplist(set->user, p->gid, p->groups, &p->ngroups) == -1) {
		snprintf(text, size, "user %s: is in too many groups",
		    set->user);
		return -1;
	}
	return 0;
}

int
privs_folders(const struct privs *p, const struct settings *set, char *text,
    size_t size)
{
	const struct {
		const char *path;
		mode_t mode;
		uid_t uid;
	} folders[] = {
		{ set->run_dir, 0755, 0 },
		{ set->spool_dir, 0700, p->uid },
		{ set->state_dir, 0750, 0 },
	};

	size_t i;

	for (i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		if (mkdir(folders[i].path, folders[i].mode) == -1) {
			if (errno == EEXIST)
				continue;
			goto fail;
		}
		if (p->change &&
		    chown(folders[i].path, folders[i].uid, p->gid) == -1)
			goto fail;
	}
	return 0;
fail:
	snprintf(text, size, "%s: %s", folders[i].path, strerror(errno));
	return -1;
}

int
privs_drop(const struct privs *p)
{
	if (!p->change)
		return 0;
	if (setgroups((size_t)p->ngroups, p->groups) == -1 ||
	    setresgid(p->gid, p->gid, p->gid) == -1 ||
	    setresuid(p->uid, p->uid, p->uid) == -1)
		return -1;
	return 0;
}
