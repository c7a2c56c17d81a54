// Judges answers of Commit-Boost's signer API with @chainsafe/ssz, Lodestar's types and @chainsafe/blst. A JSON array from
// standard input, each {key, signature, version, objectRoot} or {key, signature, version, proxy}: the signature of an object's
// root, or of the delegation of key to proxy, in the domain of that genesis fork version. A JSON array of
// {root, right} to standard output: the signing root, and whether the signature is right.
import { readFileSync } from "node:fs";
import { PublicKey, Signature, verify } from "@chainsafe/blst";
import { ByteVectorType, ContainerType } from "@chainsafe/ssz";
import { ssz } from "@lodestar/types";

const DOMAIN_COMMIT_BOOST = Buffer.from("6d6d6f43", "hex");
const bytes = (text) => Buffer.from(text.slice(2), "hex");

function objectRoot({ key, proxy, objectRoot: given }) {
  if (given) return bytes(given);
  const delegation = new ContainerType({ delegator: new ByteVectorType(48), proxy: new ByteVectorType(bytes(proxy).length) });
  return delegation.hashTreeRoot({ delegator: bytes(key), proxy: bytes(proxy) });
}

function signingRoot(one) {
  const fork = ssz.phase0.ForkData.hashTreeRoot({ currentVersion: bytes(one.version), genesisValidatorsRoot: new Uint8Array(32) });
  const domain = Buffer.concat([DOMAIN_COMMIT_BOOST, fork.slice(0, 28)]);
  return ssz.phase0.SigningData.hashTreeRoot({ objectRoot: objectRoot(one), domain });
}

function judge(one) {
  const root = signingRoot(one);
  let right = false;
  try {
    right = verify(root, PublicKey.fromBytes(bytes(one.key), true), Signature.fromBytes(bytes(one.signature), true));
  } catch {
    // not even a point
  }
  return { root: `0x${Buffer.from(root).toString("hex")}`, right };
}

process.stdout.write(JSON.stringify(JSON.parse(readFileSync(0, "utf8")).map(judge)));
