/* ctl_verbs_enclave.c - the texts of the verbs that make, describe and ask enclaves. */
#include "ctl_verbs.h"

const struct ctl_verb ctl_verbs_access[] = {
    {
        .noun = "access",
        .verb = "make",
        .run = ctl_access_make,
        .summary = "print the access document: who may connect to an enclave",
        .description =
            "The files that say who may connect to a stand-alone signer, under the same option names, "
            "become\n"
            "the one document that an enclave's policy pins. Tokens and passwords go into it as digests.",
        .json = "{\"document\": the same text}",
        .examples = "nitro-signer-ctl access make --tls-client-ca-file=clients-ca.pem >access.txt",
    },
    {.noun = NULL},
};

const struct ctl_verb ctl_verbs_policy[] = {
    {
        .noun = "policy",
        .verb = "make",
        .run = ctl_policy_make,
        .summary = "print the policy document for a network, a store and a KMS key",
        .description = "The document is measured into PCR16 before the enclave gets a key. With --stack the "
                       "KMS key and the\n"
                       "store are the stack's, of its outputs.",
        .json = "{\"document\": the same text}",
        .examples = "nitro-signer-ctl policy make --stack=prodNitroValidator --network=mainnet "
                    "--access=access.txt \\\n"
                    "    --store-identity=0x2b3c... >policy.txt",
    },
    {
        .noun = "policy",
        .verb = "measure",
        .run = ctl_policy_measure,
        .summary = "print PCR16 of a policy document",
        .operands = CTL_ONE_FILE,
        .operands_text = "FILE",
        .description =
            "What an enclave extends PCR16 to when it is given the document, in hexadecimal digits.",
        .json = "{\"pcr16\"}",
        .examples = "nitro-signer-ctl policy measure policy.txt",
    },
    {
        .noun = "policy",
        .verb = "kms-key-policy",
        .run = ctl_key_policy,
        .summary = "print the KMS key policy that admits one image and one policy",
        .description =
            "A key policy for kms:PutKeyPolicy: Decrypt is denied to everybody who does not attest these\n"
            "registers. It is JSON whatever --output says.",
        .json = "the key policy itself",
        .examples = "nitro-signer-ctl policy kms-key-policy --pcr0=PCR0 --pcr16=PCR16 --role=ARN "
                    "--encrypt-role=ARN >key-policy.json",
    },
    {
        .noun = "policy",
        .verb = "show",
        .run = ctl_policy_show,
        .summary = "print the key policy of a stack's KMS key and what it demands",
        .description = "The key policy of the stack's KMS key, and what it demands of who decrypts.",
        .json = "{\"stack\", \"key\", \"state\", \"multi_region\", \"decrypt\": attested, nobody or open,\n"
                "\"demands\": {register: [values]}, \"policy\"}",
        .examples = "nitro-signer-ctl policy show --stack=prodNitroValidator",
    },
    {
        .noun = "policy",
        .verb = "apply",
        .run = ctl_policy_apply,
        .summary = "set it, for a key that the stack was given",
        .description =
            "Sets the key policy of a KMS key that the stack was given (kms_arn): decryption by the stack's\n"
            "instances alone, and by them only inside of this image under this policy document. Shows the\n"
            "difference, asks, and reads back what is then in force.",
        .json = "{\"stack\", \"key\", \"changed\", \"decrypt\", \"policy\"}",
        .examples =
            "nitro-signer-ctl policy apply --stack=prodNitroValidator --policy=policy.txt --pcrs=pcrs.json",
    },
    {.noun = NULL},
};

