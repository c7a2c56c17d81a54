// Prysm's own client code (validator/keymanager/remote-web3signer) asks a signer for signatures.
//
// Reads from standard input {url, keys, config, network, duties, parallel} (../duties.mjs); config is a config.yaml of the network,
// keys where Prysm is to read the public keys. Prints {keys, answers: [{root, signature} or {error}]}. TLS trusts
// $SSL_CERT_FILE, as Go does.
package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/ethereum/go-ethereum/common/hexutil"
	fssz "github.com/prysmaticlabs/fastssz"
	"github.com/prysmaticlabs/prysm/v5/beacon-chain/core/signing"
	"github.com/prysmaticlabs/prysm/v5/config/params"
	"github.com/prysmaticlabs/prysm/v5/consensus-types/primitives"
	ethpb "github.com/prysmaticlabs/prysm/v5/proto/prysm/v1alpha1"
	validatorpb "github.com/prysmaticlabs/prysm/v5/proto/prysm/v1alpha1/validator-client"
	remote "github.com/prysmaticlabs/prysm/v5/validator/keymanager/remote-web3signer"
)

type duty struct {
	Type, Fork     string
	Blinded        bool
	Slot           uint64 `json:",string"`
	Pubkey         hexutil.Bytes
	Domain         hexutil.Bytes
	Ssz            hexutil.Bytes
	Spoil, InOrder bool
}

type task struct {
	Url, Keys, Config string
	Network           struct{ GenesisValidatorsRoot hexutil.Bytes }
	Duties            []duty
}

type answer struct {
	Root      string `json:"root,omitempty"`
	Signature string `json:"signature,omitempty"`
	Error     string `json:"error,omitempty"`
}

// object is what Prysm's protobuf types can all do.
type object interface {
	fssz.HashRoot
	UnmarshalSSZ([]byte) error
}

func decoded[T object](value T, text []byte) T {
	if err := value.UnmarshalSSZ(text); err != nil {
		panic(fmt.Sprintf("%T: %v", value, err))
	}
	return value
}

// block fills in the request's object; the object comes back too, for its root.
func block(d duty, request *validatorpb.SignRequest) object {
	name := d.Fork
	if d.Blinded {
		name += " blinded"
	}
	switch name {
	case "phase0":
		o := decoded(&ethpb.BeaconBlock{}, d.Ssz)
		request.Object = &validatorpb.SignRequest_Block{Block: o}
		return o
	case "altair":
		o := decoded(&ethpb.BeaconBlockAltair{}, d.Ssz)
		request.Object = &validatorpb.SignRequest_BlockAltair{BlockAltair: o}
		return o
	case "bellatrix":
		o := decoded(&ethpb.BeaconBlockBellatrix{}, d.Ssz)
		request.Object = &validatorpb.SignRequest_BlockBellatrix{BlockBellatrix: o}
		return o
	case "bellatrix blinded":
		o := decoded(&ethpb.BlindedBeaconBlockBellatrix{}, d.Ssz)
		request.Object = &validatorpb.SignRequest_BlindedBlockBellatrix{BlindedBlockBellatrix: o}
		return o
	case "capella":
		o := decoded(&ethpb.BeaconBlockCapella{}, d.Ssz)
		request.Object = &validatorpb.SignRequest_BlockCapella{BlockCapella: o}
		return o
	case "capella blinded":
		o := decoded(&ethpb.BlindedBeaconBlockCapella{}, d.Ssz)
		request.Object = &validatorpb.SignRequest_BlindedBlockCapella{BlindedBlockCapella: o}
		return o
	case "deneb":
		o := decoded(&ethpb.BeaconBlockDeneb{}, d.Ssz)
		request.Object = &validatorpb.SignRequest_BlockDeneb{BlockDeneb: o}
		return o
	case "deneb blinded":
		o := decoded(&ethpb.BlindedBeaconBlockDeneb{}, d.Ssz)
		request.Object = &validatorpb.SignRequest_BlindedBlockDeneb{BlindedBlockDeneb: o}
		return o
	case "electra":
		o := decoded(&ethpb.BeaconBlockElectra{}, d.Ssz)
		request.Object = &validatorpb.SignRequest_BlockElectra{BlockElectra: o}
		return o
	case "electra blinded":
		o := decoded(&ethpb.BlindedBeaconBlockElectra{}, d.Ssz)
		request.Object = &validatorpb.SignRequest_BlindedBlockElectra{BlindedBlockElectra: o}
		return o
	}
	panic("no block of " + name)
}

