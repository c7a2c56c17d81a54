"""nitro-signer, stand-alone, with its records in PostgreSQL or DynamoDB."""
import concurrent.futures
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

import pytest
import requests

from dynamodb_relay import drop_answer, server_error, throttle
from dynamodb_server import ACCESS_KEY, ACCOUNT, REGION, SECRET_KEY
from test_signer_standalone import GENESIS, Signer, attestation, one_key, sign_vectors, write_raw_keys  # noqa: F401 (fixtures)

OTHER = "0x" + "45" * 32


def database_options(database, *more, password=True):
    options = ["--network=minimal", f"--slashing-protection-db-url={database.jdbc_url}", f"--slashing-protection-db-username={database.user}"]
    return options + ([f"--slashing-protection-db-password={database.password}"] if password else []) + list(more)


def descendants(pid):
    """(name, pid) of every process below that one; some may end while we look."""
    found = []
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            found += descendants(child)
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                name = pathlib.Path(f"/proc/{child}/cmdline").read_text().split("\0")[0]
                found.append((pathlib.Path(name).name, int(child)))
    return found


def runs(pid):
    """Whether there is such a process, and it is no zombie that nobody has collected yet."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def upcheck(signer):
    return requests.get(f"{signer.url}/upcheck", timeout=20).status_code


def healthcheck(signer):
    return requests.get(f"{signer.url}/healthcheck", timeout=20).status_code


def eventually(holds, seconds=60):
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def twin(folder, name, secrets_of):
    """A folder of its own for another signer with the same keys."""
    other = folder / name
    other.mkdir()
    (other / "keys").mkdir()
    for file in (secrets_of / "keys").iterdir():
        (other / "keys" / file.name).write_bytes(file.read_bytes())
    return other


# PostgreSQL


def test_a_drop_in_on_web3signers_database(start, folder, one_key, postgres_database):
    signer = Signer(start, folder, database_options(postgres_database))
    first = signer.sign(one_key, attestation(7))
    assert first.status_code == 200, (first.text, signer.process.log())
    conflicting = signer.sign(one_key, attestation(7, OTHER))
    assert conflicting.status_code == 412
    rows = postgres_database.query("SELECT target_epoch FROM signed_attestations")
    assert [int(row[0]) for row in rows] == [7]
    assert upcheck(signer) == 200
    signer.process.signal(signal.SIGKILL)
    signer.process.wait()
    signer = Signer(start, folder, database_options(postgres_database))
    assert signer.sign(one_key, attestation(7, OTHER)).status_code == 412
    again = signer.sign(one_key, attestation(7))
    assert (again.status_code, again.json()) == (200, first.json())
    assert signer.process.terminate() == 0


def test_the_password_is_in_no_command_line_and_no_environment_of_ours(start, folder, one_key, postgres_database):
    (folder / "password").write_text(postgres_database.password + "\nanother line\n")
    signer = Signer(start, folder, database_options(postgres_database, f"--slashing-protection-db-password-file={folder}/password",
                                                    password=False))
    assert signer.sign(one_key, attestation(7)).status_code == 200
    processes = descendants(signer.process.pid)
    assert "nitro-signer-courier" in [name for name, _ in processes]
    for name, pid in [("nitro-signer", signer.process.pid), *processes]:
        for file in ("cmdline", "environ"):
            try:
                assert postgres_database.password.encode() not in pathlib.Path(f"/proc/{pid}/{file}").read_bytes(), (name, file)
            except PermissionError:
                pass  # not even its owner may look
    assert postgres_database.password not in signer.process.log()


def test_a_url_with_everything_in_it(start, folder, one_key, postgres_database):
    password = postgres_database.password.replace(" ", "%20")
    url = f"{postgres_database.jdbc_url}?user={postgres_database.user}&password={password}&sslmode=disable"
    signer = Signer(start, folder, ["--network=minimal", f"--slashing-protection-db-url={url}"])
    assert signer.sign(one_key, attestation(7)).status_code == 200
    for name, pid in descendants(signer.process.pid):
        assert password not in pathlib.Path(f"/proc/{pid}/cmdline").read_text(), name


def test_tls_to_the_database_is_verified_inside_the_sandbox(start, folder, one_key, postgres, postgres_database):
    url = f"jdbc:postgresql://localhost:{postgres.port}/{postgres_database.name}?sslmode=verify-full&sslrootcert="
    options = ["--network=minimal", f"--slashing-protection-db-username={postgres_database.user}",
               f"--slashing-protection-db-password={postgres_database.password}"]
    signer = Signer(start, folder, [f"--slashing-protection-db-url={url}{postgres.ca_file}", *options])
    assert signer.sign(one_key, attestation(7)).status_code == 200
    encrypted = postgres_database.query("SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) "
                                        f"WHERE datname = '{postgres_database.name}' AND application_name = 'nitro-signer'")
    assert encrypted and all(row[0] for row in encrypted)
    stranger = folder / "stranger.pem"
    subprocess.run(["openssl", "req", "-x509", "-nodes", "-newkey", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-days", "2",
                    "-subj", "/CN=localhost", "-keyout", folder / "stranger.key", "-out", stranger],
                   check=True, capture_output=True, timeout=30)
    refused = start("nitro-signer", "--http-listen-port=0", f"--key-config-path={folder}/keys", "eth2",
                    f"--slashing-protection-db-url={url}{stranger}", *options, ready=False)
    eventually(lambda: "certificate" in refused.log())


def test_a_certificate_that_is_replaced_is_read_for_the_next_connection(start, folder, one_key, postgres, postgres_database):
    """As an orchestrator mounts it: a link to a link, and the folder behind them is another after an update."""
    mounted = folder / "mounted"
    for version in ("..1", "..2"):
        (mounted / version).mkdir(parents=True)
        (mounted / version / "ca.pem").write_bytes(postgres.ca_file.read_bytes())
    (mounted / "..data").symlink_to("..1")
    (mounted / "ca.pem").symlink_to("..data/ca.pem")
    url = f"jdbc:postgresql://localhost:{postgres.port}/{postgres_database.name}?sslmode=verify-full&sslrootcert={mounted}/ca.pem"
    signer = Signer(start, folder, ["--network=minimal", f"--slashing-protection-db-username={postgres_database.user}",
                                    f"--slashing-protection-db-password={postgres_database.password}", f"--slashing-protection-db-url={url}"])
    assert signer.sign(one_key, attestation(7)).status_code == 200
    (mounted / "..new").symlink_to("..2")
    (mounted / "..new").rename(mounted / "..data")
    shutil.rmtree(mounted / "..1")
    postgres_database.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                            f"WHERE datname = '{postgres_database.name}' AND application_name = 'nitro-signer'")
    eventually(lambda: signer.sign(one_key, attestation(8)).status_code == 200)


def test_two_signers_race_on_one_database(start, folder, one_key, postgres_database):
    signers = [Signer(start, folder, database_options(postgres_database)),
               Signer(start, twin(folder, "b", folder), database_options(postgres_database))]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for target in range(8, 40):
            blocks = [f"0x{i:02x}" * 1 + "00" * 31 for i in range(8)]
            answers = list(pool.map(lambda job: signers[job[0] % 2].sign(one_key, attestation(target, job[1], source=0)),
                                    enumerate(blocks)))
            codes = sorted(answer.status_code for answer in answers)
            assert codes == [200] + [412] * 7, (target, [a.text for a in answers])
    rows = postgres_database.query("SELECT target_epoch, count(*) FROM signed_attestations GROUP BY target_epoch")
    assert len(rows) == 32 and all(count == 1 for _, count in rows)


def test_when_the_database_stops_nothing_is_signed_and_when_it_is_back_all_is_well(start, folder, one_key):
    from postgres_server import PostgresServer
    server = PostgresServer()
    try:
        database = server.database()
        signer = Signer(start, folder, database_options(database))
        assert signer.sign(one_key, attestation(7)).status_code == 200
        server.stop()
        refused = signer.sign(one_key, attestation(8))
        assert refused.status_code == 500, refused.text
        eventually(lambda: healthcheck(signer) == 503)
        assert upcheck(signer) == 200
        assert signer.sign(one_key, attestation(9)).status_code == 500
        server.start()
        eventually(lambda: signer.sign(one_key, attestation(10)).status_code == 200)
        eventually(lambda: healthcheck(signer) == 200)
        assert signer.sign(one_key, attestation(10, OTHER)).status_code == 412
        log = signer.process.log()
        assert log.count("cannot be asked") <= 3, log
        assert "answers again" in log
    finally:
        server.close()


@pytest.mark.parametrize("victim", [0, 1])
def test_the_end_of_the_courier_or_its_resolver_ends_all(start, folder, one_key, postgres_database, victim):
    signer = Signer(start, folder, database_options(postgres_database))
    couriers = [pid for name, pid in descendants(signer.process.pid) if name == "nitro-signer-courier"]
    assert len(couriers) == 2  # the second is a child of the first: the resolver
    os.kill(couriers[victim], signal.SIGKILL)
    assert signer.process.wait() == 1
    assert "courier" in signer.process.log()
    eventually(lambda: not any(runs(pid) for pid in couriers), seconds=10)


def test_a_database_that_is_none_is_refused(start, folder, one_key, postgres):
    empty = postgres.database(schema=False)
    process = start("nitro-signer", "--http-listen-port=0", f"--key-config-path={folder}/keys", "eth2", *database_options(empty),
                    ready=False)
    eventually(lambda: "tables of Web3Signer" in process.log())
    assert process.wait() == 1


# DynamoDB


@pytest.fixture
def table(start, bin_dir, folder, dynamodb, dynamodb_relay):
    """A table begun with slashing init, and the options and environment to use it."""
    (folder / "credentials.json").write_text(json.dumps({"access_key_id": ACCESS_KEY, "secret_access_key": SECRET_KEY}))
    dynamodb_relay.secret_key = SECRET_KEY

    class Table:
        name = dynamodb.fresh_name()
        endpoint = f"https://localhost:{dynamodb_relay.port}"
        env = dict(os.environ, AWS_ENDPOINT_URL_DYNAMODB=endpoint, AWS_CA_BUNDLE=str(dynamodb_relay.ca_file))

        def options(self, *more):
            return ["--network=minimal", f"--slashing-protection-dynamodb-table={self.name}", f"--slashing-protection-dynamodb-region={REGION}",
                    f"--slashing-protection-dynamodb-key-file={folder}/store.key", f"--slashing-protection-dynamodb-identity={self.identity}",
                    f"--aws-credentials-file={folder}/credentials.json", *more]

    made = Table()
    done = subprocess.run([bin_dir / "nitro-signer-ctl", "slashing", "init", f"--table={made.name}", f"--region={REGION}",
                           f"--credentials={folder}/credentials.json", f"--key-file={folder}/store.key",
                           f"--genesis-validators-root={GENESIS}"], env=made.env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    made.identity = re.fullmatch(r"(0x[0-9a-f]{64})\n", done.stdout)[1]
    return made


class DynamodbSigner(Signer):
    def __init__(self, start, folder, table, *more):
        super().__init__(lambda *a, **k: start(*a, env=table.env, **k), folder, table.options(*more))


def test_records_in_dynamodb_survive(start, folder, one_key, table):
    signer = DynamodbSigner(start, folder, table)
    first = signer.sign(one_key, attestation(7))
    assert first.status_code == 200, (first.text, signer.process.log())
    assert signer.sign(one_key, attestation(7, OTHER)).status_code == 412
    signer.process.signal(signal.SIGKILL)
    signer.process.wait()
    signer = DynamodbSigner(start, folder, table)
    assert signer.sign(one_key, attestation(7, OTHER)).status_code == 412
    assert signer.sign(one_key, attestation(7)).json() == first.json()
    assert signer.process.terminate() == 0


def test_a_fleet_shares_one_table(start, folder, one_key, table):
    signers = [DynamodbSigner(start, folder, table), DynamodbSigner(start, twin(folder, "b", folder), table)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for target in range(8, 24):
            blocks = [f"0x{i:02x}" + "00" * 31 for i in range(8)]
            answers = list(pool.map(lambda job: signers[job[0] % 2].sign(one_key, attestation(target, job[1])), enumerate(blocks)))
            assert sorted(answer.status_code for answer in answers) == [200] + [412] * 7, (target, [a.text for a in answers])


def test_the_account_of_the_table_is_checked(bin_dir, start, folder, one_key, table):
    name = table.name

    def export(account):
        table.name = f"{account}/{name}"
        return subprocess.run([bin_dir / "nitro-signer", "eth2", *table.options(), "export", f"--to={folder}/export.json"], env=table.env,
                              capture_output=True, text=True, timeout=60, check=False)
    right, wrong = export(ACCOUNT), export("111122223333")
    assert right.returncode == 0, right.stderr
    assert wrong.returncode == 1 and "this is another account's table" in wrong.stderr, wrong.stderr
    table.name = f"{ACCOUNT}/{name}"
    signer = DynamodbSigner(start, folder, table)
    assert signer.sign(one_key, attestation(7)).status_code == 200
    assert signer.process.terminate() == 0
    table.name = f"111122223333/{name}"
    refused = start("nitro-signer", f"--key-config-path={folder}/keys", f"--data-path={folder}", "eth2", *table.options(), env=table.env, ready=False)
    eventually(lambda: "this is another account's table" in refused.log())


def test_fresh_credentials_are_used_without_a_restart(start, folder, one_key, table, dynamodb_relay):
    signer = DynamodbSigner(start, folder, table)
    assert signer.sign(one_key, attestation(7)).status_code == 200
    dynamodb_relay.secret_key = "anotherSecretOfTheSameUser"
    assert signer.sign(one_key, attestation(8)).status_code == 500
    (folder / "fresh").write_text(json.dumps({"access_key_id": ACCESS_KEY, "secret_access_key": dynamodb_relay.secret_key}))
    os.replace(folder / "fresh", folder / "credentials.json")
    eventually(lambda: signer.sign(one_key, attestation(9)).status_code == 200)
    (folder / "credentials.json").write_text("{")
    eventually(lambda: "the old credentials stay" in signer.process.log())
    assert signer.sign(one_key, attestation(10)).status_code == 200
    assert dynamodb_relay.secret_key not in signer.process.log()


@pytest.mark.parametrize("fault", [drop_answer, throttle, server_error])
def test_a_few_faults_are_tried_again_in_time(start, folder, one_key, table, dynamodb_relay, fault):
    signer = DynamodbSigner(start, folder, table)
    dynamodb_relay.inject(fault, count=2)
    assert signer.sign(one_key, attestation(7)).status_code == 200
    assert signer.sign(one_key, attestation(7, OTHER)).status_code == 412


def test_single_mode_fences_the_signer_before(start, folder, one_key, table):
    first = DynamodbSigner(start, folder, table, "--slashing-protection-mode=single")
    assert first.sign(one_key, attestation(7)).status_code == 200
    second = DynamodbSigner(start, twin(folder, "b", folder), table, "--slashing-protection-mode=single")
    assert first.sign(one_key, attestation(8)).status_code == 500
    assert first.sign(one_key, attestation(9)).status_code == 500
    assert "another signer" in first.process.log()
    assert second.sign(one_key, attestation(8)).status_code == 200


@pytest.mark.parametrize("options, named", [
    (["--slashing-protection-db-path=a", "--slashing-protection-db-url=jdbc:postgresql://h/d"], "only one of them"),
    (["--slashing-protection-db-path=a", "--slashing-protection-dynamodb-table=ttt"], "only one of them"),
    (["--slashing-protection-db-path=a", "--slashing-protection-db-password-file=x"], "--slashing-protection-db-url: required"),
    (["--slashing-protection-dynamodb-table=ttt"], "--slashing-protection-dynamodb-region: required"),
    (["--slashing-protection-dynamodb-table=ttt", "--slashing-protection-dynamodb-region=us-east-1"], "--aws-credentials-file: required"),
    (["--slashing-protection-db-path=a", "--aws-credentials-file=x"], "--slashing-protection-dynamodb-table: required"),
    (["--slashing-protection-db-path=a", "--slashing-protection-mode=fleet"], "--slashing-protection-mode: must be single"),
    (["--slashing-protection-db-url=jdbc:postgresql://h/d", "--slashing-protection-mode=single"], "--slashing-protection-mode: must be fleet"),
    (["--slashing-protection-dynamodb-table=ttt", "--slashing-protection-dynamodb-region=us-east-1", "--aws-credentials-file=x",
      "--slashing-protection-mode=many"], "--slashing-protection-mode: must be single or fleet"),
    (["--slashing-protection-dynamodb-table=ttt", "--slashing-protection-dynamodb-region=us-east-1", "--aws-credentials-file=x",
      "--slashing-protection-dynamodb-key-file=x", "--slashing-protection-dynamodb-identity=0x12"], "--slashing-protection-dynamodb-identity"),
    (["--slashing-protection-db-url=jdbc:postgresql://h/d", "--slashing-protection-db-password=p", "--slashing-protection-db-password-file=f"],
     "--slashing-protection-db-password-file: cannot"),
])
def test_mistakes_are_named(start, options, named):
    process = start("nitro-signer", "eth2", *options, ready=False)
    assert process.wait() == 2
    assert named in process.log()
