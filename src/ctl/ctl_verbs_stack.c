/* ctl_verbs_stack.c - the texts of the verbs that operate a stack, its TLS key and its record of what was
 * signed. */
#include "ctl_verbs.h"

const struct ctl_verb ctl_verbs_tls[] = {
    {
        .noun = "tls",
        .verb = "make",
        .run = ctl_tls_make,
        .summary = "make the signer's TLS key and certificate, encrypt them, write a TLS item",
        .description = "A P-256 key and a certificate that clients trust as their only root. The key is in "
                       "the item alone,\n"
                       "encrypted by KMS.",
        .json = "{\"item\", \"certificate\": files, \"name\"}",
        .examples = "nitro-signer-ctl tls make --name=signer.example --key-arn=ARN --credentials=aws.json "
                    "--out=items",
    },
    {
        .noun = "tls",
        .verb = "upload",
        .run = ctl_tls_upload,
        .summary = "put the TLS item that tls make has written into a stack's table",
        .description = "Puts the item into the TLS table, from which signers take it when they are started. "
                       "A key that is there\n"
                       "already stays unless --replace is given: clients trust its certificate.",
        .json = "{\"table\", \"item\": the file}",
        .examples = "nitro-signer-ctl tls upload --stack=prodNitroValidator --items=items",
    },
    {
        .noun = "tls",
        .verb = "set",
        .run = ctl_tls_set,
        .summary = "have a stack's Lambda function make a new TLS key",
        .description = "Has the stack's Lambda function make a new TLS key and certificate and put them into "
                       "the TLS table.\n"
                       "Running signers keep theirs until they are started again.",
        .json = "{\"stack\", \"answer\"}",
        .examples = "nitro-signer-ctl tls set --stack=prodNitroValidator",
    },
    {
        .noun = "tls",
        .verb = "show",
        .run = ctl_tls_show,
        .summary = "print the certificate that a stack's clients trust",
        .description = "The signer's certificate (PEM), which validator clients trust as their only root.",
        .json = "{\"stack\", \"host\", \"certificate_pem\"}",
        .examples = "nitro-signer-ctl tls show --stack=prodNitroValidator >tls-cert.pem",
    },
    {.noun = NULL},
};

const struct ctl_verb ctl_verbs_slashing[] = {
    {
        .noun = "slashing",
        .verb = "init",
        .run = ctl_slashing_init,
        .summary = "begin a DynamoDB table as a slashing protection store",
        .description =
            "Begins a table as a slashing protection store and prints its identity, for the policy "
            "document.\n"
            "Makes the table if there is none; deletion protection and point-in-time recovery are\n"
            "infrastructure's to set. Refuses a table that was begun before.",
        .json = "{\"store_identity\"}",
        .examples = "nitro-signer-ctl slashing init --stack=prodNitroValidator "
                    "--genesis-validators-root=0x4b363db9... \\\n"
                    "    --from=history.json",
    },
    {
        .noun = "slashing",
        .verb = "import",
        .run = ctl_slashing_import,
        .summary = "add an EIP-3076 file's history to a stand-alone signer's store",
        .description = "Raises the marks of the file's validators in the store, never lowers one, all of the "
                       "file or nothing. The\n"
                       "store is made when absent. The signer must not run; nitro-signer eth2 import does "
                       "the same for the\n"
                       "other stores.",
        .json = "{\"file\", \"validators\": how many it has}",
        .examples = "nitro-signer-ctl slashing import --store=protection.sqlite --from=history.json",
    },
    {
        .noun = "slashing",
        .verb = "export",
        .run = ctl_slashing_export,
        .summary = "write a stand-alone signer's store as an EIP-3076 file",
        .description = "Writes the store's marks, for another signer to import before it signs with the "
                       "keys. The signer must\n"
                       "not run, here or afterwards: what it signs later is not in the file.",
        .json = "{\"file\", \"validators\": how many it has}",
        .examples = "nitro-signer-ctl slashing export --store=protection.sqlite --to=history.json",
    },
    {
        .noun = "slashing",
        .verb = "show",
        .run = ctl_slashing_show,
        .summary = "print what a table says of itself, or the marks of an EIP-3076 file",
        .description =
            "What the table's head says. Without the key nothing of it is proven. With --file instead what "
            "an EIP-3076\n"
            "file has of each validator: the highest source and target epoch, and the highest slot.",
        .json = "{\"store_id\", \"generation\", \"validators\", \"genesis_validators_root\", "
                "\"high_watermark\": {\"epoch\",\n"
                "\"slot\"} or null, \"key\", \"identity\", \"seals_checked\"}; with --file\n"
                "{\"genesis_validators_root\", \"validators\": [{\"pubkey\", \"source_epoch\", "
                "\"target_epoch\", \"slot\":\n"
                "texts or null}]}",
        .examples = "nitro-signer-ctl slashing show --stack=prodNitroValidator\n"
                    "nitro-signer-ctl slashing show --file=history.json",
    },
    {.noun = NULL},
};

