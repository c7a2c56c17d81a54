"""Which pages are run in which scene, and which blocks are not run, and why. A block that is neither is a failure, and so is a row here
that no block has: by page, and the block's first line that is no comment.

Blocks that are not run are still parsed by bash, and the options, verbs and targets that they name must exist.
"""

# alone: a machine with the signer alone. stack: a stack on AWS as far as emulators go (stack.py), and the machine of who operates it; running:
# with the walkthrough behind it as far as to the start of the service.
SCENES = {
    "README.md": "alone",
    "docs/http-api.md": "alone",
    "docs/key-sources.md": "alone",
    "docs/metrics.md": "alone",
    "docs/migration-from-web3signer.md": "alone",
    "docs/slashing-history.md": "alone",
    "docs/runbooks-alone.md": "alone",
    "docs/solo-staker.md": "alone",
    "docs/verify-the-image.md": "alone",
    "docs/keys.md": "stack",
    "docs/migration-from-the-python-sample.md": "stack",
    "docs/runbooks.md": "running stack",
    "docs/who-may-connect.md": "stack",
}

# Pages whose commands a test of their own types, which also asks what became of them.
ELSEWHERE = {"docs/walkthrough.md": "tests/interop/test_walkthrough.py", "docs/packages.md": "tests/interop/test_deb.py"}

# What a page takes for granted: run before its first block.
SERVES = "nitro-signer --key-config-path=keys eth2 --network=hoodi --slashing-protection-db-path=$PWD/protection.sqlite"
ONE_KEY = "mkdir -p keys; cp ../one.yaml keys/; key=$(jq -r .pubkey ../one.json)\n"
HOME = """cat > signer.conf <<END
eth2.network: hoodi
eth2.keystores-path: $PWD/validator_keys
eth2.keystores-password-file: $PWD/password.txt
eth2.slashing-protection-db-path: $PWD/protection.sqlite
tls-keystore-file: $PWD/tls.p12
tls-keystore-password-file: $PWD/tls.password
tls-allow-any-client: true
http-basic-credentials-file: $PWD/clients.txt
END
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=signer.home -addext subjectAltName=DNS:localhost -keyout tls.key -out tls.pem
openssl rand -hex 16 > tls.password
openssl pkcs12 -export -inkey tls.key -in tls.pem -passout file:tls.password -out tls.p12
echo "client:$(openssl rand -hex 16)" > clients.txt
cp history.json old_backup.json
nitro-signer-ctl keys derive --first=20 --network=hoodi --out=new_keys --kdf-cost=10 --existing-mnemonic-file=mnemonic.txt --password-file=password.txt
nitro-signer-ctl slashing import --store=protection.sqlite --from=history.json
nitro-signer --config-file=signer.conf eth2 2>>signer.log &
curl --cacert tls.pem --user "$(cat clients.txt)" https://localhost:9000/upcheck
"""
BEFORE = {
    "docs/runbooks-alone.md": HOME,
    "docs/http-api.md": ONE_KEY + f"{SERVES} --Xsigning-ext-enabled=true --commit-boost-api-enabled=true "
                        "--proxy-keystores-path=proxies --proxy-keystores-password-file=password.txt &\n",
    "docs/key-sources.md": "mkdir keys; cp validator_keys/keystore-*_8_0_0-*.json keystore.json; key=0x$(jq -r .pubkey keystore.json)\n"
                           f"{SERVES} --key-manager-api-enabled=true &\n",
    "docs/keys.md": "mv validator_keys other_keys; mkdir keys; cp mnemonic.txt mine.txt\n"
                    f"{SERVES} --key-manager-api-enabled=true &\n"
                    "curl http://localhost:9000/upcheck\n"
                    "nitro-signer-ctl keys upload --stack=prodNitroValidator --uuid=none --network=hoodi --keystores-path=other_keys --keystores-password-file=password.txt\n"
                    "other=$(cat other_keys/keystore-*_8_0_0-*.json | jq -r .pubkey) gone=$(cat other_keys/keystore-*_9_0_0-*.json | jq -r .pubkey)\n"
                    "nitro-signer-ctl keys assign --stack=prodNitroValidator $gone\n"
                    "nitro-signer-ctl keys deactivate --stack=prodNitroValidator $gone\n",
    "docs/migration-from-the-python-sample.md":
        "export OLD_UUID=11111111-da77-11e4-872e-1234567db123 OLD_TABLE_ARN=arn:aws:dynamodb:a:table/b OLD_KEY_ARN=$KEY_ARN\n"
        "nitro-signer-ctl keys upload --stack=$STACK --uuid=$OLD_UUID --network=hoodi --keystores-path=validator_keys --keystores-password-file=password.txt\n",
    "docs/who-may-connect.md": "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=NAME -keyout client.key -out client.pem\n"
                               "nitro-signer-ctl slashing init --stack=$STACK --genesis-validators-root=$GENESIS > identity.txt\n",
}

