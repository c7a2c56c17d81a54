-- The slashing protection database that Web3Signer's schema version 12 describes, for tests of the PostgreSQL
-- store. Written from that description as one step to the end state (the original arrives there in twelve), with its
-- names of tables, columns, constraints and functions, and its order of columns, since programs that share the
-- database may lean on them.

CREATE TABLE database_version (
    id integer PRIMARY KEY,
    version integer NOT NULL
);
INSERT INTO database_version VALUES (1, 12);

CREATE TABLE metadata (
    id integer PRIMARY KEY,
    genesis_validators_root bytea NOT NULL,
    high_watermark_epoch numeric(20),
    high_watermark_slot numeric(20)
);

CREATE TABLE validators (
    id serial PRIMARY KEY,
    public_key bytea NOT NULL CONSTRAINT validators_public_key_key UNIQUE,
    enabled boolean NOT NULL DEFAULT true
);

CREATE TABLE signed_blocks (
    validator_id integer NOT NULL REFERENCES validators,
    slot numeric(20) NOT NULL,
    signing_root bytea,
    id bigserial PRIMARY KEY,
    CONSTRAINT unique_signed_block UNIQUE (validator_id, slot)
);
-- Beside the unique index: the original has both.
CREATE INDEX signed_blocks_validator_id_slot_idx ON signed_blocks (validator_id, slot);

-- validator_id may be null here, and only here: so it is in the original.
CREATE TABLE signed_attestations (
    validator_id integer REFERENCES validators,
    source_epoch numeric(20) NOT NULL,
    target_epoch numeric(20) NOT NULL,
    signing_root bytea,
    id bigserial PRIMARY KEY,
    CONSTRAINT unique_signed_attestation UNIQUE (validator_id, target_epoch)
);
CREATE INDEX signed_attestations_validator_id_target_epoch_idx ON signed_attestations (validator_id, target_epoch);

CREATE TABLE low_watermarks (
    validator_id integer NOT NULL CONSTRAINT low_watermarks_validator_id_key UNIQUE REFERENCES validators,
    slot numeric(20),
    target_epoch numeric(20),
    source_epoch numeric(20),
    CONSTRAINT both_epochs_set_or_null CHECK ((source_epoch IS NULL) = (target_epoch IS NULL))
);

-- The ceiling stays above every floor. A null on either side limits nothing.
CREATE FUNCTION check_high_watermarks() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    IF EXISTS (SELECT FROM low_watermarks WHERE slot >= NEW.high_watermark_slot) THEN
        RAISE EXCEPTION 'high watermark slot % is not above every low watermark', NEW.high_watermark_slot;
    END IF;
    IF EXISTS (SELECT FROM low_watermarks
               WHERE source_epoch >= NEW.high_watermark_epoch OR target_epoch >= NEW.high_watermark_epoch) THEN
        RAISE EXCEPTION 'high watermark epoch % is not above every low watermark', NEW.high_watermark_epoch;
    END IF;
    RETURN NEW;
END $body$;
CREATE TRIGGER check_before_insert_or_update_high_watermarks
    BEFORE INSERT OR UPDATE ON metadata FOR EACH ROW EXECUTE FUNCTION check_high_watermarks();

-- A floor may reach the ceiling and not pass it.
CREATE FUNCTION check_low_watermarks() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    IF EXISTS (SELECT FROM metadata WHERE high_watermark_slot < NEW.slot) THEN
        RAISE EXCEPTION 'low watermark slot % is above the high watermark', NEW.slot;
    END IF;
    IF EXISTS (SELECT FROM metadata
               WHERE high_watermark_epoch < NEW.source_epoch OR high_watermark_epoch < NEW.target_epoch) THEN
        RAISE EXCEPTION 'low watermark epochs %, % are above the high watermark', NEW.source_epoch, NEW.target_epoch;
    END IF;
    RETURN NEW;
END $body$;
CREATE TRIGGER check_before_insert_or_update_low_watermarks
    BEFORE INSERT OR UPDATE ON low_watermarks FOR EACH ROW EXECUTE FUNCTION check_low_watermarks();

-- Registers the keys that are new, and gives the id of each, in the order and as often as they were asked for. The
-- update that changes nothing locks and so shows a row that another transaction committed after this one's snapshot.
CREATE FUNCTION upsert_validators(_vals bytea[]) RETURNS TABLE (v_id integer, v_public_key bytea)
LANGUAGE plpgsql AS $body$
BEGIN
    RETURN QUERY
    WITH asked AS (
        SELECT item.wanted, item.place FROM unnest(_vals) WITH ORDINALITY AS item (wanted, place)
    ), registered AS (
        INSERT INTO validators AS old (public_key)
        SELECT DISTINCT wanted FROM asked
        WHERE NOT EXISTS (SELECT FROM validators AS known WHERE known.public_key = wanted)
        ORDER BY wanted
        ON CONFLICT ON CONSTRAINT validators_public_key_key DO UPDATE SET public_key = old.public_key
        RETURNING old.id AS key_id, old.public_key AS key_bytes
    ), every_one AS (
        SELECT key_id, key_bytes FROM registered
        UNION ALL
        SELECT known.id, known.public_key FROM validators AS known
        WHERE known.public_key = ANY (_vals) AND known.public_key NOT IN (SELECT key_bytes FROM registered)
    )
    SELECT key_id, key_bytes FROM asked JOIN every_one ON key_bytes = wanted ORDER BY place;
END $body$;
