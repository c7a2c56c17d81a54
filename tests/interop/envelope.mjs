// One request for a large execution payload envelope, to a file, and the signature it must get, to standard output.
//
//   node envelope.mjs --keys=FILE --network=FILE --out=FILE --megabytes=N
import { readFileSync, writeFileSync } from "node:fs";
import { SecretKey } from "@chainsafe/blst";
import { ssz } from "@lodestar/types";
import { Random, randomValue } from "./oracle_objects.mjs";
import { Moment, TYPES, hex } from "./oracle_requests.mjs";

const options = Object.fromEntries(process.argv.slice(2).map((word) => word.match(/^--([a-z]+)=(.*)$/s).slice(1)));
const network = JSON.parse(readFileSync(options.network, "utf8"));
const secret = SecretKey.fromHex(JSON.parse(readFileSync(options.keys, "utf8"))[0]);
const random = new Random("envelope");
const moment = new Moment(network, "gloas", random);
const bytes = (length) => new Uint8Array(Buffer.alloc(length, random.bytes(4096)));

// Half of it in transactions of every size, small ones most; a tenth as the block access list.
const type = ssz.gloas.ExecutionPayloadEnvelope;
const value = randomValue(type, random);
let left = Number(options.megabytes) * 500000 * 0.9;
value.payload.transactions = [];
while (left > 0) {
  const length = random.pick([110, 110, 110, 1000, 30000, 131072]) + random.below(64);
  value.payload.transactions.push(bytes(length));
  left -= length + 2;
}
value.payload.blockAccessList = bytes(Number(options.megabytes) * 50000);
value.payload.slotNumber = moment.slot;
value.executionRequests.deposits = Array.from({ length: 500 }, () => randomValue(ssz.electra.DepositRequest, random));

TYPES.EXECUTION_PAYLOAD_ENVELOPE.make({ ...moment, random, value: () => value, slot: moment.slot, root: (objectRoot, domain) => {
  process.stdout.write(hex(secret.sign(moment.root(objectRoot, domain)).toBytes()));
} }, null);
const data = type.toJson(value);
const request = { execution_payload_envelope: { version: "GLOAS", data }, type: "EXECUTION_PAYLOAD_ENVELOPE", fork_info: moment.forkInfo };
writeFileSync(options.out, JSON.stringify(request));
