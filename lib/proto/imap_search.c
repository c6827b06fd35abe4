/* SPDX-License-Identifier: ISC */
#include "proto/imap_search.h"
#include "proto/date.h"

enum arg { ARG_NONE, ARG_DATE, ARG_NUMBER, ARG_TEXT, ARG_KEYWORD, ARG_HEADER, ARG_FIELD, ARG_UID };
static const struct word {
    const char *word;
    enum search_kind kind;
    unsigned flags;
    enum arg arg;
} words[] = {
    { "ALL", SEARCH_ALL, 0, ARG_NONE },
    { "ANSWERED", SEARCH_FLAGS, SEARCH_F_ANSWERED, ARG_NONE },
    { "DELETED", SEARCH_FLAGS, SEARCH_F_DELETED, ARG_NONE },
    { "DRAFT", SEARCH_FLAGS, SEARCH_F_DRAFT, ARG_NONE },
    { "FLAGGED", SEARCH_FLAGS, SEARCH_F_FLAGGED, ARG_NONE },
    { "RECENT", SEARCH_FLAGS, SEARCH_F_RECENT, ARG_NONE },
    { "SEEN", SEARCH_FLAGS, SEARCH_F_SEEN, ARG_NONE },
    { "UNANSWERED", SEARCH_NO_FLAGS, SEARCH_F_ANSWERED, ARG_NONE },
    { "UNDELETED", SEARCH_NO_FLAGS, SEARCH_F_DELETED, ARG_NONE },
    { "UNDRAFT", SEARCH_NO_FLAGS, SEARCH_F_DRAFT, ARG_NONE },
    { "UNFLAGGED", SEARCH_NO_FLAGS, SEARCH_F_FLAGGED, ARG_NONE },
    { "OLD", SEARCH_NO_FLAGS, SEARCH_F_RECENT, ARG_NONE },
    { "UNSEEN", SEARCH_NO_FLAGS, SEARCH_F_SEEN, ARG_NONE },
    { "NEW", SEARCH_NEW, 0, ARG_NONE },
    { "KEYWORD", SEARCH_KEYWORD, 0, ARG_KEYWORD },
    { "UNKEYWORD", SEARCH_UNKEYWORD, 0, ARG_KEYWORD },
    { "BEFORE", SEARCH_BEFORE, 0, ARG_DATE },
    { "ON", SEARCH_ON, 0, ARG_DATE },
    { "SINCE", SEARCH_SINCE, 0, ARG_DATE },
    { "SENTBEFORE", SEARCH_SENTBEFORE, 0, ARG_DATE },
    { "SENTON", SEARCH_SENTON, 0, ARG_DATE },
    { "SENTSINCE", SEARCH_SENTSINCE, 0, ARG_DATE },
    { "LARGER", SEARCH_LARGER, 0, ARG_NUMBER },
    { "SMALLER", SEARCH_SMALLER, 0, ARG_NUMBER },
    { "OLDER", SEARCH_OLDER, 0, ARG_NUMBER },
    { "YOUNGER", SEARCH_YOUNGER, 0, ARG_NUMBER },
    { "BCC", SEARCH_HEADER, 0, ARG_FIELD },
    { "CC", SEARCH_HEADER, 0, ARG_FIELD },
    { "FROM", SEARCH_HEADER, 0, ARG_FIELD },
    { "SUBJECT", SEARCH_HEADER, 0, ARG_FIELD },
    { "TO", SEARCH_HEADER, 0, ARG_FIELD },
    { "HEADER", SEARCH_HEADER, 0, ARG_HEADER },
    { "BODY", SEARCH_BODY, 0, ARG_TEXT },
    { "TEXT", SEARCH_TEXT, 0, ARG_TEXT },
    { "UID", SEARCH_UID, 0, ARG_UID },
};

