// client asks Dirk for attestations, in bursts of all its accounts at once, over connections that it keeps.
//
// -client=library asks as Dirk's users do, by go-eth2-wallet-dirk, which gives every request a connection of its pool and
// decodes every signature into a point of the curve. -client=bare makes the same calls with the stubs that Dirk publishes, has
// as many streams on a connection as there are requests, and takes the signatures as bytes: the least that a client can do.
//
// Commands on standard input, one a line: {"Multi", "Bursts", "FirstEpoch", "Show"}. Each is answered by a line of JSON:
// {"signed", "seconds", "cpu_seconds", "burst_ms", "signatures"}. Multi sends all of a burst in one SignBeaconAttestations. A burst
// is of one epoch, and asks for what bench_order.c asks for; Show prints the signatures of the last one, by account. It ends
// at the first request that is not signed.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"syscall"
	"time"

	pb "github.com/wealdtech/eth2-signer-api/pb/v1"
	e2types "github.com/wealdtech/go-eth2-types/v2"
	dirk "github.com/wealdtech/go-eth2-wallet-dirk"
	e2wtypes "github.com/wealdtech/go-eth2-wallet-types/v2"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
)

const (
	wallet        = "bench"
	slotsAnEpoch  = 32
	pause         = 50 * time.Millisecond // between bursts, as bench_load.c's
	patience      = 30 * time.Second
	messageLength = 128 << 20 // what the library allows itself
)

// A signer signs the attestation of that epoch with one of its accounts, or with all in one request. Signatures are in the
// order of accounts, in a form of its own; bytes makes them comparable.
type signer[signature any] interface {
	accounts() []string
	one(ctx context.Context, account int, epoch uint64) (signature, error)
	all(ctx context.Context, epoch uint64) ([]signature, error)
	bytes(signature) []byte
}

type command struct {
	Multi, Show bool
	Bursts      int
	FirstEpoch  uint64
}

type answer struct {
	Signed     int               `json:"signed"`
	Seconds    float64           `json:"seconds"`
	CpuSeconds float64           `json:"cpu_seconds"`
	BurstMs    []float64         `json:"burst_ms"`
	Signatures map[string]string `json:"signatures,omitempty"`
}

var blockRoot, sourceRoot, targetRoot = bytes.Repeat([]byte{0x11}, 32), bytes.Repeat([]byte{0x22}, 32), bytes.Repeat([]byte{0x33}, 32)

// library is go-eth2-wallet-dirk.
type library struct {
	ordered []e2wtypes.Account
	indices []uint64
	domain  []byte
}

func newLibrary(ctx context.Context, host string, port, connections int, tls credentials.TransportCredentials, domain []byte) (*library, error) {
	if err := e2types.InitBLS(); err != nil {
		return nil, err
	}
	opened, err := dirk.Open(ctx, dirk.WithName(wallet), dirk.WithCredentials(tls), dirk.WithTimeout(patience),
		dirk.WithEndpoints([]*dirk.Endpoint{dirk.NewEndpoint(host, uint32(port))}), dirk.WithPoolConnections(int32(connections)))
	if err != nil {
		return nil, err
	}
	l := &library{domain: domain}
	for account := range opened.Accounts(ctx) {
		l.ordered = append(l.ordered, account)
	}
	sort.Slice(l.ordered, func(i, j int) bool { return l.ordered[i].Name() < l.ordered[j].Name() })
	l.indices = make([]uint64, len(l.ordered))
	return l, nil
}

func (l *library) accounts() []string {
	names := make([]string, len(l.ordered))
	for i, account := range l.ordered {
		names[i] = account.Name()
	}
	return names
}

func (l *library) one(ctx context.Context, account int, epoch uint64) (e2types.Signature, error) {
	return l.ordered[account].(e2wtypes.AccountProtectingSigner).SignBeaconAttestation(
		ctx, slotsAnEpoch*epoch, 0, blockRoot, epoch-1, sourceRoot, epoch, targetRoot, l.domain)
}

func (l *library) all(ctx context.Context, epoch uint64) ([]e2types.Signature, error) {
	return l.ordered[0].(e2wtypes.AccountProtectingMultiSigner).SignBeaconAttestations(
		ctx, slotsAnEpoch*epoch, l.ordered, l.indices, blockRoot, epoch-1, sourceRoot, epoch, targetRoot, l.domain)
}

func (l *library) bytes(signature e2types.Signature) []byte {
	return signature.Marshal()
}

// bare is the stubs; requests go round its connections.
type bare struct {
	stubs  []pb.SignerClient
	names  []string
	domain []byte
}

func newBare(ctx context.Context, address string, connections int, tls credentials.TransportCredentials, domain []byte) (*bare, error) {
	b := &bare{domain: domain}
	for range connections {
		connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(tls),
			grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(messageLength)))
		if err != nil {
			return nil, err
		}
		b.stubs = append(b.stubs, pb.NewSignerClient(connection))
		list, err := pb.NewListerClient(connection).ListAccounts(ctx, &pb.ListAccountsRequest{Paths: []string{wallet}})
		if err != nil {
			return nil, err
		}
		b.names = nil
		for _, account := range list.GetAccounts() {
			b.names = append(b.names, strings.TrimPrefix(account.GetName(), wallet+"/"))
		}
	}
	sort.Strings(b.names)
	return b, nil
}

