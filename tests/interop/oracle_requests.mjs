// One random sign request of each type, with the signing root that Lodestar's types give it.
//
// Nothing here is taken from the signer under test: types and domains are of @lodestar/types and
// @lodestar/params; get_domain and EIP-7044 are written down from the specification.
import {
  DOMAIN_AGGREGATE_AND_PROOF, DOMAIN_APPLICATION_BUILDER, DOMAIN_BEACON_ATTESTER, DOMAIN_BEACON_BUILDER, DOMAIN_BEACON_PROPOSER,
  DOMAIN_BLS_TO_EXECUTION_CHANGE, DOMAIN_BUILDER_REQUEST_AUTH, DOMAIN_CONTRIBUTION_AND_PROOF, DOMAIN_DEPOSIT,
  DOMAIN_INCLUSION_LIST_COMMITTEE, DOMAIN_PROPOSER_PREFERENCES, DOMAIN_PTC_ATTESTER, DOMAIN_RANDAO, DOMAIN_SELECTION_PROOF, DOMAIN_SYNC_COMMITTEE,
  DOMAIN_SYNC_COMMITTEE_SELECTION_PROOF, DOMAIN_VOLUNTARY_EXIT, SLOTS_PER_EPOCH,
} from "@lodestar/params";
import { ssz } from "@lodestar/types";
import { randomValue } from "./oracle_objects.mjs";

export const FORKS = ["phase0", "altair", "bellatrix", "capella", "deneb", "electra", "fulu", "gloas"];
const ZERO_ROOT = new Uint8Array(32);
const FAR_FUTURE = 2n ** 64n - 1n;

export const hex = (bytes) => `0x${Buffer.from(bytes).toString("hex")}`;
export const unhex = (text) => new Uint8Array(Buffer.from(text.replace(/^0x/, ""), "hex"));
const since = (fork, first) => FORKS.indexOf(fork) >= FORKS.indexOf(first);

export function signingRoot(objectRoot, domainType, version, genesisValidatorsRoot) {
  const forkData = ssz.phase0.ForkData.hashTreeRoot({ currentVersion: version, genesisValidatorsRoot });
  const domain = new Uint8Array([...domainType, ...forkData.slice(0, 28)]);
  return ssz.phase0.SigningData.hashTreeRoot({ objectRoot, domain });
}

/** What one message is about: network, fork, epoch, slot, and the fork_info a client would send. */
export class Moment {
  constructor(network, fork, random) {
    this.network = network;
    this.fork = fork;
    this.random = random;
    const index = FORKS.indexOf(fork);
    const start = Number(network.epochs[fork]);
    const next = FORKS.slice(index + 1).map((name) => BigInt(network.epochs[name])).find((epoch) => epoch > BigInt(start));
    const end = next === undefined || next === FAR_FUTURE ? start + 100000 : Number(next);
    this.epoch = start + random.pick([0, end - start - 1, random.below(end - start)]);
    this.slot = this.epoch * SLOTS_PER_EPOCH + random.below(SLOTS_PER_EPOCH);
    this.forkInfo = {
      fork: {
        previous_version: network.versions[FORKS[Math.max(0, index - 1)]],
        current_version: network.versions[fork],
        epoch: String(start),
      },
      genesis_validators_root: network.genesisValidatorsRoot,
    };
    this.#lookAhead(index);
  }

  /** Now and then fork_info of a fork that is still to come: previous_version counts then. */
  #lookAhead(index) {
    const later = FORKS[index + 1];
    if (!later || BigInt(this.network.epochs[later]) <= BigInt(this.epoch) || this.random.below(5) > 0) return;
    this.forkInfo.fork = {
      previous_version: this.network.versions[this.fork],
      current_version: this.network.versions[later],
      epoch: String(this.network.epochs[later]),
    };
  }

  value(type) {
    return randomValue(type, this.random);
  }

  root(objectRoot, domainType) {
    const { fork } = this.forkInfo;
    const version = BigInt(this.epoch) < BigInt(fork.epoch) ? fork.previous_version : fork.current_version;
    return signingRoot(objectRoot, domainType, unhex(version), unhex(this.network.genesisValidatorsRoot));
  }
}

