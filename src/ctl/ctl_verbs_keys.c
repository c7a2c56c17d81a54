/* ctl_verbs_keys.c - the texts of the verbs of keys. */
#include "ctl_verbs.h"

const struct ctl_verb ctl_verbs_keys[] = {
    {
        .noun = "keys",
        .verb = "generate",
        .run = ctl_keys_generate,
        .summary = "make a mnemonic and validator keys, encrypt them with KMS, write key items",
        .description =
            "Makes a mnemonic of 24 words, or reads one, derives validator keys from it (EIP-2334), puts "
            "each\n"
            "into an EIP-2335 keystore under a random password, and has KMS encrypt the two. The items in\n"
            "the folder can be opened by attested enclaves alone; keys upload puts them into a table.\n"
            "\n"
            "The mnemonic is the only way to make the keys again, and to withdraw with credentials of type\n"
            "0x00. It goes to --mnemonic-fd; without that it is shown on the terminal, once, and then to be "
            "typed.",
        .json = "{\"keys\": [{\"path\", \"pubkey\"}]}",
        .examples = "# four keys; the mnemonic goes to a file\n"
                    "nitro-signer-ctl keys generate --count=4 --network=hoodi --key-arn=ARN "
                    "--credentials=aws.json \\\n"
                    "    --out=items --mnemonic-fd=3 3>>mnemonic.txt\n"
                    "# ten thousand keys for one stack, in a few items that an enclave opens at once\n"
                    "nitro-signer-ctl keys generate --count=10000 --sealed --uuid=UUID --key-arn=ARN \\\n"
                    "    --credentials=aws.json --out=items --mnemonic-fd=3 3>>mnemonic.txt",
    },
    {
        .noun = "keys",
        .verb = "derive",
        .run = ctl_keys_derive,
        .summary = "derive validator keys from a mnemonic: public keys, or keystores and deposit data",
        .description = "Asks for a mnemonic and prints the public keys of its validators (EIP-2334). With "
                       "--out also writes\n"
                       "EIP-2335 keystores under one password, and their deposit data, as the staking "
                       "deposit tools do.\n"
                       "Needs neither a network nor KMS: keys encrypt or keys upload --keystores-path take "
                       "the folder from\n"
                       "there.",
        .json = "{\"keys\": [{\"path\", \"pubkey\"}]}",
        .examples =
            "# which keys are these? The mnemonic is asked for\n"
            "nitro-signer-ctl keys derive --count=8\n"
            "# keystores, without a terminal\n"
            "nitro-signer-ctl keys derive --first=8 --count=2 --network=hoodi --out=validator_keys \\\n"
            "    --existing-mnemonic-fd=3 --password-file=password.txt 3<mnemonic.txt",
    },
    {
        .noun = "keys",
        .verb = "encrypt",
        .run = ctl_keys_encrypt,
        .summary = "encrypt keystores that were made elsewhere with KMS, write key items",
        .description =
            "Opens each EIP-2335 keystore of a folder, has KMS encrypt it and its password, and writes an "
            "item,\n"
            "as keys generate does. Their deposit data were made with them, and are not in the items.",
        .json = "{\"keys\": [{\"path\": the keystore's file, \"pubkey\"}]}",
        .statuses = "1 also when a keystore cannot be opened and the others were encrypted",
        .examples = "nitro-signer-ctl keys encrypt --keystores-path=validator_keys "
                    "--keystores-password-file=password.txt \\\n"
                    "    --network=hoodi --key-arn=ARN --credentials=aws.json --out=items",
    },
    {
        .noun = "keys",
        .verb = "import",
        .run = ctl_keys_import,
        .summary = "import keystores into a running stand-alone signer, by its key manager API",
        .description = "Sends the EIP-2335 keystores of a folder, their passwords and, with "
                       "--slashing-protection-file, what the\n"
                       "keys have signed, to POST /eth/v1/keystores, sixteen at a time. A key that is there "
                       "already counts as\n"
                       "imported. The signer must have been started with --key-manager-api-enabled. See that "
                       "no other signer\n"
                       "has the keys any more.",
        .json = "{\"keys\": [{\"path\": the keystore's file, \"pubkey\"}]}",
        .statuses = "1 also when the signer refuses a keystore and takes the others",
        .examples =
            "nitro-signer-ctl keys import --url=http://localhost:9000 --keystores-path=validator_keys \\\n"
            "    --keystores-password-file=password.txt --slashing-protection-file=history.json",
    },
    {
        .noun = "keys",
        .verb = "export-deposit-data",
        .run = ctl_keys_export_deposits,
        .summary = "write the deposit data of keys for the staking launchpad",
        .description =
            "Puts the deposit data of a folder of items, or of a stack's table, into one file for the "
            "staking\n"
            "launchpad, once they are found right as keys check-deposit-data finds them. They are JSON\n"
            "whatever --output says.",
        .json = "the deposit data; with --out {\"file\", \"deposits\": how many}",
        .examples = "nitro-signer-ctl keys export-deposit-data --items=items --out=deposit_data.json\n"
                    "nitro-signer-ctl keys export-deposit-data --stack=prodNitroValidator >deposit_data.json",
    },
    {
        .noun = "keys",
        .verb = "check-deposit-data",
        .run = ctl_keys_check_deposits,
        .summary = "verify a file of deposit data by the staking launchpad's rules",
        .operands = CTL_ONE_FILE,
        .operands_text = "FILE",
        .description =
            "Checks the form of every member, amount and withdrawal credentials, the fork version of the "
            "network,\n"
            "both roots, and the signature. A file with anything wrong is refused, and the member named:\n"
            "what is deposited with a wrong signature is lost.",
        .json =
            "{\"valid\": true, \"deposits\": [{\"pubkey\", \"amount_gwei\", \"withdrawal_credentials\"}]}",
        .statuses = "1 when something is wrong with one of them",
        .examples = "nitro-signer-ctl keys check-deposit-data --network=mainnet deposit_data.json",
    },
    {
        .noun = "keys",
        .verb = "upload",
        .run = ctl_keys_upload,
        .summary = "write keys into the validator-key table: new ones, keystores, or items made before",
        .description = "Writes keys into the validator-key table, encrypted by KMS: new ones (--count), "
                       "those of keystores\n"
                       "(--keystores-path), or items made before (--items). What is there already is left as "
                       "it is: after\n"
                       "an interruption the same command goes on, new keys with the mnemonic that was made\n"
                       "(--existing-mnemonic-fd): another one would be written over it.\n"
                       "\n"
                       "A key that is another web3signer_uuid's ends the run with nothing uploaded: two "
                       "signers with one\n"
                       "key are how validators are slashed. The manual of it is docs/keys.md.",
        .json =
            "{\"keys\", \"there\", \"written\", \"replaced_or_moved\", \"failed\", \"items\"}, all numbers",
        .statuses = "1 also when a key was not uploaded and the others were",
        .examples = "# keystores that another tool has made\n"
                    "nitro-signer-ctl keys upload --stack=prodNitroValidator --network=mainnet \\\n"
                    "    --keystores-path=validator_keys --keystores-password-file=password.txt\n"
                    "# what keys generate has written\n"
                    "nitro-signer-ctl keys upload --stack=prodNitroValidator --items=items",
    },
    {
        .noun = "keys",
        .verb = "list",
        .run = ctl_keys_list,
        .summary = "print the keys of the validator-key table",
        .description = "Prints public key, kind (keystore or sealed), state, chain, time and web3signer_uuid "
                       "of each key.\n"
                       "Nothing is decrypted. A damaged item is one that the watchdog leaves out.",
        .json =
            "{\"count\", \"keystores\", \"sealed\", \"batches\", \"inactive\", \"damaged_items\": numbers,\n"
            "\"keys\": [{\"pubkey\", \"kind\", \"active\", \"damaged\", \"item\", \"web3signer_uuid\", "
            "\"chain\",\n"
            "\"datetime\"}]}",
        .examples = "nitro-signer-ctl keys list --stack=prodNitroValidator\n"
                    "# the public keys of everybody, for other programs\n"
                    "nitro-signer-ctl keys list --stack=prodNitroValidator --all --output=json | jq -r "
                    "'.keys[].pubkey'",
    },
    {
        .noun = "keys",
        .verb = "activate",
        .run = ctl_keys_activate,
        .summary = "have signers take keys of the table",
        .operands = CTL_WORDS,
        .operands_text = "PUBKEY|sealed-NAME...",
        .description =
            "Signers take the keys when they are started the next time. A key that is in two items is\n"
            "refused: see keys list --all.",
        .json = "{\"keys\": [{\"key\", \"state\"}]}",
        .examples = "nitro-signer-ctl keys activate --stack=prodNitroValidator 0x93247f22...",
    },
    {
        .noun = "keys",
        .verb = "deactivate",
        .run = ctl_keys_deactivate,
        .summary = "have signers pass over keys of the table",
        .operands = CTL_WORDS,
        .operands_text = "PUBKEY|sealed-NAME...",
        .description = "Signers that run go on with the keys until they are started the next time.",
        .json = "{\"keys\": [{\"key\", \"state\"}]}",
        .examples = "nitro-signer-ctl keys deactivate --stack=prodNitroValidator 0x93247f22...",
    },
    {
        .noun = "keys",
        .verb = "assign",
        .run = ctl_keys_assign,
        .summary = "give keys of nobody to a stack",
        .operands = CTL_WORDS,
        .operands_text = "PUBKEY...",
        .description =
            "Gives keys of web3signer_uuid \"none\" to the stack, each in one transaction. With --from "
            "those of a\nstack that is gone, or never again signs with them, and has them as inactive; "
            "they are inactive\nhere, too, until keys activate.",
        .json = "{\"keys\": [{\"key\", \"state\"}]}",
        .examples = "nitro-signer-ctl keys assign --stack=prodNitroValidator 0x93247f22...\n"
                    "nitro-signer-ctl keys assign --stack=prodNitroValidator "
                    "--from=51af3dc0-da77-11e4-872e-1234567db123 \\\n"
                    "    0x93247f22...",
    },
    {
        .noun = "keys",
        .verb = "remove",
        .run = ctl_keys_remove,
        .summary = "take keys out of the table for good",
        .operands = CTL_WORDS,
        .operands_text = "PUBKEY|sealed-NAME...",
        .description = "Deletes inactive keys' items from the table, once it has asked. Signers that were "
                       "not restarted since\n"
                       "keys deactivate may still have the keys. A key goes without its history: keep the "
                       "record of what it\n"
                       "has signed, and give it to whoever signs with the key next.",
        .json = "{\"keys\": [{\"key\", \"state\"}]}",
        .statuses = "1 when a key is active or another's; nothing was removed then",
        .examples = "# keys deactivate came before, and the signers were restarted since\n"
                    "nitro-signer-ctl keys remove --stack=prodNitroValidator 0x93247f22...",
    },
    {.noun = NULL},
};