/* What waits for the next key to be complete. Jumps to its end are chained through their arg. */
enum frame_kind { FRAME_LIST, FRAME_NOT, FRAME_OR_FIRST, FRAME_OR_SECOND };
enum { NO_STEP = UINT32_MAX };
struct frame { enum frame_kind kind; uint32_t pending; bool empty; };

struct parse {
    struct imap_cur *c;
    struct search_program *s;
    struct frame frames[IMAP_SEARCH_DEPTH];
    size_t n_frames;
    const char *why;
};

enum { STEPS_MAX = IMAP_SEARCH_KEYS * 4 };

static bool fail(struct parse *p, const char *why)
{
    p->why = why;
    return false;
}

static bool push(struct parse *p, enum frame_kind kind)
{
    if (p->n_frames == IMAP_SEARCH_DEPTH)
        return fail(p, "Search is nested too deeply");
    p->frames[p->n_frames++] = (struct frame){ kind, NO_STEP, true };
    return true;
}

static bool emit(struct parse *p, enum search_op op, uint32_t arg)
{
    if (p->s->n_steps == STEPS_MAX)
        return fail(p, "Too many search keys");
    p->s->steps[p->s->n_steps++] = (struct search_step){ op, arg };
    return true;
}

/* All jumps of the chain lead to the next step. */
static void land(struct parse *p, uint32_t pending)
{
    while (pending != NO_STEP) {
        uint32_t next = p->s->steps[pending].arg;
        p->s->steps[pending].arg = (uint32_t)p->s->n_steps;
        pending = next;
    }
}

/* A jump of that frame, out of it. */
static bool emit_jump(struct parse *p, struct frame *f, enum search_op op)
{
    uint32_t before = f->pending;
    f->pending = (uint32_t)p->s->n_steps;
    return emit(p, op, before);
}

/* A key is complete: tell the frames that waited for it. */
static bool key_done(struct parse *p)
{
    for (;;) {
        struct frame *f = &p->frames[p->n_frames - 1];
        f->empty = false;
        switch (f->kind) {
        case FRAME_LIST:
            return emit_jump(p, f, SEARCH_IF_FALSE);
        case FRAME_OR_FIRST:
            f->kind = FRAME_OR_SECOND;
            return emit_jump(p, f, SEARCH_IF_TRUE);
        case FRAME_OR_SECOND:
            land(p, f->pending);
            break;
        case FRAME_NOT:
            if (!emit(p, SEARCH_NOT, 0))
                return false;
            break;
        }
        p->n_frames--;
    }
}

static bool list_done(struct parse *p)
{
    struct frame *f = &p->frames[p->n_frames - 1];
    if (f->kind != FRAME_LIST || f->empty)
        return fail(p, "Missing argument for search key");
    land(p, f->pending);
    p->n_frames--;
    return true;
}

static bool take_date(struct parse *p, struct search_key *key)
{
    struct str s;
    return (imap_astring(p->c, &s) && date_parse_imap_day(s, &key->day)) || fail(p, "Invalid search date parameter");
}

static bool take_set(struct parse *p, struct search_key *key)
{
    return imap_seqset_parse(p->c, &key->set) || fail(p, "Invalid messageset");
}

static bool take_args(struct parse *p, const struct word *w, struct search_key *key)
{
    if (w->arg == ARG_NONE)
        return true;
    if (!imap_sp(p->c))
        return fail(p, "Missing argument for search key");
    switch (w->arg) {
    case ARG_NONE: return true;
    case ARG_DATE: return take_date(p, key);
    case ARG_NUMBER: return imap_number(p->c, INT64_MAX, &key->number) || fail(p, "Invalid search size");
    case ARG_KEYWORD: return imap_flag(p->c, &key->name) || fail(p, "Invalid search keyword");
    case ARG_UID: return take_set(p, key);
    case ARG_FIELD:
        key->name = str_from(w->word);
        return imap_astring(p->c, &key->text) || fail(p, "Missing argument for search key");
    case ARG_TEXT: return imap_astring(p->c, &key->text) || fail(p, "Missing argument for search key");
    case ARG_HEADER:
        return (imap_astring(p->c, &key->name) && imap_sp(p->c) && imap_astring(p->c, &key->text)) ||
               fail(p, "Missing argument for search key HEADER");
    }
    UNREACHABLE();
}

