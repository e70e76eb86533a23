/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs a fuzz target over the files of its corpus, where there is no libFuzzer. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay(const char *dir, const char *name)
{
	char path[4096];
	uint8_t *data = NULL;
	size_t len = 0, cap = 0, n;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "rb");
	if (!f) {
		perror(path);
		return -1;
	}
	do {
		cap += 65536;
		data = realloc(data, cap);
		if (!data)
			abort();
		n = fread(data + len, 1, cap - len, f);
		len += n;
	} while (n > 0);
	fclose(f);
	LLVMFuzzerTestOneInput(data, len);
	free(data);
	return 0;
}

int main(int argc, char **argv)
{
	DIR *dir = argc > 1 ? opendir(argv[1]) : NULL;
	struct dirent *entry;
	int n = 0, bad = 0;

	if (!dir) {
		fprintf(stderr, "usage: %s CORPUS-DIRECTORY (which must exist)\n", argv[0]);
		return 2;
	}
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		bad |= replay(argv[1], entry->d_name);
		n++;
	}
	closedir(dir);
	printf("%d inputs replayed\n", n);
	return bad || n == 0 ? 1 : 0;
}
