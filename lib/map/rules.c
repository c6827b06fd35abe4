/* SPDX-License-Identifier: ISC */
#include "map/rules.h"
#include "conf/lex.h"

enum { IF_DEPTH_MAX = 100 };

struct compiler {
    struct map *map;
    struct rules *rules;
    rule_pattern_fn *pattern;
    const char *name;
    size_t open[IF_DEPTH_MAX];
    unsigned depth;
};

static bool take_word(struct str *s, const char *word)
{
    size_t n = strlen(word);
    if (!str_istarts(*s, str_from(word)) || (s->n > n && ascii_is_alnum(s->p[n])))
        return false;
    *s = str_trim(str_skip(*s, n));
    return true;
}

static int end_if(struct compiler *c, struct err *err)
{
    if (c->depth == 0)
        return err_set(err, ERR_CONFIG, "endif without if");
    c->rules->list.p[c->open[--c->depth]].otherwise = c->rules->list.n;
    return 0;
}

static int compile_line(struct compiler *c, struct str text, unsigned line, struct err *err)
{
    struct rule rule = { .line = line };
    if (take_word(&text, "endif"))
        return end_if(c, err);
    if (take_word(&text, "if"))
        rule.kind = RULE_IF;
    while (text.n > 0 && text.p[0] == '!') {
        rule.negated = !rule.negated;
        text = str_trim(str_skip(text, 1));
    }
    if (text.n == 0)
        return err_set(err, ERR_CONFIG, "no pattern");
    if (c->pattern(c->map, &text, &rule, err) < 0)
        return -1;
    text = str_trim(text);
    rule.result = str_dup(&c->map->arena, text);
    rule.otherwise = c->rules->list.n + 1;
    vec_push(&c->rules->list, rule);        /* from here on the table owns the pattern */
    if (rule.kind == RULE_MATCH && text.n == 0)
        return err_set(err, ERR_CONFIG, "no result after the pattern");
    if (rule.kind == RULE_IF && text.n > 0)
        return err_set(err, ERR_CONFIG, "unexpected text after the pattern of an if");
    if (rule.kind == RULE_IF && c->depth == IF_DEPTH_MAX)
        return err_set(err, ERR_CONFIG, "more than %d if within each other", IF_DEPTH_MAX);
    if (rule.kind == RULE_IF)
        c->open[c->depth++] = c->rules->list.n - 1;
    return 0;
}

static int compile_text(struct compiler *c, struct str text, struct err *err)
{
    struct lexer lx = lex_make(text);
    struct lex_line line;
    int rc = 0;
    while (rc == 0 && lex_next(&lx, &line)) {
        if (line.orphan)
            rc = err_set(err, ERR_CONFIG, "a logical line must not start with white space");
        else
            rc = compile_line(c, line.text, line.first, err);
        if (rc < 0)
            (void)err_prefix(err, "%s, line %u", c->name, line.first);
    }
    lex_done(&lx);
    if (rc == 0 && c->depth > 0)
        rc = err_set(err, ERR_CONFIG, "%s, line %u: if without endif", c->name, c->rules->list.p[c->open[c->depth - 1]].line);
    return rc;
}

int rules_compile(struct map *m, struct rules *r, rule_pattern_fn *pattern, struct err *err)
{
    struct compiler c = { .map = m, .rules = r, .pattern = pattern };
    struct buf text = buf_make(0);
    int rc = map_source_text(m, &text, &c.name, err);
    if (rc == 0)
        rc = compile_text(&c, buf_str(&text), err);
    else
        (void)err_prefix(err, "%s", m->spec);
    buf_done(&text);
    return rc;
}

void rules_done(struct rules *r)
{
    vec_done(&r->list);
}

const struct rule *rules_run(const struct rules *r, rule_match_fn *match, void *user, bool *ret_bad, struct err *err)
{
    *ret_bad = false;
    for (size_t i = 0; i < r->list.n;) {
        const struct rule *rule = &r->list.p[i];
        int hit = match(rule, user, err);
        if (hit < 0) {
            *ret_bad = true;
            return NULL;
        }
        bool applies = (hit == 1) != rule->negated;
        if (rule->kind == RULE_MATCH && applies)
            return rule;
        i = rule->kind == RULE_IF && !applies ? rule->otherwise : i + 1;
    }
    return NULL;
}
