/* SPDX-License-Identifier: MIT */
/* Runs a fuzz target on each file of the folders named, once: a corpus as an ordinary test. Each
 * input is a copy of exactly its size, so that the address sanitizer sees a read past its end. */
#include "fuzz.h"

#include <dirent.h>
#include <stdio.h>

static void run_file(const char *folder, const char *name)
{
    char path[4096];
    long size;
    uint8_t *bytes;
    FILE *file;

    assert(snprintf(path, sizeof(path), "%s/%s", folder, name) < (int)sizeof(path));
    file = fopen(path, "rb");
    assert(file && fseek(file, 0, SEEK_END) == 0);
    size = ftell(file);
    assert(size >= 0 && fseek(file, 0, SEEK_SET) == 0);
    bytes = malloc(size > 0 ? (size_t)size : 1);
    assert(bytes && fread(bytes, 1, (size_t)size, file) == (size_t)size);
    fclose(file);
    LLVMFuzzerTestOneInput(bytes, (size_t)size);
    free(bytes);
}

int main(int argc, char **argv)
{
    int n = 0;

    for (int i = 1; i < argc; i++) {
        DIR *folder = opendir(argv[i]);

        if (!folder) {
            fprintf(stderr, "%s: cannot be opened\n", argv[i]);
            return EXIT_FAILURE;
        }
        for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder))
            if (entry->d_name[0] != '.') {
                run_file(argv[i], entry->d_name);
                n++;
            }
        closedir(folder);
    }
    printf("%d inputs\n", n);
    return n > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