function attestation(moment, heights) {
  const type = ssz.phase0.AttestationDataBigint;
  const data = moment.value(type);
  data.target.epoch = BigInt(heights?.target ?? moment.epoch);
  data.source.epoch = BigInt(heights?.source ?? moment.random.below(moment.epoch + 1));
  return { payload: { attestation: type.toJson(data) }, root: moment.root(type.hashTreeRoot(data), DOMAIN_BEACON_ATTESTER) };
}

function randomBlock(moment, type, slot) {
  const block = moment.value(type);
  block.slot = slot ?? moment.slot;
  return { block, json: type.toJson(block), root: moment.root(type.hashTreeRoot(block), DOMAIN_BEACON_PROPOSER) };
}

const anyCase = (moment, text) => moment.random.pick([text.toUpperCase(), text, text[0].toUpperCase() + text.slice(1)]);

/** Whole up to Altair; later a header, whose root must be that of the whole (or blinded) block. */
function blockV2(moment, heights) {
  const version = anyCase(moment, moment.fork);
  const types = ssz[moment.fork];
  if (!since(moment.fork, "bellatrix")) {
    const { json, root } = randomBlock(moment, types.BeaconBlock, heights?.slot);
    return { payload: { beacon_block: { version, block: json } }, root };
  }
  const type = moment.random.pick([types.BeaconBlock, types.BlindedBeaconBlock ?? types.BeaconBlock]); // Gloas has no blinded ones
  const { block, json, root } = randomBlock(moment, type, heights?.slot);
  const { body, ...header } = json;
  header.body_root = hex(type.fields.body.hashTreeRoot(block.body));
  return { payload: { beacon_block: { version, block_header: header } }, root };
}

function block(moment) {
  const { json, root } = randomBlock(moment, ssz.phase0.BeaconBlock);
  return { payload: { block: json }, root };
}

function randaoReveal(moment) {
  const root = moment.root(ssz.Epoch.hashTreeRoot(moment.epoch), DOMAIN_RANDAO);
  return { payload: { randao_reveal: { epoch: String(moment.epoch) } }, root };
}

function aggregationSlot(moment) {
  const slot = moment.random.pick([moment.slot, String(moment.slot)]); // bare numbers are allowed too
  const root = moment.root(ssz.Slot.hashTreeRoot(moment.slot), DOMAIN_SELECTION_PROOF);
  return { payload: { aggregation_slot: { slot } }, root };
}

function aggregateAndProof(moment) {
  const shape = ["gloas", "electra", "phase0"].find((fork) => since(moment.fork, fork));
  const type = ssz[shape].AggregateAndProof;
  const value = moment.value(type);
  value.aggregate.data.slot = moment.slot;
  const bare = type.toJson(value);
  if (!since(moment.fork, "electra") && moment.random.below(4) === 0) bare.aggregate.committee_bits = "0x01"; // to be ignored
  const wrapped = { version: anyCase(moment, moment.fork), data: bare };
  const root = moment.root(type.hashTreeRoot(value), DOMAIN_AGGREGATE_AND_PROOF);
  return { payload: { aggregate_and_proof: moment.random.pick([bare, wrapped]) }, root };
}

function syncCommitteeMessage(moment) {
  const message = { beacon_block_root: hex(moment.random.bytes(32)), slot: String(moment.slot), validator_index: "7" };
  const root = moment.root(unhex(message.beacon_block_root), DOMAIN_SYNC_COMMITTEE);
  return { payload: { sync_committee_message: message }, root };
}

function selectionProof(moment) {
  const type = ssz.altair.SyncAggregatorSelectionData;
  const data = { slot: moment.slot, subcommitteeIndex: moment.random.below(4) };
  const root = moment.root(type.hashTreeRoot(data), DOMAIN_SYNC_COMMITTEE_SELECTION_PROOF);
  return { payload: { sync_aggregator_selection_data: type.toJson(data) }, root };
}

function contributionAndProof(moment) {
  const type = ssz.altair.ContributionAndProof;
  const value = moment.value(type);
  value.contribution.slot = moment.slot;
  const root = moment.root(type.hashTreeRoot(value), DOMAIN_CONTRIBUTION_AND_PROOF);
  return { payload: { contribution_and_proof: type.toJson(value) }, root };
}

