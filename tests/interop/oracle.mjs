// The independent judge: random requests of every type and fork go to a running signer over HTTP;
// signing roots are computed with Lodestar's types, signatures with @chainsafe/blst.
//
//   [LODESTAR_PRESET=minimal] node oracle.mjs --url=http://127.0.0.1:9000 --keys=FILE --network=NAME|FILE
//     [--order=random|rising] [--rounds=N] [--seed=TEXT] [--sabotage] [--nimbus=FILE]
//
// --keys: JSON array of secret keys in hex. --network: a network of @lodestar/config, or a JSON file
// {epochs, versions, genesisValidatorsRoot}. --order=rising keeps slots and epochs rising for each
// key, for a signer with slashing protection, and then tries what must be refused with 412.
// --nimbus: blocks of Nimbus's signing-node test instead, for a signer of any network that is before Electra at slot 1.
// --sabotage spoils one expectation: the run must then fail. Prints a summary; status 1 when anything disagrees.
import { readFileSync } from "node:fs";
import { SecretKey } from "@chainsafe/blst";
import { genesisData, networksChainConfig } from "@lodestar/config/networks";
import { ACTIVE_PRESET, SLOTS_PER_EPOCH } from "@lodestar/params";
import { Random } from "./oracle_objects.mjs";
import { nimbusRequests } from "./oracle_nimbus.mjs";
import { FORKS, Moment, hex, makeRequest, typesOf } from "./oracle_requests.mjs";

const CONCURRENCY = 8;

const options = Object.fromEntries(
  process.argv.slice(2).map((word) => word.match(/^--([a-z]+)(?:=(.*))?$/s)).map((match) => [match[1], match[2] ?? true]),
);
const seed = options.seed ?? String(Date.now());
const random = new Random(seed);
const tally = { signatures: 0, refusals: 0, byType: {}, batched: {}, notBatched: {} };
const disagreements = [];

function loadNetwork(name) {
  const config = networksChainConfig[name];
  if (!config) return JSON.parse(readFileSync(name, "utf8"));
  if (config.PRESET_BASE !== ACTIVE_PRESET) throw new Error(`LODESTAR_PRESET must be ${config.PRESET_BASE}`);
  const value = (fork, what) => config[`${fork === "phase0" ? "GENESIS" : fork.toUpperCase()}_FORK_${what}`];
  const epoch = (fork) => (fork === "phase0" ? "0" : BigInt(value(fork, "EPOCH") === Infinity ? 2n ** 64n - 1n : value(fork, "EPOCH")).toString());
  return {
    epochs: Object.fromEntries(FORKS.map((fork) => [fork, epoch(fork)])),
    versions: Object.fromEntries(FORKS.map((fork) => [fork, hex(value(fork, "VERSION"))])),
    genesisValidatorsRoot: genesisData[name].genesisValidatorsRoot,
  };
}

/** The forks that some epoch of the network is in: several may begin at 0. */
const livingForks = (network) =>
  FORKS.filter((fork, i) => {
    const next = FORKS[i + 1];
    return BigInt(network.epochs[fork]) < 2n ** 64n - 1n && (!next || BigInt(network.epochs[next]) > BigInt(network.epochs[fork]));
  });

async function post(key, request, accept, path = key.pubkey) {
  const headers = { "content-type": "application/json", accept };
  const response = await fetch(`${options.url}/api/v1/eth2/sign/${path}`, { method: "POST", headers, body: JSON.stringify(request) });
  return { status: response.status, type: response.headers.get("content-type") ?? "", text: await response.text() };
}

function disagree(what, request, details) {
  disagreements.push({ what, seed, request, ...details });
}

/** Sends one request; the signature must be the oracle's own over the oracle's own root. */
async function check(key, type, fork, { request, root }) {
  const accept = root[0] & 1 ? "application/json" : "text/plain";
  const answer = await post(key, request, accept, root[1] & 1 ? key.pubkey : key.pubkey.slice(2));
  const expected = hex(key.secret.sign(root).toBytes());
  let actual = answer.text;
  if (answer.status === 200 && accept === "application/json") actual = JSON.parse(answer.text).signature;
  if (answer.status !== 200 || actual !== expected || !answer.type.startsWith(accept))
    disagree(`${type} ${fork}`, request, { root: hex(root), expected, accept, answer });
  tally.signatures++;
  tally.byType[type] = (tally.byType[type] ?? 0) + 1;
}

/** A root that is not the message's must be refused, with a reason. */
async function checkWrongRoot(key, type, fork, { request, root }) {
  const wrong = { ...request, signing_root: hex(root.map((byte, i) => (i === 31 ? byte ^ 1 : byte))) };
  delete wrong.signingRoot;
  await expectRefusal(400, key, `${type} ${fork} with a wrong root`, wrong);
}

async function expectRefusal(status, key, what, request) {
  const answer = await post(key, request, "application/json");
  let reason = null;
  try {
    reason = JSON.parse(answer.text).error;
  } catch {
    // reported below
  }
  if (answer.status !== status || typeof reason !== "string" || !reason) disagree(what, request, { expectedStatus: status, answer });
  tally.refusals++;
}

const FOR_MANY = ["AGGREGATION_SLOT", "ATTESTATION", "RANDAO_REVEAL", "SYNC_COMMITTEE_MESSAGE", "SYNC_COMMITTEE_SELECTION_PROOF"];

