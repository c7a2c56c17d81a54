// Duties for other people's client code: random objects as SSZ, which each client decodes with its own types and sends in
// its own words; beside them the signing root and the signature that must come of it, as Lodestar's types and
// @chainsafe/blst have them.
//
//   node duties.mjs --client=prysm|ssv|lodestar --keys=FILE --network=FILE [--order=slashable] [--seed=TEXT]
//
// Prints {seed, duties: [{type, fork, blinded, slot, epoch, forkInfo, pubkey, domain, ssz, root, signature}]}. With
// --order=slashable: an attestation and a block, twice the same, then others at their heights.
import { readFileSync } from "node:fs";
import { SecretKey } from "@chainsafe/blst";
import {
  DOMAIN_AGGREGATE_AND_PROOF, DOMAIN_APPLICATION_BUILDER, DOMAIN_BEACON_ATTESTER, DOMAIN_BEACON_PROPOSER, DOMAIN_BLS_TO_EXECUTION_CHANGE,
  DOMAIN_CONTRIBUTION_AND_PROOF, DOMAIN_DEPOSIT, DOMAIN_RANDAO, DOMAIN_SELECTION_PROOF, DOMAIN_SYNC_COMMITTEE,
  DOMAIN_SYNC_COMMITTEE_SELECTION_PROOF, DOMAIN_VOLUNTARY_EXIT, SLOTS_PER_EPOCH,
} from "@lodestar/params";
import { ssz } from "@lodestar/types";
import { Random, randomValue } from "../oracle_objects.mjs";
import { FORKS, hex, unhex } from "../oracle_requests.mjs";

const options = Object.fromEntries(process.argv.slice(2).map((word) => word.match(/^--([a-z]+)=(.*)$/s).slice(1)));
const network = JSON.parse(readFileSync(options.network, "utf8"));
const keys = JSON.parse(readFileSync(options.keys, "utf8")).map((text) => SecretKey.fromHex(text));
const seed = options.seed ?? String(Date.now());
const random = new Random(seed);
if (options.client === "lodestar") random.uint64 = () => BigInt(random.below(2 ** 47)); // it holds integers as JavaScript's numbers
const since = (fork, first) => FORKS.indexOf(fork) >= FORKS.indexOf(first);

// type -> its SSZ type in that fork, its domain, and what of a random value must be put right: (value, slot, epoch).
const atSlot = (value, slot) => Object.assign(value, { slot });
const TYPES = {
  ATTESTATION: { ssz: () => ssz.phase0.AttestationData, domain: DOMAIN_BEACON_ATTESTER, right(value, slot, epoch) {
    value.slot = slot;
    value.target.epoch = epoch;
    value.source.epoch = Math.max(0, epoch - 1);
  } },
  BLOCK: { ssz: (fork) => ssz[fork].BeaconBlock, domain: DOMAIN_BEACON_PROPOSER, right: atSlot },
  AGGREGATE_AND_PROOF: { ssz: (fork) => ssz[since(fork, "electra") ? "electra" : "phase0"].AggregateAndProof,
    domain: DOMAIN_AGGREGATE_AND_PROOF, right: (value, slot) => atSlot(value.aggregate.data, slot) },
  AGGREGATION_SLOT: { ssz: () => ssz.Slot, domain: DOMAIN_SELECTION_PROOF, value: (slot) => slot },
  RANDAO_REVEAL: { ssz: () => ssz.Epoch, domain: DOMAIN_RANDAO, value: (_slot, epoch) => epoch },
  SYNC_COMMITTEE_MESSAGE: { ssz: () => ssz.Root, domain: DOMAIN_SYNC_COMMITTEE, first: "altair" },
  SYNC_COMMITTEE_SELECTION_PROOF: { ssz: () => ssz.altair.SyncAggregatorSelectionData, domain: DOMAIN_SYNC_COMMITTEE_SELECTION_PROOF,
    first: "altair", right: atSlot },
  SYNC_COMMITTEE_CONTRIBUTION_AND_PROOF: { ssz: () => ssz.altair.ContributionAndProof, domain: DOMAIN_CONTRIBUTION_AND_PROOF,
    first: "altair", right: (value, slot) => atSlot(value.contribution, slot) },
  VOLUNTARY_EXIT: { ssz: () => ssz.phase0.VoluntaryExit, domain: DOMAIN_VOLUNTARY_EXIT, right: (value, _slot, epoch) => Object.assign(value, { epoch }) },
  VALIDATOR_REGISTRATION: { ssz: () => ssz.bellatrix.ValidatorRegistrationV1, domain: DOMAIN_APPLICATION_BUILDER,
    right: (value) => Object.assign(value, { timestamp: 1760000000 }) }, // a time that Go can hold
  DEPOSIT: { ssz: () => ssz.phase0.DepositMessage, domain: DOMAIN_DEPOSIT },
  BLS_TO_EXECUTION_CHANGE: { ssz: () => ssz.capella.BLSToExecutionChange, domain: DOMAIN_BLS_TO_EXECUTION_CHANGE, first: "capella" },
};

