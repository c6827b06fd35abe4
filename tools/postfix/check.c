/* SPDX-License-Identifier: ISC */
#include "all_params.h"
#include "base/num.h"
#include "conf/lex.h"
#include "conf/expand.h"
#include "postfix.h"
#include <stdarg.h>
#include <unistd.h>

#define ROW(k, m, name, def, lo, hi, doc) { name, PARAM_##k, 0, def, lo, hi, doc },
static const struct param own_rows[] = { ALL_PARAMS(ROW) };
static const struct param_table own = { own_rows, N_ELEMS(own_rows) };

/* Known, set by almost every main.cf, and without meaning for these programs: never worth a line. */
static const char *const silent[] = {
    "readme_directory", "html_directory", "manpage_directory", "sample_directory", "sendmail_path", "newaliases_path", "mailq_path",
    "daemon_directory", "command_directory", "shlib_directory", "meta_directory", "debugger_command", "debug_peer_level",
    "debug_peer_list", "biff", "config_directory", "tls_random_source",
    "mail_version", "maillog_file_prefixes", "virtual_mailbox_limit", "berkeley_db_create_buffer_size",
    "smtp_sasl_type", "lmtp_sasl_type", "postern_port_base", "tls_preempt_cipherlist", "default_process_limit", "process_id_directory", "multi_instance_enable",
};

static void count(struct check *k, const char *severity, const char *fmt, va_list ap)
{
    char text[1500];
    (void)vsnprintf(text, sizeof text, fmt, ap);
    say(k->config, severity, "%s", text);
}

void check_fatal(struct check *k, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    count(k, "fatal", fmt, ap);
    va_end(ap);
    k->fatal++;
}

void check_warn(struct check *k, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    count(k, "warning", fmt, ap);
    va_end(ap);
    k->warnings++;
}

static bool has_row(const char *name)
{
    for (size_t i = 0; i < own.n; i++)
        if (strcmp(own.rows[i].name, name) == 0)
            return true;
    return false;
}

static bool is_silent(const char *name)
{
    for (size_t i = 0; i < N_ELEMS(silent); i++)
        if (strcmp(silent[i], name) == 0)
            return true;
    return false;
}

/* A name that is made from a transport's or service's and that somebody here asks for. */
static bool is_transport_name(const char *name)
{
    static const char *const suffixes[] = { "_destination_concurrency_limit", "_destination_recipient_limit", "_initial_destination_concurrency", "_time_limit" };
    for (size_t i = 0; i < N_ELEMS(suffixes); i++)
        if (str_iends(str_from(name), str_from(suffixes[i])) && strncmp(name, "default_", 8) != 0)
            return true;
    return false;
}

/* ... and one that nobody asks for: Postfix has no default of its own for it. */
static bool is_lost_transport_name(const char *name)
{
    static const char *const suffixes[] = {
        "_destination_rate_delay", "_transport_rate_delay", "_destination_concurrency_failed_cohort_limit", "_destination_concurrency_positive_feedback",
        "_destination_concurrency_negative_feedback", "_delivery_slot_cost", "_delivery_slot_discount", "_delivery_slot_loan", "_minimum_delivery_slots",
        "_extra_recipient_limit", "_recipient_refill_limit", "_recipient_refill_delay",
    };
    for (size_t i = 0; i < N_ELEMS(suffixes); i++)
        if (str_iends(str_from(name), str_from(suffixes[i])))
            return true;
    return false;
}

static void note_unhonoured(struct check *k)
{
    const char *name;
    for (size_t pos = 0; config_each(k->config, &pos, &name);) {
        if (has_row(name) || is_silent(name) || is_transport_name(name) || (config_default(k->config, name) == NULL && !is_lost_transport_name(name)))
            continue;
        check_warn(k, "%s: %s is a parameter of Postfix that has no effect here", config_where(k->config, name), name);
    }
}

/* A default that depends on compatibility_level, and its new value from `level` on. */
static void note_old_default(struct check *k, const char *name, const char *def, uint64_t level)
{
    struct str rest = str_from(def), number, junk;
    struct err err;
    uint64_t needed;
    ptrdiff_t at = str_find(rest, STR("<level {"));
    if (at < 0 || config_raw(k->config, name) != NULL)
        return;
    rest = str_skip(rest, (size_t)at + strlen("<level {"));
    if (!str_cut(rest, '}', &number, &junk) || !expand_level(number, &needed) || level >= needed)
        return;
    const char *value = config_get(k->config, name, &err);
    check_warn(k, "using backwards-compatible default setting %s=%s", name, value == NULL ? "" : value);
}

static void note_old_defaults(struct check *k)
{
    const struct param_table all = params_postfix();
    uint64_t level = config_level(k->config);
    unsigned before = k->warnings;
    for (size_t i = 0; i < all.n; i++)
        note_old_default(k, all.rows[i].name, all.rows[i].def, level);
    if (k->warnings > before)
        check_warn(k, "to disable backwards compatibility use \"postconf compatibility_level=3.6\" and \"postfix reload\"");
}

/* Several programs may have a row for one parameter; one finding is enough. */
static bool was_checked(size_t i)
{
    for (size_t j = 0; j < i; j++)
        if (strcmp(own.rows[j].name, own.rows[i].name) == 0 && own.rows[j].kind == own.rows[i].kind
            && own.rows[j].min >= own.rows[i].min && own.rows[j].max <= own.rows[i].max)
            return true;
    return false;
}

void check_params(struct check *k, bool notes)
{
    struct err err;
    const char *text;
    config_register(k->config, &own);
    for (size_t i = 0; (text = config_warning(k->config, i)) != NULL; i++)
        check_warn(k, "%s", text);
    for (size_t i = 0; i < own.n; i++)
        if (!was_checked(i) && config_check(k->config, &own.rows[i], &err) < 0)
            check_fatal(k, "%s", err.text);
    const char *name;
    for (size_t pos = 0; config_each(k->config, &pos, &name);)
        if (!has_row(name) && config_default(k->config, name) == NULL && config_get(k->config, name, &err) == NULL)
            check_fatal(k, "%s", err.text);
    if (!notes)
        return;
    note_unhonoured(k);
    note_old_defaults(k);
}

void check_all(struct check *k, bool notes)
{
    struct err err;
    const char *private = config_get(k->config, "postern_private", &err);
    k->is_private = geteuid() != 0 || (private != NULL && strcmp(private, "yes") == 0);
    check_params(k, notes);
    if (service_load(k->config, &k->services, &err) < 0) {
        check_fatal(k, "%s", err.text);
        return;
    }
    check_services(k);
    check_tables(k);
    check_files(k);
    check_auth(k);
    check_pam(k);
}