/** What clients send with an exit of Deneb or later: the fork of the day, Capella's twice, Capella's own. */
function exitForkInfo(moment) {
  const { versions, epochs } = moment.network;
  const capella = { current_version: versions.capella, epoch: epochs.capella };
  const fork = moment.random.pick([
    moment.forkInfo.fork,
    { previous_version: versions.capella, current_version: versions.capella, epoch: String(moment.epoch) },
    { ...capella, previous_version: versions.bellatrix },
  ]);
  return { ...moment.forkInfo, fork };
}

/** EIP-7044: from Deneb on the version is Capella's, whatever fork_info says. */
function voluntaryExit(moment) {
  const type = ssz.phase0.VoluntaryExit;
  const exit = { epoch: moment.epoch, validatorIndex: moment.random.below(2 ** 40) };
  const objectRoot = type.hashTreeRoot(exit);
  const { versions, genesisValidatorsRoot } = moment.network;
  const root = since(moment.fork, "deneb")
    ? signingRoot(objectRoot, DOMAIN_VOLUNTARY_EXIT, unhex(versions.capella), unhex(genesisValidatorsRoot))
    : moment.root(objectRoot, DOMAIN_VOLUNTARY_EXIT);
  return { payload: { voluntary_exit: type.toJson(exit) }, root, forkInfo: since(moment.fork, "deneb") ? exitForkInfo(moment) : undefined };
}

function deposit(moment) {
  const type = ssz.phase0.DepositMessage;
  const value = moment.value(type);
  const genesisForkVersion = moment.random.bytes(4);
  const root = signingRoot(type.hashTreeRoot(value), DOMAIN_DEPOSIT, genesisForkVersion, ZERO_ROOT);
  return { payload: { deposit: { ...type.toJson(value), genesis_fork_version: hex(genesisForkVersion) } }, root, free: true };
}

function validatorRegistration(moment) {
  const type = ssz.bellatrix.ValidatorRegistrationV1;
  const value = moment.value(type);
  const genesisVersion = unhex(moment.network.versions.phase0);
  const root = signingRoot(type.hashTreeRoot(value), DOMAIN_APPLICATION_BUILDER, genesisVersion, ZERO_ROOT);
  return { payload: { validator_registration: type.toJson(value) }, root, free: true };
}

/** Any fork's, and the first fork's version; the member is named as Lodestar's client names it. */
function blsToExecutionChange(moment) {
  const type = ssz.capella.BLSToExecutionChange;
  const value = moment.value(type);
  const { versions, genesisValidatorsRoot } = moment.network;
  const root = signingRoot(type.hashTreeRoot(value), DOMAIN_BLS_TO_EXECUTION_CHANGE, unhex(versions.phase0), unhex(genesisValidatorsRoot));
  return { payload: { BLS_TO_EXECUTION_CHANGE: type.toJson(value) }, root };
}

/** As remote-signing-api 1.4 wraps it, or bare as clients sent it before, under one of the names that were used. */
function wrappedOrBare(moment, names, json) {
  return { [moment.random.pick(names)]: moment.random.pick([{ version: anyCase(moment, "gloas"), data: json }, json]) };
}

function payloadAttestation(moment) {
  const type = ssz.gloas.PayloadAttestationData;
  const data = { ...moment.value(type), slot: moment.slot };
  const names = ["payload_attestation_message", "payload_attestation_data", "payload_attestation"];
  return { payload: wrappedOrBare(moment, names, type.toJson(data)), root: moment.root(type.hashTreeRoot(data), DOMAIN_PTC_ATTESTER) };
}

function proposerPreferences(moment) {
  const type = ssz.gloas.ProposerPreferences;
  const value = { ...moment.value(type), proposalSlot: moment.slot };
  const root = moment.root(type.hashTreeRoot(value), DOMAIN_PROPOSER_PREFERENCES);
  return { payload: wrappedOrBare(moment, ["proposer_preferences"], type.toJson(value)), root };
}

function executionPayloadBid(moment) {
  const type = ssz.gloas.ExecutionPayloadBid;
  const value = { ...moment.value(type), slot: moment.slot };
  const root = moment.root(type.hashTreeRoot(value), DOMAIN_BEACON_BUILDER);
  return { payload: wrappedOrBare(moment, ["execution_payload_bid"], type.toJson(value)), root };
}

function executionPayloadEnvelope(moment) {
  const type = ssz.gloas.ExecutionPayloadEnvelope;
  const value = moment.value(type);
  value.payload.slotNumber = moment.slot;
  const root = moment.root(type.hashTreeRoot(value), DOMAIN_BEACON_BUILDER);
  return { payload: wrappedOrBare(moment, ["execution_payload_envelope"], type.toJson(value)), root };
}

