// SSV's own client code (ssvsigner's web3signer and tls packages) asks a signer for signatures, and imports and deletes
// key stores.
//
// Reads from standard input {url, tls: {certificate, keystore, password}, duties, keystores, passwords, protection, deletes}
// (../duties.mjs); requests are put together as its remote key manager does. Prints {keys, answers: [{root, signature}
// or {status, error}], imported, deleted}.
package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	apiv1 "github.com/attestantio/go-eth2-client/api/v1"
	apicapella "github.com/attestantio/go-eth2-client/api/v1/capella"
	apideneb "github.com/attestantio/go-eth2-client/api/v1/deneb"
	apielectra "github.com/attestantio/go-eth2-client/api/v1/electra"
	"github.com/attestantio/go-eth2-client/spec"
	"github.com/attestantio/go-eth2-client/spec/altair"
	"github.com/attestantio/go-eth2-client/spec/capella"
	"github.com/attestantio/go-eth2-client/spec/deneb"
	"github.com/attestantio/go-eth2-client/spec/electra"
	"github.com/attestantio/go-eth2-client/spec/phase0"
	ssz "github.com/ferranbt/fastssz"
	"github.com/ssvlabs/ssv/ssvsigner/tls"
	"github.com/ssvlabs/ssv/ssvsigner/web3signer"
)

type duty struct {
	Type, Fork     string
	Blinded        bool
	Slot           phase0.Slot
	ForkInfo       web3signer.ForkInfo
	Pubkey         phase0.BLSPubKey
	Domain         phase0.Root
	Ssz            phase0Bytes
	Spoil, InOrder bool
}

type phase0Bytes []byte

func (b *phase0Bytes) UnmarshalJSON(text []byte) error {
	_, err := fmt.Sscanf(string(text), "\"0x%x\"", (*[]byte)(b))
	return err
}

type task struct {
	Url                  string
	Tls                  *struct{ Certificate, Keystore, Password string }
	Duties               []duty
	Keystores, Passwords []string
	Protection           string
	Deletes              []phase0.BLSPubKey
}

type answer struct {
	Root      string `json:"root,omitempty"`
	Signature string `json:"signature,omitempty"`
	Status    int    `json:"status,omitempty"`
	Error     string `json:"error,omitempty"`
}

type object interface {
	ssz.HashRoot
	UnmarshalSSZ([]byte) error
}

func decoded[T object](value T, text []byte) T {
	if err := value.UnmarshalSSZ(text); err != nil {
		panic(fmt.Sprintf("%T: %v", value, err))
	}
	return value
}

func block(d duty) (object, spec.DataVersion) {
	shapes := map[string]struct {
		full, blinded object
		version       spec.DataVersion
	}{
		"capella": {&capella.BeaconBlock{}, &apicapella.BlindedBeaconBlock{}, spec.DataVersionCapella},
		"deneb":   {&deneb.BeaconBlock{}, &apideneb.BlindedBeaconBlock{}, spec.DataVersionDeneb},
		"electra": {&electra.BeaconBlock{}, &apielectra.BlindedBeaconBlock{}, spec.DataVersionElectra},
		"fulu":    {&electra.BeaconBlock{}, &apielectra.BlindedBeaconBlock{}, spec.DataVersionFulu},
	}
	shape := shapes[d.Fork]
	if d.Blinded {
		return decoded(shape.blinded, d.Ssz), shape.version
	}
	return decoded(shape.full, d.Ssz), shape.version
}

// number is an integer as SSZ hashes it.
type number uint64

func (n number) root() (root [32]byte) {
	binary.LittleEndian.PutUint64(root[:], uint64(n))
	return root
}

