// Lodestar's own client code (@lodestar/validator's externalSignerClient) asks a signer for signatures.
//
//   node client.mjs FOLDER <TASK     where npm has installed package.json's packages
//
// TASK: {url, network, duties} (../duties.mjs). Prints {keys, answers: [{root, signature} or {error}]}.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const packages = pathToFileURL(`${process.argv[2]}/node_modules/`);
const load = (path) => import(new URL(path, packages));
const client = await load("@lodestar/validator/lib/util/externalSignerClient.js");
const { createIBeaconConfig } = await load("@lodestar/config/lib/index.js");
const { ssz } = await load("@lodestar/types/lib/index.js");

const { url, network, duties } = JSON.parse(readFileSync(0, "utf8"));
const hex = (bytes) => `0x${Buffer.from(bytes).toString("hex")}`;
const unhex = (text) => new Uint8Array(Buffer.from(text.slice(2), "hex"));

const known = ["altair", "bellatrix", "capella"];
const chain = { PRESET_BASE: "mainnet", CONFIG_NAME: "devnet-7", GENESIS_FORK_VERSION: unhex(network.versions.phase0) };
for (const fork of known) {
  chain[`${fork.toUpperCase()}_FORK_EPOCH`] = Number(network.epochs[fork]);
  chain[`${fork.toUpperCase()}_FORK_VERSION`] = unhex(network.versions[fork]);
}
const config = createIBeaconConfig(chain, unhex(network.genesisValidatorsRoot));

const TYPES = {
  ATTESTATION: () => ssz.phase0.AttestationData,
  BLOCK: ({ fork, blinded }) => (blinded ? ssz[fork].BlindedBeaconBlock : ssz[fork].BeaconBlock),
  AGGREGATE_AND_PROOF: () => ssz.phase0.AggregateAndProof,
  AGGREGATION_SLOT: () => ssz.Slot,
  RANDAO_REVEAL: () => ssz.Epoch,
  SYNC_COMMITTEE_MESSAGE: () => ssz.Root,
  SYNC_COMMITTEE_SELECTION_PROOF: () => ssz.altair.SyncAggregatorSelectionData,
  SYNC_COMMITTEE_CONTRIBUTION_AND_PROOF: () => ssz.altair.ContributionAndProof,
  VOLUNTARY_EXIT: () => ssz.phase0.VoluntaryExit,
  VALIDATOR_REGISTRATION: () => ssz.bellatrix.ValidatorRegistrationV1,
  DEPOSIT: () => ssz.phase0.DepositMessage,
  BLS_TO_EXECUTION_CHANGE: () => ssz.capella.BLSToExecutionChange,
};

/** The object as the validator client hands it to its signer. */
function dataOf(duty, value) {
  const slot = Number(duty.slot);
  switch (duty.type) {
    case "AGGREGATION_SLOT": return { slot: value };
    case "RANDAO_REVEAL": return { epoch: value };
    case "SYNC_COMMITTEE_MESSAGE": return { beaconBlockRoot: value, slot };
    case "DEPOSIT": return { ...value, genesisForkVersion: unhex(network.versions.phase0) };
    default: return value;
  }
}

async function answer(duty) {
  try {
    const type = TYPES[duty.type](duty);
    const value = type.deserialize(unhex(duty.ssz));
    const objectRoot = type.hashTreeRoot(value);
    const root = ssz.phase0.SigningData.hashTreeRoot({ objectRoot, domain: unhex(duty.domain) });
    const sent = duty.spoil ? new Uint8Array(32) : root;
    const message = { type: duty.type === "BLOCK" ? "BLOCK_V2" : duty.type, data: dataOf(duty, value) };
    const signature = await client.externalSignerPostSignature(config, url, duty.pubkey, sent, Number(duty.slot), message);
    return { root: hex(root), signature };
  } catch (error) {
    return { error: String(error.message ?? error) };
  }
}

const keys = await client.externalSignerGetKeys(url);
const answers = [];
const inOrder = duties.some((duty) => duty.inOrder);
if (inOrder) for (const duty of duties) answers.push(await answer(duty));
else answers.push(...await Promise.all(duties.map(answer)));
console.log(JSON.stringify({ keys, answers }));