/** Defined by builder-specs: no fork, no genesis. */
function builderRequestAuth(moment) {
  const type = ssz.gloas.BuilderRequestAuth;
  const value = moment.value(type);
  const root = signingRoot(type.hashTreeRoot(value), DOMAIN_BUILDER_REQUEST_AUTH, unhex(moment.network.versions.phase0), ZERO_ROOT);
  return { payload: wrappedOrBare(moment, ["builder_request_auth", "request_auth"], type.toJson(value)), root, free: true };
}

/** Of Heze; asked for in Gloas too, since no network of ours has Heze. */
function inclusionList(moment) {
  const type = ssz.heze.InclusionList;
  const value = moment.value(type);
  value.slot = moment.slot;
  let left = 8192; // MAX_TRANSACTIONS_BYTES_PER_INCLUSION_LIST
  value.transactions = value.transactions.filter((one) => (left -= one.length) >= 0);
  return { payload: { inclusion_list: type.toJson(value) }, root: moment.root(type.hashTreeRoot(value), DOMAIN_INCLUSION_LIST_COMMITTEE) };
}

/** type name -> maker, and the forks it exists in. */
export const TYPES = {
  ATTESTATION: { make: attestation, first: "phase0" },
  BLOCK: { make: block, first: "phase0", last: "phase0" },
  BLOCK_V2: { make: blockV2, first: "phase0" },
  RANDAO_REVEAL: { make: randaoReveal, first: "phase0" },
  AGGREGATION_SLOT: { make: aggregationSlot, first: "phase0" },
  AGGREGATE_AND_PROOF: { make: aggregateAndProof, first: "phase0" },
  AGGREGATE_AND_PROOF_V2: { make: aggregateAndProof, first: "phase0" },
  SYNC_COMMITTEE_MESSAGE: { make: syncCommitteeMessage, first: "altair" },
  SYNC_COMMITTEE_SELECTION_PROOF: { make: selectionProof, first: "altair" },
  SYNC_COMMITTEE_CONTRIBUTION_AND_PROOF: { make: contributionAndProof, first: "altair" },
  VOLUNTARY_EXIT: { make: voluntaryExit, first: "phase0" },
  DEPOSIT: { make: deposit, first: "phase0" },
  VALIDATOR_REGISTRATION: { make: validatorRegistration, first: "phase0" },
  BLS_TO_EXECUTION_CHANGE: { make: blsToExecutionChange, first: "phase0" },
  EXECUTION_PAYLOAD_BID: { make: executionPayloadBid, first: "gloas" },
  EXECUTION_PAYLOAD_ENVELOPE: { make: executionPayloadEnvelope, first: "gloas" },
  PAYLOAD_ATTESTATION_MESSAGE: { make: payloadAttestation, first: "gloas" },
  PAYLOAD_ATTESTATION: { make: payloadAttestation, first: "gloas" },
  PROPOSER_PREFERENCES: { make: proposerPreferences, first: "gloas" },
  BUILDER_REQUEST_AUTH: { make: builderRequestAuth, first: "gloas" },
  REQUEST_AUTH: { make: builderRequestAuth, first: "gloas" },
  INCLUSION_LIST: { make: inclusionList, first: "gloas" },
};

export const typesOf = (fork) =>
  Object.keys(TYPES).filter((type) => since(fork, TYPES[type].first) && (!TYPES[type].last || fork === TYPES[type].last));

/** {request, root}: what to send, and what must be signed. heights fixes slot or epochs where order matters. */
export function makeRequest(type, moment, heights) {
  const { payload, root, free, forkInfo } = TYPES[type].make(moment, heights);
  const { random } = moment;
  const request = { type: random.below(4) ? type : type.toLowerCase(), ...payload };
  if (!free || random.below(3) === 0) request.fork_info = forkInfo ?? moment.forkInfo; // some clients always send it
  const rootName = random.pick(["signingRoot", "signing_root", null]);
  if (rootName) request[rootName] = hex(root);
  if (random.below(4) === 0) request.proofs = [{ index: "401", proof: [hex(random.bytes(32))] }]; // Nimbus; to be ignored
  return { request, root };
}
