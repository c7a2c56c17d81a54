/* eth2_config.c - custom networks from a consensus configuration file ("config.yaml", as devnets
 * publish it). Only the keys a signature depends on are read; the rest of the file, which grows
 * with every fork, is ignored.
 */
#include "eth2/eth2_config.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/file_io.h"
#include "base/hex.h"
#include "base/options.h"
#include "yaml/yaml_read.h"

enum { FILE_MAX = 1 << 20 };

static const char *const prefixes[ETH2_FORK_COUNT] = {"GENESIS", "ALTAIR", "BELLATRIX", "CAPELLA", "DENEB",
                                                      "ELECTRA", "FULU",   "GLOAS",     "HEZE"};

/* Leaves *value as it is when the key is absent. */
static must_check result take_number(uint64_t *value, const struct yaml_section *config, const char *key)
{
    const char *text = yaml_get(config, key);
    if (!text)
        return RESULT_OK;
    result parsed = parse_u64(value, text);
    return parsed.code ? error_prefix(parsed, "%s", key) : parsed;
}

/* Starts from the built-in network of that name, or from nothing. */
static must_check result take_name(struct eth2_network *network, bool *ret_is_built_in,
                                   const struct yaml_section *config)
{
    const char *text = yaml_get(config, "CONFIG_NAME");
    if (!text)
        text = "custom";
    size_t length = strlen(text);
    ENSURE(length > 0 && length < sizeof network->name, E_INPUT, "CONFIG_NAME: must have 1 to %zu characters",
           sizeof network->name - 1);
    char name[ETH2_NETWORK_NAME_MAX] = "";
    for (size_t i = 0; i < length; i++)
        name[i] = (char)tolower((unsigned char)text[i]);
    *ret_is_built_in = eth2_network_by_name(network, name).code == E_NONE;
    network->has_genesis_validators_root = false; /* the file may be of another chain of that name */
    if (!*ret_is_built_in) {
        *network = (struct eth2_network){.preset = ETH2_PRESET_MAINNET};
        memcpy(network->name, name, sizeof name);
        for (enum eth2_fork fork = ETH2_ALTAIR; fork < ETH2_FORK_COUNT; fork++)
            network->fork_epoch[fork] = ETH2_FAR_FUTURE;
    }
    return RESULT_OK;
}

static must_check result take_preset(struct eth2_network *network, const struct yaml_section *config,
                                     bool is_built_in)
{
    const char *text = yaml_get(config, "PRESET_BASE");
    ENSURE(text || is_built_in, E_INPUT, "PRESET_BASE: is missing");
    if (!text)
        return RESULT_OK;
    result parsed = eth2_preset_parse(&network->preset, text);
    return parsed.code ? error_prefix(parsed, "PRESET_BASE") : parsed;
}

static must_check result take_times(struct eth2_network *network, const struct yaml_section *config,
                                    bool is_built_in)
{
    static const uint64_t usual_seconds[] = {
        [ETH2_PRESET_MAINNET] = 12, [ETH2_PRESET_MINIMAL] = 6, [ETH2_PRESET_GNOSIS] = 5};
    uint64_t genesis = 0, delay = 0;
    if (!is_built_in)
        network->seconds_per_slot = usual_seconds[network->preset];
    TRY(take_number(&network->seconds_per_slot, config, "SECONDS_PER_SLOT"));
    TRY(take_number(&genesis, config, "MIN_GENESIS_TIME"));
    TRY(take_number(&delay, config, "GENESIS_DELAY"));
    /* Devnets begin exactly then; of a built-in network the true time is known. */
    if (!is_built_in)
        ENSURE(!__builtin_add_overflow(genesis, genesis ? delay : 0, &network->genesis_time), E_INPUT,
               "GENESIS_DELAY: is out of range");
    return RESULT_OK;
}

static must_check result take_fork(struct eth2_network *network, const struct yaml_section *config,
                                   enum eth2_fork fork, bool is_built_in)
{
    char version_key[32], epoch_key[32];
    (void)snprintf(version_key, sizeof version_key, "%s_FORK_VERSION", prefixes[fork]);
    (void)snprintf(epoch_key, sizeof epoch_key, "%s_FORK_EPOCH", prefixes[fork]);
    if (fork != ETH2_PHASE0)
        TRY(take_number(&network->fork_epoch[fork], config, epoch_key));
    const char *version = yaml_get(config, version_key);
    bool is_needed = !is_built_in && network->fork_epoch[fork] != ETH2_FAR_FUTURE;
    ENSURE(version || !is_needed, E_INPUT, "%s: is missing", version_key);
    if (!version)
        return RESULT_OK;
    result parsed = hex_decode(network->fork_version[fork], ETH2_VERSION_LEN, version, strlen(version));
    return parsed.code ? error_prefix(parsed, "%s", version_key) : parsed;
}

result eth2_network_from_yaml(struct eth2_network *ret_network, const char *text, size_t text_len)
{
    AUTO(yaml_file) file = {0};
    TRY(yaml_read(&file, text, text_len, YAML_NESTED_IGNORE));
    ENSURE(file.num_sections == 1, E_INPUT, "a network configuration is one YAML document");
    const struct yaml_section *config = &file.sections[0];
    struct eth2_network network;
    bool is_built_in = false;
    TRY(take_name(&network, &is_built_in, config));
    TRY(take_preset(&network, config, is_built_in));
    TRY(take_times(&network, config, is_built_in));
    for (enum eth2_fork fork = ETH2_PHASE0; fork < ETH2_FORK_COUNT; fork++)
        TRY(take_fork(&network, config, fork, is_built_in));
    TRY(eth2_network_check(&network));
    *ret_network = network;
    return RESULT_OK;
}

static must_check result network_from_file(struct eth2_network *ret_network, const char *path)
{
    AUTO(buffer) text = {0};
    TRY(file_read(&text, path, FILE_MAX));
    return eth2_network_from_yaml(ret_network, (const char *)text.data, text.length);
}

result eth2_network_of_option(struct eth2_network *ret_network, const char *name_or_path)
{
    result r = eth2_network_by_name(ret_network, name_or_path);
    if (r.code == E_NOT_FOUND)
        r = network_from_file(ret_network, name_or_path);
    if (!r.code)
        return r;
    return error_prefix((result){E_INPUT}, "--network: neither a known name nor a usable configuration file");
}