func aggregate(d duty, request *validatorpb.SignRequest) object {
	if d.Fork == "electra" {
		o := decoded(&ethpb.AggregateAttestationAndProofElectra{}, d.Ssz)
		request.Object = &validatorpb.SignRequest_AggregateAttestationAndProofElectra{AggregateAttestationAndProofElectra: o}
		return o
	}
	o := decoded(&ethpb.AggregateAttestationAndProof{}, d.Ssz)
	request.Object = &validatorpb.SignRequest_AggregateAttestationAndProof{AggregateAttestationAndProof: o}
	return o
}

// fill sets the request's object as Prysm's validator does; what can give its root comes back.
func fill(d duty, request *validatorpb.SignRequest) fssz.HashRoot {
	switch d.Type {
	case "ATTESTATION":
		o := decoded(&ethpb.AttestationData{}, d.Ssz)
		request.Object = &validatorpb.SignRequest_AttestationData{AttestationData: o}
		return o
	case "BLOCK":
		return block(d, request)
	case "AGGREGATE_AND_PROOF":
		return aggregate(d, request)
	case "AGGREGATION_SLOT":
		slot := primitives.Slot(binary.LittleEndian.Uint64(d.Ssz))
		request.Object = &validatorpb.SignRequest_Slot{Slot: slot}
		value := primitives.SSZUint64(slot)
		return &value
	case "RANDAO_REVEAL":
		epoch := primitives.Epoch(binary.LittleEndian.Uint64(d.Ssz))
		request.Object = &validatorpb.SignRequest_Epoch{Epoch: epoch}
		value := primitives.SSZUint64(epoch)
		return &value
	case "SYNC_COMMITTEE_MESSAGE":
		request.Object = &validatorpb.SignRequest_SyncMessageBlockRoot{SyncMessageBlockRoot: d.Ssz}
		value := primitives.SSZBytes(d.Ssz)
		return &value
	case "SYNC_COMMITTEE_SELECTION_PROOF":
		o := decoded(&ethpb.SyncAggregatorSelectionData{}, d.Ssz)
		request.Object = &validatorpb.SignRequest_SyncAggregatorSelectionData{SyncAggregatorSelectionData: o}
		return o
	case "SYNC_COMMITTEE_CONTRIBUTION_AND_PROOF":
		o := decoded(&ethpb.ContributionAndProof{}, d.Ssz)
		request.Object = &validatorpb.SignRequest_ContributionAndProof{ContributionAndProof: o}
		return o
	case "VOLUNTARY_EXIT":
		o := decoded(&ethpb.VoluntaryExit{}, d.Ssz)
		request.Object = &validatorpb.SignRequest_Exit{Exit: o}
		return o
	case "VALIDATOR_REGISTRATION":
		o := decoded(&ethpb.ValidatorRegistrationV1{}, d.Ssz)
		request.Object = &validatorpb.SignRequest_Registration{Registration: o}
		return o
	}
	panic("no duty of type " + d.Type)
}

func sign(manager *remote.Keymanager, d duty) answer {
	request := &validatorpb.SignRequest{PublicKey: d.Pubkey, SignatureDomain: d.Domain, SigningSlot: primitives.Slot(d.Slot)}
	root, err := signing.ComputeSigningRoot(fill(d, request), d.Domain)
	if err != nil {
		return answer{Error: err.Error()}
	}
	request.SigningRoot = root[:]
	if d.Spoil {
		request.SigningRoot = make([]byte, 32)
	}
	signature, err := manager.Sign(context.Background(), request)
	if err != nil {
		return answer{Error: err.Error()}
	}
	return answer{Root: hexutil.Encode(root[:]), Signature: hexutil.Encode(signature.Marshal())}
}

func all(manager *remote.Keymanager, duties []duty) []answer {
	answers := make([]answer, len(duties))
	var group sync.WaitGroup
	for i, d := range duties {
		if d.InOrder {
			answers[i] = sign(manager, d)
			continue
		}
		group.Add(1)
		go func() {
			defer group.Done()
			answers[i] = sign(manager, d)
		}()
	}
	group.Wait()
	return answers
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	text, err := io.ReadAll(os.Stdin)
	check(err)
	var t task
	check(json.Unmarshal(text, &t))
	check(params.LoadChainConfigFile(t.Config, nil))
	manager, err := remote.NewKeymanager(context.Background(), &remote.SetupConfig{
		BaseEndpoint: t.Url, GenesisValidatorsRoot: t.Network.GenesisValidatorsRoot, PublicKeysURL: t.Keys})
	check(err)
	public, err := manager.FetchValidatingPublicKeys(context.Background())
	check(err)
	keys := []string{}
	for _, key := range public {
		keys = append(keys, hexutil.Encode(key[:]))
	}
	check(json.NewEncoder(os.Stdout).Encode(map[string]any{"keys": keys, "answers": all(manager, t.Duties)}))
}
