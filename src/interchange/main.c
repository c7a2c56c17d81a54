/* main.c - nitro-signer-interchange: slashing-protection history in and out, and raised, while no
 * signer runs. Its own executable, so that nitro-signer, which starts it, has no code for a store. */
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/options.h"
#include "base/process_limits.h"
#include "interchange_verbs.h"

static const char usage[] =
    "nitro-signer-interchange import --store=FILE --from=FILE\n"
    "       nitro-signer-interchange export --store=FILE --to=FILE\n"
    "       nitro-signer-interchange repair --store=FILE --epoch=N --slot=N\n"
    "       nitro-signer-interchange set-high-watermark --store=FILE --epoch=N --slot=N\n"
    "       nitro-signer-interchange remove-high-watermark --store=FILE\n"
    "--database-fd=N instead of --store: the descriptor from which the address of a PostgreSQL database is "
    "read.\n"
    "--dynamodb-table=NAME and the options with it, instead of --store: a DynamoDB table whose key is at "
    "hand.\n"
    "What nitro-signer eth2 import, export and watermark-repair start.";

enum verb { VERB_IMPORT, VERB_EXPORT, VERB_REPAIR, VERB_SET_HIGH, VERB_REMOVE_HIGH };

#define NOT_A_VERB "argument 1: must be import, export, repair, set-high-watermark or remove-high-watermark"

struct order {
    enum verb verb;
    struct interchange_place place;
    const char *from, *to;
    uint64_t epoch, slot;
};

static must_check result parse_verb(enum verb *ret_verb, const char *word)
{
    static const char *const words[] = {[VERB_IMPORT] = "import",
                                        [VERB_EXPORT] = "export",
                                        [VERB_REPAIR] = "repair",
                                        [VERB_SET_HIGH] = "set-high-watermark",
                                        [VERB_REMOVE_HIGH] = "remove-high-watermark"};
    for (size_t i = 0; i < ARRAY_LENGTH(words); i++) {
        if (strcmp(word, words[i]) == 0) {
            *ret_verb = (enum verb)i;
            return RESULT_OK;
        }
    }
    FAIL(E_INPUT, NOT_A_VERB);
}

static must_check result parse_height(uint64_t *ret_height, const char *option, const char *text)
{
    ENSURE(text, E_INPUT, "%s: required", option);
    result r = parse_u64(ret_height, text);
    return r.code ? error_prefix(r, "%s", option) : r;
}

static must_check result check_place(const struct interchange_place *place)
{
    const struct interchange_table *t = &place->table;
    int num = (place->path != NULL) + (place->database_fd != 0) + (t->name != NULL);
    ENSURE(num == 1, E_INPUT, "--store: required, or --database-fd or --dynamodb-table instead");
    ENSURE(!t->name || (t->region && t->credentials_file), E_INPUT,
           "--dynamodb-region, --aws-credentials-file: required with --dynamodb-table");
    return RESULT_OK;
}

static must_check result parse(struct order *ret_order, int argc, char *const argv[])
{
    struct order order = {0};
    struct log_options log = LOG_OPTIONS_DEFAULT;
    const char *epoch = NULL, *slot = NULL;
    uint32_t database_fd = 0;
    const struct option table[] = {
        {"store", OPTION_TEXT, &order.place.path, "SQLite file that remembers what was signed", 0, 0},
        {"database-fd", OPTION_U32, &database_fd, "descriptor with the address of a database", 3, 1000},
        {"dynamodb-table", OPTION_TEXT, &order.place.table.name, "name of a DynamoDB table", 0, 0},
        {"dynamodb-account", OPTION_TEXT, &order.place.table.account, "AWS account it must be in (any)", 0,
         0},
        {"dynamodb-region", OPTION_TEXT, &order.place.table.region, "its region", 0, 0},
        {"dynamodb-key-file", OPTION_TEXT, &order.place.table.key_file, "its key (none)", 0, 0},
        {"dynamodb-identity", OPTION_TEXT, &order.place.table.identity, "its identity, 0x... (any)", 0, 0},
        {"aws-credentials-file", OPTION_TEXT, &order.place.table.credentials_file, "JSON file", 0, 0},
        {"from", OPTION_TEXT, &order.from, "EIP-3076 file to import", 0, 0},
        {"to", OPTION_TEXT, &order.to, "EIP-3076 file to write", 0, 0},
        {"epoch", OPTION_TEXT, &epoch, "repair: lowest source and target; else the high watermark's", 0, 0},
        {"slot", OPTION_TEXT, &slot, "repair: lowest slot; else the high watermark's", 0, 0},
        LOG_OPTION_ROWS(&log),
    };
    int verb = 1, next;
    if (argc > 1 && argv[1][0] != '-')
        verb = 2;
    TRY(options_parse(&next, table, ARRAY_LENGTH(table), usage, argc - verb + 1, argv + verb - 1));
    ENSURE(verb == 2, E_INPUT, NOT_A_VERB);
    ENSURE(next == argc - 1, E_INPUT, "argument %d: unexpected", next + 1);
    TRY(parse_verb(&order.verb, argv[1]));
    order.place.database_fd = (int)database_fd;
    TRY(check_place(&order.place));
    ENSURE(order.verb != VERB_IMPORT || order.from, E_INPUT, "--from: required");
    ENSURE(order.verb != VERB_EXPORT || order.to, E_INPUT, "--to: required");
    if (order.verb == VERB_REPAIR || order.verb == VERB_SET_HIGH) {
        TRY(parse_height(&order.epoch, "--epoch", epoch));
        TRY(parse_height(&order.slot, "--slot", slot));
    }
    TRY(log_configure(&log));
    *ret_order = order;
    return RESULT_OK;
}

static must_check result carry_out(const struct order *order)
{
    TRY(process_harden());
    (void)umask(077); /* a record that an import begins is the user's alone, as the keeper's are */
    switch (order->verb) {
    case VERB_IMPORT:
        return interchange_import(&order->place, order->from);
    case VERB_EXPORT:
        return interchange_export(&order->place, order->to);
    case VERB_REPAIR:
        return interchange_repair(&order->place, order->epoch, order->slot);
    case VERB_SET_HIGH:
        return interchange_set_high_watermark(&order->place, order->epoch, order->slot);
    case VERB_REMOVE_HIGH:
        return interchange_remove_high_watermark(&order->place);
    }
    FAIL(E_INTERNAL, "no such verb");
}

int main(int argc, char *argv[])
{
    struct order order = {0};
    log_open("nitro-signer-interchange", LOG_LEVEL_INFO);
    result r = parse(&order, argc, argv);
    if (r.code) {
        log_error("%s", error_text());
        return PROGRAM_EXIT_USAGE;
    }
    r = carry_out(&order);
    if (r.code)
        log_error("%s", error_text());
    return r.code ? 1 : 0;
}