LONG = "takes from minutes to an hour, and is a suite of its own"
IMAGE = "half an hour of compiling: make image-verify and make enclave-boot run it, tests/integration/test_image.py what it leaves"
ACCOUNT = "an account of AWS: the deployment runs against moto in tests/integration/test_infra.py"
INSTANCE = "an instance with systemd and nitro-cli: tests/interop/test_host_systemd.py and tests/integration/test_host_install.py run the same"
NOT_RUN = {
    ("README.md", "make demo     # watch the whole story on this machine: keys, attestation, signatures, refusals"): "tests/integration/test_demo.py runs the first; the second runs this",
    ("CONTRIBUTING.md", "make                        # the programs into build/bin; make build: the tests too"): LONG,
    ("infra/README.md", "make image ARCH=arm64                           # the enclave's image, the hosts' and the Lambda function"): ACCOUNT,
    ("docs/walkthrough.md", "make"): ACCOUNT,
    ("docs/walkthrough.md", "(cd infra && node_modules/.bin/cdk destroy $STACK -c stack=$STACK)"): ACCOUNT,
    ("docs/image.md", "make image              # build/image/{x86_64,arm64}/: nitro-signer.eif, pcrs.json, sizes.txt, nitro-signer-host.oci.tar and the parts"): IMAGE,
    ("docs/image.md", "packaging/oci/build"): "tests/integration/test_oci.py and tests/interop/test_oci_tools.py run it",
    ("docs/verify-the-image.md", "git clone $REPOSITORY nitro-signer && cd nitro-signer"): IMAGE,
    ("docs/verify-the-image.md", "build/bin/nitro-signer-ctl image describe nitro-signer.eif"): IMAGE,
    ("docs/verify-the-image.md", "sudo make image-verify ARCH=x86_64"): IMAGE,
    ("docs/verify-the-image.md", "cat build/image/x86_64/sizes.txt"): IMAGE,
    ("docs/verify-the-image.md", 'sha256sum "$(packaging/debian/root)"/usr/lib/x86_64-linux-gnu/libcrypto.so.3'): IMAGE,
    ("docs/host.md", "systemctl status nitro-signer-watchdog nitro-signer-proxy    # the first also says how the signer does"): INSTANCE,
    ("docs/host.md", "/opt/nitro-signer/host/install"): INSTANCE,
    ("docs/watchdog.md", "nitro-signer-watchdog --enclave=nitro-cli --eif=nitro-signer.eif --memory=512 --policy=policy.txt --access=access.txt \\"):
        "nitro-cli: tests/integration/test_watchdog_nitro_cli.py and test_watchdog_aws.py run these options",
    ("docs/observability.md", "NS_DASHBOARD_PICTURE=docs/observability.svg python3 -m pytest tests/interop/test_prometheus.py"): "it is a test: make test runs it, but for the picture",
    ("docs/migration-from-web3signer.md", "web3signer eth2 --slashing-protection-db-url=URL --slashing-protection-db-username=NAME --slashing-protection-db-password=TEXT \\"):
        "Web3Signer itself, which is not here",
    ("docs/checking-a-signer.md", "nitro-signer-ctl attest verify --url=https://signer.example --pcr0=$pcr0 --pcr16=$pcr16"):
        "AWS's root certificate: tests/integration/test_attestation.py runs it with the stand-in's",
    ("docs/status-page.md", "NS_STATUS_PICTURE=docs/status-page.png NS_STATUS_SECONDS=1800 python3 -m pytest tests/interop/test_status_page_browser.py"):
        "half an hour, and it is a test: make test runs it for less, without the picture",
    ("docs/status-page.md", "ssh -N -L 9002:127.0.0.1:9002 signer-1"): "a host of one's own",
    ("docs/status-page.md", "aws ssm start-session --target i-0123456789abcdef0 --document-name AWS-StartPortForwardingSession \\"): "an instance in an account of AWS",
    ("docs/migration-from-the-python-sample.md", "aws dynamodb create-backup --table-name $OLD_TABLE --backup-name before-nitro-signer"): ACCOUNT,
    ("docs/migration-from-the-python-sample.md", "nitro-signer-ctl policy apply --stack=$STACK --policy=infra/policies/$STACK.txt --pcrs=build/image/arm64/pcrs.json"):
        "pcrs.json of an image that was made: tests/integration/test_ctl_policy.py runs it",
    ("docs/runbooks.md", "git pull && make && make image ARCH=arm64"): IMAGE,
    ("docs/runbooks.md", 'aws logs tail "$(jq -r ".$STACK.SystemLogGroupName" infra/output.json)" --since 1h --filter-pattern \'"slashing protection refuses"\''): ACCOUNT,
    ("docs/keys.md", "nitro-signer-ctl keys derive --count=4"): "it asks on a terminal: tests/integration/test_ctl_terminal.py types the answer",
    ("docs/keys.md", "nitro-signer-ctl keys generate --sealed --count=10000 --mnemonic-fd=3 3>mnemonic.txt --out=sealed \\"):
        "ten thousand keys: tests/integration/test_ctl_keys.py makes fewer, make bench as many",
}
# The walkthrough's part for production: the same steps under another name, and a signer's proof under AWS's root.
NOT_RUN |= {("docs/walkthrough.md", "export STACK=prodNitroValidator"): ACCOUNT,
            ("docs/walkthrough.md", "pcr0=$(jq -r .Measurements.PCR0 build/image/arm64/pcrs.json)"): NOT_RUN[
                ("docs/checking-a-signer.md", "nitro-signer-ctl attest verify --url=https://signer.example --pcr0=$pcr0 --pcr16=$pcr16")]}
