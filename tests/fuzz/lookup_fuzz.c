/*
 * A CDB image of any octets: opened, searched, walked. The first octet names
 * the list. An image whose own size is right gets past the first checks, so
 * the size that @meta gives is put right when there is one.
 */
#include <sys/types.h>
#include <sys/stat.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lists/find.h"
#include "lists/lookup.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static bool
ignore(void *arg, const char *key, size_t len, const struct list_entry *e)
{
	size_t *sum = arg;

	*sum += (unsigned char)key[len - 1] + strlen(e->argument) +
	    strlen(e->text) + strlen(e->file);
	return true;
}

static void
search(struct list *l)
{
	static const char *const keys[] = { "192.0.2.1", "2001:db8::1",
		"host.example.org", ".example.org", "helo:x", "u+x@example.org",
		"@example.org", "@.example.org", "<>", "*", "word" };
	char matched[MAILBOX_TEXT_MAX];
	struct list_entry e;
	size_t i, sum = 0;

	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (find_text(l, keys[i], 0, &e, matched) == LIST_FOUND)
			sum += strlen(e.text) + strlen(e.argument);
	list_each(l, ignore, &sum);
	list_verify(l);
}

static void
put_size(char *image, size_t size)
{
	char digits[32], *p = memmem(image, size, "\nsize ", 6);

	snprintf(digits, sizeof(digits), "%020zu", size);
	if (p != NULL && (size_t)(image + size - p) >= 26)
		memcpy(p + 6, digits, 20);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char dir[] = "/dev/shm/lictor.XXXXXX", name[32], *image;
	struct list_error e;
	enum list_id id;
	struct list *l;
	int dirfd, fd;

	if (size-- == 0 || mkdtemp(dir) == NULL)
		return 0;
	id = (enum list_id)(data[0] % LIST_COUNT);
	image = malloc(size + 1);
	if (image == NULL)
		abort();
	memcpy(image, data + 1, size);
	put_size(image, size);
	snprintf(name, sizeof(name), "%s.cdb", list_name(id));
	dirfd = open(dir, O_RDONLY | O_DIRECTORY);
	fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (fd == -1 || write(fd, image, size) != (ssize_t)size)
		abort();
	close(fd);
	free(image);
	l = list_open(dirfd, id, &e);
	if (l != NULL)
		search(l);
	list_close(l);
	unlinkat(dirfd, name, 0);
	close(dirfd);
	rmdir(dir);
	return 0;
}