static struct search_key *new_key(struct parse *p, enum search_kind kind, unsigned flags)
{
    if (p->s->n_keys == IMAP_SEARCH_KEYS) {
        p->why = "Too many search keys";
        return NULL;
    }
    struct search_key *key = &p->s->keys[p->s->n_keys++];
    key->kind = kind;
    key->flags = flags;
    return key;
}

static bool finish_key(struct parse *p)
{
    return emit(p, SEARCH_TEST, (uint32_t)p->s->n_keys - 1) && key_done(p);
}

static bool take_test(struct parse *p)
{
    if (p->c->p < p->c->end && (ascii_is_digit(*p->c->p) || *p->c->p == '*' || *p->c->p == '$')) {
        struct search_key *key = new_key(p, SEARCH_SEQ, 0);
        return key != NULL && take_set(p, key) && finish_key(p);
    }
    for (size_t i = 0; i < N_ELEMS(words); i++)
        if (imap_word(p->c, words[i].word)) {
            struct search_key *key = new_key(p, words[i].kind, words[i].flags);
            return key != NULL && take_args(p, &words[i], key) && finish_key(p);
        }
    return fail(p, "Unknown search key");
}

/* One word of the program: an opening, an operator or a test. *ret_open: a key must follow at once. */
static bool take_one(struct parse *p, bool *ret_open)
{
    *ret_open = true;
    if (imap_char(p->c, '('))
        return push(p, FRAME_LIST);
    *ret_open = false;
    if (imap_word(p->c, "NOT"))
        return push(p, FRAME_NOT) && (imap_peek(p->c, ' ') || fail(p, "Missing argument for NOT"));
    if (imap_word(p->c, "OR"))
        return push(p, FRAME_OR_FIRST) && (imap_peek(p->c, ' ') || fail(p, "Missing argument for OR"));
    return take_test(p);
}

static bool parse_all(struct parse *p)
{
    if (!push(p, FRAME_LIST))
        return false;
    for (;;) {
        bool open;
        if (!take_one(p, &open))
            return false;
        while (imap_char(p->c, ')')) {
            if (p->n_frames == 1)
                return fail(p, "Unmatched ')' in search");
            if (!list_done(p) || !key_done(p))
                return false;
        }
        if (imap_at_end(p->c))
            return p->n_frames == 1 ? list_done(p) : fail(p, "Missing argument for search key");
        if (!open && !imap_sp(p->c))
            return fail(p, "Invalid search");
    }
}

bool imap_search_parse(struct imap_cur *c, struct search_program *ret, const char **ret_why)
{
    size_t room = MIN((size_t)(c->end - c->p) / 2 + 2, (size_t)IMAP_SEARCH_KEYS);
    ret->keys = ARENA_ARRAY(c->mem, struct search_key, room);
    ret->steps = ARENA_ARRAY(c->mem, struct search_step, STEPS_MAX);
    ret->n_keys = ret->n_steps = 0;
    struct parse p = { .c = c, .s = ret };
    if (parse_all(&p))
        return true;
    *ret_why = p.why;
    return false;
}

bool imap_search_run(const struct search_program *s, bool (*test)(const struct search_key *key, void *user), void *user)
{
    bool value = true;
    for (size_t i = 0; i < s->n_steps;) {
        const struct search_step *step = &s->steps[i++];
        switch (step->op) {
        case SEARCH_TEST: value = test(&s->keys[step->arg], user); break;
        case SEARCH_NOT: value = !value; break;
        case SEARCH_IF_FALSE: i = value ? i : step->arg; break;
        case SEARCH_IF_TRUE: i = value ? step->arg : i; break;
        }
    }
    return value;
}
