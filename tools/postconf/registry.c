/* SPDX-License-Identifier: ISC */
#include "all_params.h"
#include "postconf.h"

#define ROW(k, m, name, def, lo, hi, doc) { name, PARAM_##k, 0, def, lo, hi, doc },
static const struct param own_rows[] = { ALL_PARAMS(ROW) };
static const struct param_table own = { own_rows, N_ELEMS(own_rows) };

void registry_register(struct config *c)
{
    config_register(c, &own);
}

static int by_name(const void *a, const void *b)
{
    const struct known *x = a, *y = b;
    return strcmp(x->name, y->name);
}

/* Sorts, and keeps the first of each name: a row with a sentence before one without. */
static void sort_unique(known_vec *v)
{
    qsort(v->p, v->n, sizeof *v->p, by_name);
    size_t kept = 0;
    for (size_t i = 0; i < v->n; i++) {
        if (kept > 0 && strcmp(v->p[kept - 1].name, v->p[i].name) == 0) {
            if (v->p[kept - 1].row->doc[0] == '\0')
                v->p[kept - 1] = v->p[i];
            continue;
        }
        v->p[kept++] = v->p[i];
    }
    v->n = kept;
}

static void add_table(known_vec *v, const struct param_table *t)
{
    for (size_t i = 0; i < t->n; i++) {
        const struct known k = { t->rows[i].name, &t->rows[i] };
        vec_push(v, k);
    }
}

void registry_all(known_vec *out)
{
    const struct param_table postfix = params_postfix();
    add_table(out, &own);
    add_table(out, &postfix);
    sort_unique(out);
}

/* What Postfix makes for each transport: NAME_suffix = $default_suffix. */
static const struct { const char *suffix, *def; } derived[] = {
    { "delivery_slot_cost", "$default_delivery_slot_cost" },
    { "delivery_slot_discount", "$default_delivery_slot_discount" },
    { "delivery_slot_loan", "$default_delivery_slot_loan" },
    { "destination_concurrency_failed_cohort_limit", "$default_destination_concurrency_failed_cohort_limit" },
    { "destination_concurrency_limit", "$default_destination_concurrency_limit" },
    { "destination_concurrency_negative_feedback", "$default_destination_concurrency_negative_feedback" },
    { "destination_concurrency_positive_feedback", "$default_destination_concurrency_positive_feedback" },
    { "destination_rate_delay", "$default_destination_rate_delay" },
    { "destination_recipient_limit", "$default_destination_recipient_limit" },
    { "extra_recipient_limit", "$default_extra_recipient_limit" },
    { "initial_destination_concurrency", "$initial_destination_concurrency" },
    { "minimum_delivery_slots", "$default_minimum_delivery_slots" },
    { "recipient_limit", "$default_recipient_limit" },
    { "recipient_refill_delay", "$default_recipient_refill_delay" },
    { "recipient_refill_limit", "$default_recipient_refill_limit" },
    { "transport_rate_delay", "$default_transport_rate_delay" },
};

static bool is_transport(const struct service *s)
{
    static const char *const commands[] = { "local", "virtual", "smtp", "lmtp", "pipe", "error" };
    for (size_t i = 0; i < N_ELEMS(commands); i++)
        if (strcmp(s->command, commands[i]) == 0)
            return s->type != SERVICE_INET;
    return false;
}

static void add_derived(struct options *o, const char *service, const char *suffix, const char *def, known_vec *out)
{
    struct param *row = ARENA_NEW(&o->arena, struct param);
    *row = (struct param){ .name = str_printf(&o->arena, "%s_%s", service, suffix).p, .kind = PARAM_STR, .def = def, .doc = "" };
    if (config_default(o->config, row->name) != NULL)
        return;
    const struct param_table one = { row, 1 };
    const struct known k = { row->name, row };
    config_register(o->config, &one);
    vec_push(out, k);
}

void registry_services(struct options *o, const struct service_list *services, known_vec *out)
{
    for (size_t i = 0; i < services->n; i++) {
        const struct service *s = &services->rows[i];
        if (strcmp(s->command, "pipe") == 0 || strcmp(s->command, "spawn") == 0)
            add_derived(o, s->name, "time_limit", "$command_time_limit", out);
        if (!is_transport(s))
            continue;
        for (size_t d = 0; d < N_ELEMS(derived); d++)
            add_derived(o, s->name, derived[d].suffix, derived[d].def, out);
    }
    if (out->n > 0)
        qsort(out->p, out->n, sizeof *out->p, by_name);
}

/* ---- the manual page ---- */

static const char *const kind_words[] = {
    [PARAM_BOOL] = "yes or no", [PARAM_UINT] = "number", [PARAM_SIZE] = "bytes", [PARAM_SECS] = "time", [PARAM_STR] = "text",
    [PARAM_RAW] = "text, expanded at each use",
};

static void escape(const char *text, struct buf *out)
{
    for (const char *p = text; *p != '\0'; p++) {
        if (*p == '\\')
            buf_puts(out, "\\e");
        else if (*p == '-' || ((*p == '.' || *p == '\'') && p == text))
            buf_printf(out, "\\%s%c", *p == '-' ? "" : "&", *p);
        else
            buf_putc(out, *p);
    }
}

static void manual_entry(const struct param *row, struct buf *out)
{
    buf_printf(out, ".It Sy ");
    escape(row->name, out);
    buf_puts(out, " Pq default: ");
    if (row->def[0] == '\0')
        buf_puts(out, "empty");
    else
        escape(row->def, out);
    buf_putc(out, '\n');
    escape(row->doc[0] == '\0' ? "Known; without effect here." : row->doc, out);
    if (row->doc[0] != '\0' && row->min == 0 && row->max == 0)
        buf_printf(out, "\n.Pq %s\n", kind_words[row->kind]);
    else if (row->doc[0] != '\0')
        buf_printf(out, "\n.Pq %s, %llu to %llu\n", kind_words[row->kind], (unsigned long long)row->min, (unsigned long long)row->max);
    else
        buf_putc(out, '\n');
}

void registry_manual(struct buf *out)
{
    known_vec all = { 0 };
    registry_all(&all);
    buf_puts(out, ".\\\" SPDX-License-Identifier: ISC\n.\\\" Made by \"postconf --manual\" from the rows of every params.h.\n"
                  ".Dd November 22, 2026\n.Dt POSTCONF 5\n.Os\n.Sh NAME\n.Nm postconf\n.Nd parameters of main.cf\n.Sh DESCRIPTION\n"
                  "A parameter is set by a line\n.Ql name = value\nin main.cf, or by\n.Fl o Ar name Ns = Ns Ar value\nin master.cf for one service.\n"
                  "White space at the start of a line continues the line before it; lines that\nstart with # are comments; of two definitions the last one counts.\n"
                  "A value may use other parameters:\n.Ql $name ,\n.Ql ${name?text} ,\n.Ql ${name:text} ,\n.Ql ${name?{text}:{other}} ,\n"
                  ".Ql ${{a} == {b} ? {text} : {other}} .\nTimes have a unit: s, m, h, d or w.\n.Sh PARAMETERS\n.Bl -tag -width indent\n");
    for (size_t i = 0; i < all.n; i++)
        manual_entry(all.p[i].row, out);
    buf_puts(out, ".El\n.Sh SEE ALSO\n.Xr postconf 1 ,\n.Xr master 5\n");
    vec_done(&all);
}