const struct ctl_verb ctl_verbs_image[] = {
    {
        .noun = "image",
        .verb = "build",
        .run = ctl_image_build,
        .summary = "make an enclave image (EIF) and print its measurements",
        .description = "Puts kernel, command line and ramdisks into an enclave image, as nitro-cli "
                       "build-enclave does, and\n"
                       "prints the registers that it will have. The same inputs give the same bytes.",
        .json = "{\"Measurements\": {\"HashAlgorithm\", \"PCR0\", \"PCR1\", \"PCR2\", \"PCR8\" of a signed "
                "one}}, which is\n"
                "what text is too",
        .examples = "nitro-signer-ctl image build --kernel=bzImage --cmdline='reboot=k panic=30' "
                    "--ramdisk=init.manifest \\\n"
                    "    --ramdisk=signer.manifest --out=nitro-signer.eif",
    },
    {
        .noun = "image",
        .verb = "ramdisk",
        .run = ctl_image_ramdisk,
        .summary = "make a ramdisk (cpio) of what a manifest lists",
        .description = "An archive for the kernel's initramfs, of exactly the files that the manifest names.",
        .json = "{\"ramdisk\": the file, \"bytes\"}",
        .examples = "nitro-signer-ctl image ramdisk --manifest=signer.manifest --out=signer.cpio",
    },
    {
        .noun = "image",
        .verb = "describe",
        .run = ctl_image_describe,
        .summary = "verify an enclave image and print what nitro-cli says of it",
        .operands = CTL_ONE_FILE,
        .operands_text = "FILE",
        .description = "Checks the image's CRC and, if it has one, its signature, and prints the members "
                       "that nitro-cli\n"
                       "describe-eif does. An image that is wrong is refused, not described.",
        .json = "the members of nitro-cli describe-eif, which is what text is too",
        .examples =
            "nitro-signer-ctl image describe nitro-signer.eif\n"
            "nitro-signer-ctl image describe nitro-signer.eif --output=json | jq -r .Measurements.PCR0",
    },
    {
        .noun = "image",
        .verb = "measure",
        .run = ctl_measure,
        .summary = "print PCR0 of executables as devcloud measures them",
        .operands = CTL_FILES,
        .operands_text = "FILE...",
        .description = "The formula of an image's PCR0 applied to the executables themselves: with "
                       "nitro-signer-devcloud\n"
                       "they are the image.",
        .json = "{\"pcr0\"}",
        .examples =
            "nitro-signer-ctl image measure build/bin/nitro-signer-enclave build/bin/nitro-signer-keeper",
    },
    {.noun = NULL},
};

const struct ctl_verb ctl_verbs_attest[] = {
    {
        .noun = "attest",
        .verb = "verify",
        .run = ctl_attest_verify,
        .summary = "ask for an attestation document and verify it",
        .description =
            "Asks the signer for an attestation document over a nonce made here, and verifies it to the "
            "root\n"
            "certificate of AWS: time, nonce, registers, and what the document says of the signer. With "
            "--url\n"
            "the TLS key of the connection must be the attested one, and so must be the list of public keys.",
        .json = "{\"module_id\", \"timestamp_ms\", \"pcrs\": {number: digits}, \"tls_key\", \"public_keys\", "
                "\"records\",\n"
                "\"generation\", \"validators\", \"highest_target_epoch\", \"highest_block_slot\"}",
        .examples = "nitro-signer-ctl attest verify --url=https://signer.example --pcr0=PCR0 --pcr16=PCR16\n"
                    "# that nothing has gone back since the last look\n"
                    "nitro-signer-ctl attest verify --control=vsock:16:5000 --not-before=state --save=state",
    },
    {.noun = NULL},
};

const struct ctl_verb ctl_verbs_sign_test[] = {
    {
        .noun = "sign-test",
        .run = ctl_sign_test,
        .summary = "have one message of every type signed and verify the signatures",
        .description =
            "A small validator client that believes nothing: each signing root is computed here, and each\n"
            "signature verified. Blocks and attestations are recorded by the signer like any others: with "
            "keys\n"
            "that have duties give an epoch that is over.",
        .json = "{\"pubkey\", \"results\": [{\"type\", \"status\", \"milliseconds\", \"verified\", "
                "\"signature\" with\n"
                "--show-signature, \"answer\" of a refusal}]}",
        .examples = "nitro-signer-ctl sign-test --url=https://signer.example --ca-file=tls-cert.pem "
                    "--network=hoodi \\\n"
                    "    --genesis-validators-root=0x212f13fc... --epoch=1",
    },
    {.noun = NULL},
};