func (b *bare) accounts() []string {
	return b.names
}

func (b *bare) request(account int, epoch uint64) *pb.SignBeaconAttestationRequest {
	return &pb.SignBeaconAttestationRequest{
		Id:     &pb.SignBeaconAttestationRequest_Account{Account: wallet + "/" + b.names[account]},
		Domain: b.domain,
		Data: &pb.AttestationData{
			Slot:            slotsAnEpoch * epoch,
			BeaconBlockRoot: blockRoot,
			Source:          &pb.Checkpoint{Epoch: epoch - 1, Root: sourceRoot},
			Target:          &pb.Checkpoint{Epoch: epoch, Root: targetRoot},
		},
	}
}

func taken(response *pb.SignResponse) ([]byte, error) {
	if response.GetState() != pb.ResponseState_SUCCEEDED || len(response.GetSignature()) != 96 {
		return nil, fmt.Errorf("a request was not signed: %v", response.GetState())
	}
	return response.GetSignature(), nil
}

func (b *bare) one(ctx context.Context, account int, epoch uint64) ([]byte, error) {
	response, err := b.stubs[account%len(b.stubs)].SignBeaconAttestation(ctx, b.request(account, epoch))
	if err != nil {
		return nil, err
	}
	return taken(response)
}

func (b *bare) all(ctx context.Context, epoch uint64) ([][]byte, error) {
	requests := make([]*pb.SignBeaconAttestationRequest, len(b.names))
	for i := range requests {
		requests[i] = b.request(i, epoch)
	}
	response, err := b.stubs[0].SignBeaconAttestations(ctx, &pb.SignBeaconAttestationsRequest{Requests: requests})
	if err != nil {
		return nil, err
	}
	if len(response.GetResponses()) != len(requests) {
		return nil, errors.New("not as many answers as requests")
	}
	signatures := make([][]byte, len(requests))
	for i, one := range response.GetResponses() {
		if signatures[i], err = taken(one); err != nil {
			return nil, err
		}
	}
	return signatures, nil
}

func (b *bare) bytes(signature []byte) []byte {
	return signature
}

func burst[signature any](ctx context.Context, s signer[signature], multi bool, epoch uint64) ([]signature, error) {
	if multi {
		return s.all(ctx, epoch)
	}
	signatures := make([]signature, len(s.accounts()))
	group, ctx := errgroup.WithContext(ctx)
	for i := range signatures {
		group.Go(func() (err error) {
			signatures[i], err = s.one(ctx, i, epoch)
			return err
		})
	}
	return signatures, group.Wait()
}

func cpuSeconds() float64 {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		return 0
	}
	return float64(used.Utime.Sec+used.Stime.Sec) + float64(used.Utime.Usec+used.Stime.Usec)/1e6
}

func obey[signature any](ctx context.Context, s signer[signature], c command) (answer, error) {
	var a answer
	cpu, began := cpuSeconds(), time.Now()
	for i := range c.Bursts {
		time.Sleep(pause)
		started := time.Now()
		signatures, err := burst(ctx, s, c.Multi, c.FirstEpoch+uint64(i))
		if err != nil {
			return a, err
		}
		a.BurstMs = append(a.BurstMs, time.Since(started).Seconds()*1e3)
		a.Signed += len(signatures)
		if c.Show && i == c.Bursts-1 {
			a.Signatures = map[string]string{}
			for j, account := range s.accounts() {
				a.Signatures[account] = "0x" + hex.EncodeToString(s.bytes(signatures[j]))
			}
		}
	}
	a.Seconds, a.CpuSeconds = time.Since(began).Seconds(), cpuSeconds()-cpu
	return a, nil
}

func serve[signature any](ctx context.Context, s signer[signature]) error {
	if len(s.accounts()) == 0 {
		return errors.New("Dirk lists no accounts")
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var c command
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			return err
		}
		a, err := obey(ctx, s, c)
		if err != nil {
			return err
		}
		if err := json.NewEncoder(os.Stdout).Encode(a); err != nil {
			return err
		}
	}
	return lines.Err()
}

func run() error {
	kind := flag.String("client", "library", "library or bare")
	port := flag.Int("port", 0, "of Dirk on localhost")
	connections := flag.Int("connections", 128, "at most so many")
	folder := flag.String("certificates", "", "folder of ca.pem, client.pem and client.key")
	domainText := flag.String("domain", "", "to sign with, 32 bytes in hex")
	flag.Parse()
	ctx := context.Background()
	domain, err := hex.DecodeString(*domainText)
	if err != nil {
		return err
	}
	tls, err := dirk.ComposeCredentials(ctx, filepath.Join(*folder, "client.pem"), filepath.Join(*folder, "client.key"), filepath.Join(*folder, "ca.pem"))
	if err != nil {
		return err
	}
	if *kind == "bare" {
		b, err := newBare(ctx, fmt.Sprintf("localhost:%d", *port), *connections, tls, domain)
		if err != nil {
			return err
		}
		return serve(ctx, b)
	}
	l, err := newLibrary(ctx, "localhost", *port, *connections, tls, domain)
	if err != nil {
		return err
	}
	return serve(ctx, l)
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "client:", err)
		os.Exit(1)
	}
}
