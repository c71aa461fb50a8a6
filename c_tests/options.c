/* The table of options, as a launcher reads it. */
/* env: OXMALLOC_PURGE_DELAY_MS=1234 OXMALLOC_HUGE_PAGES=never */
#include <stdlib.h>

#include "check.h"

static void look(const OxOptionInfo *o)
{
    CHECK(o->size == sizeof *o, "size %zu", o->size);
    CHECK(strncmp(o->name, "OXMALLOC_", 9) == 0, "%s", o->name);
    CHECK(strlen(o->help) > 10, "%s: '%s'", o->name, o->help);
    CHECK(o->least <= o->default_value && o->default_value <= o->most, "%s: %zu", o->name, o->default_value);
    CHECK(o->least <= o->value && o->value <= o->most, "%s: %zu", o->name, o->value);
    size_t words = 0;
    for (const char *at = o->words; *at; at++) {
        words += *at == ',';
    }
    switch (o->kind) {
    case OX_OPTION_FLAG: CHECK(o->least == 0 && o->most == 1 && !*o->words, "%s", o->name); break;
    case OX_OPTION_NUMBER: CHECK(*o->unit && !*o->words, "%s", o->name); break;
    case OX_OPTION_WORD: CHECK(*o->words && words == o->most, "%s: '%s'", o->name, o->words); break;
    default: CHECK(0, "%s is of kind %u", o->name, (unsigned)o->kind);
    }
    if (strcmp(o->name, "OXMALLOC_PURGE_DELAY_MS") == 0) {
        CHECK(o->kind == OX_OPTION_NUMBER && strcmp(o->unit, "ms") == 0, "'%s'", o->unit);
        CHECK(o->value == 1234 && o->default_value == 500, "%zu, %zu", o->value, o->default_value);
    }
    if (strcmp(o->name, "OXMALLOC_HUGE_PAGES") == 0) {
        CHECK(o->kind == OX_OPTION_WORD && strcmp(o->words, "auto,never,always") == 0, "'%s'", o->words);
        CHECK(o->value == 1 && o->default_value == 0, "%zu, %zu", o->value, o->default_value);
    }
}

int main(void)
{
    OxMem_Free(NULL, OxMem_Malloc(NULL, 1)); /* the start reads the environment */
    OxOptionInfo options[100];
    int all = Ox_GetOptions(options, sizeof options[0], COUNT(options));
    CHECK(all >= 6 && all <= (int)COUNT(options), "%d options", all);
    for (int i = 0; i < all; i++) {
        look(&options[i]);
    }
    OxOptionInfo last = options[all - 1];
    memset(options, 0xEE, sizeof options);
    CHECK(Ox_GetOptions(options, sizeof options[0], 1) == all, "one row");
    CHECK(filled(&options[1], 0xEE, sizeof options[1]), "wrote behind the row");
    CHECK(options[0].name != last.name && strlen(last.name) > 9, "'%s'", last.name); /* valid still */
    CHECK(Ox_GetOptions(NULL, 0, 0) == all, "no row");
    CHECK(Ox_GetOptions(NULL, sizeof options[0], 1) == OX_ERR_ARGUMENT, "NULL");
    CHECK(Ox_GetOptions(options, sizeof(size_t), 1) == OX_ERR_ARGUMENT, "no room for a name");
    puts("options are shown with what they may be and are");
    return 0;
}