/** The same message of all keys: the oracle's signatures in the order of the keys, or a refusal of the type. */
async function checkBatch(keys, type, fork, { request, root }) {
  const isForMany = FOR_MANY.includes(type);
  const body = JSON.stringify({ identifiers: keys.map((key) => key.pubkey), signing_request: request });
  const response = await fetch(`${options.url}/api/v1/eth2/sign`, { method: "POST", headers: { "content-type": "application/json" }, body });
  const answer = await response.json();
  const expected = keys.map((key) => ({ identifier: key.pubkey, signature: hex(key.secret.sign(root).toBytes()) }));
  const isRight = isForMany
    ? response.status === 200 && JSON.stringify(answer) === JSON.stringify(expected)
    : response.status === 400 && answer.error.startsWith("signing_request.type: ");
  if (!isRight) disagree(`${type} ${fork} as a batch`, request, { status: response.status, answer });
  const counts = isForMany ? tally.batched : tally.notBatched;
  counts[type] = (counts[type] ?? 0) + 1;
}

async function inParallel(tasks) {
  const queue = [...tasks];
  await Promise.all(Array.from({ length: CONCURRENCY }, async () => {
    for (let task = queue.shift(); task; task = queue.shift()) await task();
  }));
}

/** Any order: for a signer without slashing protection. */
async function runRandom(network, keys) {
  const tasks = [];
  let toSpoil = options.sabotage;
  for (let round = 0; round < Number(options.rounds ?? 1); round++) {
    for (const fork of livingForks(network)) {
      for (const type of typesOf(fork)) {
        const made = makeRequest(type, new Moment(network, fork, random), null);
        const key = random.pick(keys);
        const spoil = toSpoil;
        toSpoil = false;
        if (spoil) made.root = made.root.map((byte) => byte ^ 1);
        tasks.push(() => check(key, type, fork, made));
        if (!spoil) tasks.push(() => checkBatch(keys, type, fork, made));
        if (!spoil && random.below(4) === 0) tasks.push(() => checkWrongRoot(key, type, fork, made));
      }
    }
  }
  await inParallel(tasks);
}

const SLASHABLE = ["ATTESTATION", "BLOCK", "BLOCK_V2"];

/** Slots and epochs that rise; each slashable message again, and then another at its height. */
async function checkSlashable(key, type, fork, moment, heights) {
  const made = makeRequest(type, moment, heights);
  await check(key, type, fork, made);
  await check(key, type, fork, made);
  const other = makeRequest(type, moment, heights);
  await expectRefusal(412, key, `${type} ${fork}: another at the same height`, other.request);
  if (heights.below) await expectRefusal(412, key, `${type} ${fork}: below`, makeRequest(type, moment, heights.below).request);
}

async function runRising(network, keys) {
  for (const fork of livingForks(network)) {
    const tasks = keys.map((key) => async () => {
      const own = new Random(`${seed}/${key.pubkey}/${fork}`); // the tasks take turns, their randomness must not
      const moment = new Moment(network, fork, own);
      const first = Number(network.epochs[fork]);
      // Chosen by the fork alone, so that they rise from fork to fork for every key.
      const target = first + 1;
      const slot = first * SLOTS_PER_EPOCH + 1;
      moment.epoch = target;
      const source = Math.max(0, target - 1);
      await checkSlashable(key, "ATTESTATION", fork, moment, { source, target, below: { source, target: source } });
      moment.epoch = first;
      await checkSlashable(key, "BLOCK_V2", fork, moment, { slot, below: { slot: slot - 1 } });
      for (const type of typesOf(fork).filter((name) => !SLASHABLE.includes(name)))
        await check(key, type, fork, makeRequest(type, new Moment(network, fork, own), null));
    });
    await inParallel(tasks);
  }
}

async function runNimbus(_network, keys) {
  for (const one of nimbusRequests(options.nimbus)) await check(keys[0], one.type, one.fork, one);
}

async function checkPublicKeys(keys) {
  const response = await fetch(`${options.url}/api/v1/eth2/publicKeys`);
  const listed = (await response.json()).sort();
  const expected = keys.map((key) => key.pubkey).sort();
  if (JSON.stringify(listed) !== JSON.stringify(expected)) disagree("publicKeys", null, { listed, expected });
}

const network = loadNetwork(options.network);
const keys = JSON.parse(readFileSync(options.keys, "utf8")).map((text) => {
  const secret = SecretKey.fromHex(text);
  return { secret, pubkey: hex(secret.toPublicKey().toBytes()) };
});
await checkPublicKeys(keys);
const run = options.nimbus ? runNimbus : options.order === "rising" ? runRising : runRandom;
await run(network, keys);
for (const one of disagreements.slice(0, 3)) console.error(JSON.stringify(one, null, 1).slice(0, 6000));
const forks = livingForks(network).join(" ");
console.log(`oracle: ${ACTIVE_PRESET} preset, ${forks}: ${tally.signatures} signatures, ${tally.refusals} refusals, ` +
  `${disagreements.length} disagreements (seed ${seed})`);
console.log(JSON.stringify(tally.byType));
console.log(`batches: ${JSON.stringify(tally.batched)}, refused: ${JSON.stringify(tally.notBatched)}`);
process.exit(disagreements.length ? 1 : 0);