const struct ctl_verb ctl_verbs_service[] = {
    {
        .noun = "service",
        .verb = "start",
        .run = ctl_service_start,
        .summary = "start the signer on every instance of a stack",
        .description = "Starts the signer on every instance, waits, and sets the init flag to true when all "
                       "of them run.",
        .json = "{\"stack\", \"group\", \"command_id\", \"init_flag\", \"instances\": [{\"id\", \"zone\", "
                "\"lifecycle\", \"health\",\n"
                "\"status\", \"response_code\", \"output\", \"error_output\"}]}",
        .statuses = "1 when one instance does not run; the flag then stays as it is",
        .examples = "nitro-signer-ctl service start --stack=prodNitroValidator",
    },
    {
        .noun = "service",
        .verb = "stop",
        .run = ctl_service_stop,
        .summary = "stop it there",
        .description = "Sets the init flag to false, then stops the signer on every instance and waits.",
        .json = "as of service start",
        .statuses =
            "1 when one of them does not confirm it, also one that is only about to begin, or is not in\n"
            "service for another reason: it may sign all the same",
        .examples = "nitro-signer-ctl service stop --stack=prodNitroValidator",
    },
    {
        .noun = "service",
        .verb = "status",
        .run = ctl_service_status,
        .summary = "print what systemd says of it there",
        .description = "What systemd says of the signer's units on every instance, and the init flag.",
        .json = "as of service start, and of each instance \"units\": [{\"name\", \"load\", \"active\", "
                "\"sub\", \"result\",\n"
                "\"restarts\"}]",
        .statuses = "1 when an instance does not answer, whatever the units' state",
        .examples = "nitro-signer-ctl service status --stack=prodNitroValidator",
    },
    {.noun = NULL},
};

const struct ctl_verb ctl_verbs_instances[] = {
    {
        .noun = "instances",
        .verb = "refresh",
        .run = ctl_instances_refresh,
        .summary = "have a stack's instances replaced",
        .description = "Has the Auto Scaling group replace its instances and waits for the end.",
        .json = "{\"stack\", \"group\", \"refresh_id\", \"status\", \"percentage\", \"reason\"}",
        .statuses = "1 when it fails, or takes longer; it then goes on",
        .examples = "nitro-signer-ctl instances refresh --stack=prodNitroValidator",
    },
    {.noun = NULL},
};

const struct ctl_verb ctl_verbs_status[] = {
    {
        .noun = "status",
        .run = ctl_status,
        .summary = "ask the signer how it is: the control port, or a stack's Lambda function",
        .description = "What the signer says of itself; of a stack's, its health and its public keys.",
        .json = "with --control the control port's answer (PROTOCOL.control), which is what text is too; "
                "with --stack\n"
                "{\"stack\", \"status\", \"public_keys\"}",
        .statuses =
            "3 when the signer answers and is not well: it does not serve, keys could not be loaded, or\n"
            "its store does not answer. What it said is printed all the same",
        .examples = "nitro-signer-ctl status --control=vsock:16:5000\n"
                    "nitro-signer-ctl status --stack=prodNitroValidator",
    },
    {.noun = NULL},
};
