"""Another signer on the database: the steps by which Web3Signer decides and records, in Python and SQL, and a judge of what
all of them signed. Complete conditions over the whole history, not watermarks: so it also signs below our marks."""
import random
import threading
import time

import psycopg2

BLOCK, ATTESTATION = 0, 1


def key_of(number):
    return number.to_bytes(4, "big") + bytes(44)


def root_of(which, low, high):
    """The signing root of one of four messages of these heights, as postgresql_rival.c makes it."""
    return bytes([which]) + low.to_bytes(8, "little") + high.to_bytes(8, "little") + bytes(15)


class Peer:
    """One connection. vote() and block() say whether the message may be signed; it is recorded then."""

    def __init__(self, database, numbers, locks=True, between=0):
        self.connection = psycopg2.connect(database.dsn, connect_timeout=10)
        self.connection.set_session(isolation_level="READ COMMITTED")
        self.locks, self.between = locks, between
        with self.connection, self.connection.cursor() as cursor:
            cursor.execute("SELECT v_public_key, v_id FROM upsert_validators(%s)", ([key_of(n) for n in numbers],))
            self.ids = {int.from_bytes(bytes(key)[:4], "big"): row for key, row in cursor.fetchall()}

    def close(self):
        self.connection.close()

    def _locked(self, cursor, kind, validator):
        """Takes the lock; whether the validator is enabled, the low watermarks, the high ones."""
        if self.locks:
            cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", (kind, validator))
        cursor.execute("SELECT enabled FROM validators WHERE id = %s", (validator,))
        enabled = cursor.fetchone()[0]
        cursor.execute("SELECT slot, source_epoch, target_epoch FROM low_watermarks WHERE validator_id = %s", (validator,))
        low = cursor.fetchone() or (None, None, None)
        cursor.execute("SELECT high_watermark_epoch, high_watermark_slot FROM metadata WHERE id = 1")
        return enabled, low, cursor.fetchone() or (None, None)

    def vote(self, number, source, target, root):
        with self.connection, self.connection.cursor() as cursor:
            return self._vote(cursor, self.ids[number], source, target, root)

    def _vote(self, cursor, validator, source, target, root):
        enabled, (_, low_source, low_target), (high, _) = self._locked(cursor, ATTESTATION, validator)
        if not enabled or source > target or (high is not None and (source >= high or target >= high)):
            return False
        if low_source is not None and (source < low_source or target < low_target):
            return False
        cursor.execute("SELECT signing_root FROM signed_attestations WHERE validator_id = %s AND target_epoch = %s",
                       (validator, target))
        same = cursor.fetchone()
        if same is not None:
            return same[0] is not None and bytes(same[0]) == root
        cursor.execute("SELECT 1 FROM signed_attestations WHERE validator_id = %s AND (source_epoch < %s AND "
                       "target_epoch > %s OR source_epoch > %s AND target_epoch < %s)",
                       (validator, source, target, source, target))
        if cursor.fetchone():
            return False
        time.sleep(self.between)
        cursor.execute("INSERT INTO signed_attestations (validator_id, signing_root, source_epoch, target_epoch) "
                       "VALUES (%s, %s, %s, %s)", (validator, root, source, target))
        if low_source is None:
            cursor.execute("INSERT INTO low_watermarks (validator_id, source_epoch, target_epoch) VALUES (%s, %s, %s) ON "
                           "CONFLICT (validator_id) DO UPDATE SET source_epoch = excluded.source_epoch, target_epoch = "
                           "excluded.target_epoch WHERE low_watermarks.source_epoch IS NULL", (validator, source, target))
        return True

    def block(self, number, slot, root):
        with self.connection, self.connection.cursor() as cursor:
            return self._block(cursor, self.ids[number], slot, root)

    def _block(self, cursor, validator, slot, root):
        enabled, (low, _, _), (_, high) = self._locked(cursor, BLOCK, validator)
        if not enabled or (high is not None and slot >= high) or (low is not None and slot < low):
            return False
        cursor.execute("SELECT signing_root FROM signed_blocks WHERE validator_id = %s AND slot = %s", (validator, slot))
        same = cursor.fetchone()
        if same is not None:
            return same[0] is not None and bytes(same[0]) == root
        cursor.execute("INSERT INTO signed_blocks (validator_id, slot, signing_root) VALUES (%s, %s, %s)",
                       (validator, slot, root))
        if low is None:
            cursor.execute("INSERT INTO low_watermarks (validator_id, slot) VALUES (%s, %s) ON CONFLICT (validator_id) DO "
                           "UPDATE SET slot = excluded.slot WHERE low_watermarks.slot IS NULL", (validator, slot))
        return True

    def _highest(self, number):
        with self.connection, self.connection.cursor() as cursor:
            cursor.execute("SELECT (SELECT max(target_epoch) FROM signed_attestations WHERE validator_id = %(id)s), "
                           "(SELECT max(source_epoch) FROM signed_attestations WHERE validator_id = %(id)s), "
                           "(SELECT max(slot) FROM signed_blocks WHERE validator_id = %(id)s)", {"id": self.ids[number]})
            return [int(value or 0) for value in cursor.fetchone()]

    def run(self, seconds, seed, signed):
        """Random orders near the highest marks; signed(line) is called for each signature, in the rival's words."""
        chance, end = random.Random(seed), time.monotonic() + seconds
        while time.monotonic() < end:
            number, root = chance.choice(list(self.ids)), chance.randrange(4)
            try:
                target, source, slot = self._highest(number)
                if chance.randrange(4) == 0:
                    slot = max(0, slot + chance.randrange(-2, 3))
                    if self.block(number, slot, root_of(root, 0, slot)):
                        signed(f"block {number} {slot} {root}")
                else:
                    target = max(0, target + chance.randrange(-2, 4))
                    source = min(target, max(0, source + chance.randrange(-1, 3)))
                    if self.vote(number, source, target, root_of(root, source, target)):
                        signed(f"vote {number} {source} {target} {root}")
            except (psycopg2.errors.UniqueViolation, psycopg2.errors.DeadlockDetected):
                pass  # refused: the real one answers 500


class PeerThread(threading.Thread):
    """A Peer's run() beside the test; lines holds what it signed."""

    def __init__(self, database, numbers, seconds, seed, **options):
        super().__init__()
        self.lines, self.error = [], None
        self._peer = Peer(database, numbers, **options)
        self._arguments = (seconds, seed)
        self.start()

    def run(self):
        try:
            self._peer.run(*self._arguments, self.lines.append)
        except Exception as error:  # pylint: disable=broad-except
            self.error = error
        finally:
            self._peer.close()

    def result(self):
        self.join(60)
        assert not self.is_alive()
        if self.error:
            raise self.error
        return self.lines


def slashable_pairs(lines):
    """Every pair of these signatures that a slasher could show, each of the lines being "vote NUMBER SOURCE TARGET ROOT" or
    "block NUMBER SLOT ROOT"."""
    votes, blocks, pairs = {}, {}, []
    for line in sorted(set(lines)):
        kind, number, *rest = line.split()
        *heights, _ = map(int, rest)
        earlier = (votes if kind == "vote" else blocks).setdefault(number, [])
        for other, line_of_other in earlier:
            if other[-1] == heights[-1]:
                pairs.append((line_of_other, line))
            elif kind == "vote" and (other[0] - heights[0]) * (other[1] - heights[1]) < 0:
                pairs.append((line_of_other, line))
        earlier.append((heights, line))
    return pairs
