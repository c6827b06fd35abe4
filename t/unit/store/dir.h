/* SPDX-License-Identifier: ISC
 * dir.h - a directory with mail stores, for the tests of lib/store. */
#ifndef T_STORE_DIR_H
#define T_STORE_DIR_H
#include "store/store.h"
#include <stdio.h>
#include <sys/stat.h>
#include "tap.h"

static char root[] = "/tmp/store_test.XXXXXX";
static struct err err;

static inline struct store *open_store(const char *name)
{
    char location[200];
    snprintf(location, sizeof(location), "maildir:%s/%s", root, name);
    struct store *s = store_open(&(struct store_conf){ .location = location, .user = "u@example.test", .home = root, .lock_seconds = 2 }, &err);
    if (s == NULL)
        printf("# %s\n", err.text);
    return s;
}

static inline void put_file(const char *path, const char *text)
{
    char full[400];
    snprintf(full, sizeof(full), "%s/%s", root, path);
    FILE *f = fopen(full, "w");
    if (f == NULL)
        return;
    fputs(text, f);
    fclose(f);
}

static inline bool has_file(const char *path)
{
    char full[400];
    struct stat st;
    snprintf(full, sizeof(full), "%s/%s", root, path);
    return stat(full, &st) == 0;
}

static inline struct box *must_open(struct store *s, const char *name)
{
    struct box *b = NULL;
    if (box_open(s, str_from(name), 0, &b, &err) != STORE_OK)
        printf("# %s: %s\n", name, err.text);
    return b;
}
#endif
