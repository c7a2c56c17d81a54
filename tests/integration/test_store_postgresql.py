"""The PostgreSQL store on a real server: what every store must do, and what this one must do beside it."""
import os
import subprocess
import urllib.parse


def url_of(database, **parameters):
    """The database as the store's URL."""
    password = urllib.parse.quote(database.password)
    query = "?" + urllib.parse.urlencode(parameters) if parameters else ""
    return f"postgresql://{database.user}:{password}@{database.host}:{database.port}/{database.name}{query}"


def test_conformance(bin_dir, vectors, postgres_database):
    program = bin_dir.parent / "tests/test_store_conformance"
    done = subprocess.run([program, f"--postgresql={url_of(postgres_database)}"], capture_output=True, text=True,
                          timeout=200, check=False, env=os.environ | {"NS_VECTORS_DIR": str(vectors)})
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr


def test_random_orders_from_one_to_three_signers_that_are_killed(bin_dir, postgres_database):
    program = bin_dir.parent / "tests/test_store_property"
    orders = os.environ.get("NS_ORDERS", "3000")
    done = subprocess.run([program, f"--postgresql={url_of(postgres_database)}"], capture_output=True, text=True, timeout=3000,
                          check=False, env=os.environ | {"NS_ORDERS": orders})
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
