/* SPDX-License-Identifier: ISC
 *
 * standalone.c - runs a fuzz target without libFuzzer: every file named (or in
 * a named directory), each also cut short and with bytes changed, for a
 * bounded number of rounds. This is the short fuzz run of the test command.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { INPUT_MAX = 1 << 16, ROUNDS_PER_SEED = 2000, ROUNDS_RANDOM = 20000 };

static uint64_t state = 88172645463325252u;
static uint64_t next_random(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

static unsigned long runs;
static void one(const uint8_t *p, size_t n)
{
    uint8_t *copy = malloc(n == 0 ? 1 : n);     /* exact size, so that overreads are seen */
    if (copy == NULL)
        exit(2);
    if (n > 0)
        memcpy(copy, p, n);
    (void)LLVMFuzzerTestOneInput(copy, n);
    free(copy);
    runs++;
}

static void mutate(const uint8_t *seed, size_t n)
{
    static uint8_t work[INPUT_MAX];
    one(seed, n);
    for (size_t cut = 0; cut < n && cut < 512; cut++)
        one(seed, cut);
    for (int round = 0; round < ROUNDS_PER_SEED && n > 0; round++) {
        memcpy(work, seed, n);
        for (uint64_t k = next_random() % 4 + 1; k > 0; k--)
            work[next_random() % n] = (uint8_t)next_random();
        one(work, next_random() % 8 == 0 ? next_random() % n : n);
    }
}

static void from_file(const char *path)
{
    static uint8_t data[INPUT_MAX];
    FILE *f = fopen(path, "rb");
    if (f == NULL)
        return;
    mutate(data, fread(data, 1, sizeof data, f));
    fclose(f);
}

static void from_path(const char *path)
{
    DIR *dir = opendir(path);
    if (dir == NULL) {
        from_file(path);
        return;
    }
    for (struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
        char file[4096];
        if (e->d_name[0] == '.')
            continue;
        (void)snprintf(file, sizeof file, "%s/%s", path, e->d_name);
        from_file(file);
    }
    closedir(dir);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        from_path(argv[i]);
    for (int i = 0; i < ROUNDS_RANDOM; i++) {
        uint8_t noise[64];
        for (size_t k = 0; k < sizeof noise; k++)
            noise[k] = (uint8_t)next_random();
        one(noise, next_random() % sizeof noise);
    }
    printf("%lu inputs\n", runs);
    return EXIT_SUCCESS;
}
