/* SPDX-License-Identifier: ISC
 *
 * store_tool LOCATION COMMAND BOX [ARGS]: what t/flow/store_dovecot_test.py
 * looks at and changes mailboxes with, through the store that imapd uses.
 */
#include <stdio.h>
#include <unistd.h>
#include "base/num.h"
#include "store/store.h"

static struct err err;

static int fail(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, err.text);
    return 1;
}

static void print_message(struct box *b, size_t i)
{
    const struct box_msg *m = &box_msgs(b)[i];
    struct buf line = buf_make(0), text = buf_make(0);
    uint64_t vsize = 0;
    int64_t date = 0;
    (void)box_vsize(b, i, &vsize, &err);
    (void)box_date(b, i, &date, &err);
    box_uidl(b, i, &line);
    buf_printf(&line, " %u %llu %lld", m->uid, (unsigned long long)vsize, (long long)date);
    static const struct { uint8_t flag; const char *name; } names[] = {
        { FLAG_ANSWERED, "\\Answered" }, { FLAG_FLAGGED, "\\Flagged" }, { FLAG_DELETED, "\\Deleted" }, { FLAG_SEEN, "\\Seen" }, { FLAG_DRAFT, "\\Draft" },
    };
    for (size_t k = 0; k < N_ELEMS(names); k++)
        if ((m->flags & names[k].flag) != 0)
            buf_printf(&line, " %s", names[k].name);
    for (unsigned k = 0; k < STORE_KEYWORDS_MAX; k++)
        if ((m->keywords >> k & 1) != 0)
            buf_printf(&line, " %s", box_keyword_name(b, k));
    printf("%s\n", buf_cstr(&line));
    buf_done(&line);
    buf_done(&text);
}

static int list(struct box *b)
{
    printf("%u %u %llu\n", box_head(b)->uidvalidity, box_head(b)->uidnext, (unsigned long long)box_head(b)->modseq);
    for (size_t i = 0; i < box_count(b); i++)
        print_message(b, i);
    return 0;
}

/* flag UID +|- NAME */
static int flag(struct box *b, char **args)
{
    static const struct { const char *name; uint8_t flag; } names[] = {
        { "\\Answered", FLAG_ANSWERED }, { "\\Flagged", FLAG_FLAGGED }, { "\\Deleted", FLAG_DELETED }, { "\\Seen", FLAG_SEEN }, { "\\Draft", FLAG_DRAFT },
    };
    uint32_t uid = 0, keywords = 0;
    uint8_t flags = 0;
    unsigned bit;
    (void)num_parse_u32(str_from(args[0]), UINT32_MAX, &uid);
    uint32_t i = (uint32_t)box_find(b, uid);
    for (size_t k = 0; k < N_ELEMS(names); k++)
        if (strcmp(args[2], names[k].name) == 0)
            flags = names[k].flag;
    if (flags == 0) {
        if (box_keyword(b, str_from(args[2]), true, &bit, &err) != STORE_OK)
            return fail("keyword");
        keywords = UINT32_C(1) << bit;
    }
    return box_store(b, &i, 1, args[1][0] == '+' ? BOX_FLAGS_ADD : BOX_FLAGS_REMOVE, flags, keywords, &err) == STORE_OK ? 0 : fail("store");
}

static int expunge(struct box *b, const char *arg)
{
    uint32_t uid = 0;
    (void)num_parse_u32(str_from(arg), UINT32_MAX, &uid);
    uint32_t i = (uint32_t)box_find(b, uid);
    return box_expunge(b, &i, 1, &err) == STORE_OK ? 0 : fail("expunge");
}

static int append(struct store *s, const char *box, const char *text)
{
    struct append *a;
    struct append_result r;
    if (append_open(s, str_from(box), &a, &err) != STORE_OK)
        return fail("append");
    bool ok = append_begin(a, 0, NULL, 0, 0, &err) == STORE_OK && append_write(a, str_from(text), &err) == STORE_OK
        && append_commit(a, &r, &err) == STORE_OK;
    if (ok && r.n > 0)
        printf("%u\n", r.uids[0]);
    append_free(a);
    return ok ? 0 : fail("append");
}

/* Appends and flags in a loop, for the test that Dovecot works beside it. */
static int churn(struct store *s, const char *name, const char *count)
{
    uint32_t n = 0;
    (void)num_parse_u32(str_from(count), 100000, &n);
    int rc = 0;
    for (uint32_t k = 0; k < n && rc == 0; k++) {
        struct box *b;
        rc = append(s, name, "Subject: churn\r\n\r\nx\r\n");
        if (rc != 0 || box_open(s, str_from(name), 0, &b, &err) != STORE_OK)
            return rc != 0 ? rc : fail("open");
        uint32_t last = (uint32_t)box_count(b) - 1;
        if (box_count(b) > 0 && box_store(b, &last, 1, BOX_FLAGS_ADD, FLAG_SEEN, 0, &err) != STORE_OK)
            rc = fail("store");
        else if (box_count(b) > 0)
            printf("seen %u\n", box_msgs(b)[last].uid);
        box_close(b);
    }
    return rc;
}

int main(int argc, char **argv)
{
    if (argc < 4)
        return 2;
    setvbuf(stdout, NULL, _IOLBF, 0);
    struct store *s = store_open(&(struct store_conf){ .location = argv[1], .user = "u", .home = "/" }, &err);
    if (s == NULL)
        return fail("store");
    struct box *b = NULL;
    int rc;
    if (strcmp(argv[2], "append") == 0)
        rc = append(s, argv[3], argv[4]);
    else if (strcmp(argv[2], "churn") == 0)
        rc = churn(s, argv[3], argv[4]);
    else if (strcmp(argv[2], "create") == 0)
        rc = store_create(s, str_from(argv[3]), &err) == STORE_OK ? 0 : fail("create");
    else if (strcmp(argv[2], "subscribe") == 0)
        rc = store_subscribe(s, str_from(argv[3]), true, &err) == STORE_OK ? 0 : fail("subscribe");
    else if (box_open(s, str_from(argv[3]), 0, &b, &err) != STORE_OK)
        rc = fail("open");
    else if (strcmp(argv[2], "list") == 0)
        rc = list(b);
    else if (strcmp(argv[2], "flag") == 0)
        rc = flag(b, argv + 4);
    else
        rc = expunge(b, argv[4]);
    box_close(b);
    store_close(s);
    return rc;
}