// fill sets the member of the request that the type calls for; the object's root comes back.
func fill(d duty, request *web3signer.SignRequest) (phase0.Root, error) {
	request.Type = web3signer.SignedObjectType(d.Type)
	switch d.Type {
	case "ATTESTATION":
		request.Attestation = decoded(&phase0.AttestationData{}, d.Ssz)
		return request.Attestation.HashTreeRoot()
	case "BLOCK":
		value, version := block(d)
		header, err := web3signer.ConvertBlockToBeaconBlockData(value, version)
		if err != nil {
			return phase0.Root{}, err
		}
		request.Type, request.BeaconBlock = web3signer.TypeBlockV2, header
		return value.HashTreeRoot()
	case "AGGREGATE_AND_PROOF":
		request.AggregateAndProof = &web3signer.AggregateAndProof{}
		if d.Fork == "electra" || d.Fork == "fulu" {
			request.AggregateAndProof.Electra = decoded(&electra.AggregateAndProof{}, d.Ssz)
			return request.AggregateAndProof.Electra.HashTreeRoot()
		}
		request.AggregateAndProof.Phase0 = decoded(&phase0.AggregateAndProof{}, d.Ssz)
		return request.AggregateAndProof.Phase0.HashTreeRoot()
	case "AGGREGATION_SLOT":
		slot := binary.LittleEndian.Uint64(d.Ssz)
		request.AggregationSlot = &web3signer.AggregationSlot{Slot: phase0.Slot(slot)}
		return number(slot).root(), nil
	case "RANDAO_REVEAL":
		epoch := binary.LittleEndian.Uint64(d.Ssz)
		request.RandaoReveal = &web3signer.RandaoReveal{Epoch: phase0.Epoch(epoch)}
		return number(epoch).root(), nil
	case "SYNC_COMMITTEE_MESSAGE":
		request.SyncCommitteeMessage = &web3signer.SyncCommitteeMessage{BeaconBlockRoot: phase0.Root(d.Ssz), Slot: d.Slot}
		return phase0.Root(d.Ssz), nil
	case "SYNC_COMMITTEE_SELECTION_PROOF":
		value := decoded(&altair.SyncAggregatorSelectionData{}, d.Ssz)
		request.SyncAggregatorSelectionData = &web3signer.SyncCommitteeAggregatorSelection{
			Slot: value.Slot, SubcommitteeIndex: phase0.CommitteeIndex(value.SubcommitteeIndex)}
		return value.HashTreeRoot()
	case "SYNC_COMMITTEE_CONTRIBUTION_AND_PROOF":
		request.ContributionAndProof = decoded(&altair.ContributionAndProof{}, d.Ssz)
		return request.ContributionAndProof.HashTreeRoot()
	case "VOLUNTARY_EXIT":
		request.VoluntaryExit = decoded(&phase0.VoluntaryExit{}, d.Ssz)
		return request.VoluntaryExit.HashTreeRoot()
	case "VALIDATOR_REGISTRATION":
		request.ValidatorRegistration = decoded(&apiv1.ValidatorRegistration{}, d.Ssz)
		return request.ValidatorRegistration.HashTreeRoot()
	}
	panic("no duty of type " + d.Type)
}

func failed(err error) answer {
	var refused web3signer.HTTPResponseError
	errors.As(err, &refused)
	return answer{Status: refused.Status, Error: err.Error()}
}

func sign(signer *web3signer.Web3Signer, d duty) answer {
	request := web3signer.SignRequest{ForkInfo: d.ForkInfo}
	objectRoot, err := fill(d, &request)
	if err != nil {
		return failed(err)
	}
	data := phase0.SigningData{ObjectRoot: objectRoot, Domain: phase0.Domain(d.Domain)}
	root, err := data.HashTreeRoot()
	if err != nil {
		return failed(err)
	}
	if !d.Spoil {
		request.SigningRoot = root
	}
	response, err := signer.Sign(context.Background(), d.Pubkey, request)
	if err != nil {
		return failed(err)
	}
	return answer{Root: phase0.Root(root).String(), Signature: response.Signature.String()}
}

func all(signer *web3signer.Web3Signer, duties []duty) []answer {
	answers := make([]answer, len(duties))
	var group sync.WaitGroup
	for i, d := range duties {
		if d.InOrder {
			answers[i] = sign(signer, d)
			continue
		}
		group.Add(1)
		go func() {
			defer group.Done()
			answers[i] = sign(signer, d)
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

func connect(t task) *web3signer.Web3Signer {
	if t.Tls == nil {
		return web3signer.New(t.Url)
	}
	config := tls.Config{ClientServerCertFile: t.Tls.Certificate, ClientKeystoreFile: t.Tls.Keystore, ClientKeystorePasswordFile: t.Tls.Password}
	made, err := config.LoadClientTLSConfig()
	check(err)
	return web3signer.New(t.Url, web3signer.WithTLS(made))
}

func main() {
	text, err := io.ReadAll(os.Stdin)
	check(err)
	var t task
	check(json.Unmarshal(text, &t))
	signer, ctx := connect(t), context.Background()
	check(signer.UpCheck(ctx))
	result := map[string]any{}
	if t.Keystores != nil {
		imported, err := signer.ImportKeystore(ctx, web3signer.ImportKeystoreRequest{
			Keystores: t.Keystores, Passwords: t.Passwords, SlashingProtection: t.Protection})
		check(err)
		result["imported"] = imported
	}
	keys, err := signer.ListKeys(ctx)
	check(err)
	result["keys"], result["answers"] = keys, all(signer, t.Duties)
	if t.Deletes != nil {
		deleted, err := signer.DeleteKeystore(ctx, web3signer.DeleteKeystoreRequest{Pubkeys: t.Deletes})
		check(err)
		result["deleted"] = deleted
	}
	check(json.NewEncoder(os.Stdout).Encode(result))
}
