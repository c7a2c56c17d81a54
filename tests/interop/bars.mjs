// Requests whose roots and signatures are known, for test_bars.py: JSON to standard output.
//
//   node bars.mjs --what=roots|exits|aggregates --keys=FILE --network=FILE [--seed=TEXT]
//
// roots: one request of each type in each fork, as yet without a root: [{type, fork, request, root, signature}].
// exits: for the first and last epoch of each fork [{fork, epoch, requests: [{who, request}], signature}].
// aggregates: [{what, request, objectRoot, signature}], all with one object but for its slot.
import { readFileSync } from "node:fs";
import { SecretKey } from "@chainsafe/blst";
import { DOMAIN_AGGREGATE_AND_PROOF, DOMAIN_VOLUNTARY_EXIT, SLOTS_PER_EPOCH } from "@lodestar/params";
import { ssz } from "@lodestar/types";
import { Random, randomValue } from "./oracle_objects.mjs";
import { FORKS, Moment, hex, makeRequest, signingRoot, typesOf, unhex } from "./oracle_requests.mjs";

const options = Object.fromEntries(process.argv.slice(2).map((word) => word.match(/^--([a-z]+)=(.*)$/s).slice(1)));
const network = JSON.parse(readFileSync(options.network, "utf8"));
const secret = SecretKey.fromHex(JSON.parse(readFileSync(options.keys, "utf8"))[0]);
const random = new Random(options.seed ?? String(Date.now()));
const { versions, epochs, genesisValidatorsRoot } = network;
const sign = (root) => hex(secret.sign(root).toBytes());
const since = (fork, first) => FORKS.indexOf(fork) >= FORKS.indexOf(first);
const before = (fork) => FORKS[Math.max(0, FORKS.indexOf(fork) - 1)];
const info = (fork) => ({ fork, genesis_validators_root: genesisValidatorsRoot });

function roots() {
  return FORKS.flatMap((fork) => typesOf(fork).map((type) => {
    const { request, root } = makeRequest(type, new Moment(network, fork, random), null);
    delete request.signingRoot;
    delete request.signing_root;
    return { type, fork, request, root: hex(root), signature: sign(root) };
  }));
}

/** What each client says of the fork when it wants an exit signed at that epoch. */
function exitForks(fork, epoch) {
  const today = { previous_version: versions[before(fork)], current_version: versions[fork], epoch: epochs[fork] };
  const dated = { "the fork of the day": today, "Lodestar of 2024": { ...today, epoch: String(epoch) } };
  if (!since(fork, "deneb")) return dated;
  return { ...dated,
    Lighthouse: { previous_version: versions.capella, current_version: versions.capella, epoch: String(epoch) },
    "Nimbus, Vero, Lodestar": { previous_version: versions.bellatrix, current_version: versions.capella, epoch: epochs.capella } };
}

function exits() {
  return FORKS.flatMap((fork, i) => [Number(epochs[fork]), Number(epochs[FORKS[i + 1]] ?? 1000) - 1].map((epoch) => {
    const exit = { epoch, validatorIndex: random.below(2 ** 40) };
    const version = versions[since(fork, "deneb") ? "capella" : fork];
    const root = signingRoot(ssz.phase0.VoluntaryExit.hashTreeRoot(exit), DOMAIN_VOLUNTARY_EXIT, unhex(version), unhex(genesisValidatorsRoot));
    const payload = { type: "VOLUNTARY_EXIT", voluntary_exit: ssz.phase0.VoluntaryExit.toJson(exit) };
    const requests = Object.entries(exitForks(fork, epoch)).map(([who, said]) => ({ who, request: { ...payload, fork_info: info(said) } }));
    return { fork, epoch, requests, signature: sign(root) };
  }));
}

function aggregates() {
  const value = randomValue(ssz.electra.AggregateAndProof, random);
  const one = (what, type, shape, slot, version) => {
    value.aggregate.data.slot = slot;
    const data = ssz.electra.AggregateAndProof.toJson(value);
    const { AggregateAndProof } = ssz[shape];
    const objectRoot = AggregateAndProof.hashTreeRoot(AggregateAndProof.fromJson(data)); // anew: roots are kept in values
    const fork = slot < Number(epochs.gloas) * SLOTS_PER_EPOCH ? "fulu" : "gloas";
    const root = signingRoot(objectRoot, DOMAIN_AGGREGATE_AND_PROOF, unhex(versions[fork]), unhex(genesisValidatorsRoot));
    const request = { type, fork_info: info({ previous_version: versions[before(fork)], current_version: versions[fork], epoch: epochs[fork] }),
      aggregate_and_proof: version ? { version, data } : data };
    return { what, request, objectRoot: hex(objectRoot), signature: sign(root) };
  };
  const first = Number(epochs.gloas) * SLOTS_PER_EPOCH;
  return [
    ...["ELECTRA", "FULU", "GLOAS"].map((version) =>
      one(version, "AGGREGATE_AND_PROOF_V2", version === "GLOAS" ? "gloas" : "electra", first, version)),
    one("the last slot of Fulu", "AGGREGATE_AND_PROOF", "electra", first - 1),
    one("the first slot of Gloas", "AGGREGATE_AND_PROOF", "gloas", first),
  ];
}

console.log(JSON.stringify({ roots, exits, aggregates }[options.what]()));