const COMMON = Object.keys(TYPES).slice(0, 10);
const CLIENTS = {
  prysm: { forks: ["phase0", "electra"], types: COMMON },
  ssv: { forks: ["capella", "fulu"], types: COMMON },
  lodestar: { forks: ["phase0", "capella"], types: Object.keys(TYPES) },
};

/** The version a message is signed with: EIP-7044 for exits; what belongs to no fork is signed with the first. */
function versionOf(type, fork) {
  if (["VALIDATOR_REGISTRATION", "DEPOSIT", "BLS_TO_EXECUTION_CHANGE"].includes(type)) return network.versions.phase0;
  return network.versions[type === "VOLUNTARY_EXIT" && since(fork, "deneb") ? "capella" : fork];
}

function domainOf(type, fork) {
  const genesisValidatorsRoot = ["VALIDATOR_REGISTRATION", "DEPOSIT"].includes(type) ? new Uint8Array(32) : unhex(network.genesisValidatorsRoot);
  const data = ssz.phase0.ForkData.hashTreeRoot({ currentVersion: unhex(versionOf(type, fork)), genesisValidatorsRoot });
  return new Uint8Array([...TYPES[type].domain, ...data.slice(0, 28)]);
}

function duty(type, fork, blinded, { slot, key = random.pick(keys) } = {}) {
  const index = FORKS.indexOf(fork);
  const start = Number(network.epochs[fork]);
  slot ??= (start + random.below(Number(network.epochs[FORKS[index + 1]]) - start)) * SLOTS_PER_EPOCH + random.below(SLOTS_PER_EPOCH);
  const epoch = Math.floor(slot / SLOTS_PER_EPOCH);
  const row = TYPES[type];
  const shape = blinded ? ssz[fork].BlindedBeaconBlock : row.ssz(fork);
  const value = row.value ? row.value(slot, epoch) : randomValue(shape, random);
  row.right?.(value, slot, epoch);
  const domain = domainOf(type, fork);
  const root = ssz.phase0.SigningData.hashTreeRoot({ objectRoot: shape.hashTreeRoot(value), domain });
  const { versions, genesisValidatorsRoot } = network;
  return {
    type, fork, blinded, slot: String(slot), epoch: String(epoch),
    forkInfo: { fork: { previous_version: versions[FORKS[Math.max(0, index - 1)]], current_version: versions[fork], epoch: String(start) },
      genesis_validators_root: genesisValidatorsRoot },
    pubkey: hex(key.toPublicKey().toBytes()), domain: hex(domain), ssz: hex(shape.serialize(value)),
    root: hex(root), signature: hex(key.sign(root).toBytes()),
  };
}

function everything({ forks: [first, last], types }) {
  const duties = [];
  for (const fork of FORKS.slice(FORKS.indexOf(first), FORKS.indexOf(last) + 1)) {
    for (const type of types.filter((name) => since(fork, TYPES[name].first ?? "phase0"))) {
      duties.push(duty(type, fork, false));
      if (type === "BLOCK" && since(fork, "bellatrix")) duties.push(duty(type, fork, true));
    }
  }
  return duties;
}

function slashable({ forks: [, fork] }) {
  const slot = Number(network.epochs[fork]) * SLOTS_PER_EPOCH + SLOTS_PER_EPOCH + 3;
  const at = { slot, key: keys[0] };
  return ["ATTESTATION", "BLOCK"].flatMap((type) => {
    const first = duty(type, fork, false, at);
    return [first, first, duty(type, fork, false, at)];
  });
}

const client = CLIENTS[options.client];
console.log(JSON.stringify({ seed, duties: options.order === "slashable" ? slashable(client) : everything(client) }));
