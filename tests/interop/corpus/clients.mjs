// What each validator client puts on the wire: head, order of members, names, wrappers, fork_info. Read off the
// clients' sources and measured; no code of theirs is here. Where a client changed its mind both forms stand.
//
// A client: {name, head: lines behind the request line, in order; forks: first and last it is asked for; accepts:
// how it wants the answer; types(fork): what it emits; body({type, member, object, forkInfo, root, moment})}.
import { FORKS } from "../oracle_requests.mjs";

const from = (fork, first) => FORKS.indexOf(fork) >= FORKS.indexOf(first);
const upper = (fork) => fork.toUpperCase();

const ALWAYS = ["ATTESTATION", "AGGREGATION_SLOT", "RANDAO_REVEAL", "VOLUNTARY_EXIT", "VALIDATOR_REGISTRATION"];
const SYNC = ["SYNC_COMMITTEE_MESSAGE", "SYNC_COMMITTEE_SELECTION_PROOF", "SYNC_COMMITTEE_CONTRIBUTION_AND_PROOF"];
const STANDARD_GLOAS = ["EXECUTION_PAYLOAD_ENVELOPE", "PAYLOAD_ATTESTATION_MESSAGE", "PROPOSER_PREFERENCES", "BUILDER_REQUEST_AUTH"];

/** What all emit in that fork, and the extra types. */
const duties = (fork, ...extra) => [...ALWAYS, ...(from(fork, "altair") ? SYNC : []), ...extra];

/** {version, block} or {version, block_header}, as every client has it. */
const versioned = (fork, object) => ({ version: upper(fork), ...(object.body_root ? { block_header: object } : { block: object }) });

/** Blocks and wrapped aggregates; wrapped or bare for what Gloas adds. */
function dress({ type, object, moment }, { version = upper, gloasWrapped = true } = {}) {
  if (type === "BLOCK_V2") return versioned(moment.fork, object);
  if (type === "AGGREGATE_AND_PROOF_V2") return { version: version(moment.fork), data: object };
  const isOfGloas = [...STANDARD_GLOAS, "EXECUTION_PAYLOAD_BID"].includes(type);
  return isOfGloas && gloasWrapped ? { version: "GLOAS", data: object } : object;
}

const free = (type) => ["VALIDATOR_REGISTRATION", "DEPOSIT", "BUILDER_REQUEST_AUTH", "REQUEST_AUTH"].includes(type);
const fork_info = (message, forkInfo = message.forkInfo) => (free(message.type) ? {} : { fork_info: forkInfo });
const isLateExit = ({ type, moment }) => type === "VOLUNTARY_EXIT" && from(moment.fork, "deneb");

/** EIP-7044 said through fork_info. */
function capellaTwice({ moment, forkInfo }) {
  const version = moment.network.versions.capella;
  return { ...forkInfo, fork: { previous_version: version, current_version: version, epoch: String(moment.epoch) } };
}

function capellasOwn({ moment, forkInfo }) {
  const { versions, epochs } = moment.network;
  return { ...forkInfo, fork: { previous_version: versions.bellatrix, current_version: versions.capella, epoch: epochs.capella } };
}

const JSON_TYPE = "application/json";

