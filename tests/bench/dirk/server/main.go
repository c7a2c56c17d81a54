// wallet makes what Dirk signs with: a wallet "bench" in a filesystem store, whose accounts are the raw keys of a folder of
// key configuration files, named as those are. Dirk itself is built from this module too, so that both have the versions of
// Dirk's own go.mod.
//
//	wallet KEYS-FOLDER STORE-FOLDER PASSPHRASE
package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	e2types "github.com/wealdtech/go-eth2-types/v2"
	keystorev4 "github.com/wealdtech/go-eth2-wallet-encryptor-keystorev4"
	nd "github.com/wealdtech/go-eth2-wallet-nd/v2"
	filesystem "github.com/wealdtech/go-eth2-wallet-store-filesystem"
	e2wtypes "github.com/wealdtech/go-eth2-wallet-types/v2"
)

// Cheap, so that a thousand accounts are unlocked in no time; keys that nobody uses need no more. It makes no signature faster.
const costPower = 8

var privateKey = regexp.MustCompile(`privateKey: "0x([0-9a-f]{64})"`)

func importAll(keys, store, passphrase string) error {
	ctx := context.Background()
	if err := e2types.InitBLS(); err != nil {
		return err
	}
	encryptor := keystorev4.New(keystorev4.WithCost(new(testing.T), costPower))
	wallet, err := nd.CreateWallet(ctx, "bench", filesystem.New(filesystem.WithLocation(store)), encryptor)
	if err != nil {
		return err
	}
	if err := wallet.(e2wtypes.WalletLocker).Unlock(ctx, nil); err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(keys, "*.yaml"))
	if err != nil {
		return err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		found := privateKey.FindSubmatch(text)
		if found == nil {
			return fmt.Errorf("%s: no private key", file)
		}
		secret, err := hex.DecodeString(string(found[1]))
		if err != nil {
			return err
		}
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		if _, err := wallet.(e2wtypes.WalletAccountImporter).ImportAccount(ctx, name, secret, []byte(passphrase)); err != nil {
			return err
		}
	}
	return nil
}

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "wallet KEYS-FOLDER STORE-FOLDER PASSPHRASE")
		os.Exit(2)
	}
	if err := importAll(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, "wallet:", err)
		os.Exit(1)
	}
}
