/* SPDX-License-Identifier: ISC */
#include "intake/checks.h"
#include "base/num.h"
#include "ipc/schema.h"

enum { SHOWN = 200 };

static void tell(struct intake_msg *m, const char *what, struct str field, struct str text)
{
    char shown[SHOWN + 1];
    size_t n = 0;
    for (; n < MIN(field.n, (size_t)SHOWN); n++)
        shown[n] = (unsigned char)field.p[n] < 0x20 || field.p[n] == 0x7f ? ' ' : field.p[n];
    intake_log(m->in, "postfix/cleanup", "%s: %s: header %.*s from %.*s; from=<%.*s>%s%.*s", m->id, what, (int)n, shown, STR_FMT(m->origin), STR_FMT(m->sender),
               text.n > 0 ? ": " : "", STR_FMT(text));
}

/* "[DSN] text" of REJECT. */
static bool reject(struct intake_msg *m, struct str field, struct str text)
{
    struct str rest = text, word;
    unsigned code = 550;
    char dsn[16] = "5.7.1";
    if (str_token(&rest, " \t", &word) && word.n >= 5 && (word.p[0] == '4' || word.p[0] == '5') && word.p[1] == '.' && str_to_fixed(word, dsn, sizeof dsn)) {
        text = str_trim(rest);
        code = dsn[0] == '4' ? 450 : 550;
    }
    tell(m, "reject", field, text);
    m->failed.code = code;
    (void)str_to_fixed(str_from(dsn), m->failed.dsn, sizeof m->failed.dsn);
    if (text.n == 0 || !str_to_fixed(text, m->failed.text, sizeof m->failed.text))
        (void)str_to_fixed(STR("message content rejected"), m->failed.text, sizeof m->failed.text);
    return true;
}

static bool do_reject(struct intake_msg *m, struct str f, struct str t) { return reject(m, f, t); }
static bool do_discard(struct intake_msg *m, struct str f, struct str t) { tell(m, "discard", f, t); m->discard = true; return true; }
static bool do_hold(struct intake_msg *m, struct str f, struct str t) { tell(m, "hold", f, t); m->flags |= MSG_HOLD; return true; }
static bool do_warn(struct intake_msg *m, struct str f, struct str t) { tell(m, "warning", f, t); return true; }
static bool do_info(struct intake_msg *m, struct str f, struct str t) { tell(m, "info", f, t); return true; }
static bool do_ignore(struct intake_msg *m, struct str f, struct str t) { (void)m; (void)f; (void)t; return false; }
static bool do_strip(struct intake_msg *m, struct str f, struct str t) { tell(m, "strip", f, t); return false; }
static bool do_dunno(struct intake_msg *m, struct str f, struct str t) { (void)m; (void)f; (void)t; return true; }
static bool do_replace(struct intake_msg *m, struct str f, struct str t)
{
    tell(m, "replace", f, t);
    if (t.n > 0)
        header_pass_add(&m->header, t);
    return false;
}
static bool do_prepend(struct intake_msg *m, struct str f, struct str t)
{
    tell(m, "prepend", f, t);
    if (t.n > 0)
        header_pass_add(&m->header, t);
    return true;
}

static const struct { struct str name; bool (*run)(struct intake_msg *m, struct str field, struct str text); } actions[] = {
    { STR_INIT("REJECT"), do_reject }, { STR_INIT("DISCARD"), do_discard }, { STR_INIT("HOLD"), do_hold }, { STR_INIT("WARN"), do_warn },
    { STR_INIT("INFO"), do_info }, { STR_INIT("IGNORE"), do_ignore }, { STR_INIT("STRIP"), do_strip }, { STR_INIT("DUNNO"), do_dunno },
    { STR_INIT("OK"), do_dunno }, { STR_INIT("REPLACE"), do_replace }, { STR_INIT("PREPEND"), do_prepend },
};

bool checks_header(struct intake_msg *m, struct str field)
{
    struct err err = { 0 };
    struct str value, word;
    enum map_result r = map_list_get(m->in->header_checks, field, m->arena, &value, &err);
    if (r == MAP_NONE || m->failed.code != 0)
        return true;
    if (r == MAP_TEMP) {
        intake_log(m->in, "postfix/cleanup", "warning: %s: %s", m->id, err.text);
        return reject(m, field, STR("4.3.5 Server configuration problem"));
    }
    if (!str_token(&value, " \t", &word))
        return true;
    for (size_t i = 0; i < N_ELEMS(actions); i++)
        if (str_ieq(word, actions[i].name))
            return actions[i].run(m, field, str_trim(value));
    /* As with access tables: what is not understood is not waved through. */
    intake_log(m->in, "postfix/cleanup", "warning: %s: unknown action in header_checks: %.*s", m->id, STR_FMT(word));
    return reject(m, field, STR("4.3.5 Server configuration problem"));
}