export const CLIENTS = [
  {
    name: "Lighthouse", accepts: "json", forks: ["phase0", "gloas"],
    head: [`content-type: ${JSON_TYPE}`, `accept: ${JSON_TYPE}`, "host: HOST", "content-length: LENGTH"],
    types: (fork) => duties(fork, "BLOCK_V2", "AGGREGATE_AND_PROOF",
      ...(fork === "gloas" ? ["EXECUTION_PAYLOAD_ENVELOPE", "PAYLOAD_ATTESTATION", "PROPOSER_PREFERENCES", "REQUEST_AUTH"] : [])),
    body(message) {
      const members = { PAYLOAD_ATTESTATION: "payload_attestation_data", REQUEST_AUTH: "request_auth" };
      const forkInfo = isLateExit(message) ? capellaTwice(message) : message.forkInfo;
      return { type: message.type, ...fork_info(message, forkInfo), signingRoot: message.root,
        [members[message.type] ?? message.member]: dress(message, { gloasWrapped: false }) };
    },
  },
  {
    name: "Prysm", accepts: "text", forks: ["phase0", "gloas"], // a base URL that ends in a slash doubles it
    path: "//api/v1/eth2/sign/",
    head: ["Host: HOST", "User-Agent: Go-http-client/1.1", "Content-Length: LENGTH", `Content-Type: ${JSON_TYPE}`, "Accept-Encoding: gzip"],
    types: (fork) => duties(fork, fork === "phase0" ? "BLOCK" : "BLOCK_V2", "AGGREGATE_AND_PROOF_V2", ...(fork === "gloas" ? STANDARD_GLOAS : [])),
    body: (message) => ({ type: message.type, ...fork_info(message), signingRoot: message.root, [message.member]: dress(message) }),
  },
  {
    name: "Prysm 5.3", accepts: "text", forks: ["phase0", "electra"], // aggregates without a version before Electra
    path: "//api/v1/eth2/sign/",
    head: ["Host: HOST", "User-Agent: Go-http-client/1.1", "Content-Length: LENGTH", `Content-Type: ${JSON_TYPE}`, "Accept-Encoding: gzip"],
    types: (fork) => duties(fork, fork === "phase0" ? "BLOCK" : "BLOCK_V2", fork === "electra" ? "AGGREGATE_AND_PROOF_V2" : "AGGREGATE_AND_PROOF"),
    body(message) {
      let object = dress(message);
      if (message.member === "contribution_and_proof") {
        const { contribution, ...rest } = object;
        object = { ...rest, contribution };
      }
      return { type: message.type, ...fork_info(message), signingRoot: message.root, [message.member]: object };
    },
  },
  {
    name: "Nimbus", accepts: "json", forks: ["capella", "fulu"],
    head: ["Host: HOST", `Content-Type: ${JSON_TYPE}`, `Accept: ${JSON_TYPE}`, "Content-Length: LENGTH", "Connection: close"],
    types: (fork) => duties(fork, "BLOCK_V2", from(fork, "electra") ? "AGGREGATE_AND_PROOF_V2" : "AGGREGATE_AND_PROOF"),
    body(message) { // never a root; proofs beside a block; a fork_info of zeros where none is needed
      const zero = { fork: { previous_version: "0x00000000", current_version: "0x00000000", epoch: "0" }, genesis_validators_root: `0x${"00".repeat(32)}` };
      const forkInfo = free(message.type) ? zero : isLateExit(message) ? capellasOwn(message) : message.forkInfo;
      const proofs = message.type === "BLOCK_V2" ? { proofs: [{ index: "801", proof: Array(9).fill(`0x${"07".repeat(32)}`) }] } : {};
      return { type: message.type, fork_info: forkInfo, [message.member]: dress(message, { version: (fork) => fork }), ...proofs };
    },
  },
  {
    name: "Teku", accepts: "text", forks: ["phase0", "fulu"],
    head: ["Content-Length: LENGTH", "Host: HOST", "User-Agent: Java-http-client/21.0.4", `Content-Type: ${JSON_TYPE}`],
    types: (fork) => duties(fork, fork === "phase0" ? "BLOCK" : "BLOCK_V2", "AGGREGATE_AND_PROOF"),
    body: (message) => ({ signingRoot: message.root, type: message.type, ...fork_info(message), [message.member]: dress(message) }),
  },
  {
    name: "Lodestar", accepts: "json", forks: ["phase0", "gloas"],
    head: ["host: HOST", "connection: keep-alive", `Accept: ${JSON_TYPE}`, `Content-Type: ${JSON_TYPE}`, "accept-language: *",
      "sec-fetch-mode: cors", "user-agent: node", "accept-encoding: gzip, deflate", "content-length: LENGTH"],
    types: (fork) => duties(fork, "BLOCK_V2", from(fork, "electra") ? "AGGREGATE_AND_PROOF_V2" : "AGGREGATE_AND_PROOF", "DEPOSIT",
      "BLS_TO_EXECUTION_CHANGE", ...(fork === "gloas" ? [...STANDARD_GLOAS, "PAYLOAD_ATTESTATION"] : [])),
    body(message) { // the object first; the epoch of the signing slot as the fork's
      const members = { PAYLOAD_ATTESTATION: "payload_attestation" };
      const { fork, ...rest } = message.forkInfo;
      const forkInfo = isLateExit(message) ? capellasOwn(message) : { fork: { ...fork, epoch: String(message.moment.epoch) }, ...rest };
      return { [members[message.type] ?? message.member]: dress(message), type: message.type, signingRoot: message.root, ...fork_info(message, forkInfo) };
    },
  },
  {
    name: "Lodestar before its pull request 10071", accepts: "json", forks: ["gloas", "gloas"],
    head: ["host: HOST", "connection: keep-alive", `Accept: ${JSON_TYPE}`, `Content-Type: ${JSON_TYPE}`, "accept-language: *",
      "sec-fetch-mode: cors", "user-agent: node", "accept-encoding: gzip, deflate", "content-length: LENGTH"],
    types: () => ["EXECUTION_PAYLOAD_ENVELOPE", "PAYLOAD_ATTESTATION"],
    body(message) {
      const members = { PAYLOAD_ATTESTATION: "payload_attestation" };
      return { [members[message.type] ?? message.member]: dress(message, { gloasWrapped: false }), type: message.type,
        signingRoot: message.root, ...fork_info(message) };
    },
  },
  {
    name: "Lodestar for Heze", accepts: "json", forks: ["gloas", "gloas"], // no network of ours has Heze: asked for in Gloas
    head: ["host: HOST", "connection: keep-alive", `Accept: ${JSON_TYPE}`, `Content-Type: ${JSON_TYPE}`, "accept-language: *",
      "sec-fetch-mode: cors", "user-agent: node", "accept-encoding: gzip, deflate", "content-length: LENGTH"],
    types: () => ["INCLUSION_LIST"],
    body(message) { // alone without fork_info
      const forkInfo = message.type === "INCLUSION_LIST" ? {} : fork_info(message);
      return { [message.member]: dress(message), type: message.type, signingRoot: message.root, ...forkInfo };
    },
  },
  {
    name: "Lodestar 1.5", accepts: "json", forks: ["phase0", "capella"],
    head: [`Content-Type: ${JSON_TYPE}`, "Accept: */*", "Content-Length: LENGTH", "User-Agent: node-fetch/1.0 (+https://github.com/bitinn/node-fetch)",
      "Accept-Encoding: gzip,deflate", "Host: HOST", "Connection: keep-alive"],
    types: (fork) => duties(fork, "BLOCK_V2", "AGGREGATE_AND_PROOF", "DEPOSIT", ...(fork === "capella" ? ["BLS_TO_EXECUTION_CHANGE"] : [])),
    body(message) {
      const { fork, ...rest } = message.forkInfo;
      const forkInfo = { fork: { ...fork, epoch: String(message.moment.epoch) }, ...rest };
      return { [message.member]: dress(message), type: message.type, signingRoot: message.root, ...fork_info(message, forkInfo) };
    },
  },
  {
    name: "Vero", accepts: "text", forks: ["deneb", "fulu"],
    head: ["Host: HOST", "Accept: text/plain", "Accept-Encoding: gzip, deflate", "User-Agent: Vero/v1.4.1", "Content-Length: LENGTH", `Content-Type: ${JSON_TYPE}`],
    types: (fork) => duties(fork, "BLOCK_V2", "AGGREGATE_AND_PROOF_V2"),
    body(message) { // no member for a root at all
      const forkInfo = isLateExit(message) ? capellasOwn(message) : message.forkInfo;
      return { ...fork_info(message, forkInfo), type: message.type, [message.member]: dress(message) };
    },
  },
  {
    name: "Grandine", accepts: "json", forks: ["phase0", "fulu"],
    head: [`content-type: ${JSON_TYPE}`, "accept: */*", "host: HOST", "content-length: LENGTH"],
    types: (fork) => duties(fork, "BLOCK_V2", "AGGREGATE_AND_PROOF"),
    body: (message) => ({ type: message.type, ...fork_info(message), signingRoot: message.root, [message.member]: dress(message) }),
  },
  {
    name: "SSV", accepts: "json", forks: ["deneb", "fulu"],
    head: ["Host: HOST", "User-Agent: Go-http-client/1.1", "Content-Length: LENGTH", `Accept: ${JSON_TYPE}`, `Content-Type: ${JSON_TYPE}`, "Accept-Encoding: gzip"],
    types: (fork) => duties(fork, "BLOCK_V2", "AGGREGATE_AND_PROOF"),
    body(message) { // one integer is bare
      let object = dress(message);
      if (message.type === "SYNC_COMMITTEE_SELECTION_PROOF") object = { ...object, subcommittee_index: Number(object.subcommittee_index) };
      return { fork_info: message.forkInfo, signing_root: message.root, type: message.type, [message.member]: object };
    },
  },
];
