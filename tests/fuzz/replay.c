/*
 * Run a fuzz entry over files, or over the files of folders, without a fuzzer:
 * what once went wrong stays right on every machine.
 */
#include <sys/stat.h>

#include <dirent.h>
#include <err.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static unsigned ran;
static int verbose; /* -v: name each file before it is run */

static void
replay_file(const char *path)
{
	FILE *in = fopen(path, "r");
	uint8_t *data;
	struct stat st;
	size_t size;

	if (in == NULL || fstat(fileno(in), &st) == -1)
		err(1, "%s", path);
	size = (size_t)st.st_size;
	data = malloc(size > 0 ? size : 1);
	if (data == NULL)
		err(1, NULL);
	if (fread(data, 1, size, in) != size)
		errx(1, "%s: cannot be read", path);
	fclose(in);
	if (verbose)
		fprintf(stderr, "%s\n", path);
	LLVMFuzzerTestOneInput(data, size);
	free(data);
	ran++;
}

static void
replay(const char *path)
{
	char below[4096];
	struct dirent *e;
	struct stat st;
	DIR *dir;

	if (stat(path, &st) == -1)
		err(1, "%s", path);
	if (!S_ISDIR(st.st_mode)) {
		replay_file(path);
		return;
	}
	if ((dir = opendir(path)) == NULL)
		err(1, "%s", path);
	while ((e = readdir(dir)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(below, sizeof(below), "%s/%s", path, e->d_name);
		replay_file(below);
	}
	closedir(dir);
}

int
main(int argc, char **argv)
{
	LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
	for (argv++; argc > 1; argc--, argv++) {
		if (strcmp(*argv, "-v") == 0)
			verbose = 1;
		else
			replay(*argv);
	}
	if (ran == 0)
		errx(1, "there are no seeds");
	return 0;
}
