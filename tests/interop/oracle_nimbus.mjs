// The blocks and the attestation that Nimbus's own test sends to a remote signer, as requests in its
// manner: headers with Merkle proofs beside them, an aggregate in the old bare shape.
import { readFileSync } from "node:fs";
import { DOMAIN_AGGREGATE_AND_PROOF, DOMAIN_BEACON_ATTESTER, DOMAIN_BEACON_PROPOSER } from "@lodestar/params";
import { ssz } from "@lodestar/types";
import { hex, signingRoot, unhex } from "./oracle_requests.mjs";

export function nimbusRequests(path) {
  const { values, fork, genesis_validators_root } = JSON.parse(readFileSync(path, "utf8"));
  const forkInfo = { fork, genesis_validators_root };
  const root = (objectRoot, domain) => signingRoot(objectRoot, domain, unhex(fork.current_version), unhex(genesis_validators_root));

  const block = (name, message, type) => {
    message.body.graffiti = `0x${"00".repeat(32)}`; // left empty in the file: the test fills it in
    const value = type.fromJson(message);
    const { body, ...header } = message;
    header.body_root = hex(type.fields.body.hashTreeRoot(value.body));
    const proofs = [{ index: name === "capella" ? "401" : "801", proof: [`0x${"11".repeat(32)}`] }];
    const request = { type: "BLOCK_V2", fork_info: forkInfo, beacon_block: { version: name.toUpperCase(), block_header: header }, proofs };
    return { type: "BLOCK_V2", fork: name, request, root: root(type.hashTreeRoot(value), DOMAIN_BEACON_PROPOSER) };
  };

  const aggregate = values.AgAttestation.data;
  const bare = { aggregator_index: "1", aggregate, selection_proof: aggregate.signature };
  const { AttestationData, AggregateAndProof } = ssz.phase0;
  return [
    block("capella", values.CapellaBlock.message, ssz.capella.BeaconBlock),
    block("deneb", values.DenebBlockContents.signed_block.message, ssz.deneb.BeaconBlock),
    { type: "ATTESTATION", fork: "deneb", request: { type: "ATTESTATION", fork_info: forkInfo, attestation: aggregate.data },
      root: root(AttestationData.hashTreeRoot(AttestationData.fromJson(aggregate.data)), DOMAIN_BEACON_ATTESTER) },
    { type: "AGGREGATE_AND_PROOF", fork: "deneb", request: { type: "AGGREGATE_AND_PROOF", fork_info: forkInfo, aggregate_and_proof: bare },
      root: root(AggregateAndProof.hashTreeRoot(AggregateAndProof.fromJson(bare)), DOMAIN_AGGREGATE_AND_PROOF) },
  ];
}
