// The golden wire corpus: for each client, type and fork the bytes of one request as that client sends it, and the
// bytes of the answer, with the signature of Lodestar's types and @chainsafe/blst. Nothing of the signer under test
// is used. Always the same bytes for the same keys and network.
//
//   node make.mjs --keys=FILE --network=FILE > corpus.json        [{client, type, fork, request, answer}, ...]
import { readFileSync } from "node:fs";
import { SecretKey } from "@chainsafe/blst";
import { Random } from "../oracle_objects.mjs";
import { FORKS, Moment, TYPES, hex, typesOf } from "../oracle_requests.mjs";
import { CLIENTS } from "./clients.mjs";

const HOST = "localhost:9000";
const options = Object.fromEntries(process.argv.slice(2).map((word) => word.match(/^--([a-z]+)=(.*)$/s).slice(1)));
const network = JSON.parse(readFileSync(options.network, "utf8"));
const secret = SecretKey.fromHex(JSON.parse(readFileSync(options.keys, "utf8"))[0]);
const pubkey = hex(secret.toPublicKey().toBytes());

/** The fork_info of that fork, as a beacon node tells it. */
function forkInfoOf(fork) {
  const previous = FORKS[Math.max(0, FORKS.indexOf(fork) - 1)];
  return {
    fork: { previous_version: network.versions[previous], current_version: network.versions[fork], epoch: network.epochs[fork] },
    genesis_validators_root: network.genesisValidatorsRoot,
  };
}

/** One message without a client's clothes: {member, object, root}. */
function plain(type, moment) {
  const { payload, root } = TYPES[type].make(moment, null);
  let [[member, object]] = Object.entries(payload);
  if (object.version) object = object.data ?? object.block_header ?? object.block;
  if (type === "AGGREGATION_SLOT") object = { slot: String(object.slot) };
  if (type === "SYNC_COMMITTEE_MESSAGE") object = { beacon_block_root: object.beacon_block_root, slot: object.slot };
  if (type.startsWith("AGGREGATE")) {
    const { committee_bits: bits, ...aggregate } = object.aggregate;
    object = { ...object, aggregate: FORKS.indexOf(moment.fork) < FORKS.indexOf("electra") ? aggregate : { ...aggregate, committee_bits: bits } };
  }
  if (type.startsWith("PAYLOAD_ATTESTATION")) member = "payload_attestation_message";
  if (type.endsWith("REQUEST_AUTH")) member = "builder_request_auth";
  return { type, member, object, root, moment, forkInfo: forkInfoOf(moment.fork) };
}

/** Other names of a type are the same duty. */
const dutyOf = (type) => ({ PAYLOAD_ATTESTATION: "PAYLOAD_ATTESTATION_MESSAGE", REQUEST_AUTH: "BUILDER_REQUEST_AUTH",
  AGGREGATE_AND_PROOF_V2: "AGGREGATE_AND_PROOF" })[type] ?? type;

function requestBytes(client, body, key = pubkey) {
  const text = JSON.stringify(body);
  const lines = client.head.map((line) => line.replace("HOST", HOST).replace("LENGTH", String(Buffer.byteLength(text))));
  return [`POST ${client.path ?? "/api/v1/eth2/sign/"}${key} HTTP/1.1`, ...lines, "", text].join("\r\n");
}

function answerBytes(client, reason, type, text) {
  const closes = client.head.includes("Connection: close");
  const connection = closes ? ["connection: close"] : ["connection: keep-alive", "keep-alive: timeout=800"];
  return [`HTTP/1.1 ${reason}`, `content-type: ${type}`, `content-length: ${text.length}`, "vary: origin", ...connection, "", text].join("\r\n");
}

function signatureBytes(client, root) {
  const signature = hex(secret.sign(root).toBytes());
  return client.accepts === "json"
    ? answerBytes(client, "200 OK", "application/json; charset=utf-8", JSON.stringify({ signature }))
    : answerBytes(client, "200 OK", "text/plain; charset=utf-8", signature);
}

const error = (client, reason, sentence) => answerBytes(client, reason, "application/json", JSON.stringify({ error: sentence }));

function* messagesOf(client) {
  const [first, last] = client.forks.map((fork) => FORKS.indexOf(fork));
  for (const fork of FORKS.slice(first, last + 1)) {
    for (const type of client.types(fork)) {
      if (!typesOf(fork).includes(type)) throw new Error(`${client.name}: there is no ${type} in ${fork}`);
      // Seeded by the duty alone: two clients that say the same in other words get the same signature.
      yield plain(type, new Moment(network, fork, new Random(`corpus/${fork}/${dutyOf(type)}`)));
    }
  }
}

/** An unknown key, and another root where the client sends one. */
function* mistakesOf(client) {
  const message = plain("RANDAO_REVEAL", new Moment(network, client.forks[0], new Random("corpus/mistake")));
  const body = client.body({ ...message, root: hex(message.root) });
  const about = { client: client.name, type: message.type, fork: message.moment.fork };
  yield { ...about, request: requestBytes(client, body, `0x${"11".repeat(48)}`), answer: error(client, "404 Not Found", "identifier: no such key is loaded") };
  const wrong = client.body({ ...message, root: `0x${"ee".repeat(32)}` });
  if (JSON.stringify(wrong) === JSON.stringify(body)) return;
  const sentence = `signing_root: 0x${"ee".repeat(32)} was sent, but the message's is ${hex(message.root)} (another network or fork_info?)`;
  yield { ...about, request: requestBytes(client, wrong), answer: error(client, "400 Bad Request", sentence) };
}

const corpus = [];
for (const client of CLIENTS) {
  for (const message of messagesOf(client)) {
    const body = client.body({ ...message, root: hex(message.root) });
    corpus.push({ client: client.name, type: message.type, duty: dutyOf(message.type), fork: message.moment.fork, request: requestBytes(client, body), answer: signatureBytes(client, message.root) });
  }
  corpus.push(...mistakesOf(client));
}
process.stdout.write(JSON.stringify(corpus));
