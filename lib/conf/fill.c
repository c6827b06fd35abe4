/* SPDX-License-Identifier: ISC */
#include "base/num.h"
#include "conf/config.h"

static const char *where_of(const struct config *c, const char *name)
{
    const char *where = config_where(c, name);
    return *where == '\0' ? "default value" : where;
}

static int out_of_range(const struct config *c, const struct param *row, const char *value, const char *unit, struct err *err)
{
    return err_set(err, ERR_CONFIG, "%s: %s = %s: a number from %llu to %llu%s is needed", where_of(c, row->name), row->name, value,
                   (unsigned long long)row->min, (unsigned long long)row->max, unit);
}

static int fill_bool(const struct config *c, const struct param *row, const char *value, bool *ret, struct err *err)
{
    bool yes = str_ieqz(str_from(value), "yes");
    if (!yes && !str_ieqz(str_from(value), "no"))
        return err_set(err, ERR_CONFIG, "%s: %s = %s: yes or no is needed", where_of(c, row->name), row->name, value);
    *ret = yes;
    return 0;
}

static int fill_number(const struct config *c, const struct param *row, const char *value, uint64_t most, uint64_t *ret, struct err *err)
{
    uint64_t n, max = row->max == 0 && row->min == 0 ? most : MIN(row->max, most);
    if (!num_parse_u64(str_from(value), max, &n) || n < row->min)
        return out_of_range(c, row, value, "", err);
    *ret = n;
    return 0;
}

static uint64_t unit_seconds(char c)
{
    switch (ascii_lower(c)) {
    case 's': return 1;
    case 'm': return 60;
    case 'h': return 3600;
    case 'd': return 86400;
    case 'w': return 604800;
    default: return 0;
    }
}

/* A time without a suffix has the unit of the parameter's default, as in Postfix. */
static uint64_t default_unit(const char *def)
{
    size_t n = strlen(def);
    uint64_t unit = n > 1 && (ascii_is_digit(def[n - 2]) || def[n - 2] == '}') ? unit_seconds(def[n - 1]) : 0;
    return unit == 0 ? 1 : unit;
}

static int fill_secs(const struct config *c, const struct param *row, const char *value, uint32_t *ret, struct err *err)
{
    struct str rest = str_from(value);
    uint64_t n, unit = default_unit(row->def), max = row->max == 0 && row->min == 0 ? UINT32_MAX : MIN(row->max, UINT32_MAX);
    if (!num_take_u64(&rest, UINT32_MAX, &n))
        return out_of_range(c, row, value, " seconds (or with a unit: s m h d w)", err);
    if (rest.n == 1)
        unit = unit_seconds(rest.p[0]);
    if (rest.n > 1 || unit == 0)
        return err_set(err, ERR_CONFIG, "%s: %s = %s: a time is a number with at most one unit of s m h d w",
                       where_of(c, row->name), row->name, value);
    if (n * unit > max || n * unit < row->min)
        return out_of_range(c, row, value, " seconds", err);
    *ret = (uint32_t)(n * unit);
    return 0;
}

static int fill_value(const struct config *c, const struct param *row, const char *value, char *at, struct err *err)
{
    uint64_t n = 0;
    switch (row->kind) {
    case PARAM_BOOL:
        return fill_bool(c, row, value, (bool *)(void *)at, err);
    case PARAM_UINT:
        if (fill_number(c, row, value, UINT32_MAX, &n, err) < 0)
            return -1;
        *(uint32_t *)(void *)at = (uint32_t)n;
        return 0;
    case PARAM_SIZE:
        return fill_number(c, row, value, UINT64_MAX, (uint64_t *)(void *)at, err);
    case PARAM_SECS:
        return fill_secs(c, row, value, (uint32_t *)(void *)at, err);
    case PARAM_STR:
    case PARAM_RAW:
        *(const char **)(void *)at = value;
        return 0;
    }
    UNREACHABLE();
}

int config_check(struct config *c, const struct param *row, struct err *err)
{
    uint64_t scratch = 0;
    const char *value = row->kind == PARAM_RAW ? "" : config_get(c, row->name, err);
    return value == NULL ? -1 : fill_value(c, row, value, (char *)&scratch, err);
}

int config_fill(struct config *c, const struct param_table *table, void *conf, struct err *err)
{
    config_register(c, table);
    for (size_t i = 0; i < table->n; i++) {
        const struct param *row = &table->rows[i];
        const char *value;
        if (row->kind == PARAM_RAW) {
            value = config_raw(c, row->name);
            if (value == NULL)
                value = row->def;
        } else {
            value = config_get(c, row->name, err);
            if (value == NULL)
                return -1;
        }
        if (fill_value(c, row, value, (char *)conf + row->offset, err) < 0)
            return -1;
    }
    return 0;
}
